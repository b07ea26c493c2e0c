//! Current data to a reading, as a profile says.
//!
//! ```text
//!   type 20: settled = heat at the settlement day, no quantity     energy = heat
//!   type 21: settled = cold at the settlement day, no quantity     energy = cold
//!   type 22: settled = cold                                        energy = heat
//! ```
//!
//! Promises: decimals and columns come from the profile; a value marked invalid is absent and said so; one that is
//! implausible is kept and said so. Refuses: columns whose field the meter does not have.

use super::binary::Binary;
use super::body::Body;
use super::digits::Shown;
use super::frame::Frame;
use super::heat::Heat;
use super::payload::Data;
use super::profile::{Column, HeatField, Profile};
use super::water::Water;
use crate::amount::{Amount, Unit};
use crate::gather::Gathering;
use crate::meter::{Address, Quality, Reading, ValveState};

/// Years before this one are a clock never set, ...
const FIRST_YEAR: u16 = 2000;
/// ... and of this century.
const LAST_YEAR: u16 = 2099;
/// T of a meter that counts cold.
const COLD: u8 = 0x21;
/// T of a meter that counts heat and cold.
const HEAT_AND_COLD: u8 = 0x22;

pub(super) fn assemble(data: &Data, profile: &Profile, frame: &Frame) -> Reading {
    let mut gathering = Gathering::default();
    for column in &profile.columns {
        if let Some(amount) = place(column.field, frame.meter_type).and_then(|field| amount(data, field, column)) {
            gathering.put(column.quantity, amount);
        }
    }
    let (clock, status) = (data.clock(), data.status());
    let doubts = [
        (status.is_battery_low(), Quality::LOW_BATTERY),
        (status.valve() == Some(ValveState::Fault), Quality::METER_ERROR),
        (clock.is_none_or(|clock| !(FIRST_YEAR..=LAST_YEAR).contains(&clock.year)), Quality::CLOCK_OFF),
        (!is_plausible(data), Quality::IMPLAUSIBLE),
    ];
    doubts.into_iter().filter(|(is_so, _)| *is_so).for_each(|(_, doubt)| gathering.doubt(doubt));
    let (measurements, quality) = gathering.finish();
    let identity = Address::Cjt188(frame.address).to_string();
    let raw = frame.encode_after(0);
    Reading { identity, measurements, meter_time: clock, valve: status.valve(), quality, raw }
}

fn is_plausible(data: &Data) -> bool {
    match data {
        Data::Heat(heat) => heat.is_plausible(),
        Data::Water(water) => water.is_plausible(),
        Data::Binary(_) => true,
    }
}

/// The place that holds a field in a meter of this type; `None` where none does.
const fn place(field: HeatField, meter_type: u8) -> Option<HeatField> {
    match (field, meter_type) {
        (HeatField::Cooling, COLD) => Some(HeatField::Energy),
        (HeatField::Cooling, HEAT_AND_COLD) => Some(HeatField::Settled),
        (HeatField::Cooling, _) | (HeatField::Energy, COLD) => None,
        _ => Some(field),
    }
}

/// The amount in a place: `None` where the data have no such place, `Some(None)` where it is marked invalid.
fn amount(data: &Data, field: HeatField, column: &Column) -> Option<Option<Amount>> {
    let decimals = i32::from(column.decimals);
    match data {
        Data::Heat(heat) => Some(of_heat(heat, field, decimals)),
        Data::Water(water) => of_water(water, field).map(|shown| shown.amount(decimals)),
        Data::Binary(binary) => of_binary(binary, field, decimals),
    }
}

fn of_heat(heat: &Heat, field: HeatField, decimals: i32) -> Option<Amount> {
    let shown = |shown: &Shown| shown.amount(decimals);
    let bare = |digits: Option<u32>, unit| digits.map(|digits| Amount::decimal(digits.into(), -decimals, unit));
    match field {
        HeatField::Settled | HeatField::Cooling => shown(&heat.settled),
        HeatField::Energy => shown(&heat.energy),
        HeatField::Power => shown(&heat.power),
        HeatField::Flow => shown(&heat.flow),
        HeatField::Volume => shown(&heat.volume),
        HeatField::SupplyTemp => bare(heat.supply_temp, Unit::Celsius),
        HeatField::ReturnTemp => bare(heat.return_temp, Unit::Celsius),
        HeatField::Hours => bare(heat.hours, Unit::Hour),
    }
}

const fn of_water(water: &Water, field: HeatField) -> Option<&Shown> {
    match field {
        HeatField::Volume => Some(&water.volume),
        HeatField::Settled => Some(&water.settled),
        _ => None,
    }
}

fn of_binary(binary: &Binary, field: HeatField, decimals: i32) -> Option<Option<Amount>> {
    let (_, number) = binary.numbers.iter().find(|(held, _)| *held == field)?;
    Some(number.map(|number| number.scaled(-decimals, number.unit())))
}
