//! The data of CJ/T 188 answers in the five layouts that live under one header.
//!
//! ```text
//!   A  56 04 05 00 05   value low byte first, unit      B  05 56 04 05 00    unit first
//!   C  00 05 04 56 05   high byte first; clock too      D  binary instead of decimal digits
//!   E  as B, every byte of the data + 33h
//!   heat   settled energy power flow volume (4+1 each) supply return hours (3 each) clock 7 status 2    43 bytes
//!   water, gas   volume settled (4+1 each) clock 7 status 2                                             19 bytes
//! ```
//!
//! Promises: the fields are put together here, byte by byte from the standard's tables, and not by the code under test.
//! Refuses: DI and SER.

use protocol::bytes::bcd_encode;

use crate::field::calendar::Civil;
use crate::field::config::{Layout, Measures};
use crate::ledger::{Values, ValveIs};

const UNIT_KWH: u8 = 0x05;
const UNIT_KW: u8 = 0x17;
const UNIT_M3H: u8 = 0x35;
const UNIT_M3: u8 = 0x2C;
/// What layout E adds to every byte of the data.
const VEIL: u8 = 0x33;
/// The steps in which values are shown, in fixed units: 0.01 kWh, 0.01 kW, 0.0001 m3/h, 0.01 m3, 0.01 °C, 1 h.
const STEPS: [i64; 6] = [36_000, 10_000, 100, 10_000, 10, 3600];

/// The current data of a meter: what follows DI and SER, before any veil.
pub fn current(layout: Layout, measures: Measures, values: &Values, clock: Civil) -> Vec<u8> {
    let mut page = Page { layout, data: Vec::new() };
    let [energy, power, flow, volume, temperature, hours] = STEPS;
    if measures == Measures::Heat {
        page.shown(None, energy, UNIT_KWH);
        page.shown(values.energy_joule, energy, UNIT_KWH);
        page.shown(values.power_milliwatt, power, UNIT_KW);
        page.shown(values.flow_millilitre_per_hour, flow, UNIT_M3H);
        page.shown(values.volume_millilitre, volume, UNIT_M3);
        page.bare(values.supply_milli_celsius, temperature);
        page.bare(values.return_milli_celsius, temperature);
        page.bare(values.operating_seconds, hours);
    } else {
        page.shown(values.volume_millilitre, volume, UNIT_M3);
        page.shown(None, volume, UNIT_M3);
    }
    page.clock(clock);
    page.data.extend(status(values.valve));
    page.data
}

/// The total of a month: what follows DI and SER, before any veil. J or mL, by what is measured.
pub fn total(layout: Layout, measures: Measures, energy: i64, volume: i64) -> Vec<u8> {
    let mut page = Page { layout, data: Vec::new() };
    let [energy_step, _, _, volume_step, ..] = STEPS;
    match measures {
        Measures::Heat => page.shown(Some(energy), energy_step, UNIT_KWH),
        Measures::Water | Measures::Gas => page.shown(Some(volume), volume_step, UNIT_M3),
    }
    page.data
}

/// Puts on what layout E does to the data of a frame.
pub fn veil(layout: Layout, data: Vec<u8>) -> Vec<u8> {
    if layout == Layout::E { data.into_iter().map(|byte| byte.wrapping_add(VEIL)).collect() } else { data }
}

/// Status byte 1: bits 0-1 valve 00 open, 01 closed, 11 fault; 10, which the standard leaves free, while it moves.
pub fn status(valve: Option<ValveIs>) -> [u8; 2] {
    let bits = match valve {
        None | Some(ValveIs::Open) => 0b00,
        Some(ValveIs::Closed) => 0b01,
        Some(ValveIs::Moving) => 0b10,
        Some(ValveIs::Fault) => 0b11,
    };
    [bits, 0]
}

struct Page {
    layout: Layout,
    data: Vec<u8>,
}

impl Page {
    fn shown(&mut self, value: Option<i64>, step: i64, unit: u8) {
        let digits = self.digits(value, step, 4);
        match self.layout {
            Layout::B | Layout::E => self.data.extend([&[unit], digits.as_slice()].concat()),
            Layout::A | Layout::C | Layout::D => self.data.extend([digits.as_slice(), &[unit]].concat()),
        }
    }

    fn bare(&mut self, value: Option<i64>, step: i64) {
        let digits = self.digits(value, step, 3);
        self.data.extend(digits);
    }

    fn digits(&self, value: Option<i64>, step: i64, len: usize) -> Vec<u8> {
        let steps = u64::try_from(value.unwrap_or(0) / step).unwrap_or(0);
        if self.layout == Layout::D {
            return steps.to_le_bytes().into_iter().take(len).collect();
        }
        // An index that outgrew its digits is shown as invalid.
        self.ordered(bcd_encode(steps, len).unwrap_or_else(|| vec![0xFF; len]))
    }

    fn clock(&mut self, clock: Civil) {
        let Civil { year, month, day, hour, minute, second } = clock;
        let parts = [second, minute, hour, day, month, (year % 100) as u8, (year / 100) as u8];
        let digits = parts.iter().map(|part| part / 10 * 16 + part % 10).collect();
        let ordered = self.ordered(digits);
        self.data.extend(ordered);
    }

    fn ordered(&self, mut low_first: Vec<u8>) -> Vec<u8> {
        if self.layout == Layout::C {
            low_first.reverse();
        }
        low_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            energy_joule: Some(54_060 * 36_000),
            power_milliwatt: Some(0),
            flow_millilitre_per_hour: Some(0),
            volume_millilitre: Some(1983 * 10_000),
            supply_milli_celsius: Some(19_140),
            return_milli_celsius: Some(19_150),
            operating_seconds: Some(28 * 3600),
            ..Values::default()
        }
    }

    fn data(layout: Layout, clock: Civil) -> String {
        let data = veil(layout, current(layout, Measures::Heat, &values(), clock));
        data.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    #[test]
    fn the_standard_layout_is_that_of_a_makers_published_telegram() {
        // Published reply of the meter FFFFF130156920: 540.60 kWh, 19.83 m3, clock 2004-03-05 17:15:03.
        let clock = Civil { year: 2004, month: 3, day: 5, hour: 17, minute: 15, second: 3 };
        let published = "00000000056040050005\
                         00000000170000000035831900002C\
                         14190015190028000003151705030420\
                         0000";
        let ours = data(Layout::A, clock);
        assert_eq!(ours, published);
    }

    #[test]
    fn the_other_layouts_are_the_same_fields_in_another_order() {
        let clock = Civil { year: 2026, month: 11, day: 12, hour: 13, minute: 14, second: 15 };
        assert!(data(Layout::B, clock).starts_with("05000000000560400500"));
        assert!(data(Layout::C, clock).starts_with("00000000050005406005"));
        assert!(data(Layout::C, clock).ends_with("202611121314150000"));
        assert!(data(Layout::D, clock).starts_with("00000000052CD3000005"));
        assert!(data(Layout::E, clock).starts_with("38333333333893733833"));
    }
}
