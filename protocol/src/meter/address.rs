//! Where on its line a meter is reached.
//!
//! ```text
//!   mbus    1 .. 250 | IIIIIIIIMMMMVVTT      identification, manufacturer, version, medium
//!   cjt188  A6 .. A0, 14 digits             modbus  1 .. 247
//! ```
//!
//! Promises: an address that was read shows itself so that it is read back as the same. Refuses: one that does not fit
//! its dialect.

use std::fmt;

use super::dialect::Dialect;
use super::word::WordError;

/// Where on its line a meter is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// M-Bus primary address, 1..=250.
    MbusPrimary(u8),
    /// M-Bus secondary address: identification (8 hex digits as shown), manufacturer code, version, medium.
    MbusSecondary {
        /// Identification number, most significant digit first (as printed on the meter).
        id: u32,
        /// Manufacturer, the 15-bit code of EN 13757-3 clause 5.6; `FFFF` is the wildcard.
        manufacturer: u16,
        /// Version; `FF` is the wildcard.
        version: u8,
        /// Medium; `FF` is the wildcard.
        medium: u8,
    },
    /// CJ/T 188 address: 14 BCD digits, most significant first (A6 .. A0).
    Cjt188([u8; 7]),
    /// Modbus unit, 1..=247.
    ModbusUnit(u8),
}

impl Address {
    /// The dialect this form of address belongs to.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::MbusPrimary(_) | Self::MbusSecondary { .. } => Dialect::Mbus,
            Self::Cjt188(_) => Dialect::Cjt188,
            Self::ModbusUnit(_) => Dialect::Modbus,
        }
    }

    /// Reads an address as people write it in import files.
    ///
    /// M-Bus: `1`..`250`, or a secondary address of 16 hex digits `IIIIIIIIMMMMVVTT`; CJ/T 188: up to 14 digits;
    /// Modbus: `1`..`247`.
    pub fn parse(dialect: Dialect, text: &str) -> Result<Self, WordError> {
        match dialect {
            Dialect::Mbus if text.len() == 16 => Self::parse_secondary(text),
            Dialect::Mbus => match text.parse::<u8>() {
                Ok(primary @ 1..=250) => Ok(Self::MbusPrimary(primary)),
                _ => Err(WordError::new("M-Bus address", text, "1 to 250, or 16 hex digits of a secondary address")),
            },
            Dialect::Cjt188 => Self::parse_cjt188(text),
            Dialect::Modbus => match text.parse::<u8>() {
                Ok(unit @ 1..=247) => Ok(Self::ModbusUnit(unit)),
                _ => Err(WordError::new("Modbus address", text, "a unit from 1 to 247")),
            },
        }
    }

    fn parse_secondary(text: &str) -> Result<Self, WordError> {
        u64::from_str_radix(text, 16)
            .map(|bits| Self::MbusSecondary {
                id: (bits >> 32) as u32,
                manufacturer: (bits >> 16) as u16,
                version: (bits >> 8) as u8,
                medium: bits as u8,
            })
            .map_err(|_| WordError::new("M-Bus secondary address", text, "16 hex digits IIIIIIIIMMMMVVTT"))
    }

    fn parse_cjt188(text: &str) -> Result<Self, WordError> {
        let wrong = || WordError::new("CJ/T 188 address", text, "1 to 14 decimal or hex digits");
        if text.is_empty() || text.len() > 14 {
            return Err(wrong());
        }
        let digits = u64::from_str_radix(text, 16).map_err(|_| wrong())?;
        let [_, address @ ..] = digits.to_be_bytes();
        Ok(Self::Cjt188(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MbusPrimary(n) | Self::ModbusUnit(n) => n.fmt(f),
            Self::MbusSecondary { id, manufacturer, version, medium } => {
                write!(f, "{id:08X}{manufacturer:04X}{version:02X}{medium:02X}")
            }
            Self::Cjt188(bytes) => bytes.iter().try_for_each(|b| write!(f, "{b:02X}")),
        }
    }
}
