//! The value of a record (EN 13757-3 clause 6.3.2 and annex A): types A, B, C, H, points in time, variable length.
//!
//! ```text
//!   coding  0 none   1 2 3 4 6 7 integer of 1 2 3 4 6 8 bytes   5 real32   9 A B C E BCD of 2 4 6 8 12 digits
//!           8 selection for readout (no data)   D variable length: LVAR, then as LVAR says   F special (not here)
//! ```
//!
//! Promises: an error pattern is [`Value::Invalid`], and its length is still stepped over. Refuses: reserved LVARs.

use super::fault::RecordFault;
use super::time::TimePoint;
use super::vif::{Meaning, Vif};
use crate::amount::{Amount, Unit};
use crate::bytes::{Cursor, bcd_decode};

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number with unit.
    Number(Amount),
    /// A point in time.
    Time(TimePoint),
    /// The meter marks it as invalid, or it is none of its type.
    Invalid,
    /// Text, binary data, nothing: stepped over.
    Opaque,
}

/// Reads the value of `coding` (the low four bits of DIF) at `cursor`. In mode 2 (`msb_first`) the most significant
/// byte comes first.
pub(super) fn read(coding: u8, vif: &Vif, msb_first: bool, cursor: &mut Cursor<'_>) -> Result<Value, RecordFault> {
    let length = match coding {
        0x0 | 0x8 => return Ok(Value::Opaque),
        0x1..=0x4 => usize::from(coding),
        0x5 => 4,
        0x6 => 6,
        0x7 => 8,
        0x9..=0xC => usize::from(coding) - 8,
        0xD => return read_variable(vif, msb_first, cursor),
        0xE => 6,
        _ => return Err(RecordFault::Reserved),
    };
    let mut bytes = cursor.take(length).ok_or(RecordFault::Cut)?.to_vec();
    if msb_first {
        bytes.reverse();
    }
    Ok(if vif.is_error { Value::Invalid } else { fixed_length(coding, vif, &bytes) })
}

fn fixed_length(coding: u8, vif: &Vif, bytes: &[u8]) -> Value {
    let number = match (coding, vif.meaning) {
        (0x1..=0x4 | 0x6, Meaning::Date | Meaning::DateTime) => {
            return TimePoint::decode(bytes).map_or(Value::Invalid, Value::Time);
        }
        (0x5, _) => real32(bytes),
        (0x9..=0xE, _) => signed_bcd(bytes).map(plain),
        (_, Meaning::ErrorFlags | Meaning::RemoteControl | Meaning::FabricationNumber) => unsigned(bytes).map(plain),
        _ => signed(bytes).map(plain),
    };
    number.map_or(Value::Invalid, |amount| Value::Number(amount.scaled(vif.exp10, vif.unit)))
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
pub(super) fn unsigned(bytes: &[u8]) -> Option<i64> {
    i64::try_from(wide(bytes)?).ok()
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
        _ => return Err(RecordFault::Reserved),
    };
    let mut bytes = cursor.take(length).ok_or(RecordFault::Cut)?.to_vec();
    if msb_first {
        bytes.reverse();
    }
    let sign = match lvar {
        0xC1..=0xC9 => 1,
        0xD1..=0xD9 => -1,
        _ => return Ok(Value::Opaque),
    };
    let number = bcd_decode(&bytes).and_then(|digits| i64::try_from(digits).ok()).filter(|_| !vif.is_error);
    Ok(number.map_or(Value::Invalid, |digits| Value::Number(plain(sign * digits).scaled(vif.exp10, vif.unit))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_f_on_top_is_a_minus_and_other_hex_digits_are_an_error_pattern() {
        assert_eq!(signed_bcd(&[0x34, 0xF2]), Some(-234));
        assert_eq!(signed_bcd(&[0x34, 0xE2]), None);
        assert_eq!(signed_bcd(&[0xF4, 0x02]), None);
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
    fn variable_length_data_is_stepped_over_by_its_length() {
        let mut vif_bytes = Cursor::new(&[0x06]);
        let vif = Vif::read(&mut vif_bytes).expect("energy");
        for (bytes, left) in [(&[3, b'a', b'b', b'c', 9][..], 1), (&[0xE2, 1, 2, 9], 1), (&[0xC2, 0x34, 0x12, 9], 1)] {
            let mut cursor = Cursor::new(bytes);
            assert!(read(0xD, &vif, false, &mut cursor).is_ok());
            assert_eq!(cursor.rest().len(), left);
        }
        assert_eq!(read(0xD, &vif, false, &mut Cursor::new(&[0xFF])), Err(RecordFault::Reserved));
        assert_eq!(read(0xD, &vif, false, &mut Cursor::new(&[5, 1])), Err(RecordFault::Cut));
    }
}
