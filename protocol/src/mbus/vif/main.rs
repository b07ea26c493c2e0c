//! The main VIFE code extension, behind FD (EN 13757-3 table 14): identifications, settings, electricity.
//!
//! Promises: every code has an entry. Refuses: the second table behind FD FD.

use super::{Meaning, Vif, span_unit};
use crate::amount::Unit;

#[inline]
pub(super) fn entry(code: u8) -> Vif<'static> {
    match code {
        0x00..=0x1F => identification(code),
        0x20..=0x3F => readout(code),
        0x40..=0x4F => Vif::other("Voltage", "V", i32::from(code & 0xF) - 9),
        0x50..=0x5F => Vif::other("Current", "A", i32::from(code & 0xF) - 12),
        _ => operation(code),
    }
}

fn identification(code: u8) -> Vif<'static> {
    let name = match code {
        0x00..=0x03 => return Vif::other("Credit", "currency", i32::from(code & 0b11) - 3),
        0x04..=0x07 => return Vif::other("Debit", "currency", i32::from(code & 0b11) - 3),
        0x17 => return Vif::code(Meaning::ErrorFlags, "Error flags"),
        0x1D => return Vif::other("Response delay time", "bit times", 0),
        0x1F => return Vif::code(Meaning::RemoteControl, "Remote control"),
        0x08 => "Access Number",
        0x09 => "Medium",
        0x0A => "Manufacturer",
        0x0B => "Parameter set identification",
        0x0C => "Model / Version",
        0x0D => "Hardware version",
        0x0E => "Firmware version",
        0x0F => "Software version",
        0x10 => "Customer location",
        0x11 => "Customer",
        0x12 => "Access Code User",
        0x13 => "Access Code Operator",
        0x14 => "Access Code System Operator",
        0x15 => "Access Code Developer",
        0x16 => "Password",
        0x18 => "Error mask",
        0x19 => "Security key",
        0x1A => "Digital Output",
        0x1B => "Digital Input",
        0x1C => "Baudrate",
        _ => "Retry",
    };
    Vif::code(Meaning::Other, name)
}

fn readout(code: u8) -> Vif<'static> {
    match code {
        0x20 => Vif::code(Meaning::Other, "First storage # for cyclic storage"),
        0x21 => Vif::code(Meaning::Other, "Last storage # for cyclic storage"),
        0x22 => Vif::code(Meaning::Other, "Size of storage block"),
        0x23 => Vif::code(Meaning::Other, "Descriptor for tariff and subunit"),
        0x24..=0x27 => Vif::span("Storage interval", span_unit(code)),
        0x28 => Vif::other("Storage interval", "months", 0),
        0x29 => Vif::other("Storage interval", "years", 0),
        0x2A => Vif::bytes("Operator specific data"),
        0x2B => Vif::span("Time point second", Unit::Second),
        0x2C..=0x2F => Vif::span("Duration since last readout", span_unit(code)),
        0x30 => Vif::time(Meaning::Other, "Start of tariff"),
        0x31..=0x33 => Vif::span("Duration of tariff", span_unit(code)),
        0x34..=0x37 => Vif::span("Period of tariff", span_unit(code)),
        0x38 => Vif::other("Period of tariff", "months", 0),
        0x39 => Vif::other("Period of tariff", "years", 0),
        0x3A => Vif::other("Dimensionless", "", 0),
        0x3B => Vif::bytes("Data container for wireless M-Bus"),
        _ => Vif::span("Period of nominal data transmissions", span_unit(code)),
    }
}

fn operation(code: u8) -> Vif<'static> {
    match code {
        0x60 => Vif::code(Meaning::Other, "Reset counter"),
        0x61 => Vif::code(Meaning::Other, "Cumulation counter"),
        0x62 => Vif::code(Meaning::Other, "Control signal"),
        0x63 => Vif::code(Meaning::Other, "Day of week"),
        0x64 => Vif::code(Meaning::Other, "Week number"),
        0x65 => Vif::time(Meaning::Other, "Time point of day change"),
        0x66 => Vif::code(Meaning::Other, "State of parameter activation"),
        0x67 => Vif::code(Meaning::Other, "Special supplier information"),
        0x68..=0x6B => long_span("Duration since last cumulation", code),
        0x6C..=0x6F => long_span("Operating time battery", code),
        0x70 => Vif::time(Meaning::Other, "Date and time of battery change"),
        0x71 => Vif::other("RF level", "dBm", 0),
        0x72 => Vif::bytes("Daylight saving"),
        0x73 => Vif::bytes("Listening window"),
        0x74 => Vif::span("Remaining battery lifetime", Unit::Day),
        0x75 => Vif::code(Meaning::Other, "Number of stops"),
        0x76 => Vif::bytes("Data container for manufacturer protocol"),
        _ => Vif::reserved(),
    }
}

/// Hours, days, months, years.
fn long_span(name: &'static str, code: u8) -> Vif<'static> {
    match code & 0b11 {
        0 => Vif::span(name, Unit::Hour),
        1 => Vif::span(name, Unit::Day),
        2 => Vif::other(name, "months", 0),
        _ => Vif::other(name, "years", 0),
    }
}
