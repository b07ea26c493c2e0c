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

/// DIF and VIF of the fabrication number, eight digits.
const FABRICATION: [u8; 2] = [0x0C, 0x78];

/// Whether the eight digits of `number` fit `mask`, in which F is any digit.
pub fn digits_match(mask: u32, number: u32) -> bool {
    (0..8).all(|place| {
        let digit = |number: u32| number >> (4 * place) & 0xF;
        digit(mask) == 0xF || digit(mask) == digit(number)
    })
}

/// Whether one of the eight digits of `mask` is F, any digit.
pub fn has_any_digit(mask: u32) -> bool {
    (0..8).any(|place| mask >> (4 * place) & 0xF == 0xF)
}

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

    /// The same, narrowed to one fabrication number (8 hex digits as shown; F is any digit): enhanced selection.
    pub fn encode_enhanced(&self, fabrication: u32) -> Vec<u8> {
        [&self.encode()[..], &FABRICATION, &fabrication.to_le_bytes()].concat()
    }

    /// The fabrication number a selecting frame is narrowed to.
    pub fn fabrication(data: &[u8]) -> Option<u32> {
        let mut cursor = Cursor::new(data);
        cursor.take(8)?;
        (cursor.array::<2>()? == FABRICATION).then(|| cursor.array().map(u32::from_le_bytes))?
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
        digits_match(self.id, id)
    }

    /// Whether more than one meter may match.
    pub fn is_wild(&self) -> bool {
        has_any_digit(self.id) || self.manufacturer == 0xFFFF || self.version == 0xFF || self.medium == 0xFF
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mbus::header::Status;

    #[test]
    fn a_fabrication_number_narrows_a_selection() {
        let wild = Selection { id: 0x1234_5678, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF };
        let data = wild.encode_enhanced(0x0102_0304);
        assert_eq!(data.get(8..), Some(&[0x0C, 0x78, 4, 3, 2, 1][..]));
        assert_eq!((Selection::decode(&data), Selection::fabrication(&data)), (Some(wild), Some(0x0102_0304)));
        assert_eq!(Selection::fabrication(&wild.encode()), None);
    }

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
