//! The heat meter's current data (DI 901F) in standard order, both ways: 43 bytes after DI and SER.
//!
//! ```text
//!   settled 4+u | energy 4+u | power 4+u | flow 4+u | volume 4+u | supply 3 | return 3 | hours 3 | clock 7 | status 2
//!   xxxxxx.xx                              xxxx.xxxx  xxxxxx.xx    xxxx.xx
//! ```
//!
//! Promises: what is not decimal, has a unit of another dimension, or is too short is an error, never a value.
//! Refuses: choosing the layout (`recognise` does), and choosing columns (the profile does).

use super::body::Body;
use super::digits::{self, BodyFault};
use super::layout::Part;
use crate::amount::{Amount, Dimension, Unit};
use crate::bytes::Cursor;
use crate::meter::CivilTime;

pub use super::digits::Shown;
pub use super::status::Status;

/// Decimals of energy, power, volume and temperatures (xxxxxx.xx).
pub const DECIMALS: i32 = 2;
/// Decimals of the flow (xxxx.xxxx).
pub const FLOW_DECIMALS: i32 = 4;

/// The hottest water a heat meter is made for, hundredths of a degree.
const HOTTEST: u32 = 20_000;

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

impl Body for Heat {
    const SHAPE: &'static [Part] = &[
        Part::Value,
        Part::Value,
        Part::Value,
        Part::Value,
        Part::Value,
        Part::Short,
        Part::Short,
        Part::Short,
        Part::Clock,
        Part::Status,
    ];

    fn encode(&self) -> Vec<u8> {
        Self::encode(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, BodyFault> {
        Self::decode(bytes)
    }

    fn clock(&self) -> Option<CivilTime> {
        self.clock
    }

    fn is_plausible(&self) -> bool {
        [self.supply_temp, self.return_temp].into_iter().flatten().all(|hundredths| hundredths <= HOTTEST)
    }
}

impl Heat {
    /// The 43 bytes of layout A. Digits that do not fit their place go out as invalid (FF), as meters do.
    pub fn encode(&self) -> Vec<u8> {
        let values = [self.settled, self.energy, self.power, self.flow, self.volume].map(|shown| shown.encode());
        let shorts = [self.supply_temp, self.return_temp, self.hours].map(digits::encode::<3>);
        [&values.concat(), &shorts.concat(), &digits::encode_clock(self.clock)[..], &self.status.0].concat()
    }

    /// The current data in 43 bytes of layout A.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyFault> {
        let mut cursor = Cursor::new(bytes);
        let settled = Shown::decode(&mut cursor, Dimension::Energy)?;
        let energy = Shown::decode(&mut cursor, Dimension::Energy)?;
        let power = Shown::decode(&mut cursor, Dimension::Power)?;
        let flow = Shown::decode(&mut cursor, Dimension::Flow)?;
        let volume = Shown::decode(&mut cursor, Dimension::Volume)?;
        let mut short = || digits::decode(cursor.array::<3>().ok_or(BodyFault::Short)?);
        let (supply_temp, return_temp, hours) = (short()?, short()?, short()?);
        let clock = digits::decode_clock(cursor.array().ok_or(BodyFault::Short)?);
        let status = Status(cursor.array().ok_or(BodyFault::Short)?);
        Ok(Self { settled, energy, power, flow, volume, supply_temp, return_temp, hours, clock, status })
    }

    /// Supply and return temperature, as amounts.
    pub fn temperatures(&self) -> [Option<Amount>; 2] {
        [self.supply_temp, self.return_temp]
            .map(|digits| digits.map(|digits| Amount::decimal(digits.into(), -DECIMALS, Unit::Celsius)))
    }
}
