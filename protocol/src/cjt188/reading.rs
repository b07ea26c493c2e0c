//! Current data to a reading, as a profile says.
//!
//! Promises: decimals and columns come from the profile; a value marked invalid is absent and said so.
//! Refuses: columns whose field the meter does not have.

use super::frame::Frame;
use super::heat::{Heat, Shown};
use super::profile::{Column, HeatField, Profile};
use crate::amount::{Amount, Unit};
use crate::gather::Gathering;
use crate::meter::{Address, Quality, Reading};

/// Years before this one are a clock never set.
const FIRST_YEAR: u16 = 2000;

pub(super) fn assemble(heat: &Heat, profile: &Profile, frame: &Frame) -> Reading {
    let mut gathering = Gathering::default();
    for column in &profile.columns {
        gathering.put(column.quantity, amount(heat, column));
    }
    if heat.status.is_battery_low() {
        gathering.doubt(Quality::LOW_BATTERY);
    }
    if heat.clock.is_none_or(|clock| clock.year < FIRST_YEAR) {
        gathering.doubt(Quality::CLOCK_OFF);
    }
    let (measurements, quality) = gathering.finish();
    let identity = Address::Cjt188(frame.address).to_string();
    let raw = frame.encode_after(0);
    let (profile, valve) = (profile.name.clone(), heat.status.valve());
    Reading { identity, profile, measurements, meter_time: heat.clock, valve, quality, raw }
}

fn amount(heat: &Heat, column: &Column) -> Option<Amount> {
    let decimals = i32::from(column.decimals);
    let shown = |shown: &Shown| shown.amount(decimals);
    let bare = |digits: Option<u32>, unit| digits.map(|digits| Amount::decimal(digits.into(), -decimals, unit));
    match column.field {
        HeatField::Settled => shown(&heat.settled),
        HeatField::Energy => shown(&heat.energy),
        HeatField::Power => shown(&heat.power),
        HeatField::Flow => shown(&heat.flow),
        HeatField::Volume => shown(&heat.volume),
        HeatField::SupplyTemp => bare(heat.supply_temp, Unit::Celsius),
        HeatField::ReturnTemp => bare(heat.return_temp, Unit::Celsius),
        HeatField::Hours => bare(heat.hours, Unit::Hour),
    }
}
