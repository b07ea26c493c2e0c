//! Selection by secondary address (EN 13757-3 clause 11.3), both ways: 8 bytes with wildcards.
//!
//! ```text
//!   78 56 34 F2 | FF FF | FF | 04      id ?2345678 (F = any digit), any manufacturer (FFFF) and version (FF), heat
//! ```
//!
//! Promises: the slave's test [`Selection::matches`] and the master's check of an answer are one function.
//! Refuses: searching a line for addresses.

use super::header::Header;
use crate::bytes::Cursor;

/// A secondary address with wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// Identification as hex digits; F is any digit.
    pub id: u32,
    /// Manufacturer; FFFF is any.
    pub manufacturer: u16,
    /// Version; FF is any.
    pub version: u8,
    /// Medium; FF is any.
    pub medium: u8,
}

impl Selection {
    /// The data of the selecting frame (CI 52).
    pub fn encode(&self) -> [u8; 8] {
        let [i0, i1, i2, i3] = self.id.to_le_bytes();
        let [m0, m1] = self.manufacturer.to_le_bytes();
        [i0, i1, i2, i3, m0, m1, self.version, self.medium]
    }

    /// Reads the data of a selecting frame; a fabrication number behind it is not looked at.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let [i0, i1, i2, i3, m0, m1, version, medium] = Cursor::new(data).array::<8>()?;
        let (id, manufacturer) = (u32::from_le_bytes([i0, i1, i2, i3]), u16::from_le_bytes([m0, m1]));
        Some(Self { id, manufacturer, version, medium })
    }

    /// Whether the meter of `header` is selected.
    pub fn matches(&self, header: &Header) -> bool {
        self.matches_id(header.id)
            && (self.manufacturer == 0xFFFF || self.manufacturer == header.manufacturer)
            && (self.version == 0xFF || self.version == header.version)
            && (self.medium == 0xFF || self.medium == header.medium)
    }

    /// Whether a meter with this identification may be selected.
    pub fn matches_id(&self, id: u32) -> bool {
        (0..8).all(|place| {
            let digit = |id: u32| id >> (4 * place) & 0xF;
            digit(self.id) == 0xF || digit(self.id) == digit(id)
        })
    }

    /// Whether more than one meter may match.
    pub fn is_wild(&self) -> bool {
        let any_digit = (0..8).any(|place| self.id >> (4 * place) & 0xF == 0xF);
        any_digit || self.manufacturer == 0xFFFF || self.version == 0xFF || self.medium == 0xFF
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mbus::header::Status;

    #[test]
    fn wildcards_match_per_digit_and_whole_field() {
        let meter =
            Header { id: 0x1234_5678, manufacturer: 0x2C2D, version: 1, medium: 4, access: 0, status: Status(0) };
        let wild = Selection { id: 0xFFFF_F678, manufacturer: 0xFFFF, version: 0xFF, medium: 4 };
        assert!(wild.matches(&meter) && wild.is_wild());
        assert!(!Selection { medium: 7, ..wild }.matches(&meter));
        assert!(!Selection { id: 0xFFFF_F679, ..wild }.matches(&meter));
        assert_eq!(Selection::decode(&wild.encode()), Some(wild));
    }
}
