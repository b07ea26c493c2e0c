//! Who a reply comes from (EN 13757-3 clause 6.3): the long header of 12 bytes, both ways.
//!
//! ```text
//!   78 56 34 12 | 24 40 | 01 | 07 | 55 | 00 | 00 00
//!   id 12345678   man.    ver  med  acc  st.  signature (old wired meters leave junk in it: never read)
//! ```
//!
//! Promises: identifications with hex digits are taken as they are. Refuses: reading the signature.

use std::fmt;

use crate::bytes::Cursor;
use crate::meter::{Address, Quality};

/// Bytes of the long header.
pub const LENGTH: usize = 12;
/// Bytes of the short header: access number, status and configuration.
pub const SHORT_LENGTH: usize = 4;

/// The long header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Identification, as hex digits: 12345678 is `0x1234_5678`.
    pub id: u32,
    /// Manufacturer, 15 bits of three letters.
    pub manufacturer: u16,
    /// Version.
    pub version: u8,
    /// Medium: 04 heat (outlet), 0C heat (inlet), 0A and 0B cooling, 0D both.
    pub medium: u8,
    /// Access number.
    pub access: u8,
    /// Status.
    pub status: Status,
}

/// The status byte (EN 13757-3 table "coding of the status field").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status(pub u8);

impl Status {
    /// Bits 0-1 at 2 or 3 (any error, abnormal condition), bit 3 (permanent error) or bit 4 (temporary error).
    pub const fn is_error(self) -> bool {
        self.0 & 0b10 != 0 || self.0 & 0b1_1000 != 0
    }

    /// Bit 2.
    pub const fn is_power_low(self) -> bool {
        self.0 & 0b100 != 0
    }

    /// The same as doubts.
    pub const fn quality(self) -> Quality {
        let error = if self.is_error() { Quality::METER_ERROR } else { Quality(0) };
        let power = if self.is_power_low() { Quality::LOW_BATTERY } else { Quality(0) };
        error.with(power)
    }
}

/// The manufacturer code of three capital letters (EN 13757-3 clause 6.3.1).
pub const fn manufacturer(letters: [u8; 3]) -> u16 {
    let [a, b, c] = letters;
    (a as u16 & 0x1F) << 10 | (b as u16 & 0x1F) << 5 | (c as u16 & 0x1F)
}

impl Header {
    /// The 12 bytes, least significant first; the signature is zero.
    pub fn encode(&self) -> [u8; LENGTH] {
        let [i0, i1, i2, i3] = self.id.to_le_bytes();
        let [m0, m1] = self.manufacturer.to_le_bytes();
        [i0, i1, i2, i3, m0, m1, self.version, self.medium, self.access, self.status.0, 0, 0]
    }

    /// Reads the 12 bytes, least significant first.
    pub fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let [i0, i1, i2, i3, m0, m1, version, medium, access, status, _, _] = cursor.array::<LENGTH>()?;
        Some(Self {
            id: u32::from_le_bytes([i0, i1, i2, i3]),
            manufacturer: u16::from_le_bytes([m0, m1]),
            version,
            medium,
            access,
            status: Status(status),
        })
    }

    /// The same with id and manufacturer read the other way round: mode 2 sends the most significant byte first.
    #[must_use]
    pub const fn swapped(self) -> Self {
        Self { id: self.id.swap_bytes(), manufacturer: self.manufacturer.swap_bytes(), ..self }
    }

    /// The secondary address it makes.
    pub const fn address(&self) -> Address {
        let Self { id, manufacturer, version, medium, .. } = *self;
        Address::MbusSecondary { id, manufacturer, version, medium }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kamstrup_is_three_letters_in_fifteen_bits() {
        assert_eq!(manufacturer(*b"KAM"), 0x2C2D);
    }

    #[test]
    fn status_bits_become_doubts() {
        assert_eq!(Status(0x04).quality(), Quality::LOW_BATTERY);
        assert_eq!(Status(0x10).quality(), Quality::METER_ERROR);
        assert_eq!(Status(0x01).quality(), Quality(0));
    }
}
