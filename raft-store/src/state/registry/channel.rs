//! The channel of a line: its endpoint, with the settings of a serial port.
//!
//! ```text
//!   tcp://host:port   modbus-tcp://host:port     one physical channel: that host's port
//!   serial:///dev/..                             one per node
//!   dialin://UNIT                                one wherever the unit calls; capital and small letters are one
//! ```
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
    /// A gateway that speaks Modbus TCP, `host:port`.
    ModbusTcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unit that calls in.
    DialIn {
        /// The id it registers with.
        unit: String,
    },
}

impl Endpoint {
    /// The unit that calls in, where the channel is one.
    pub const fn unit(&self) -> Option<&String> {
        match self {
            Self::DialIn { unit } => Some(unit),
            Self::Tcp { .. } | Self::Serial { .. } | Self::ModbusTcp { .. } => None,
        }
    }
}

/// What exists once, whatever is spoken over it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Physical {
    Network(String, u16),
    Device(String),
    Unit(String),
}

impl From<&Endpoint> for Physical {
    fn from(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Tcp { host, port } | Endpoint::ModbusTcp { host, port } => Self::Network(host.clone(), *port),
            Endpoint::Serial { path } => Self::Device(path.clone()),
            Endpoint::DialIn { unit } => Self::Unit(unit.to_ascii_uppercase()),
        }
    }
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

/// Whether both can be the same physical channel, given that they have the same [`Physical`]. A serial port is one of
/// its node: nodes that cannot be the same (some label differs) have ports of their own by the same path.
pub(super) fn is_shared(spec: &LineSpec, other: &LineSpec) -> bool {
    let differs = |(name, value): (&String, &String)| other.requires.get(name).is_some_and(|theirs| theirs != value);
    match spec.endpoint {
        Endpoint::Tcp { .. } | Endpoint::ModbusTcp { .. } | Endpoint::DialIn { .. } => true,
        Endpoint::Serial { .. } => !spec.requires.iter().any(differs),
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Serial { path } => write!(f, "serial://{path}"),
            Self::ModbusTcp { host, port } => write!(f, "modbus-tcp://{host}:{port}"),
            Self::DialIn { unit } => write!(f, "dialin://{unit}"),
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
