//! The value of a record (EN 13757-3 clause 6.3 and annex A): types A, B, C, D, H, points in time, variable length.
//!
//! ```text
//!   coding  0 none   1 2 3 4 6 7 integer of 1 2 3 4 6 8 bytes   5 real32   9 A B C E BCD of 2 4 6 8 12 digits
//!           8 selection for readout (no data)   D variable length: LVAR, then as LVAR says   F special (not here)
//!   LVAR    00-BF text   C0-C9 BCD   D0-D9 -BCD   E0-EF binary   F0-F6 binary of 16 20 24 28 32 48 64 bytes
//! ```
//!
//! Promises: an error pattern is [`Value::Invalid`], and its length is still stepped over; text and bytes are borrowed
//! from the telegram, nothing is allocated. Refuses: reserved LVARs.

use std::fmt;

use super::fault::RecordFault;
use super::octets::Octets;
use super::text::Text;
use super::time::TimePoint;
use super::vif::{Form, Vif};
use crate::amount::{Amount, Unit};
use crate::bytes::Cursor;

/// A value; it shows itself as an exact decimal in the base unit, as a time, as text, or as hex bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number with unit.
    Number(Amount),
    /// A point in time.
    Time(TimePoint),
    /// Text.
    Text(Text<'a>),
    /// Binary data that are no number, or one of more than 64 bits.
    Bytes(Octets<'a>),
    /// The meter marks it as invalid, or it is none of its type.
    Invalid,
    /// The record has no data.
    Nothing,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(amount) => f.write_str(&amount.exact()),
            Self::Time(point) => point.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Bytes(octets) => octets.fmt(f),
            Self::Invalid => f.write_str("invalid"),
            Self::Nothing => Ok(()),
        }
    }
}

/// Reads the value of `coding` (the low four bits of DIF) at `cursor`. In mode 2 (`msb_first`) the most significant
/// byte comes first.
#[inline]
pub(super) fn read<'a>(
    coding: u8,
    vif: &Vif<'_>,
    msb_first: bool,
    cursor: &mut Cursor<'a>,
) -> Result<Value<'a>, RecordFault> {
    if coding == 0xD {
        return read_variable(vif, msb_first, cursor);
    }
    let wire = cursor.take(fixed_length(coding)?).ok_or(RecordFault::Cut)?;
    Ok(match coding {
        _ if vif.is_error => Value::Invalid,
        0x0 | 0x8 => Value::Nothing,
        _ => fixed(coding, vif, Octets::new(wire, msb_first)),
    })
}

/// The bytes of a value whose coding says how many there are.
pub(super) const fn fixed_length(coding: u8) -> Result<usize, RecordFault> {
    match coding {
        0x0 | 0x8 => Ok(0),
        0x1..=0x4 => Ok(coding as usize),
        0x5 => Ok(4),
        0x6 | 0xE => Ok(6),
        0x7 => Ok(8),
        0x9..=0xC => Ok(coding as usize - 8),
        _ => Err(RecordFault::Reserved),
    }
}

fn fixed<'a>(coding: u8, vif: &Vif<'_>, octets: Octets<'a>) -> Value<'a> {
    match (coding, vif.form) {
        (_, Form::Bytes) => Value::Bytes(octets),
        (0x1..=0x4 | 0x6, Form::Time) => octets.time().map_or(Value::Invalid, Value::Time),
        (0x5, _) => number(octets.unsigned().and_then(|bits| Amount::real32(bits as u32)), vif),
        (0x9..=0xE, _) => number(octets.signed_bcd().map(plain), vif),
        _ => integer(vif, octets),
    }
}

fn integer<'a>(vif: &Vif<'_>, octets: Octets<'_>) -> Value<'a> {
    let amount = match vif.form {
        Form::Unsigned => octets.unsigned().map(|number| Amount::whole(number.into(), Unit::Plain)),
        Form::Signed | Form::Time | Form::Bytes => octets.signed().map(plain),
    };
    number(amount, vif)
}

fn number<'a>(amount: Option<Amount>, vif: &Vif<'_>) -> Value<'a> {
    amount.map_or(Value::Invalid, |amount| Value::Number(amount.scaled(vif.exp10, vif.unit)))
}

fn plain(number: i64) -> Amount {
    Amount::decimal(number, 0, Unit::Plain)
}

/// The bytes behind an LVAR (EN 13757-3 table 5).
pub(super) const fn variable_length(lvar: u8) -> Result<usize, RecordFault> {
    match lvar {
        0x00..=0xBF => Ok(lvar as usize),
        0xC0..=0xC9 | 0xD0..=0xD9 | 0xE0..=0xEF => Ok(lvar as usize & 0x0F),
        0xF0..=0xF4 => Ok(4 * (lvar as usize - 0xEC)),
        0xF5 | 0xF6 => Ok(16 * (lvar as usize - 0xF2)),
        _ => Err(RecordFault::Reserved),
    }
}

fn read_variable<'a>(vif: &Vif<'_>, msb_first: bool, cursor: &mut Cursor<'a>) -> Result<Value<'a>, RecordFault> {
    let lvar = cursor.byte().ok_or(RecordFault::Cut)?;
    let wire = cursor.take(variable_length(lvar)?).ok_or(RecordFault::Cut)?;
    Ok(if vif.is_error { Value::Invalid } else { variable(lvar, vif, wire, msb_first) })
}

fn variable<'a>(lvar: u8, vif: &Vif<'_>, wire: &'a [u8], msb_first: bool) -> Value<'a> {
    let octets = Octets::new(wire, msb_first);
    let bcd = |sign: i64| number(octets.bcd().map(|digits| plain(sign * digits)), vif);
    match (lvar, wire.len()) {
        (_, 0) => Value::Nothing,
        (0x00..=0xBF, _) => Value::Text(if msb_first { Text::first_first(wire) } else { Text::last_first(wire) }),
        (0xC0..=0xC9, _) => bcd(1),
        (0xD0..=0xD9, _) => bcd(-1),
        _ if vif.form == Form::Bytes => Value::Bytes(octets),
        (_, 1..=8) => integer(vif, octets),
        // A number wider than 64 bits is shown as one is written: the most significant byte first.
        _ => Value::Bytes(octets.as_number()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::vif::TextPlace;
    use super::*;

    fn vif(bytes: &[u8]) -> Vif<'_> {
        Vif::read(&mut Cursor::new(bytes), TextPlace::Either).expect("a block")
    }

    /// The value, and what is left behind it.
    fn variable(bytes: &[u8]) -> (Result<Value<'_>, RecordFault>, usize) {
        let mut cursor = Cursor::new(bytes);
        (read(0xD, &vif(&[0x06]), false, &mut cursor), cursor.rest().len())
    }

    fn shown(coding: u8, block: &[u8], bytes: &[u8]) -> String {
        read(coding, &vif(block), false, &mut Cursor::new(bytes)).expect("a value").to_string()
    }

    #[test]
    fn type_c_uses_all_its_bits() {
        assert_eq!(shown(0x7, &[0xFD, 0x17], &[0xFF; 8]), "18446744073709551615");
        assert_eq!(shown(0x2, &[0x78], &[0x00, 0x80]), "32768");
    }

    #[test]
    fn a_real32_is_scaled_by_its_vif_like_any_other_number() {
        // 1.5 of a tenth of a degree.
        assert_eq!(shown(0x5, &[0x5A], &1.5_f32.to_le_bytes()), "0.15");
        assert_eq!(shown(0x5, &[0x2E], &1.5_f32.to_le_bytes()), "1500");
        assert_eq!(shown(0x5, &[0x2E], &f32::NAN.to_le_bytes()), "invalid");
    }

    #[test]
    fn every_range_of_lvar_has_its_length_and_its_kind() {
        for (bytes, text) in [
            (&[3, b'c', b'b', b'a', 9][..], "abc"),
            (&[0, 9], ""),
            (&[0xC0, 9], ""),
            (&[0xC2, 0x34, 0x12, 9], "1234000"),
            (&[0xC1, 0x3A, 9], "invalid"),
            (&[0xD2, 0x34, 0x12, 9], "-1234000"),
            (&[0xE0, 9], ""),
            (&[0xE2, 0xFE, 0xFF, 9], "-2000"),
            (&[0xE9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9], "09 08 07 06 05 04 03 02 01"),
        ] {
            let (value, left) = variable(bytes);
            assert_eq!((value.map(|v| v.to_string()).as_deref(), left), (Ok(text), 1), "{bytes:02X?}");
        }
        for (lvar, length) in [(0xBF, 191), (0xEF, 15), (0xF0, 16), (0xF4, 32), (0xF5, 48), (0xF6, 64)] {
            let bytes = [&[lvar][..], &vec![b'x'; length], &[9]].concat();
            let (value, left) = variable(&bytes);
            assert!(value.is_ok() && left == 1, "{lvar:02X}");
        }
    }

    #[test]
    fn a_binary_value_of_length_zero_is_nothing_and_does_not_underflow() {
        for lvar in [0xE0, 0xC0, 0xD0, 0x00] {
            assert_eq!(variable(&[lvar, 9]), (Ok(Value::Nothing), 1), "{lvar:02X}");
        }
        assert_eq!(Octets::new(&[], false).signed(), None);
    }

    #[test]
    fn a_number_wider_than_sixty_four_bits_is_written_from_its_most_significant_byte_on() {
        // Table 5, LVAR F0: a binary number of 16 bytes, the least significant first.
        let wide: Vec<u8> = std::iter::once(0xF0).chain(1..=16).collect();
        let shown = variable(&wide).0.map(|value| value.to_string());
        assert_eq!(shown.as_deref(), Ok("10 0F 0E 0D 0C 0B 0A 09 08 07 06 05 04 03 02 01"));
    }

    #[test]
    fn a_reserved_or_cut_variable_length_is_refused() {
        for lvar in [0xCA, 0xCF, 0xDA, 0xDF, 0xF7, 0xFF] {
            assert_eq!(variable(&[&[lvar][..], &[0; 99]].concat()).0, Err(RecordFault::Reserved), "{lvar:02X}");
        }
        assert_eq!(variable(&[5, 1]).0, Err(RecordFault::Cut));
        assert_eq!(variable(&[]).0, Err(RecordFault::Cut));
    }

    #[test]
    fn types_k_and_l_are_shown_as_their_bytes() {
        assert_eq!(shown(0x4, &[0xFD, 0x72], &[1, 2, 3, 4]), "01 02 03 04");
        let window = [0xEB, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        assert_eq!(shown(0xD, &[0xFD, 0x73], &window), "01 02 03 04 05 06 07 08 09 0A 0B");
    }
}
