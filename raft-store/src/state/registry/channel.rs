//! The channel of a line: its endpoint, with the settings of a serial port.
//!
//! Promises: two lines never share one physical channel. Refuses: opening anything.

use super::LineSpec;

/// The channel of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A transparent serial server or gateway, `host:port`.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A serial port of the node.
    Serial {
        /// The device's path.
        path: String,
    },
}

/// Parity of a serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// 8N1
    None,
    /// 8E1, the rule of EN 13757-2 and CJ/T 188.
    Even,
    /// 8O1
    Odd,
}

/// Whether both can be the same physical channel, given that they have the same endpoint. A serial port is one of
/// its node: nodes that cannot be the same (some label differs) have ports of their own by the same path.
pub(super) fn is_shared(spec: &LineSpec, other: &LineSpec) -> bool {
    let differs = |(name, value): (&String, &String)| other.requires.get(name).is_some_and(|theirs| theirs != value);
    match spec.endpoint {
        Endpoint::Tcp { .. } => true,
        Endpoint::Serial { .. } => !spec.requires.iter().any(differs),
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Serial { path } => write!(f, "serial://{path}"),
        }
    }
}

impl Parity {
    /// The name used in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Even => "even",
            Self::Odd => "odd",
        }
    }
}
