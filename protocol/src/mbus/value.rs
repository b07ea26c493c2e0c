//! The value of a record (EN 13757-3 clause 6.3 and annex A): types A, B, C, D, H, points in time, variable length.
//!
//! ```text
//!   coding  0 none   1 2 3 4 6 7 integer of 1 2 3 4 6 8 bytes   5 real32   9 A B C E BCD of 2 4 6 8 12 digits
//!           8 selection for readout (no data)   D variable length: LVAR, then as LVAR says   F special (not here)
//!   LVAR    00-BF text   C0-C9 BCD   D0-D9 -BCD   E0-EF binary   F0-F6 binary of 16 20 24 28 32 48 64 bytes
//! ```
//!
//! Promises: an error pattern is [`Value::Invalid`], and its length is still stepped over. Refuses: reserved LVARs.

use std::fmt;

use super::fault::RecordFault;
use super::time::TimePoint;
use super::vif::{Form, Vif, latin1};
use crate::amount::{Amount, Unit};
use crate::bytes::{Cursor, bcd_decode};

/// A value; it shows itself as an exact decimal in the base unit, as a time, as text, or as hex bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number with unit.
    Number(Amount),
    /// A point in time.
    Time(TimePoint),
    /// Text.
    Text(String),
    /// Binary data that are no number, in the order of the wire.
    Bytes(Vec<u8>),
    /// The meter marks it as invalid, or it is none of its type.
    Invalid,
    /// The record has no data.
    Nothing,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(amount) => f.write_str(&amount.exact()),
            Self::Time(point) => point.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => {
                let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                f.write_str(&hex.join(" "))
            }
            Self::Invalid => f.write_str("invalid"),
            Self::Nothing => Ok(()),
        }
    }
}

/// Reads the value of `coding` (the low four bits of DIF) at `cursor`. In mode 2 (`msb_first`) the most significant
/// byte comes first.
pub(super) fn read(coding: u8, vif: &Vif, msb_first: bool, cursor: &mut Cursor<'_>) -> Result<Value, RecordFault> {
    let length = match coding {
        0x0 | 0x8 => return Ok(if vif.is_error { Value::Invalid } else { Value::Nothing }),
        0x1..=0x4 => usize::from(coding),
        0x5 => 4,
        0x6 => 6,
        0x7 => 8,
        0x9..=0xC => usize::from(coding) - 8,
        0xD => return read_variable(vif, msb_first, cursor),
        0xE => 6,
        _ => return Err(RecordFault::Reserved),
    };
    let bytes = take(length, msb_first, cursor)?;
    Ok(if vif.is_error { Value::Invalid } else { fixed_length(coding, vif, &bytes) })
}

/// The bytes of a value, the least significant first whatever the mode.
fn take(length: usize, msb_first: bool, cursor: &mut Cursor<'_>) -> Result<Vec<u8>, RecordFault> {
    let mut bytes = cursor.take(length).ok_or(RecordFault::Cut)?.to_vec();
    if msb_first {
        bytes.reverse();
    }
    Ok(bytes)
}

fn fixed_length(coding: u8, vif: &Vif, bytes: &[u8]) -> Value {
    match (coding, vif.form) {
        (_, Form::Bytes) => Value::Bytes(bytes.to_vec()),
        (0x1..=0x4 | 0x6, Form::Time) => TimePoint::decode(bytes).map_or(Value::Invalid, Value::Time),
        (0x5, _) => number(real32(bytes), vif),
        (0x9..=0xE, _) => number(signed_bcd(bytes).map(plain), vif),
        _ => integer(vif, bytes),
    }
}

fn integer(vif: &Vif, bytes: &[u8]) -> Value {
    let amount = match vif.form {
        Form::Unsigned => unsigned(bytes).map(|number| Amount::whole(number.into(), Unit::Plain)),
        Form::Signed | Form::Time | Form::Bytes => signed(bytes).map(plain),
    };
    number(amount, vif)
}

fn number(amount: Option<Amount>, vif: &Vif) -> Value {
    amount.map_or(Value::Invalid, |amount| Value::Number(amount.scaled(vif.exp10, vif.unit)))
}

fn plain(number: i64) -> Amount {
    Amount::decimal(number, 0, Unit::Plain)
}

fn real32(bytes: &[u8]) -> Option<Amount> {
    Amount::real32(u32::from_le_bytes(Cursor::new(bytes).array()?))
}

/// Type A: digit F on top is a minus; any other digit above nine is an error pattern.
pub(super) fn signed_bcd(bytes: &[u8]) -> Option<i64> {
    let (top, rest) = bytes.split_last()?;
    let is_minus = top >> 4 == 0xF;
    let mut digits = rest.to_vec();
    digits.push(if is_minus { top & 0x0F } else { *top });
    let magnitude = i64::try_from(bcd_decode(&digits)?).ok()?;
    Some(if is_minus { -magnitude } else { magnitude })
}

/// Type B; the most negative number says "invalid".
fn signed(bytes: &[u8]) -> Option<i64> {
    let unused = 64_u32.checked_sub(u32::try_from(bytes.len()).ok()? * 8)?;
    let number = (wide(bytes)? << unused).cast_signed() >> unused;
    (number != i64::MIN >> unused).then_some(number)
}

/// Types C and D.
pub(super) fn unsigned(bytes: &[u8]) -> Option<u64> {
    wide(bytes)
}

fn wide(bytes: &[u8]) -> Option<u64> {
    bytes.iter().rev().try_fold(0_u64, |number, byte| Some(number.checked_mul(256)? | u64::from(*byte)))
}

/// LVAR (EN 13757-3 table 5).
fn read_variable(vif: &Vif, msb_first: bool, cursor: &mut Cursor<'_>) -> Result<Value, RecordFault> {
    let lvar = cursor.byte().ok_or(RecordFault::Cut)?;
    let length = match lvar {
        0x00..=0xBF => usize::from(lvar),
        0xC0..=0xC9 | 0xD0..=0xD9 | 0xE0..=0xEF => usize::from(lvar & 0x0F),
        0xF0..=0xF4 => 4 * usize::from(lvar - 0xEC),
        0xF5 | 0xF6 => 16 * usize::from(lvar - 0xF2),
        _ => return Err(RecordFault::Reserved),
    };
    let bytes = take(length, msb_first, cursor)?;
    Ok(if vif.is_error { Value::Invalid } else { variable_length(lvar, vif, bytes) })
}

fn variable_length(lvar: u8, vif: &Vif, bytes: Vec<u8>) -> Value {
    let bcd = |sign: i64| number(magnitude(&bytes).map(|digits| plain(sign * digits)), vif);
    match (lvar, bytes.len()) {
        (_, 0) => Value::Nothing,
        // The last character comes first.
        (0x00..=0xBF, _) => Value::Text(latin1(bytes.iter().rev())),
        (0xC0..=0xC9, _) => bcd(1),
        (0xD0..=0xD9, _) => bcd(-1),
        (_, 1..=8) if vif.form != Form::Bytes => integer(vif, &bytes),
        _ => Value::Bytes(bytes),
    }
}

fn magnitude(bytes: &[u8]) -> Option<i64> {
    i64::try_from(bcd_decode(bytes)?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::vif::TextPlace;
    use super::*;

    fn vif(bytes: &[u8]) -> Vif {
        Vif::read(&mut Cursor::new(bytes), TextPlace::Either).expect("a block")
    }

    /// The value, and what is left behind it.
    fn variable(bytes: &[u8]) -> (Result<Value, RecordFault>, usize) {
        let mut cursor = Cursor::new(bytes);
        (read(0xD, &vif(&[0x06]), false, &mut cursor), cursor.rest().len())
    }

    fn shown(coding: u8, block: &[u8], bytes: &[u8]) -> String {
        read(coding, &vif(block), false, &mut Cursor::new(bytes)).expect("a value").to_string()
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
            (&[0xE9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9], "01 02 03 04 05 06 07 08 09"),
        ] {
            let (value, left) = variable(bytes);
            assert_eq!((value.map(|v| v.to_string()).as_deref(), left), (Ok(text), 1), "{bytes:02X?}");
        }
        for (lvar, length) in [(0xBF, 191), (0xEF, 15), (0xF0, 16), (0xF4, 32), (0xF5, 48), (0xF6, 64)] {
            let (value, left) = variable(&[&[lvar][..], &vec![b'x'; length], &[9]].concat());
            assert!(value.is_ok() && left == 1, "{lvar:02X}");
        }
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
