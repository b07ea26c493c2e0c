//! Which of the five byte layouts that live under DI 901F an answer has, and the answer in the standard one.
//!
//! ```text
//!   A  value (low byte first), unit | .. | clock ss mm hh DD MM YY CC      the standard
//!   B  unit, value (low byte first) | .. | clock as A
//!   C  value (high byte first), unit | .. | clock CC YY MM DD hh mm ss
//!   E  every data byte + 33h (so the DI reads C352), then B
//!   D  a maker's binary in the same places: not read
//! ```
//!
//! Promises: units where they belong, decimal digits and a clock of this century must all agree on exactly one layout.
//! Refuses: anything else, with its reason; it never guesses.

use super::frame::Frame;
use super::heat::{Heat, HeatFault, LENGTH};
use super::reply::{Lead, di};
use crate::bytes::Cursor;
use crate::meter::CivilTime;

/// What layout E adds to every data byte.
const VEIL: u8 = 0x33;

/// The hottest water a heat meter is made for, hundredths of a degree.
const HOTTEST: u32 = 20_000;

/// An order of bytes in the current data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The standard.
    A,
    /// The unit before the value.
    B,
    /// The most significant byte first.
    C,
    /// B with 33h added to every byte.
    E,
}

/// Why an answer is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFault {
    /// No DI and SER.
    #[error("data without DI and SER")]
    NoLead,
    /// Other data than asked for.
    #[error("data identifier {0:04X} is not current data")]
    OtherData(u16),
    /// In no layout do the bytes make sense; the fault is the standard layout's.
    #[error("no known layout: {0}")]
    NoLayout(HeatFault),
    /// They make sense in more than one, or no clock tells which.
    #[error("layout ambiguous")]
    Ambiguous,
}

/// Current data, and what they were read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// The data.
    pub heat: Heat,
    /// The layout recognised.
    pub layout: Layout,
    /// SER as the meter means it.
    pub ser: u8,
}

impl Current {
    /// Reads the answer to a read of current data.
    pub fn read(frame: &Frame) -> Result<Self, PayloadFault> {
        let (lead, body) = Lead::of(frame).ok_or(PayloadFault::NoLead)?;
        if lead.asks(di::CURRENT) {
            let (heat, layout) = recognise(body)?;
            return Ok(Self { heat, layout, ser: lead.ser });
        }
        let unveiled = lead.di.map(|byte| byte.wrapping_sub(VEIL));
        if u16::from_be_bytes(unveiled) != di::CURRENT && u16::from_le_bytes(unveiled) != di::CURRENT {
            return Err(PayloadFault::OtherData(u16::from_be_bytes(lead.di)));
        }
        let body: Vec<u8> = body.iter().map(|byte| byte.wrapping_sub(VEIL)).collect();
        let heat = as_standard(&body, Layout::B)?;
        Ok(Self { heat, layout: Layout::E, ser: lead.ser.wrapping_sub(VEIL) })
    }
}

fn recognise(body: &[u8]) -> Result<(Heat, Layout), PayloadFault> {
    let mut candidates: Vec<(Heat, Layout)> = [Layout::A, Layout::B, Layout::C]
        .into_iter()
        .filter_map(|layout| as_standard(body, layout).ok().map(|heat| (heat, layout)))
        .filter(|(heat, _)| heat.clock.is_some_and(|clock| is_of_our_times(&clock)))
        .collect();
    // At some seconds of some minutes a clock makes sense from both ends; then the rest of the data decides.
    for is_likelier in [is_of_this_century, has_water_temperatures] {
        if candidates.iter().any(|(heat, _)| is_likelier(heat)) {
            candidates.retain(|(heat, _)| is_likelier(heat));
        }
    }
    match candidates.as_slice() {
        [only] => Ok(*only),
        [] => Err(as_standard(body, Layout::A).err().unwrap_or(PayloadFault::Ambiguous)),
        _ => Err(PayloadFault::Ambiguous),
    }
}

fn is_of_this_century(heat: &Heat) -> bool {
    heat.clock.is_some_and(|clock| clock.year / 100 == 20)
}

fn has_water_temperatures(heat: &Heat) -> bool {
    [heat.supply_temp, heat.return_temp].into_iter().flatten().all(|hundredths| hundredths <= HOTTEST)
}

/// Century 20; or 00, which some meters leave there.
const fn is_of_our_times(clock: &CivilTime) -> bool {
    matches!(clock.year / 100, 0 | 20)
}

fn as_standard(body: &[u8], layout: Layout) -> Result<Heat, PayloadFault> {
    let reordered = match layout {
        Layout::A => Some(body.to_vec()),
        Layout::B | Layout::E => reorder(body, |[u, a, b, c, d]| [a, b, c, d, u], |short| short, |clock| clock),
        Layout::C => reorder(body, |[a, b, c, d, u]| [d, c, b, a, u], reversed, reversed),
    };
    let standard = reordered.ok_or(PayloadFault::NoLayout(HeatFault::Length(body.len())))?;
    Heat::decode(&standard).map_err(PayloadFault::NoLayout)
}

/// The same bytes in standard order; `None` where there are not [`LENGTH`] of them.
fn reorder(
    body: &[u8],
    value: fn([u8; 5]) -> [u8; 5],
    short: fn([u8; 3]) -> [u8; 3],
    clock: fn([u8; 7]) -> [u8; 7],
) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(body);
    let mut standard = Vec::with_capacity(LENGTH);
    for _ in 0..5 {
        standard.extend(value(cursor.array()?));
    }
    for _ in 0..3 {
        standard.extend(short(cursor.array()?));
    }
    standard.extend(clock(cursor.array()?));
    standard.extend(cursor.rest());
    Some(standard)
}

fn reversed<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cjt188::heat::{Shown, Status};
    use crate::cjt188::unit::UnitCode;

    fn heat(clock: CivilTime) -> Heat {
        let shown = |digits, unit| Shown { digits: Some(digits), unit };
        Heat {
            settled: shown(0, UnitCode::KWh),
            energy: shown(54_060, UnitCode::KWh),
            power: shown(0, UnitCode::KW),
            flow: shown(0, UnitCode::M3PerHour),
            volume: shown(1983, UnitCode::M3),
            supply_temp: Some(6514),
            return_temp: Some(4115),
            hours: Some(28),
            clock: Some(clock),
            status: Status::default(),
        }
    }

    #[test]
    fn every_second_of_a_day_is_recognised_as_the_standard_layout() {
        for second in 0..86_400_u32 {
            let (hour, minute, second) = ((second / 3600) as u8, (second / 60 % 60) as u8, (second % 60) as u8);
            let sent = heat(CivilTime { year: 2026, month: 11, day: 12, hour, minute, second });
            assert_eq!(recognise(&sent.encode()), Ok((sent, Layout::A)));
        }
    }

    #[test]
    fn without_a_clock_nothing_is_recognised() {
        let sent = Heat { clock: None, ..heat(CivilTime { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }) };
        assert_eq!(recognise(&sent.encode()), Err(PayloadFault::Ambiguous));
    }

    #[test]
    fn a_clock_of_another_century_or_a_unit_of_another_dimension_is_not_recognised() {
        let clock = CivilTime { year: 5026, month: 11, day: 12, hour: 13, minute: 14, second: 15 };
        assert_eq!(recognise(&heat(clock).encode()), Err(PayloadFault::Ambiguous));
        let sent = heat(CivilTime { year: 2026, ..clock });
        let swapped = Heat { energy: sent.volume, volume: sent.energy, ..sent };
        assert_eq!(recognise(&swapped.encode()), Err(PayloadFault::NoLayout(HeatFault::Unit(0x2C))));
    }

    #[test]
    fn data_of_another_length_or_with_hex_digits_are_in_no_layout() {
        assert_eq!(recognise(&[0; 19]), Err(PayloadFault::NoLayout(HeatFault::Length(19))));
        assert!(matches!(recognise(&[0xAB; LENGTH]), Err(PayloadFault::NoLayout(_))));
    }
}
