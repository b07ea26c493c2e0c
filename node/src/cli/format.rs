//! Numbers, times and quantities as people read them.
//!
//! Promises: pure; no binary floating point, so that what is shown is what is stored, cut to the shown digits.
//! Refuses: being read by programs: JSON carries the exact values.

use protocol::api::admin::Value;

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment in UTC; empty for 0.
pub fn moment(unix_ms: u64) -> String {
    let stamp = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match stamp {
        Some(stamp) if unix_ms > 0 => stamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        _ => String::new(),
    }
}

/// A span of milliseconds in its two largest words.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{seconds}.{} s", ms % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Labels as `a=b c=d`, sorted.
pub fn labels(labels: &std::collections::HashMap<String, String>) -> String {
    let mut words: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    words.sort();
    words.join(" ")
}

/// A value in the unit people use for its quantity.
pub fn value(value: &Value) -> String {
    let (numerator, denominator, digits, unit) = match value.unit.as_str() {
        "J" => (1, 3_600_000, 3, "kWh"),
        "mL" => (1, 1_000_000, 3, "m³"),
        "mW" => (1, 1_000_000, 3, "kW"),
        "mL/h" => (1, 1_000_000, 3, "m³/h"),
        "m°C" => (1, 1_000, 2, "°C"),
        "mK" => (1, 1_000, 2, "K"),
        "s" => (1, 3_600, 0, "h"),
        other => (1, 1, 0, other),
    };
    let shown = decimal(i128::from(value.value) * numerator, denominator, digits);
    format!("{}={shown}{}{unit}", value.quantity, if unit.is_empty() { "" } else { " " })
}

/// `number / denominator` with `digits` digits after the point, cut towards zero.
fn decimal(number: i128, denominator: i128, digits: u32) -> String {
    let scale = 10_i128.pow(digits);
    let scaled = number.abs() * scale / denominator;
    let sign = if number < 0 && scaled > 0 { "-" } else { "" };
    let (whole, rest) = (scaled / scale, scaled % scale);
    match digits {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{rest:0width$}", width = digits as usize),
    }
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `Held` of a generated enum as `held`, without the prefix the proto gives it.
pub fn word(proto_name: &str, prefix: &str) -> String {
    proto_name.strip_prefix(prefix).unwrap_or(proto_name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(unit: &str, number: i64) -> String {
        value(&Value { quantity: "q".to_owned(), value: number, unit: unit.to_owned() })
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn values_are_shown_in_the_units_people_use_without_rounding_up() {
        assert_eq!(shown("J", 3_600_000), "q=1.000 kWh");
        assert_eq!(shown("J", 3_599_999), "q=0.999 kWh");
        assert_eq!(shown("mL", 1_234_567), "q=1.234 m³");
        assert_eq!(shown("m°C", -1_250), "q=-1.25 °C");
        assert_eq!(shown("m°C", -1), "q=0.00 °C");
        assert_eq!(shown("s", 7_200), "q=2 h");
        assert_eq!(shown("", 5), "q=5");
        assert_eq!(shown("J", i64::MIN), "q=-2562047788015.215 kWh");
    }

    #[test]
    fn moments_are_utc_and_no_moment_is_empty() {
        assert_eq!(moment(1_767_225_600_000), "2026-01-01 00:00:00");
        assert_eq!(moment(0), "");
    }

    #[test]
    fn spans_are_told_in_two_words() {
        assert_eq!([span(400), span(59_999), span(61_000)], ["0.4 s", "59 s", "1 min 01 s"]);
        assert_eq!([span(3_660_000), span(90_000_000)], ["1 h 01 min", "1 d 01 h"]);
    }
}
