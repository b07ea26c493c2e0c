//! `hearth decode`: what a telegram says, without a cluster.
//!
//! ```text
//!   hex digits --> frames --> the same dialogue that reads a meter, answered from the telegram --> reading
//! ```
//!
//! Promises: a telegram gives here what it would give on a line; a fault says its code, its words and, where there is
//! one, the offset at which it shows. Refuses: telegrams that need a key, and guessing.

use std::io::Read as _;

use protocol::api::admin as api;
use protocol::meter::{Dialect, Reading};
use serde_json::{Value, json};

use super::failure::Failure;
use super::format::{hex, value};
use super::output::Out;
use super::telegram::{self, Fault};

/// The longest text taken, bytes.
const LONGEST: u64 = 64 * 1024;

/// Arguments of `hearth decode`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The telegram in hex digits; white space and colons are stepped over; - is stdin.
    hex: String,
    /// mbus or cjt188; recognised if absent.
    #[arg(long)]
    dialect: Option<Dialect>,
    /// A meter's profile by name; recognised if absent.
    #[arg(long)]
    profile: Option<String>,
}

/// Carries it out.
pub fn run(args: Args, out: Out) -> Result<(), Failure> {
    let text = if args.hex == "-" { from_stdin()? } else { args.hex };
    let decoded = digits(&text).and_then(|bytes| telegram::decode(&bytes, args.dialect, args.profile));
    match decoded {
        Ok((dialect, reading)) => out.show(|| reading_json(dialect, &reading), || reading_text(dialect, &reading)),
        Err(fault) => {
            out.failed(|| fault_json(&fault), || format!("{fault}"))?;
            Err(Failure::Told)
        }
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST).read_to_string(&mut text);
    read.map(|_| text).map_err(|error| Failure::Refused(format!("stdin: {error}")))
}

/// The bytes of hex digits.
fn digits(text: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let mut half = None;
    for (offset, sign) in text.chars().enumerate().filter(|(_, c)| !c.is_whitespace() && *c != ':') {
        let wrong = || Fault::at("bad-hex", format!("'{sign}' is no hex digit: write 0-9 and a-f"), offset);
        let digit = sign.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(wrong)?;
        half = match half {
            None => Some(digit),
            Some(high) => {
                bytes.push(high << 4 | digit);
                None
            }
        };
    }
    match half {
        None if bytes.is_empty() => Err(Fault::at("empty", "there are no bytes: write hex digits".to_owned(), 0)),
        None => Ok(bytes),
        Some(_) => Err(Fault::at("bad-hex", "half a byte at the end: digits come in pairs".to_owned(), text.len())),
    }
}

fn values(reading: &Reading) -> Vec<api::Value> {
    let message = |m: &protocol::meter::Measurement| api::Value {
        quantity: m.quantity.name().to_owned(),
        value: m.value,
        unit: m.quantity.unit().to_owned(),
    };
    reading.measurements.iter().map(message).collect()
}

fn reading_json(dialect: Dialect, reading: &Reading) -> Value {
    let values: Vec<_> = values(reading).iter().map(super::json::value).collect();
    json!({
        "dialect": dialect.name(),
        "identity": reading.identity,
        "values": values,
        "meter_time": reading.meter_time.map(|time| time.to_string()),
        "valve": reading.valve.map(protocol::meter::ValveState::name),
        "quality": reading.quality.0,
        "raw": hex(&reading.raw),
    })
}

fn reading_text(dialect: Dialect, reading: &Reading) -> String {
    let mut rows = vec![format!("dialect   {dialect}"), format!("identity  {}", reading.identity)];
    rows.extend(values(reading).iter().map(|shown| format!("value     {}", value(shown))));
    rows.extend(reading.meter_time.map(|time| format!("clock     {time}")));
    rows.extend(reading.valve.map(|valve| format!("valve     {}", valve.name())));
    rows.push(format!("quality   {:#x}", reading.quality.0));
    rows.push(format!("raw       {}", hex(&reading.raw)));
    rows.join("\n")
}

fn fault_json(fault: &Fault) -> Value {
    json!({ "error": { "code": fault.code, "message": fault.message, "offset": fault.offset } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_digits_may_be_set_apart_and_come_in_pairs() {
        assert_eq!(digits("68 0d:0D\n68"), Ok(vec![0x68, 0x0D, 0x0D, 0x68]));
        let code = |text: &str| digits(text).expect_err("no bytes").code;
        assert_eq!([code(""), code("6"), code("6g")], ["empty", "bad-hex", "bad-hex"]);
        assert_eq!(digits("68 6g").expect_err("no digit").offset, Some(4));
    }

    #[test]
    fn a_fault_is_told_with_code_message_and_offset() {
        let fault = Fault::at("bad-hex", "x".to_owned(), 4);
        assert_eq!(fault_json(&fault).to_string(), r#"{"error":{"code":"bad-hex","message":"x","offset":4}}"#);
    }
}
