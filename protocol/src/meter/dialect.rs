//! The languages meters speak.
//!
//! Promises: one name for each, everywhere. Refuses: knowing how any of them is spoken.

use std::fmt;
use std::str::FromStr;

use super::word::WordError;

/// The language a meter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Wired M-Bus, EN 13757-2/-3.
    Mbus,
    /// CJ/T 188-2004 and -2018.
    Cjt188,
    /// Modbus RTU.
    Modbus,
}

impl Dialect {
    /// The name used in files, on the command line and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mbus => "mbus",
            Self::Cjt188 => "cjt188",
            Self::Modbus => "modbus",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "mbus" => Ok(Self::Mbus),
            "cjt188" => Ok(Self::Cjt188),
            "modbus" => Ok(Self::Modbus),
            _ => Err(WordError::new("dialect", text, "one of mbus, cjt188, modbus")),
        }
    }
}
