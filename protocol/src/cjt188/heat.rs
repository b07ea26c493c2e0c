//! The heat meter's current data (DI 901F), standard order "layout A", both ways: 43 bytes after DI and SER.
//!
//! ```text
//!   settled 4+u | energy 4+u | power 4+u | flow 4+u | volume 4+u | supply 3 | return 3 | hours 3 | clock 7 | status 2
//!   xxxxxx.xx                              xxxx.xxxx  xxxxxx.xx    xxxx.xx             ss mm hh DD MM YY CC
//!   every value BCD, least significant byte first, then (for five of them) its unit byte; FF.. = invalid
//! ```
//!
//! Promises: what is not decimal, has a unit of another dimension, or is too short is an error, never a value.
//! Refuses: choosing the layout (`layout` does), and choosing columns (the profile does).

use super::unit::UnitCode;
use crate::amount::{Amount, Dimension, Unit};
use crate::bytes::{Cursor, bcd_byte, bcd_decode, bcd_encode};
use crate::meter::{CivilTime, ValveState};

/// Bytes of the current data, without DI and SER.
pub const LENGTH: usize = 43;
/// Decimals of energy, power, volume and temperatures (xxxxxx.xx).
pub const DECIMALS: i32 = 2;
/// Decimals of the flow (xxxx.xxxx).
pub const FLOW_DECIMALS: i32 = 4;

/// What the five values with a unit must measure, in the order of the wire.
pub(crate) const DIMENSIONS: [Dimension; 5] =
    [Dimension::Energy, Dimension::Energy, Dimension::Power, Dimension::Flow, Dimension::Volume];

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
}

/// The current data of a heat meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heat {
    /// Heat at the settlement day, or cooling energy: the maker decides. Hundredths of the unit.
    pub settled: Shown,
    /// Heat energy, hundredths of the unit.
    pub energy: Shown,
    /// Thermal power, hundredths of the unit.
    pub power: Shown,
    /// Flow, ten-thousandths of the unit.
    pub flow: Shown,
    /// Volume, hundredths of the unit.
    pub volume: Shown,
    /// Supply temperature, hundredths of a degree; `None` where marked invalid.
    pub supply_temp: Option<u32>,
    /// Return temperature, hundredths of a degree; `None` where marked invalid.
    pub return_temp: Option<u32>,
    /// Hours in operation; `None` where marked invalid.
    pub hours: Option<u32>,
    /// The meter's clock; `None` where it shows no date.
    pub clock: Option<CivilTime>,
    /// Status.
    pub status: Status,
}

/// The two status bytes as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status(pub [u8; 2]);

impl Status {
    /// Status with the valve at `valve`, the rest well.
    pub const fn with_valve(valve: ValveState) -> Self {
        match valve {
            ValveState::Open => Self([0b00, 0]),
            ValveState::Closed => Self([0b01, 0]),
            ValveState::Fault => Self([0b11, 0]),
        }
    }

    /// Where the valve stands: bits 0 and 1 of the first byte; 10 says nothing.
    pub const fn valve(self) -> Option<ValveState> {
        match self.0[0] & 0b11 {
            0b00 => Some(ValveState::Open),
            0b01 => Some(ValveState::Closed),
            0b11 => Some(ValveState::Fault),
            _ => None,
        }
    }

    /// Whether the battery is low: bit 2 of the first byte.
    pub const fn is_battery_low(self) -> bool {
        self.0[0] & 0b100 != 0
    }
}

/// Why 43 bytes are no current data in this layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeatFault {
    /// Not 43 bytes.
    #[error("current data of {0} bytes, not 43")]
    Length(usize),
    /// A digit above nine.
    #[error("a value that is not decimal")]
    NotDecimal,
    /// A unit byte the table does not have, or of another dimension.
    #[error("unit byte {0:02X} where it cannot stand")]
    Unit(u8),
}

impl Heat {
    /// The 43 bytes of layout A. Digits that do not fit their place go out as invalid (FF), as meters do.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        for shown in [self.settled, self.energy, self.power, self.flow, self.volume] {
            bytes.extend(encode_digits(shown.digits, 4));
            bytes.push(shown.unit.code());
        }
        for digits in [self.supply_temp, self.return_temp, self.hours] {
            bytes.extend(encode_digits(digits, 3));
        }
        bytes.extend(encode_clock(self.clock));
        bytes.extend(self.status.0);
        bytes
    }

    /// The current data in 43 bytes of layout A.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeatFault> {
        let short = HeatFault::Length(bytes.len());
        if bytes.len() != LENGTH {
            return Err(short);
        }
        let mut cursor = Cursor::new(bytes);
        let mut shown = DIMENSIONS.map(|dimension| decode_shown(&mut cursor, dimension)).into_iter();
        let mut next = || shown.next().unwrap_or(Err(short));
        let (settled, energy, power, flow, volume) = (next()?, next()?, next()?, next()?, next()?);
        let mut short_digits = || decode_digits(cursor.take(3).ok_or(short)?);
        let (supply_temp, return_temp, hours) = (short_digits()?, short_digits()?, short_digits()?);
        let clock = decode_clock(cursor.array().ok_or(short)?);
        let status = Status(cursor.array().ok_or(short)?);
        Ok(Self { settled, energy, power, flow, volume, supply_temp, return_temp, hours, clock, status })
    }

    /// Supply and return temperature, as amounts.
    pub fn temperatures(&self) -> [Option<Amount>; 2] {
        [self.supply_temp, self.return_temp]
            .map(|digits| digits.map(|digits| Amount::decimal(digits.into(), -DECIMALS, Unit::Celsius)))
    }
}

fn encode_digits(digits: Option<u32>, len: usize) -> Vec<u8> {
    digits.and_then(|digits| bcd_encode(digits.into(), len)).unwrap_or_else(|| vec![0xFF; len])
}

fn encode_clock(clock: Option<CivilTime>) -> [u8; 7] {
    let Some(CivilTime { year, month, day, hour, minute, second }) = clock else { return [0; 7] };
    let bcd = |number: u8| number / 10 % 10 * 16 + number % 10;
    let (century, year) = ((year / 100) as u8, (year % 100) as u8);
    [bcd(second), bcd(minute), bcd(hour), bcd(day), bcd(month), bcd(year), bcd(century)]
}

fn decode_shown(cursor: &mut Cursor<'_>, dimension: Dimension) -> Result<Shown, HeatFault> {
    let [d0, d1, d2, d3, code] = cursor.array().ok_or(HeatFault::Length(cursor.rest().len()))?;
    let unit = UnitCode::from_code(code).filter(|unit| unit.dimension() == dimension).ok_or(HeatFault::Unit(code))?;
    Ok(Shown { digits: decode_digits(&[d0, d1, d2, d3])?, unit })
}

fn decode_digits(bytes: &[u8]) -> Result<Option<u32>, HeatFault> {
    if bytes.iter().all(|byte| *byte == 0xFF) {
        return Ok(None);
    }
    let digits = bcd_decode(bytes).ok_or(HeatFault::NotDecimal)?;
    u32::try_from(digits).map(Some).map_err(|_| HeatFault::NotDecimal)
}

/// The clock `ss mm hh DD MM YY CC`; `None` where it shows no date and time.
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
