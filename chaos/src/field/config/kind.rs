//! The kinds of lines there are, and the mixes of dialects on them.
//!
//! Promises: words only. Refuses: saying which meters may live on which.

use serde::Deserialize;

/// What carries a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// A transparent serial gateway on TCP.
    #[default]
    Tcp,
    /// A pseudo-terminal.
    Serial,
    /// A unit that calls.
    #[serde(rename = "dialin")]
    DialIn,
    /// A Modbus TCP gateway.
    ModbusTcp,
}

/// The dialects of a line's generated meters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mix {
    /// M-Bus only.
    Mbus,
    /// CJ/T 188 only.
    Cjt188,
    /// Modbus only.
    Modbus,
    /// M-Bus and CJ/T 188 in turn.
    #[default]
    Mixed,
}
