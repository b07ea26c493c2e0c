//! `hearth decode`: what telegrams say, without a cluster.
//!
//! ```text
//!   hex digits, one or more telegrams a line --> frames --> one JSON object, or one table, each
//! ```
//!
//! Promises: numbers are exact decimals; a fault says its code, its words and the offset at which it shows, and makes
//! the exit code 1; the telegrams on other lines are still told; what a line tells of a format, the compact frames on later
//! lines are read by. Refuses: telegrams that need a key, and guessing.

pub(super) mod brief;
mod cjt188;
mod explain;
mod fault;
mod frame;
mod json;
mod mbus;
mod modbus;
mod walk;
pub(super) mod words;

use std::io::Read as _;
use std::path::PathBuf;

use fault::Fault;
use frame::{Frame, Protocol};
use json::Json;
use protocol::cjt188::layout::Layout;
use protocol::mbus::compact::Formats;

use super::failure::Failure;
use super::output::{Format, Out};

/// The longest text taken, bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Arguments of `hearth decode`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Telegrams in hex digits, one a line; white space and colons between bytes are stepped over; - is stdin.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    hex: Vec<String>,
    /// A file of telegrams in hex digits, one a line.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Whose telegrams they are.
    #[arg(long, value_enum, default_value_t = Protocol::Auto)]
    protocol: Protocol,
    /// The layout of CJ/T 188 data, where the bytes alone do not tell it.
    #[arg(long, value_enum)]
    layout: Option<frame::Layout>,
    /// Says what each byte is.
    #[arg(long)]
    explain: bool,
}

/// Carries it out.
pub fn run(args: &Args, format: Format) -> Result<(), Failure> {
    format.without_csv("what a telegram says")?;
    let text = input(args)?;
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        lines.push("");
    }
    let (mut is_sound, mut formats) = (true, Formats::new());
    for line in lines {
        is_sound &= tell_line(line, args, format, &mut formats)?;
    }
    if is_sound { Ok(()) } else { Err(Failure::Told) }
}

fn input(args: &Args) -> Result<String, Failure> {
    match (&args.file, args.hex.as_slice()) {
        (Some(path), _) => {
            let read = std::fs::File::open(path).and_then(text_of);
            read.map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))
        }
        (None, [only]) if only == "-" => {
            text_of(std::io::stdin()).map_err(|error| Failure::Refused(format!("stdin: {error}")))
        }
        (None, words) => Ok(words.join(" ")),
    }
}

fn text_of(source: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    source.take(LONGEST).read_to_string(&mut text).map(|_| text)
}

/// Tells the telegrams of a line; whether all were sound.
fn tell_line(line: &str, args: &Args, format: Format, formats: &mut Formats) -> Result<bool, Failure> {
    let bytes = match digits(line) {
        Ok(bytes) => bytes,
        Err(fault) => return tell(Err(fault), None, format).map(|()| false),
    };
    let layout = args.layout.map(frame::Layout::named);
    let (mut at, mut is_sound) = (0, true);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (told, length) = match frame::front(rest, args.protocol) {
            Ok((frame, length)) => {
                (reply(&frame, layout, formats).map_err(|fault| fault.behind(frame::preamble(rest))), length)
            }
            Err(fault) => (Err(fault), rest.len()),
        };
        is_sound &= told.is_ok();
        let parts =
            args.explain.then(|| explain::parts(rest.get(..length).unwrap_or_default(), args.protocol, layout, at));
        tell(told.map_err(|fault| fault.behind(at)), parts, format)?;
        at += length;
    }
    Ok(is_sound)
}

type Told = (Vec<(&'static str, Json)>, String);

fn reply(frame: &Frame, layout: Option<Layout>, formats: &mut Formats) -> Result<Told, Fault> {
    match frame {
        Frame::Mbus(frame) => mbus::reply(frame, formats),
        Frame::Cjt188(frame) => cjt188::reply(frame, layout),
        Frame::Modbus(frame, direction) => modbus::told(frame, *direction),
    }
}

fn tell(told: Result<Told, Fault>, parts: Option<Vec<explain::Part>>, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let mut fields = told.map_or_else(|fault| vec![("error", fault.json())], |(fields, _)| fields);
        fields.extend(parts.map(|parts| ("explain", Json::list(parts.iter().map(explain::Part::json)))));
        return line_out(Json::Object(fields).to_string());
    }
    if let Some(parts) = parts {
        line_out(parts.iter().map(explain::Part::row).collect::<Vec<_>>().join("\n"))?;
    }
    match told {
        Ok((_, text)) => line_out(text),
        Err(fault) => {
            eprintln!("hearth: {}: {fault}", fault.code);
            Ok(())
        }
    }
}

/// Text goes out as it is: a JSON number of [`Json`] has digits that no float holds.
fn line_out(text: String) -> Result<(), Failure> {
    Out::new(Format::Table).item(|| serde_json::Value::Null, || text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The bytes of hex digits.
fn digits(text: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let mut half = None;
    for (offset, sign) in text.chars().enumerate().filter(|(_, c)| !c.is_whitespace() && *c != ':') {
        let wrong = || Fault::new("bad-hex", format!("'{sign}' is no hex digit: write 0-9 and a-f"), offset);
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
        None if bytes.is_empty() => Err(Fault::new("empty", "there are no bytes: write hex digits", 0)),
        None => Ok(bytes),
        Some(_) => Err(Fault::new("bad-hex", "half a byte at the end: digits come in pairs", text.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_digits_may_be_set_apart_and_come_in_pairs() {
        assert_eq!(digits("68 0d:0D\n68"), Ok(vec![0x68, 0x0D, 0x0D, 0x68]));
        let code = |text: &str| digits(text).expect_err("no bytes").code;
        assert_eq!([code(""), code("6"), code("6g")], ["empty", "bad-hex", "bad-hex"]);
        assert_eq!(digits("68 6g").expect_err("no digit").offset, 4);
    }
}
