//! Layout D: a maker's binary numbers in the places where the standard heat meter has decimal digits.
//!
//! ```text
//!   settled 0 | energy 5 | power 10 | flow 15 | volume 20     four bytes and the unit's
//!   supply 25 | return 28 | hours 31                          three bytes          then clock and status as in A
//! ```
//!
//! Promises: only the slots a profile names are read, each in the coding and unit it names; all FF is invalid. Refuses:
//! being recognised: without a profile nothing says what such bytes mean.

use serde::Deserialize;

use super::body;
use super::digits::{self, BodyFault};
use super::fault::PayloadFault;
use super::field::HeatField;
use super::heat::Heat;
use super::status::Status;
use super::unit::UnitCode;
use crate::amount::{Amount, Dimension, Unit};
use crate::bytes::bcd_decode;
use crate::meter::CivilTime;

/// Where the clock begins.
const CLOCK: usize = 34;
/// Where the status begins.
const STATUS: usize = 41;

/// How a number stands in its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// Decimal digits.
    Bcd,
    /// A binary number without sign.
    Unsigned,
    /// A binary number in two's complement.
    Signed,
    /// IEEE 754 single: only where there are four bytes.
    Real,
}

/// One number of a maker's binary layout.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Whose place it has.
    pub field: HeatField,
    /// How it stands there.
    pub coding: Coding,
    /// Whether the most significant byte comes first.
    #[serde(default)]
    pub high_first: bool,
    /// Its unit, where the meter's unit byte is not to be believed.
    pub unit: Option<UnitCode>,
}

/// The current data of a heat meter in layout D.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The numbers the profile names; `None` where the meter marks one as invalid. The point is the profile's.
    pub numbers: Vec<(HeatField, Option<Amount>)>,
    /// The meter's clock; `None` where it shows no date.
    pub clock: Option<CivilTime>,
    /// Status.
    pub status: Status,
}

/// Where a field begins, and how many bytes its number has.
const fn place(field: HeatField) -> Option<(usize, usize)> {
    match field {
        HeatField::Settled => Some((0, 4)),
        HeatField::Energy => Some((5, 4)),
        HeatField::Power => Some((10, 4)),
        HeatField::Flow => Some((15, 4)),
        HeatField::Volume => Some((20, 4)),
        HeatField::SupplyTemp => Some((25, 3)),
        HeatField::ReturnTemp => Some((28, 3)),
        HeatField::Hours => Some((31, 3)),
        HeatField::Cooling => None,
    }
}

/// What the places with a unit measure.
const fn dimension(field: HeatField) -> Option<Dimension> {
    match field {
        HeatField::Settled | HeatField::Energy | HeatField::Cooling => Some(Dimension::Energy),
        HeatField::Power => Some(Dimension::Power),
        HeatField::Flow => Some(Dimension::Flow),
        HeatField::Volume => Some(Dimension::Volume),
        HeatField::SupplyTemp | HeatField::ReturnTemp | HeatField::Hours => None,
    }
}

impl Slot {
    /// Why no meter can have such a slot.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let fits = self.unit.is_none_or(|unit| Some(unit.dimension()) == dimension(self.field));
        match (place(self.field), self.coding) {
            (None, _) => Some("a slot for cooling: name the place, settled or energy"),
            (Some((_, 3)), Coding::Real) => Some("a real number in three bytes"),
            _ if !fits => Some("a slot with a unit of another dimension"),
            _ => None,
        }
    }

    fn read(&self, body: &[u8]) -> Option<Result<Option<Amount>, BodyFault>> {
        let (first, length) = place(self.field)?;
        let mut bytes = body.get(first..first + length)?.to_vec();
        if self.high_first {
            bytes.reverse();
        }
        if bytes.iter().all(|byte| *byte == 0xFF) {
            return Some(Ok(None));
        }
        let scaled = |number: Option<Amount>, (unit, exp10)| number.map(|number| number.scaled(exp10, unit));
        let unit = || self.unit(body, first + length);
        Some(self.number(&bytes).and_then(|number| unit().map(|unit| scaled(number, unit))))
    }

    fn number(&self, bytes: &[u8]) -> Result<Option<Amount>, BodyFault> {
        let raw = bytes.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        Ok(match self.coding {
            Coding::Bcd => {
                let digits = bcd_decode(bytes).ok_or(BodyFault::NotDecimal)?;
                Some(Amount::whole(digits.into(), Unit::Plain))
            }
            Coding::Unsigned => Some(Amount::whole(raw.into(), Unit::Plain)),
            Coding::Signed => {
                let unused = 32 - 8 * bytes.len().min(4) as u32;
                Some(Amount::whole((((raw << unused) as i32) >> unused).into(), Unit::Plain))
            }
            Coding::Real => Amount::real32(raw),
        })
    }

    fn unit(&self, body: &[u8], behind: usize) -> Result<(Unit, i32), BodyFault> {
        match (self.field, self.unit) {
            (_, Some(code)) => Ok(code.unit()),
            (HeatField::SupplyTemp | HeatField::ReturnTemp, None) => Ok((Unit::Celsius, 0)),
            (HeatField::Hours, None) => Ok((Unit::Hour, 0)),
            (_, None) => {
                let code = body.get(behind).copied().ok_or(BodyFault::Short)?;
                let unit = UnitCode::from_code(code).filter(|unit| Some(unit.dimension()) == dimension(self.field));
                unit.map(UnitCode::unit).ok_or(BodyFault::Unit(code))
            }
        }
    }
}

/// Reads the slots a profile names.
pub(super) fn read(bytes: &[u8], slots: &[Slot]) -> Result<Binary, PayloadFault> {
    if bytes.len() != body::length::<Heat>() {
        return Err(PayloadFault::Length(bytes.len()));
    }
    let not_so = |fault| PayloadFault::NotAsNamed("D", fault);
    let mut numbers = Vec::with_capacity(slots.len());
    for slot in slots {
        numbers.push((slot.field, slot.read(bytes).unwrap_or(Err(BodyFault::Short)).map_err(not_so)?));
    }
    let clock = bytes.get(CLOCK..).and_then(|rest| rest.first_chunk().copied());
    let status = bytes.get(STATUS..).and_then(|rest| rest.first_chunk().copied());
    let (Some(clock), Some(status)) = (clock, status) else { return Err(PayloadFault::Length(bytes.len())) };
    Ok(Binary { numbers, clock: digits::decode_clock(clock), status: Status(status) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn slot(field: HeatField, coding: Coding) -> Slot {
        Slot { field, coding, high_first: false, unit: None }
    }

    fn body(energy: [u8; 5], hours: [u8; 3]) -> Vec<u8> {
        let mut body = vec![0; 43];
        body.splice(5..10, energy);
        body.splice(31..34, hours);
        body
    }

    fn first(slots: &[Slot], body: &[u8]) -> Option<String> {
        let binary = read(body, slots).expect("read");
        binary.numbers.first().and_then(|(_, amount)| amount.map(|amount| amount.exact()))
    }

    #[test]
    fn each_coding_is_read_in_its_unit() {
        let energy = |coding, bytes| first(&[slot(HeatField::Energy, coding)], &body(bytes, [0; 3]));
        assert_eq!(energy(Coding::Unsigned, [0x10, 0x27, 0, 0x80, 0x02]).as_deref(), Some("2147493648"));
        assert_eq!(energy(Coding::Signed, [0xFE, 0xFF, 0xFF, 0xFF, 0x05]).as_deref(), Some("-2000"));
        assert_eq!(energy(Coding::Bcd, [0x34, 0x12, 0, 0, 0x05]).as_deref(), Some("1234000"));
        assert_eq!(energy(Coding::Real, [0x00, 0x00, 0x28, 0x42, 0x05]).as_deref(), Some("42000"));
        assert_eq!(energy(Coding::Signed, [0xFF; 5]), None);
        let hours = first(&[slot(HeatField::Hours, Coding::Signed)], &body([0; 5], [0xFF, 0xFF, 0x7F]));
        assert_eq!(hours.as_deref(), Some("30198985200"));
    }

    #[test]
    fn a_unit_byte_that_is_none_needs_a_named_unit() {
        let bytes = body([0, 0, 0, 1, 0x00], [0; 3]);
        let fault = read(&bytes, &[slot(HeatField::Energy, Coding::Unsigned)]);
        assert_eq!(fault, Err(PayloadFault::NotAsNamed("D", BodyFault::Unit(0))));
        let named = Slot { unit: Some(UnitCode::Wh), high_first: true, ..slot(HeatField::Energy, Coding::Unsigned) };
        assert_eq!(first(&[named], &bytes).as_deref(), Some("1"));
    }

    #[test]
    fn a_slot_no_meter_can_have_is_told() {
        assert!(slot(HeatField::Hours, Coding::Real).fault().is_some());
        assert!(slot(HeatField::Cooling, Coding::Bcd).fault().is_some());
        let wrong = Slot { unit: Some(UnitCode::M3), ..slot(HeatField::Energy, Coding::Bcd) };
        assert!(wrong.fault().is_some_and(|why| why.contains("dimension")));
        assert!(slot(HeatField::Energy, Coding::Real).fault().is_none());
    }
}
