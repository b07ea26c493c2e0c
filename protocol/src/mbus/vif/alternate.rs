//! The alternate extended VIF codes, behind FB (EN 13757-3 table 12): large and non-metric units.
//!
//! Promises: every code has an entry; units that are not metric keep their own symbol and fill no column. Refuses:
//! converting them.

use super::{Meaning, Vif};
use crate::amount::Unit;

pub(super) fn entry(code: u8) -> Vif<'static> {
    let n = i32::from(code & 0b1);
    match code {
        0x00 | 0x01 => Vif::new(Meaning::Energy, "Energy", Unit::WattHour, n + 5),
        0x02 | 0x03 => Vif::other("Reactive energy", "varh", n + 3),
        0x04 | 0x05 => Vif::other("Apparent energy", "VAh", n + 3),
        0x08 | 0x09 => Vif::new(Meaning::Energy, "Energy", Unit::Joule, n + 8),
        0x0C..=0x0F => Vif::other("Energy", "cal", low(code) + 5),
        0x10 | 0x11 => Vif::new(Meaning::Volume, "Volume", Unit::CubicMetre, n + 2),
        0x14..=0x17 => Vif::other("Reactive power", "var", low(code)),
        0x18 | 0x19 => Vif::other("Mass", "kg", n + 5),
        0x1A | 0x1B => Vif::other("Relative humidity", "%", n - 1),
        0x20 => Vif::other("Volume", "ft3", 0),
        0x21 => Vif::other("Volume", "ft3", -1),
        0x22 => Vif::other("Volume", "gal", -1),
        0x23 => Vif::other("Volume", "gal", 0),
        0x24 => Vif::other("Volume flow", "gal/min", -3),
        0x25 => Vif::other("Volume flow", "gal/min", 0),
        0x26 => Vif::other("Volume flow", "gal/h", 0),
        0x28 | 0x29 => Vif::new(Meaning::Power, "Power", Unit::Watt, n + 5),
        0x2A => Vif::other("Phase voltage to voltage", "°", -1),
        0x2B => Vif::other("Phase voltage to current", "°", -1),
        0x2C..=0x2F => Vif::other("Frequency", "Hz", low(code) - 3),
        0x30 | 0x31 => Vif::new(Meaning::Power, "Power", Unit::JoulePerHour, n + 8),
        0x34..=0x37 => Vif::other("Apparent power", "VA", low(code)),
        0x58..=0x67 => temperature(code),
        0x70..=0x73 => Vif::other("Cold/Warm temperature limit", "°F", low(code) - 3),
        0x74..=0x77 => Vif::new(Meaning::Other, "Cold/Warm temperature limit", Unit::Celsius, low(code) - 3),
        0x78..=0x7F => {
            Vif::new(Meaning::Other, "Cumulated count of maximum power", Unit::Watt, i32::from(code & 0b111) - 3)
        }
        _ => Vif::reserved(),
    }
}

fn temperature(code: u8) -> Vif<'static> {
    let name = match code {
        0x58..=0x5B => "Flow temperature",
        0x5C..=0x5F => "Return temperature",
        0x60..=0x63 => "Temperature difference",
        _ => "External temperature",
    };
    Vif::other(name, "°F", low(code) - 3)
}

fn low(code: u8) -> i32 {
    i32::from(code & 0b11)
}
