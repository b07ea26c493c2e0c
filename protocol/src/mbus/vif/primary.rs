//! The primary VIF codes (EN 13757-3 table 10).
//!
//! Promises: every code has an entry. Refuses: bit 7 (that more follows is the reader's business).

use super::{Meaning, Vif, span_unit};
use crate::amount::Unit;

#[inline]
pub(super) fn entry(code: u8) -> Vif<'static> {
    let n = i32::from(code & 0b111);
    let nn = i32::from(code & 0b11);
    match code {
        0x00..=0x07 => Vif::new(Meaning::Energy, "Energy", Unit::WattHour, n - 3),
        0x08..=0x0F => Vif::new(Meaning::Energy, "Energy", Unit::Joule, n),
        0x10..=0x17 => Vif::new(Meaning::Volume, "Volume", Unit::CubicMetre, n - 6),
        0x18..=0x1F => Vif::other("Mass", "kg", n - 3),
        0x20..=0x23 => Vif::new(Meaning::OnTime, "On time", span_unit(code), 0),
        0x24..=0x27 => Vif::new(Meaning::OperatingTime, "Operating time", span_unit(code), 0),
        0x28..=0x2F => Vif::new(Meaning::Power, "Power", Unit::Watt, n - 3),
        0x30..=0x37 => Vif::new(Meaning::Power, "Power", Unit::JoulePerHour, n),
        0x38..=0x3F => Vif::new(Meaning::Flow, "Volume flow", Unit::CubicMetrePerHour, n - 6),
        0x40..=0x47 => Vif::new(Meaning::Flow, "Volume flow", Unit::CubicMetrePerMinute, n - 7),
        0x48..=0x4F => Vif::new(Meaning::Flow, "Volume flow", Unit::CubicMetrePerSecond, n - 9),
        0x50..=0x57 => Vif::other("Mass flow", "kg/h", n - 3),
        0x58..=0x5B => Vif::new(Meaning::FlowTemp, "Flow temperature", Unit::Celsius, nn - 3),
        0x5C..=0x5F => Vif::new(Meaning::ReturnTemp, "Return temperature", Unit::Celsius, nn - 3),
        0x60..=0x63 => Vif::new(Meaning::TempDifference, "Temperature difference", Unit::Kelvin, nn - 3),
        0x64..=0x67 => Vif::new(Meaning::Other, "External temperature", Unit::Celsius, nn - 3),
        0x68..=0x6B => Vif::other("Pressure", "bar", nn - 3),
        0x6C => Vif::time(Meaning::Date, "Time point (date)"),
        0x6D => Vif::time(Meaning::DateTime, "Time point (date & time)"),
        0x6E => Vif::other("H.C.A.", "Units for H.C.A.", 0),
        0x70..=0x73 => Vif::span("Averaging Duration", span_unit(code)),
        0x74..=0x77 => Vif::span("Actuality Duration", span_unit(code)),
        0x78 => Vif::code(Meaning::FabricationNumber, "Fabrication No"),
        0x79 => Vif::code(Meaning::Other, "(Enhanced) Identification"),
        0x7A => Vif::code(Meaning::Other, "Bus Address"),
        0x7E => Vif::other("Any VIF", "", 0),
        0x7F => Vif::other("Manufacturer specific", "", 0),
        _ => Vif::reserved(),
    }
}
