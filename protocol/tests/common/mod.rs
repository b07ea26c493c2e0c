//! What the conformance tests share: the telegrams of real meters, found beside the project or named by the
//! environment; and a line in memory.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types, clippy::panic, reason = "tests read files")]

pub(crate) mod heat;
pub(crate) mod inject;

use std::path::PathBuf;
use std::time::Duration;

use protocol::exchange::{Answer, Exchange, Step, Target, Timing};
use protocol::meter::Address;
use protocol::profile::Catalogue;
use serde_json::Value;

/// The telegrams of `name`, or `None` (said aloud) where the folder is missing outside continuous integration.
pub(crate) fn telegrams(name: &str) -> Option<Vec<Value>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/frames");
    let folder = std::env::var_os("HEARTH_FRAMES").map_or(beside, PathBuf::from);
    let path = folder.join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing", path.display());
        println!("skipped: {} is missing", path.display());
        return None;
    };
    let parsed: Value = serde_json::from_str(&text).expect("the telegrams are JSON");
    Some(parsed.get("telegrams").and_then(Value::as_array).expect("a list of telegrams").clone())
}

/// The text under `key`, or nothing.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Bytes written as hex.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.last()?)).collect()
}

/// A decimal fraction as an integer of millionths.
pub(crate) fn millionths(decimal: &str) -> i128 {
    let (sign, digits) = decimal.strip_prefix('-').map_or((1, decimal), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = format!("{fraction:0<6}");
    let whole: i128 = whole.parse().expect("digits");
    let fraction: i128 = fraction.get(..6).expect("padded").parse().expect("digits");
    sign * (whole * 1_000_000 + fraction)
}

/// A meter on a quick line.
pub(crate) fn target(address: Address, repeats: u8) -> Target {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats };
    Target { address, timing, profile: None, catalogue: Catalogue::builtin() }
}

/// A line in memory: what the slave returns to each request comes back; nothing is silence. The last number is how
/// often the master spoke.
pub(crate) fn converse(exchange: &mut Exchange, mut slave: impl FnMut(&[u8]) -> Vec<u8>) -> (Answer, usize) {
    let (mut spoken, mut pending) = (0, Vec::new());
    for _ in 0..10_000 {
        match exchange.poll() {
            Step::Send(request) => {
                spoken += 1;
                pending = slave(&request);
            }
            Step::Await(time) => {
                assert!(time > Duration::ZERO);
                if pending.is_empty() {
                    exchange.handle_timeout();
                } else {
                    exchange.handle_bytes(&std::mem::take(&mut pending));
                }
            }
            Step::Done(answer) => return (answer, spoken),
        }
    }
    panic!("the dialogue does not end");
}
