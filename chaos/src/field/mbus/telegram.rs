//! The telegrams of an M-Bus heat meter (EN 13757-3 clauses 5 and 6), put together byte by byte.
//!
//! ```text
//!   one        72 header | energy volume power flow hours temperatures clock valve
//!   several    72 header | energy volume power 1F
//!              72 header | flow hours temperatures clock valve 1F
//!              72 header | energy and volume of earlier months 1F .. the last without 1F
//!   fixed      73 id access status units | energy kWh | volume L
//! ```
//!
//! Promises: records are made from the standard's tables and not by the code under test; what they say is exactly what
//! the ledger says. Refuses: sending them.

use protocol::bytes::bcd_encode;
use protocol::mbus::frame::{Frame, ci, control};
use protocol::meter::Dialect;

use super::identity::Identity;
use crate::field::calendar::Civil;
use crate::field::physics::Resolution;
use crate::field::reply::Reply;
use crate::ledger::{AnswerKind, Values, ValveIs};

/// The valve's record: digital output, FD 1F in one byte.
pub const VALVE_RECORD: [u8; 3] = [0x01, 0xFD, 0x1F];
/// More telegrams follow.
const MORE: u8 = 0x1F;
/// Steps an index is said to have grown in each of the earlier months.
const MONTH_STEPS: i64 = 500;
/// Units of the fixed structure: kWh, L.
const FIXED_UNITS: [u8; 2] = [0x05, 0x29];

/// How a meter shows its energy: (VIF bytes, joules a step).
const ENERGY_UNITS: [(&[u8], i64); 4] = [
    (&[0x03], 3_600),             // Wh
    (&[0x06], 3_600_000),         // kWh
    (&[0x0E], 1_000_000),         // MJ
    (&[0xFB, 0x08], 100_000_000), // 0.1 GJ
];
/// The one of the fixed structure: kWh.
const FIXED_ENERGY: usize = 1;

/// What a meter's telegrams look like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    energy_vif: &'static [u8],
    energy_joule: i64,
    telegrams: u8,
    is_fixed: bool,
    announces_for_ever: bool,
}

/// What goes into the telegrams of one answer.
#[derive(Debug)]
pub struct Content<'a> {
    /// The primary address they come from.
    pub from: u8,
    /// Who says it.
    pub identity: &'a Identity,
    /// The access number of the first.
    pub access: u8,
    /// What is measured.
    pub values: &'a Values,
    /// What the clock shows.
    pub clock: Civil,
}

impl Shape {
    /// So many telegrams of variable structure; `kind` chooses the unit of energy.
    pub fn variable(telegrams: u8, kind: u8, announces_for_ever: bool) -> Self {
        let (energy_vif, energy_joule) = energy(usize::from(kind) % ENERGY_UNITS.len());
        Self { energy_vif, energy_joule, telegrams: telegrams.max(1), is_fixed: false, announces_for_ever }
    }

    /// One telegram of fixed structure.
    pub fn fixed() -> Self {
        let (energy_vif, energy_joule) = energy(FIXED_ENERGY);
        Self { energy_vif, energy_joule, telegrams: 1, is_fixed: true, announces_for_ever: false }
    }

    /// Steps of 1 L, 1 W, 1 L/h, 0.01 °C, 1 h.
    pub fn resolution(&self) -> Resolution {
        Resolution { energy: self.energy_joule, volume: 1000, power: 1000, flow: 1000, temperature: 10, time: 3600 }
    }

    /// The telegrams of one answer, in order.
    pub fn telegrams(&self, content: &Content<'_>) -> Vec<Reply> {
        if self.is_fixed {
            return vec![fixed(content)];
        }
        let count = self.telegrams;
        (0..count).map(|number| self.telegram(content, number, number + 1 == count)).collect()
    }

    fn telegram(&self, content: &Content<'_>, number: u8, is_last: bool) -> Reply {
        let mut data = content.identity.header().to_vec();
        data.extend([content.access.wrapping_add(number), 0, 0, 0]);
        let (mut said, mut tells_time) = (Values::default(), false);
        if number == 0 {
            self.put_indexes(&mut data, content.values, &mut said);
        }
        if number == 1 || self.telegrams == 1 {
            put_moment(&mut data, content, &mut said);
            tells_time = true;
        }
        if number > 1 {
            self.put_months(&mut data, content.values, number);
        }
        if !is_last || self.announces_for_ever {
            data.push(MORE);
        }
        let frame = Frame::Long { control: control::RSP_UD, address: content.from, ci: ci::LONG_HEADER, data };
        let (kind, values) =
            if is_last { (AnswerKind::Reading, content.values.clone()) } else { (AnswerKind::Part, said) };
        let meter_time = (tells_time || is_last).then(|| content.clock.to_string());
        Reply { kind, meter_time, ..Reply::reading(Dialect::Mbus, frame.encode(), values) }
    }

    fn put_indexes(&self, data: &mut Vec<u8>, values: &Values, said: &mut Values) {
        let step = self.resolution();
        put32(data, &[0x04], self.energy_vif, values.energy_joule, step.energy);
        put32(data, &[0x04], &[0x13], values.volume_millilitre, step.volume);
        put32(data, &[0x04], &[0x2B], values.power_milliwatt, step.power);
        said.energy_joule = values.energy_joule;
        said.volume_millilitre = values.volume_millilitre;
        said.power_milliwatt = values.power_milliwatt;
    }

    /// Two of the earlier months, under storage numbers from 1 on.
    fn put_months(&self, data: &mut Vec<u8>, values: &Values, number: u8) {
        let step = self.resolution();
        for storage in [number * 2 - 3, number * 2 - 2] {
            let dif = [0x84 | (storage & 1) << 6, storage >> 1];
            let earlier = |value: Option<i64>, step: i64| {
                value.map(|value| (value - i64::from(storage) * MONTH_STEPS * step).max(0))
            };
            put32(data, &dif, self.energy_vif, earlier(values.energy_joule, step.energy), step.energy);
            put32(data, &dif, &[0x13], earlier(values.volume_millilitre, step.volume), step.volume);
        }
    }
}

fn energy(place: usize) -> (&'static [u8], i64) {
    ENERGY_UNITS.get(place).copied().unwrap_or((&[0x03], 3_600))
}

fn put_moment(data: &mut Vec<u8>, content: &Content<'_>, said: &mut Values) {
    let values = content.values;
    put32(data, &[0x04], &[0x3B], values.flow_millilitre_per_hour, 1000);
    put32(data, &[0x04], &[0x26], values.operating_seconds, 3600);
    put16(data, 0x59, values.supply_milli_celsius);
    put16(data, 0x5D, values.return_milli_celsius);
    put16(data, 0x61, values.difference_millikelvin);
    data.extend([0x0C, 0x78]);
    data.extend(content.identity.fabrication());
    data.extend([0x04, 0x6D]);
    data.extend(type_f(content.clock));
    if let Some(state) = values.valve {
        data.extend(VALVE_RECORD);
        data.push(valve_code(state));
    }
    *said = Values {
        energy_joule: said.energy_joule,
        volume_millilitre: said.volume_millilitre,
        power_milliwatt: said.power_milliwatt,
        ..values.clone()
    };
}

fn put32(data: &mut Vec<u8>, dif: &[u8], vif: &[u8], value: Option<i64>, step: i64) {
    let steps = i32::try_from(value.unwrap_or(0) / step).unwrap_or(i32::MAX);
    data.extend(dif);
    data.extend(vif);
    data.extend(steps.to_le_bytes());
}

fn put16(data: &mut Vec<u8>, vif: u8, milli: Option<i64>) {
    let steps = i16::try_from(milli.unwrap_or(0) / 10).unwrap_or(i16::MAX);
    data.extend([0x02, vif]);
    data.extend(steps.to_le_bytes());
}

/// The fixed structure (EN 13757-3 annex): the medium stands in the high bits of the units.
fn fixed(content: &Content<'_>) -> Reply {
    let [first, second] = FIXED_UNITS;
    let medium = content.identity.medium();
    let values = Values {
        energy_joule: content.values.energy_joule,
        volume_millilitre: content.values.volume_millilitre,
        ..Values::default()
    };
    let mut data: Vec<u8> = content.identity.header().into_iter().take(4).collect();
    data.extend([content.access, 0, first | medium << 6, second | medium >> 2 << 6]);
    for (value, step) in [(values.energy_joule, 3_600_000), (values.volume_millilitre, 1000)] {
        let steps = u64::try_from(value.unwrap_or(0) / step).unwrap_or(0);
        data.extend(bcd_encode(steps, 4).unwrap_or_else(|| vec![0xFF; 4]));
    }
    let frame = Frame::Long { control: control::RSP_UD, address: content.from, ci: ci::FIXED, data };
    Reply::reading(Dialect::Mbus, frame.encode(), values)
}

fn valve_code(state: ValveIs) -> u8 {
    match state {
        ValveIs::Closed => 0,
        ValveIs::Open => 1,
        ValveIs::Fault => 2,
        ValveIs::Moving => 3,
    }
}

/// Date and time of type F (EN 13757-3 annex A), with the hundred-year bits of 20xx.
fn type_f(time: Civil) -> [u8; 4] {
    let year = (time.year % 100) as u8;
    [time.minute, 0x20 | time.hour, (year & 7) << 5 | time.day, (year >> 3) << 4 | time.month]
}

/// The time in the four bytes of type F, years from 2000 on.
pub fn from_type_f(bytes: [u8; 4]) -> Civil {
    let [minute, hour, day, month] = bytes;
    let year = i64::from(day >> 5 | month >> 4 << 3);
    let (minute, hour, day, month) = (minute & 0x3F, hour & 0x1F, day & 0x1F, month & 0xF);
    Civil { year: 2000 + year, month, day, hour, minute, second: 0 }
}
