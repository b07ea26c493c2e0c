//! What may be asked of a meter.
//!
//! Promises: says of each action whether it may be repeated and in which state it must leave the valve. Refuses:
//! knowing how it is put into bytes.

use std::fmt;
use std::str::FromStr;

use super::reading::ValveState;
use super::word::WordError;

/// What a command asks of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read now, outside the schedule.
    ReadNow,
    /// Open the valve.
    ValveOpen,
    /// Close the valve.
    ValveClose,
}

impl Action {
    /// The name used in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadNow => "read-now",
            Self::ValveOpen => "valve-open",
            Self::ValveClose => "valve-close",
        }
    }

    /// Whether doing it twice leaves the meter as doing it once does.
    pub const fn is_safe_to_repeat(self) -> bool {
        match self {
            Self::ReadNow | Self::ValveOpen | Self::ValveClose => true,
        }
    }

    /// The state in which the valve must be seen before the command counts as verified.
    pub const fn wanted_valve(self) -> Option<ValveState> {
        match self {
            Self::ReadNow => None,
            Self::ValveOpen => Some(ValveState::Open),
            Self::ValveClose => Some(ValveState::Closed),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "read-now" => Ok(Self::ReadNow),
            "valve-open" => Ok(Self::ValveOpen),
            "valve-close" => Ok(Self::ValveClose),
            _ => Err(WordError::new("action", text, "one of read-now, valve-open, valve-close")),
        }
    }
}
