//! The tables and the chains, code by code.

use super::*;

fn read(bytes: &[u8]) -> (Result<Vif<'_>, RecordFault>, usize) {
    let mut cursor = Cursor::new(bytes);
    (Vif::read(&mut cursor, TextPlace::Either), cursor.rest().len())
}

/// What one of the value's last digit is, in words: `Energy 1000 Wh`.
fn step(bytes: &[u8]) -> String {
    let vif = read(bytes).0.expect("a block");
    let one = crate::amount::Amount::decimal(1, vif.exp10, vif.unit).exact();
    format!("{} {one} {}", vif.name, vif.symbol)
}

#[test]
fn the_heat_meter_set_has_the_standards_exponents() {
    for (bytes, meaning, unit, exp10) in [
        (&[0x06][..], Meaning::Energy, Unit::WattHour, 3),
        (&[0x0F], Meaning::Energy, Unit::Joule, 7),
        (&[0xFB, 0x01], Meaning::Energy, Unit::WattHour, 6),
        (&[0xFB, 0x09], Meaning::Energy, Unit::Joule, 9),
        (&[0x14], Meaning::Volume, Unit::CubicMetre, -2),
        (&[0x2D], Meaning::Power, Unit::Watt, 2),
        (&[0x3B], Meaning::Flow, Unit::CubicMetrePerHour, -3),
        (&[0x47], Meaning::Flow, Unit::CubicMetrePerMinute, 0),
        (&[0x4F], Meaning::Flow, Unit::CubicMetrePerSecond, -2),
        (&[0x5A], Meaning::FlowTemp, Unit::Celsius, -1),
        (&[0x5F], Meaning::ReturnTemp, Unit::Celsius, 0),
        (&[0x61], Meaning::TempDifference, Unit::Kelvin, -2),
        (&[0x22], Meaning::OnTime, Unit::Hour, 0),
        (&[0x27], Meaning::OperatingTime, Unit::Day, 0),
    ] {
        let (vif, left) = read(bytes);
        let vif = vif.expect("a block");
        assert_eq!((vif.meaning, vif.unit, vif.exp10, left), (meaning, unit, exp10, 0), "{bytes:02X?}");
    }
}

#[test]
fn the_ends_of_every_range_of_the_primary_table_have_the_standards_units() {
    for (code, expected) in [
        (0x00, "Energy 0.001 Wh"),
        (0x07, "Energy 10000 Wh"),
        (0x08, "Energy 1 J"),
        (0x0F, "Energy 10000000 J"),
        (0x10, "Volume 0.000001 m3"),
        (0x17, "Volume 10 m3"),
        (0x18, "Mass 0.001 kg"),
        (0x1F, "Mass 10000 kg"),
        (0x20, "On time 1 s"),
        (0x23, "On time 86400 s"),
        (0x25, "Operating time 60 s"),
        (0x28, "Power 0.001 W"),
        (0x2F, "Power 10000 W"),
        (0x30, "Power 1 J/h"),
        (0x37, "Power 10000000 J/h"),
        (0x38, "Volume flow 0.000001 m3/h"),
        (0x3F, "Volume flow 10 m3/h"),
        (0x40, "Volume flow 0.000006 m3/h"),
        (0x47, "Volume flow 60 m3/h"),
        (0x48, "Volume flow 0.0000036 m3/h"),
        (0x4F, "Volume flow 36 m3/h"),
        (0x50, "Mass flow 0.001 kg/h"),
        (0x57, "Mass flow 10000 kg/h"),
        (0x58, "Flow temperature 0.001 °C"),
        (0x5F, "Return temperature 1 °C"),
        (0x60, "Temperature difference 0.001 K"),
        (0x67, "External temperature 1 °C"),
        (0x68, "Pressure 0.001 bar"),
        (0x6B, "Pressure 1 bar"),
        (0x6C, "Time point (date) 1 "),
        (0x6D, "Time point (date & time) 1 "),
        (0x6E, "H.C.A. 1 Units for H.C.A."),
        (0x6F, "Reserved 1 "),
        (0x70, "Averaging Duration 1 s"),
        (0x73, "Averaging Duration 86400 s"),
        (0x76, "Actuality Duration 3600 s"),
        (0x78, "Fabrication No 1 "),
        (0x79, "(Enhanced) Identification 1 "),
        (0x7A, "Bus Address 1 "),
        (0x7E, "Any VIF 1 "),
        (0x7F, "Manufacturer specific 1 "),
    ] {
        assert_eq!(step(&[code]), expected, "{code:02X}");
    }
}

#[test]
fn the_alternate_table_has_the_standards_units() {
    for (code, expected) in [
        (0x00, "Energy 100000 Wh"),
        (0x02, "Reactive energy 1000 varh"),
        (0x05, "Apparent energy 10000 VAh"),
        (0x08, "Energy 100000000 J"),
        (0x0C, "Energy 100000 cal"),
        (0x11, "Volume 1000 m3"),
        (0x14, "Reactive power 1 var"),
        (0x19, "Mass 1000000 kg"),
        (0x1A, "Relative humidity 0.1 %"),
        (0x21, "Volume 0.1 ft3"),
        (0x23, "Volume 1 gal"),
        (0x24, "Volume flow 0.001 gal/min"),
        (0x28, "Power 100000 W"),
        (0x2B, "Phase voltage to current 0.1 °"),
        (0x2C, "Frequency 0.001 Hz"),
        (0x31, "Power 1000000000 J/h"),
        (0x37, "Apparent power 1000 VA"),
        (0x5B, "Flow temperature 1 °F"),
        (0x5C, "Return temperature 0.001 °F"),
        (0x61, "Temperature difference 0.01 °F"),
        (0x66, "External temperature 0.1 °F"),
        (0x70, "Cold/Warm temperature limit 0.001 °F"),
        (0x77, "Cold/Warm temperature limit 1 °C"),
        (0x7F, "Cumulated count of maximum power 10000 W"),
        (0x3F, "Reserved 1 "),
    ] {
        assert_eq!(step(&[0xFB, code]), expected, "FB {code:02X}");
    }
}

#[test]
fn the_main_extension_has_the_standards_units() {
    for (code, expected) in [
        (0x00, "Credit 0.001 currency"),
        (0x07, "Debit 1 currency"),
        (0x0E, "Firmware version 1 "),
        (0x17, "Error flags 1 "),
        (0x1D, "Response delay time 1 bit times"),
        (0x26, "Storage interval 3600 s"),
        (0x28, "Storage interval 1 months"),
        (0x2D, "Duration since last readout 60 s"),
        (0x31, "Duration of tariff 60 s"),
        (0x37, "Period of tariff 86400 s"),
        (0x3A, "Dimensionless 1 "),
        (0x3E, "Period of nominal data transmissions 3600 s"),
        (0x40, "Voltage 0.000000001 V"),
        (0x49, "Voltage 1 V"),
        (0x4F, "Voltage 1000000 V"),
        (0x50, "Current 0.000000000001 A"),
        (0x5C, "Current 1 A"),
        (0x68, "Duration since last cumulation 3600 s"),
        (0x6D, "Operating time battery 86400 s"),
        (0x6F, "Operating time battery 1 years"),
        (0x71, "RF level 1 dBm"),
        (0x74, "Remaining battery lifetime 86400 s"),
        (0x7C, "Reserved 1 "),
    ] {
        assert_eq!(step(&[0xFD, code]), expected, "FD {code:02X}");
    }
}

#[test]
fn every_code_of_every_table_is_read_to_its_end() {
    for code in 0..=0x7F_u8 {
        for block in [vec![0xFB, code], vec![0xFD, code], vec![0x86, code]] {
            assert_eq!(read(&block).1, 0, "{block:02X?}");
            assert!(read(&block).0.is_ok(), "{block:02X?}");
        }
    }
}

#[test]
fn a_factor_moves_the_point_and_a_limit_alters_the_meaning() {
    for n in 0..8_u8 {
        let moved = read(&[0x86, 0x70 + n]).0.map(|v| (v.exp10, v.is_altered));
        assert_eq!(moved, Ok((3 + i32::from(n) - 6, false)));
    }
    assert_eq!(read(&[0x86, 0x7D]).0.map(|v| (v.exp10, v.is_altered)), Ok((6, false)));
    assert!(read(&[0x86, 0x3C]).0.is_ok_and(|v| v.is_altered));
    assert!(read(&[0x86, 0x3B]).0.is_ok_and(|v| !v.is_altered));
    assert!(read(&[0x86, 0x7E]).0.is_ok_and(|v| v.is_altered));
}

#[test]
fn errors_rates_limits_and_constants_are_said_in_words() {
    for (code, words) in [
        (0x15, "no data available"),
        (0x18, "data error"),
        (0x22, "per hour"),
        (0x2D, "per m3"),
        (0x40, "lower limit"),
        (0x48, "upper limit"),
        (0x49, "number of exceeds of the upper limit"),
        (0x42, "begin of the first exceed of the lower limit"),
        (0x4F, "end of the last exceed of the upper limit"),
        (0x5E, "duration of the last exceed of the upper limit"),
        (0x60, "duration of the first"),
        (0x6A, "begin of the first"),
        (0x6F, "end of the last"),
        (0x78, "10^-3 of the unit to be added"),
        (0x7B, "10^0 of the unit to be added"),
        (0x7E, "future value"),
    ] {
        let block = [0x86, code];
        let vif = read(&block).0.expect("a block");
        assert_eq!((vif.notes.len(), vif.notes.to_string().as_str()), (1, words), "{code:02X}");
        assert!(vif.is_altered || vif.is_error, "{code:02X}");
    }
}

#[test]
fn errors_of_records_are_those_of_the_standard_and_no_others() {
    let errors: Vec<u8> = (0..0x20).filter(|code| read(&[0x86, *code]).0.is_ok_and(|v| v.is_error)).collect();
    let standard = [1, 2, 3, 4, 5, 6, 7, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x15, 0x16, 0x17, 0x18, 0x1C];
    assert_eq!(errors, standard);
}

#[test]
fn what_is_said_about_a_limit_has_its_own_unit() {
    let form = |code| read(&[0xBB, code]).0.map(|v| (v.form, v.symbol));
    assert_eq!(form(0x40), Ok((Form::Signed, "m3/h")));
    assert_eq!(form(0x49), Ok((Form::Unsigned, "")));
    assert_eq!(form(0x4A), Ok((Form::Time, "")));
    assert_eq!(form(0x52), Ok((Form::Signed, "s")));
    assert_eq!(form(0x6B), Ok((Form::Time, "")));
    assert_eq!(step(&[0xBB, 0x52]), "Volume flow 3600 s");
}

#[test]
fn nothing_behind_a_makers_own_code_is_interpreted() {
    let (vif, left) = read(&[0x86, 0xFF, 0xF7, 0x15]);
    assert_eq!(left, 0);
    assert!(vif.is_ok_and(|v| v.is_altered && !v.is_error && v.exp10 == 3));
    let (vif, left) = read(&[0xFF, 0xF7, 0x15]);
    assert!(left == 0 && vif.is_ok_and(|v| !v.is_error && v.exp10 == 0));
}

#[test]
fn the_table_behind_fd_fd_is_stepped_over_unread() {
    let (vif, left) = read(&[0xFD, 0xFD, 0x95, 0x15, 0x99]);
    assert!(left == 1 && vif.is_ok_and(|v| v.name == Name::Standard("Reserved") && !v.is_error));
}

#[test]
fn plain_text_is_read_before_or_behind_the_extensions() {
    for (bytes, name) in [
        (&[0x7C, 0x02, b'l', b'k', 0x99][..], "kl"),
        (&[0xFC, 0x03, b'H', b'R', b'%', 0x74, 0x99], "%RH"),
        (&[0xFC, 0x74, 0x03, b'H', b'R', b'%', 0x99], "%RH"),
    ] {
        let (vif, left) = read(bytes);
        assert_eq!((vif.map(|v| v.name.to_string()), left), (Ok(name.to_owned()), 1));
    }
}

#[test]
fn more_than_ten_extensions_are_refused() {
    assert_eq!(read(&[0x86; 20]).0, Err(RecordFault::TooManyExtensions));
    assert_eq!(read(&[0x86]).0, Err(RecordFault::Cut));
}
