//! Where on its line a meter is reached.
//!
//! ```text
//!   mbus    1 .. 250 | IIIIIIIIMMMMVVTT      identification, manufacturer, version, medium
//!                    | IIIIIIIIMMMMVVTT-FFFFFFFF      and fabrication number, where others share the rest
//!   cjt188  A6 .. A0, 14 digits             modbus  1 .. 247
//! ```
//!
//! Promises: an address that was read shows itself so that it is read back as the same. Refuses: one that does not fit
//! its dialect, and wildcards: they name no meter.

use std::fmt;

use super::dialect::Dialect;
use super::word::WordError;

/// The CJ/T 188 address whoever is alone on a line answers to.
const EVERYONE: u64 = 0xAA_AAAA_AAAA_AAAA;
/// The part of a CJ/T 188 address that is the meter's number (A4 .. A0); the rest is its maker.
const NUMBER: u64 = 0xFF_FFFF_FFFF;

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
    /// M-Bus secondary address that another meter of the line has too, and the fabrication number that tells them apart.
    MbusEnhanced {
        /// As of [`Address::MbusSecondary`].
        id: u32,
        /// As of [`Address::MbusSecondary`].
        manufacturer: u16,
        /// As of [`Address::MbusSecondary`].
        version: u8,
        /// As of [`Address::MbusSecondary`].
        medium: u8,
        /// Fabrication number, 8 hex digits as shown.
        fabrication: u32,
    },
}

impl Address {
    /// The dialect this form of address belongs to.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::MbusPrimary(_) | Self::MbusSecondary { .. } | Self::MbusEnhanced { .. } => Dialect::Mbus,
            Self::Cjt188(_) => Dialect::Cjt188,
            Self::ModbusUnit(_) => Dialect::Modbus,
        }
    }

    /// Reads an address as people write it in import files.
    ///
    /// M-Bus: `1`..`250`, or a secondary address of 16 hex digits `IIIIIIIIMMMMVVTT`, with `-` and 8 digits of the
    /// fabrication number where it takes one; CJ/T 188: up to 14 digits; Modbus: `1`..`247`.
    pub fn parse(dialect: Dialect, text: &str) -> Result<Self, WordError> {
        match dialect {
            Dialect::Mbus if text.len() == 16 => Self::parse_secondary(text),
            Dialect::Mbus if text.len() == 25 => Self::parse_enhanced(text),
            Dialect::Mbus => match number(text) {
                Some(primary @ 1..=250) => Ok(Self::MbusPrimary(primary)),
                _ => Err(WordError::new("M-Bus address", text, "1 to 250, or 16 hex digits of a secondary address")),
            },
            Dialect::Cjt188 => Self::parse_cjt188(text),
            Dialect::Modbus => match number(text) {
                Some(unit @ 1..=247) => Ok(Self::ModbusUnit(unit)),
                _ => Err(WordError::new("Modbus address", text, "a unit from 1 to 247")),
            },
        }
    }

    fn parse_secondary(text: &str) -> Result<Self, WordError> {
        let wrong = |remedy| WordError::new("M-Bus secondary address", text, remedy);
        let bits = hex(text).ok_or_else(|| wrong("16 hex digits IIIIIIIIMMMMVVTT"))?;
        let (id, manufacturer) = ((bits >> 32) as u32, (bits >> 16) as u16);
        let (version, medium) = ((bits >> 8) as u8, bits as u8);
        if has_wildcard(id) || manufacturer == 0xFFFF || version == 0xFF || medium == 0xFF {
            return Err(wrong("one meter, without wildcards (F in the identification, FFFF, FF): these are for scans"));
        }
        Ok(Self::MbusSecondary { id, manufacturer, version, medium })
    }

    fn parse_enhanced(text: &str) -> Result<Self, WordError> {
        let remedy = "16 hex digits IIIIIIIIMMMMVVTT, - and 8 digits of the fabrication number, without F";
        let wrong = || WordError::new("M-Bus secondary address", text, remedy);
        let (address, number) = text.split_once('-').filter(|(_, number)| number.len() == 8).ok_or_else(wrong)?;
        let fabrication = hex(number).map(|number| number as u32).filter(|number| !has_wildcard(*number));
        match (Self::parse_secondary(address)?, fabrication) {
            (Self::MbusSecondary { id, manufacturer, version, medium }, Some(fabrication)) => {
                Ok(Self::MbusEnhanced { id, manufacturer, version, medium, fabrication })
            }
            _ => Err(wrong()),
        }
    }

    fn parse_cjt188(text: &str) -> Result<Self, WordError> {
        let wrong = |remedy| WordError::new("CJ/T 188 address", text, remedy);
        let digits = hex(text).filter(|_| text.len() <= 14).ok_or_else(|| wrong("1 to 14 decimal or hex digits"))?;
        if digits & NUMBER == EVERYONE & NUMBER {
            return Err(wrong("one meter, not the address of whoever is alone on the line (AA..): that is for scans"));
        }
        let [_, address @ ..] = digits.to_be_bytes();
        Ok(Self::Cjt188(address))
    }
}

/// Whether one of eight digits is F, any digit.
fn has_wildcard(digits: u32) -> bool {
    (0..8).any(|place| digits >> (4 * place) & 0xF == 0xF)
}

/// Decimal digits and nothing else: no sign.
fn number(text: &str) -> Option<u8> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Hex digits and nothing else: no sign.
fn hex(text: &str) -> Option<u64> {
    text.bytes().all(|c| c.is_ascii_hexdigit()).then(|| u64::from_str_radix(text, 16).ok())?
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MbusPrimary(n) | Self::ModbusUnit(n) => n.fmt(f),
            Self::MbusSecondary { id, manufacturer, version, medium } => {
                write!(f, "{id:08X}{manufacturer:04X}{version:02X}{medium:02X}")
            }
            Self::MbusEnhanced { id, manufacturer, version, medium, fabrication } => {
                write!(f, "{id:08X}{manufacturer:04X}{version:02X}{medium:02X}-{fabrication:08X}")
            }
            Self::Cjt188(bytes) => bytes.iter().try_for_each(|b| write!(f, "{b:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(dialect: Dialect, text: &str) -> &'static str {
        Address::parse(dialect, text).expect_err("refused").remedy
    }

    #[test]
    fn an_address_reads_back_as_it_shows_itself() {
        for (dialect, text) in [
            (Dialect::Mbus, "250"),
            (Dialect::Mbus, "123A5678B4090704"),
            (Dialect::Mbus, "123A5678B4090704-0012345A"),
            (Dialect::Cjt188, "00112233445566"),
            (Dialect::Modbus, "247"),
        ] {
            assert_eq!(Address::parse(dialect, text).map(|address| address.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_sign_is_no_digit_in_any_dialect() {
        for (dialect, text) in [
            (Dialect::Mbus, "+5"),
            (Dialect::Mbus, "+23456782C2D0104"),
            (Dialect::Cjt188, "+123"),
            (Dialect::Modbus, "+1"),
        ] {
            assert!(Address::parse(dialect, text).is_err(), "{text}");
        }
    }

    #[test]
    fn wildcards_are_no_meters_address_and_the_words_say_what_they_are_for() {
        for text in ["1234567F2C2D0104", "12345678FFFF0104", "123456782C2DFF04", "123456782C2D01FF"] {
            assert!(remedy(Dialect::Mbus, text).contains("scans"), "{text}");
        }
        for text in ["AAAAAAAAAAAAAA", "1111AAAAAAAAAA", "aaaaaaaaaaaaaa"] {
            assert!(remedy(Dialect::Cjt188, text).contains("scans"), "{text}");
        }
    }

    #[test]
    fn nothing_and_too_much_are_no_address() {
        for text in [
            "",
            "0",
            "251",
            "12345678",
            "123A5678B4090704-001234",
            "123A5678B4090704-0012345F",
            "-123A5678B4090704-00123450",
        ] {
            assert!(Address::parse(Dialect::Mbus, text).is_err(), "{text}");
        }
        assert!(Address::parse(Dialect::Cjt188, "").is_err());
        assert!(Address::parse(Dialect::Cjt188, "123456789012345").is_err());
    }
}
