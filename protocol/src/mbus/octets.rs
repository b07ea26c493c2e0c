//! The bytes of a value, whichever end of them comes first on the wire (EN 13757-3 annex A).
//!
//! ```text
//!   mode 1   78 56 34 12   least significant first        mode 2   12 34 56 78   most significant first
//! ```
//!
//! Promises: types A, B, C and the points in time out of either order, without a copy on the heap. Refuses: numbers of
//! more than 64 bits, or more than 18 digits; they are `None`.

use std::fmt;

use super::time::TimePoint;
use crate::bytes::packed_bcd;

/// The longest point in time, type I, in bytes.
const LONGEST_TIME: usize = 6;

/// Bytes borrowed from a telegram.
#[derive(Debug, Clone, Copy)]
pub struct Octets<'a> {
    wire: &'a [u8],
    msb_first: bool,
    is_number: bool,
}

impl<'a> Octets<'a> {
    #[inline]
    pub(super) const fn new(wire: &'a [u8], msb_first: bool) -> Self {
        Self { wire, msb_first, is_number: false }
    }

    /// The same, shown as a number is written: the most significant byte first.
    pub(super) const fn as_number(self) -> Self {
        Self { is_number: true, ..self }
    }

    /// The bytes in the order they are shown: of a number the most significant first, else the least significant first.
    pub fn iter(&self) -> impl Iterator<Item = u8> + 'a {
        let (wire, is_turned) = (self.wire, self.msb_first != self.is_number);
        (0..wire.len())
            .filter_map(move |nth| if is_turned { wire.iter().nth_back(nth) } else { wire.get(nth) }.copied())
    }

    /// Types C and D.
    #[inline]
    pub(super) fn unsigned(self) -> Option<u64> {
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match (self.wire.len(), self.msb_first) {
            (9.., _) => None,
            (_, true) => Some(self.wire.iter().fold(0, add)),
            (_, false) => Some(self.wire.iter().rfold(0, add)),
        }
    }

    /// Type B; the most negative number says "invalid".
    #[inline]
    pub(super) fn signed(self) -> Option<i64> {
        let unused = 64_u32.checked_sub(8 * self.wire.len() as u32).filter(|unused| *unused < 64)?;
        let number = (self.unsigned()? << unused).cast_signed() >> unused;
        (number != i64::MIN >> unused).then_some(number)
    }

    /// Type A: digit F on top is a minus; any other digit above nine is an error pattern.
    #[inline]
    pub(super) fn signed_bcd(self) -> Option<i64> {
        let packed = self.unsigned()?;
        let top = (8 * self.wire.len() as u32).checked_sub(4)?;
        if packed >> top == 0xF { magnitude(packed & !(0xF << top)).map(|digits| -digits) } else { magnitude(packed) }
    }

    /// Digits without sign, up to nine bytes of them.
    pub(super) fn bcd(self) -> Option<i64> {
        let first_eight = |wire: &'a [u8]| Self { wire, ..self }.unsigned().and_then(magnitude);
        let (low, high) = match (self.wire, self.msb_first) {
            ([low @ .., high], false) | ([high, low @ ..], true) if low.len() == 8 => (low, *high),
            _ => return first_eight(self.wire),
        };
        magnitude(high.into())?.checked_mul(10_000_000_000_000_000)?.checked_add(first_eight(low)?)
    }

    /// The type of point in time that bytes of this length are.
    pub(super) fn time(self) -> Option<TimePoint> {
        if !self.msb_first {
            return TimePoint::decode(self.wire);
        }
        let mut turned = [0; LONGEST_TIME];
        let turned = turned.get_mut(..self.wire.len())?;
        turned.iter_mut().zip(self.wire.iter().rev()).for_each(|(to, from)| *to = *from);
        TimePoint::decode(turned)
    }
}

fn magnitude(packed: u64) -> Option<i64> {
    packed_bcd(packed).map(u64::cast_signed)
}

/// Bytes are equal when they show equal, whichever end came first.
impl PartialEq for Octets<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Octets<'_> {}

impl fmt::Display for Octets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().enumerate().try_for_each(|(nth, byte)| write!(f, "{}{byte:02X}", if nth == 0 { "" } else { " " }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn of(wire: &[u8]) -> Octets<'_> {
        Octets::new(wire, false)
    }

    fn signed_bcd(wire: &[u8]) -> Option<i64> {
        of(wire).signed_bcd()
    }

    fn signed(wire: &[u8]) -> Option<i64> {
        of(wire).signed()
    }

    #[test]
    fn a_digit_f_on_top_is_a_minus_and_other_hex_digits_are_an_error_pattern() {
        assert_eq!(signed_bcd(&[0x34, 0xF2]), Some(-234));
        assert_eq!(signed_bcd(&[0xF4, 0x02]), None);
        for top in [0xA2, 0xB2, 0xC2, 0xD2, 0xE2] {
            assert_eq!(signed_bcd(&[0x34, top]), None, "{top:02X}");
        }
        for digit in 0x0A..=0x0F {
            assert_eq!(signed_bcd(&[digit, 0x01]), None, "{digit:02X}");
        }
    }

    #[test]
    fn type_b_is_signed_in_every_length_and_its_least_number_is_invalid() {
        assert_eq!(signed(&[0xFF]), Some(-1));
        assert_eq!(signed(&[0xFE, 0xFF, 0xFF]), Some(-2));
        assert_eq!(signed(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]), Some(0x7FFF_FFFF_FFFF));
        assert_eq!(signed(&[0x00, 0x80]), None);
        assert_eq!(signed(&[0, 0, 0, 0, 0, 0, 0, 0x80]), None);
    }

    #[test]
    fn either_end_may_come_first() {
        let (low, high) = (of(&[0x78, 0x56, 0x34, 0x12]), Octets::new(&[0x12, 0x34, 0x56, 0x78], true));
        assert_eq!((low.unsigned(), low.bcd()), (Some(0x1234_5678), Some(12_345_678)));
        assert_eq!((high.unsigned(), high.bcd()), (low.unsigned(), low.bcd()));
        assert_eq!((low, low.to_string().as_str()), (high, "78 56 34 12"));
        assert_eq!(high.as_number().to_string(), "12 34 56 78");
        let december = of(&[0x3B, 0x17, 0x5F, 0x1C]).time();
        assert!(december.is_some());
        assert_eq!(Octets::new(&[0x1C, 0x5F, 0x17, 0x3B], true).time(), december);
    }

    #[test]
    fn nine_bytes_of_digits_are_eighteen_digits() {
        let nine = [0x89, 0x67, 0x45, 0x23, 0x01, 0x89, 0x67, 0x45, 0x23];
        assert_eq!(of(&nine).bcd(), Some(234_567_890_123_456_789));
        let turned: Vec<u8> = nine.iter().rev().copied().collect();
        assert_eq!(Octets::new(&turned, true).bcd(), Some(234_567_890_123_456_789));
        assert_eq!((of(&[0; 10]).bcd(), of(&[0; 9]).unsigned(), of(&[]).signed_bcd()), (None, None, None));
    }
}
