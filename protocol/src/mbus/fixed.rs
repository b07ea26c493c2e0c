//! The fixed data structure of old meters (EN 13757-3 annex "fixed data structure"): two counters.
//!
//! ```text
//!   id 4 BCD | access | status | unit 1 | unit 2 | counter 1 (4) | counter 2 (4)
//!                       |        low six bits: code; high bits: medium
//!                       bit 0: counters binary, not BCD     bit 1: counters of the set day, not of now
//! ```
//!
//! Promises: the same records a variable structure would give. Refuses: units no column has (they pass as other), and
//! any length but 16 bytes.

use super::header::Status;
use super::octets::Octets;
use super::record::{Place, Record};
use super::value::Value;
use super::vif::{Meaning, Vif};
use crate::amount::{Amount, Dimension, Unit};
use crate::bytes::Cursor;

/// Bytes of the structure.
pub(super) const LENGTH: usize = 16;
/// The unit code of counter 2 that says: as counter 1, but of the set day.
const SAME_BUT_STORED: u8 = 0x3E;

/// What the structure says.
#[derive(Debug)]
pub(super) struct Fixed {
    /// The identification number.
    pub(super) id: u32,
    /// The status byte, without the bits that describe the counters.
    pub(super) status: Status,
    /// The medium: high bits of the units.
    pub(super) medium: u8,
    /// The two counters.
    pub(super) records: [Record<'static>; 2],
}

pub(super) fn parse(data: &[u8], msb_first: bool) -> Option<Fixed> {
    let mut cursor = Cursor::new(data);
    let id = number(cursor.array()?, msb_first);
    let [_access, status, first, second] = cursor.array()?;
    let counters = [number(cursor.array()?, msb_first), number(cursor.array()?, msb_first)];
    cursor.is_empty().then_some(())?;
    let medium = first >> 6 | second >> 6 << 2;
    let (first, second) = (first & 0x3F, second & 0x3F);
    let stored = status & 0b10 != 0;
    let second = if second == SAME_BUT_STORED { (first, true) } else { (second, stored) };
    let ([one, two], is_binary) = (counters, status & 1 != 0);
    let records = [record((first, stored), one, is_binary), record(second, two, is_binary)];
    Some(Fixed { id, status: Status(status & !0b11), medium, records })
}

fn number(bytes: [u8; 4], msb_first: bool) -> u32 {
    if msb_first { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

fn record((code, stored): (u8, bool), bits: u32, is_binary: bool) -> Record<'static> {
    let (unit, exp10, name) = unit(code);
    let digits = if is_binary { Some(i64::from(bits)) } else { Octets::new(&bits.to_le_bytes(), false).signed_bcd() };
    let value = digits.map_or(Value::Invalid, |digits| Value::Number(Amount::decimal(digits, exp10, unit)));
    let place = Place { storage: u64::from(stored), ..Place::CURRENT };
    Record::new(place, Vif::new(meaning(unit), name, unit, exp10), value)
}

const fn meaning(unit: Unit) -> Meaning {
    match unit.dimension() {
        Dimension::Energy => Meaning::Energy,
        Dimension::Volume => Meaning::Volume,
        Dimension::Power => Meaning::Power,
        Dimension::Flow => Meaning::Flow,
        _ => Meaning::Other,
    }
}

/// Each unit has a run of codes, one per power of ten.
fn unit(code: u8) -> (Unit, i32, &'static str) {
    let from = |first: u8, exp10: i32| exp10 + i32::from(code) - i32::from(first);
    match code {
        0x02..=0x0A => (Unit::WattHour, from(0x02, 0), "Energy"),
        0x0B..=0x13 => (Unit::Joule, from(0x0B, 3), "Energy"),
        0x14..=0x1C => (Unit::Watt, from(0x14, 0), "Power"),
        0x1D..=0x25 => (Unit::JoulePerHour, from(0x1D, 3), "Power"),
        0x26..=0x2E => (Unit::CubicMetre, from(0x26, -6), "Volume"),
        0x2F..=0x37 => (Unit::CubicMetrePerHour, from(0x2F, -6), "Volume flow"),
        0x38 => (Unit::Celsius, -3, "Temperature"),
        0x39 => (Unit::Plain, 0, "H.C.A."),
        _ => (Unit::Plain, 0, ""),
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
        let values = fixed.records.map(|record| record.value);
        let energy = Value::Number(Amount::decimal(6531, 3, Unit::WattHour));
        assert_eq!(values, [energy, Value::Number(Amount::decimal(69, -3, Unit::CubicMetre))]);
        assert_eq!(fixed.medium, 4);
    }

    #[test]
    fn counters_of_the_set_day_and_binary_ones_are_told_by_the_status_and_the_second_unit() {
        // Id 12345678 of the fixed structure in M-Bus documentation 4.8, chapter 6.2: water, E9 and 7E, litres.
        let mut data = [0x78, 0x56, 0x34, 0x12, 0x0A, 0x00, 0xE9, 0x7E, 1, 0, 0, 0, 0x35, 1, 0, 0];
        let shown = |data: &[u8]| {
            let fixed = parse(data, false).expect("whole");
            (
                fixed.medium,
                fixed.records.map(|record| format!("{} {} {}", record.place.storage, record.value, record.unit)),
            )
        };
        assert_eq!(shown(&data), (7, ["0 0.001 m3".to_owned(), "1 0.135 m3".to_owned()]));
        data[5] |= 1;
        assert_eq!(shown(&data), (7, ["0 0.001 m3".to_owned(), "1 0.309 m3".to_owned()]));
    }

    #[test]
    fn any_other_length_is_refused() {
        assert!(parse(&[0; 15], false).is_none() && parse(&[0; 17], false).is_none());
        assert!(parse(&[0; 16], false).is_some());
    }
}
