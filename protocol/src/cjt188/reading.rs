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
use super::field::HeatField;
use super::frame::Frame;
use super::heat::Heat;
use super::payload::Data;
use super::profile::{Column, Profile};
use super::water::Water;
use crate::amount::{Amount, Unit};
use crate::gather::Gathering;
use crate::meter::{Address, Quality, Reading, ValveState};

/// Years before this one are a clock never set, ...
const FIRST_YEAR: u16 = 2000;
/// ... and of this century.
const LAST_YEAR: u16 = 2099;
/// T of a meter that counts cold.
pub(super) const COLD: u8 = 0x21;
/// T of a meter that counts heat and cold.
pub(super) const HEAT_AND_COLD: u8 = 0x22;

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
    let shape = gathering.shape(&profile.name);
    let (measurements, quality) = gathering.finish();
    let identity = Address::Cjt188(profile.turned(frame.address)).to_string();
    let raw = frame.encode_after(0);
    let (profile, valve) = (profile.name.clone(), status.valve());
    Reading { identity, profile, measurements, meter_time: clock, valve, quality, shape, history: Vec::new(), raw }
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

#[cfg(test)]
mod tests {
    use super::super::profile::sample;
    use super::super::status::Status;
    use super::super::testing::{self, shown};
    use super::super::unit::UnitCode;
    use super::*;
    use crate::meter::{CivilTime, Quantity};

    const CLOCK: CivilTime = CivilTime { year: 2026, month: 11, day: 12, hour: 13, minute: 14, second: 15 };

    const fn heat() -> Heat {
        testing::heat(100, 300, CLOCK)
    }

    fn read(data: &Data, meter_type: u8, edit: impl FnOnce(&mut Profile)) -> Reading {
        let mut profile = sample("", "").expect("a profile");
        edit(&mut profile);
        let frame = Frame { meter_type, address: [0x11; 7], control: 0x81, data: Vec::new() };
        assemble(data, &profile, &frame)
    }

    fn generic(data: &Data, meter_type: u8) -> Reading {
        read(data, meter_type, |_| {})
    }

    #[test]
    fn heat_cold_and_both_are_told_by_the_type_and_a_settled_total_is_never_a_current_one() {
        let energies = |meter_type| {
            let reading = generic(&Data::Heat(heat()), meter_type);
            (reading.value(Quantity::Energy), reading.value(Quantity::CoolingEnergy))
        };
        let (one, three) = (3_600_000, 10_800_000);
        assert_eq!(energies(0x20), (Some(three), None));
        assert_eq!(energies(0x21), (None, Some(three)));
        assert_eq!(energies(0x22), (Some(three), Some(one)));
        for unclear in [0x25, 0x26, 0x27] {
            assert_eq!(energies(unclear), (Some(three), None));
        }
        assert_eq!(generic(&Data::Heat(heat()), 0x20).quality, Quality(0));
    }

    #[test]
    fn a_profile_may_say_that_what_stands_first_is_cold() {
        let first = |profile: &mut Profile| {
            let cold = profile.columns.iter_mut().filter(|column| column.quantity == Quantity::CoolingEnergy);
            cold.for_each(|column| column.field = HeatField::Settled);
        };
        let reading = read(&Data::Heat(heat()), 0x20, first);
        assert_eq!(reading.value(Quantity::CoolingEnergy), Some(3_600_000));
    }

    #[test]
    fn decimals_are_the_profiles() {
        let whole = |profile: &mut Profile| profile.columns.iter_mut().for_each(|column| column.decimals = 0);
        assert_eq!(read(&Data::Heat(heat()), 0x20, whole).value(Quantity::Energy), Some(1_080_000_000));
    }

    #[test]
    fn water_and_gas_have_a_volume_and_nothing_is_missed() {
        let volume = shown(123_456, UnitCode::M3);
        let water = Water { volume, settled: shown(1, UnitCode::M3), clock: Some(CLOCK), status: Status([0b101, 0]) };
        for meter_type in [0x10, 0x11, 0x12, 0x13, 0x30] {
            let reading = generic(&Data::Water(water), meter_type);
            assert_eq!(reading.value(Quantity::Volume), Some(1_234_560_000));
            assert_eq!((reading.measurements.len(), reading.valve), (1, Some(ValveState::Closed)));
            assert_eq!((reading.meter_time, reading.quality), (Some(CLOCK), Quality::LOW_BATTERY));
        }
        let lost = Water { volume: Shown { digits: None, ..volume }, ..water };
        let reading = generic(&Data::Water(lost), 0x10);
        assert!(reading.measurements.is_empty() && reading.quality.has(Quality::INVALID_VALUE));
    }

    #[test]
    fn what_is_implausible_is_kept_and_said_so() {
        let boiling = Heat { supply_temp: Some(999_999), ..heat() };
        let reading = generic(&Data::Heat(boiling), 0x20);
        assert_eq!((reading.value(Quantity::SupplyTemp), reading.quality), (Some(9_999_990), Quality::IMPLAUSIBLE));
        for (year, quality) in
            [(11, Quality::CLOCK_OFF), (1999, Quality::CLOCK_OFF), (2100, Quality::CLOCK_OFF), (2099, Quality(0))]
        {
            let clock = Some(CivilTime { year, ..CLOCK });
            let reading = generic(&Data::Heat(Heat { clock, ..heat() }), 0x20);
            assert_eq!((reading.meter_time, reading.quality), (clock, quality));
        }
        let stuck = generic(&Data::Heat(Heat { status: Status([0b11, 0]), ..heat() }), 0x20);
        assert_eq!((stuck.valve, stuck.quality), (Some(ValveState::Fault), Quality::METER_ERROR));
    }
}
