//! Numbers and times in the data: binary-coded decimal digits, a value with its unit, the clock; both ways.
//!
//! ```text
//!   value 4+1   78 56 34 12 2C   12345678 m3 (the point is the profile's)      FF FF FF FF = invalid
//!   short 3     34 12 00         1234
//!   clock 7     ss mm hh DD MM YY CC
//! ```
//!
//! Promises: what is not decimal is an error, never a value. Refuses: knowing where the decimal point stands.

use super::unit::UnitCode;
use crate::amount::{Amount, Dimension};
use crate::bytes::{Cursor, bcd_byte, bcd_decode, bcd_encode};
use crate::meter::CivilTime;

/// A value as shown: its digits without the decimal point, and its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The digits, at most eight; `None` where the meter marks the value as invalid (FFFFFFFF).
    pub digits: Option<u32>,
    /// The unit.
    pub unit: UnitCode,
}

impl Shown {
    /// The amount, with the point before the last `decimals` digits.
    pub fn amount(&self, decimals: i32) -> Option<Amount> {
        let (unit, exp10) = self.unit.unit();
        self.digits.map(|digits| Amount::decimal(digits.into(), exp10 - decimals, unit))
    }

    /// The five bytes in standard order. Digits that do not fit go out as invalid (FF), as meters do.
    pub(crate) fn encode(&self) -> [u8; 5] {
        let [d0, d1, d2, d3] = encode(self.digits);
        [d0, d1, d2, d3, self.unit.code()]
    }

    /// Reads five bytes in standard order, whose unit must be one of `dimension`.
    pub(crate) fn decode(cursor: &mut Cursor<'_>, dimension: Dimension) -> Result<Self, BodyFault> {
        let shown = Self::decode_any(cursor)?;
        let fits = shown.unit.dimension() == dimension;
        fits.then_some(shown).ok_or(BodyFault::Unit(shown.unit.code()))
    }

    /// Reads five bytes in standard order, whatever their unit.
    pub(crate) fn decode_any(cursor: &mut Cursor<'_>) -> Result<Self, BodyFault> {
        let [d0, d1, d2, d3, code] = cursor.array().ok_or(BodyFault::Short)?;
        let unit = UnitCode::from_code(code).ok_or(BodyFault::Unit(code))?;
        Ok(Self { digits: decode([d0, d1, d2, d3])?, unit })
    }
}

/// Why bytes are no data in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// Fewer bytes than the data have.
    #[error("too few bytes")]
    Short,
    /// A digit above nine.
    #[error("a value that is not decimal")]
    NotDecimal,
    /// A unit byte the table does not have, or of another dimension.
    #[error("unit byte {0:02X} where it cannot stand")]
    Unit(u8),
}

/// Digits as `N` bytes, the lowest first; those that do not fit, and none, are FF.
pub(crate) fn encode<const N: usize>(digits: Option<u32>) -> [u8; N] {
    let bytes = digits.and_then(|digits| bcd_encode(digits.into(), N));
    bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0xFF; N])
}

/// The digits in bytes, the lowest first; `None` where all are FF.
pub(crate) fn decode<const N: usize>(bytes: [u8; N]) -> Result<Option<u32>, BodyFault> {
    if bytes == [0xFF; N] {
        return Ok(None);
    }
    let digits = bcd_decode(&bytes).ok_or(BodyFault::NotDecimal)?;
    u32::try_from(digits).map(Some).map_err(|_| BodyFault::NotDecimal)
}

/// The clock; zeros where there is none.
pub(crate) fn encode_clock(clock: Option<CivilTime>) -> [u8; 7] {
    let Some(CivilTime { year, month, day, hour, minute, second }) = clock else { return [0; 7] };
    let bcd = |number: u8| number / 10 % 10 * 16 + number % 10;
    let (century, year) = ((year / 100) as u8, (year % 100) as u8);
    [bcd(second), bcd(minute), bcd(hour), bcd(day), bcd(month), bcd(year), bcd(century)]
}

/// The clock; `None` where it shows no date and time.
pub(crate) fn decode_clock(bytes: [u8; 7]) -> Option<CivilTime> {
    let [second, minute, hour, day, month, year, century] = bytes.map(bcd_byte);
    let time = CivilTime {
        year: u16::from(century?) * 100 + u16::from(year?),
        month: month?,
        day: day?,
        hour: hour?,
        minute: minute?,
        second: second?,
    };
    time.is_possible().then_some(time)
}
