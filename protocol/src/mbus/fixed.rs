//! The fixed data structure of old meters (EN 13757-3 annex "fixed data structure"): two counters.
//!
//! ```text
//!   id 4 BCD | access | status | unit 1 | unit 2 | counter 1 (4) | counter 2 (4)
//!                       |        low six bits: code; high bits: medium
//!                       bit 0: counters binary, not BCD     bit 1: counters of the set day, not of now
//! ```
//!
//! Promises: the same records a variable structure would give. Refuses: units no column has (they pass as other).

use super::header::Status;
use super::record::{Place, Record};
use super::value::{self, Value};
use super::vif::{Meaning, Vif};
use crate::amount::{Amount, Dimension, Unit};
use crate::bytes::Cursor;

/// The unit code of counter 2 that says: as counter 1, but of the set day.
const SAME_BUT_STORED: u8 = 0x3E;

/// What the structure says.
#[derive(Debug)]
pub(super) struct Fixed {
    /// The identification number.
    pub(super) id: u32,
    /// The status byte, without the bits that describe the counters.
    pub(super) status: Status,
    /// The two counters.
    pub(super) records: Vec<Record>,
}

pub(super) fn parse(data: &[u8], msb_first: bool) -> Option<Fixed> {
    let mut cursor = Cursor::new(data);
    let id = number(cursor.array()?, msb_first);
    let [_access, status, first, second] = cursor.array()?;
    let counters = [number(cursor.array()?, msb_first), number(cursor.array()?, msb_first)];
    let (first, second) = (first & 0x3F, second & 0x3F);
    let stored = status & 0b10 != 0;
    let units =
        if second == SAME_BUT_STORED { [(first, stored), (first, true)] } else { [first, second].map(|u| (u, stored)) };
    let records =
        units.into_iter().zip(counters).map(|((unit, stored), bits)| record(unit, stored, bits, status & 1 != 0));
    Some(Fixed { id, status: Status(status & !0b11), records: records.collect() })
}

fn number(bytes: [u8; 4], msb_first: bool) -> u32 {
    if msb_first { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

fn record(code: u8, stored: bool, bits: u32, is_binary: bool) -> Record {
    let (unit, exp10) = unit(code);
    let bytes = bits.to_le_bytes();
    let digits = if is_binary {
        value::unsigned(&bytes).and_then(|count| i64::try_from(count).ok())
    } else {
        value::signed_bcd(&bytes)
    };
    let value = digits.map_or(Value::Invalid, |digits| Value::Number(Amount::decimal(digits, exp10, unit)));
    let place = Place { storage: u64::from(stored), ..Place::CURRENT };
    let (meaning, name) = meaning(unit);
    Record::new(place, Vif::new(meaning, name, unit, exp10), value)
}

const fn meaning(unit: Unit) -> (Meaning, &'static str) {
    match unit.dimension() {
        Dimension::Energy => (Meaning::Energy, "Energy"),
        Dimension::Volume => (Meaning::Volume, "Volume"),
        Dimension::Power => (Meaning::Power, "Power"),
        Dimension::Flow => (Meaning::Flow, "Volume flow"),
        _ => (Meaning::Other, ""),
    }
}

/// Each unit has a run of codes, one per power of ten.
fn unit(code: u8) -> (Unit, i32) {
    let from = |first: u8, exp10: i32| exp10 + i32::from(code) - i32::from(first);
    match code {
        0x02..=0x0A => (Unit::WattHour, from(0x02, 0)),
        0x0B..=0x13 => (Unit::Joule, from(0x0B, 3)),
        0x14..=0x1C => (Unit::Watt, from(0x14, 0)),
        0x1D..=0x25 => (Unit::JoulePerHour, from(0x1D, 3)),
        0x26..=0x2E => (Unit::CubicMetre, from(0x26, -6)),
        0x2F..=0x37 => (Unit::CubicMetrePerHour, from(0x2F, -6)),
        _ => (Unit::Plain, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensus_pollusonic_counts_kilowatt_hours_and_litres() {
        // SEN PolluSonic 2: id 90919293, counters 6531 kWh and 69 l.
        let data = [0x93, 0x92, 0x91, 0x90, 0x10, 0x00, 0x05, 0x69, 0x31, 0x65, 0x00, 0x00, 0x69, 0x00, 0x00, 0x00];
        let fixed = parse(&data, false).expect("whole");
        assert_eq!(fixed.id, 0x9091_9293);
        let values: Vec<_> = fixed.records.iter().map(|r| r.value.clone()).collect();
        let energy = Value::Number(Amount::decimal(6531, 3, Unit::WattHour));
        assert_eq!(values, [energy, Value::Number(Amount::decimal(69, -3, Unit::CubicMetre))]);
    }
}
