//! Bytes both towers share: binary-coded decimal both ways, the sum checksum, a cursor that never indexes.
//!
//! ```text
//!   12345678  <-- BCD, least significant byte first -->  78 56 34 12
//! ```
//!
//! Promises: no panic on any input; running short is `None`. Refuses: knowing what the bytes mean.

/// The sum of all bytes modulo 256 (EN 13757-2 / IEC 60870-5-2 format class FT 1.2; CJ/T 188 clause 7).
pub fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// The CRC of EN 13757-4 clause 10.3 (polynomial 3D65, started at 0, inverted) and of compact M-Bus frames.
pub fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x3D65;
    let shift = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL };
    !bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ u16::from(*byte) << 8, shift))
}

/// The number in BCD `bytes`, least significant first; `None` where a digit is not 0..9 or there are over 19 digits.
pub fn bcd_decode(bytes: &[u8]) -> Option<u64> {
    bytes.iter().rev().try_fold(0_u64, |number, byte| {
        let (high, low) = (byte >> 4, byte & 0x0F);
        if high > 9 || low > 9 {
            return None;
        }
        number.checked_mul(100)?.checked_add(u64::from(high * 10 + low))
    })
}

/// The number in up to sixteen decimal digits of four bits each; `None` where one is not 0..9.
#[inline]
pub const fn packed_bcd(packed: u64) -> Option<u64> {
    const ONES: u64 = 0x1111_1111_1111_1111;
    if packed >> 3 & (packed >> 2 | packed >> 1) & ONES != 0 {
        return None;
    }
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eights, eights to the number.
    let pairs = (packed & 0x0F0F_0F0F_0F0F_0F0F) + 10 * (packed >> 4 & 0x0F0F_0F0F_0F0F_0F0F);
    let fours = (pairs & 0x00FF_00FF_00FF_00FF) + 100 * (pairs >> 8 & 0x00FF_00FF_00FF_00FF);
    let eights = (fours & 0x0000_FFFF_0000_FFFF) + 10_000 * (fours >> 16 & 0x0000_FFFF_0000_FFFF);
    Some((eights & 0xFFFF_FFFF) + 100_000_000 * (eights >> 32))
}

/// `number` as `len` bytes of BCD, least significant first; `None` where it needs more digits.
pub fn bcd_encode(number: u64, len: usize) -> Option<Vec<u8>> {
    let mut rest = number;
    let bytes = (0..len)
        .map(|_| {
            let pair = (rest % 100) as u8;
            rest /= 100;
            pair / 10 * 16 + pair % 10
        })
        .collect();
    (rest == 0).then_some(bytes)
}

/// The two-digit number in one BCD byte.
pub fn bcd_byte(byte: u8) -> Option<u8> {
    bcd_decode(&[byte]).map(|number| number as u8)
}

/// Reads bytes front to back; running short is `None` and consumes nothing.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A cursor before the first of `bytes`.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte.
    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    /// The next byte, left where it is.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// All that is left, left where it is.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bcd_goes_both_ways_least_significant_byte_first() {
        assert_eq!(bcd_encode(12_345_678, 4), Some(vec![0x78, 0x56, 0x34, 0x12]));
        assert_eq!(bcd_decode(&[0x78, 0x56, 0x34, 0x12]), Some(12_345_678));
    }

    #[test]
    fn a_digit_above_nine_is_no_number_and_a_number_too_long_is_not_cut() {
        assert_eq!(bcd_decode(&[0x0A]), None);
        assert_eq!(bcd_decode(&[0xF0]), None);
        assert_eq!(bcd_encode(100, 1), None);
    }

    #[test]
    fn packed_digits_are_the_number_their_bytes_are() {
        for number in [0, 9, 10, 99, 12_345_678, 9_999_999_999_999_999, 1_020_304_050_607_080] {
            let bytes = bcd_encode(number, 8).expect("sixteen digits");
            let packed = bytes.iter().rev().fold(0, |packed, byte| packed << 8 | u64::from(*byte));
            assert_eq!((packed_bcd(packed), bcd_decode(&bytes)), (Some(number), Some(number)));
            for place in 0..16 {
                for digit in 0xA..=0xF {
                    assert_eq!(packed_bcd(packed & !(0xF << (4 * place)) | digit << (4 * place)), None);
                }
            }
        }
    }

    #[test]
    fn a_short_read_consumes_nothing() {
        let mut cursor = Cursor::new(&[1, 2]);
        assert_eq!(cursor.take(3), None);
        assert_eq!(cursor.array::<2>(), Some([1, 2]));
        assert_eq!(cursor.byte(), None);
    }
}
