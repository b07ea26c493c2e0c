//! The words of M-Bus headers and records in JSON.
//!
//! Promises: snake_case, stable; a plain text is passed as it is. Refuses: translating.

use protocol::mbus::record::Function;
use protocol::mbus::vif::Name;

/// The name of a record's quantity.
pub(super) fn quantity(name: &Name<'_>) -> String {
    match name {
        Name::Plain(text) => text.to_string(),
        Name::Standard("Time point (date)") => "date".to_owned(),
        Name::Standard("Time point (date & time)") => "date_time".to_owned(),
        Name::Standard("Fabrication No") => "fabrication_number".to_owned(),
        Name::Standard("H.C.A.") => "heat_cost_allocation".to_owned(),
        Name::Standard(words) => snake(&words.replace('#', "number")),
    }
}

fn snake(words: &str) -> String {
    let lower = words.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

/// Which value over time.
pub(super) const fn function(function: Function) -> &'static str {
    match function {
        Function::Instantaneous => "instantaneous",
        Function::Maximum => "maximum",
        Function::Minimum => "minimum",
        Function::DuringError => "error",
    }
}

/// The three letters of a manufacturer.
pub(in crate::cli) fn manufacturer(code: u16) -> String {
    [10, 5, 0].into_iter().map(|shift| char::from((code >> shift & 0x1F) as u8 + b'@')).collect()
}

/// The medium (EN 13757-3 table "device types").
pub(in crate::cli) fn medium(code: u8) -> String {
    let name = match code {
        0x00 => "other",
        0x01 => "oil",
        0x02 => "electricity",
        0x03 => "gas",
        0x04 => "heat_outlet",
        0x05 => "steam",
        0x06 => "warm_water",
        0x07 => "water",
        0x08 => "heat_cost_allocator",
        0x09 => "compressed_air",
        0x0A => "cooling_outlet",
        0x0B => "cooling_inlet",
        0x0C => "heat_inlet",
        0x0D => "heat_cooling",
        0x0E => "bus_system",
        0x15 => "hot_water",
        0x16 => "cold_water",
        0x17 => "dual_water",
        0x18 => "pressure",
        0x19 => "ad_converter",
        0x20 => "breaker_electricity",
        0x21 => "valve",
        _ => return format!("code_{code:02x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use protocol::bytes::Cursor;
    use protocol::mbus::vif::{TextPlace, Vif};

    use super::*;

    #[test]
    fn names_are_snake_case_and_texts_stay() {
        let named = |name: &'static str| quantity(&Name::Standard(name));
        assert_eq!(named("Temperature difference"), "temperature_difference");
        assert_eq!(named("First storage # for cyclic storage"), "first_storage_number_for_cyclic_storage");
        let text = Vif::read(&mut Cursor::new(&[0x7C, 3, b'H', b'R', b'%']), TextPlace::Either).map(|vif| vif.name);
        assert_eq!(text.map(|name| quantity(&name)).as_deref(), Ok("%RH"));
        assert_eq!(manufacturer(0x2C2D), "KAM");
    }
}
