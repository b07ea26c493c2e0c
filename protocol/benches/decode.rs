//! How long an M-Bus telegram takes from its bytes to its scaled values, over the telegrams of real meters.
//!
//! ```text
//!   wire bytes --Scanner--> frame --Reader--> header, each record: place, meaning, unit, exact value
//!                                             and each number as an integer of its fixed unit
//! ```
//!
//! `cargo bench -p protocol` measures; `cargo test` runs one round, to see that it works. Without the telegrams it says
//! "skipped" and succeeds.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement needs a clock and its files")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use protocol::mbus::frame::{Frame, Scanner};
use protocol::mbus::payload::{Payload, Reader};
use protocol::mbus::value::Value;

/// What a telegram may take, all records scaled, in ns.
const AIM: u32 = 1000;
/// Rounds over all telegrams that are measured.
const ROUNDS: usize = 300;
/// How often each telegram is decoded in one round.
const TIMES: u32 = 200;
/// How long the machine is warmed up.
const WARM_UP: Duration = Duration::from_millis(500);

/// What is done to the bytes of a telegram; how much it found.
type Step = fn(&[u8]) -> usize;

/// One telegram and what decoding it took, in ns, round by round.
struct Telegram {
    wire: Vec<u8>,
    took: Vec<f64>,
}

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let Some(wires) = telegrams() else {
        println!("skipped: no telegrams of real meters beside the project (HEARTH_FRAMES names another folder)");
        return;
    };
    let records: usize = wires.iter().map(|wire| decode(wire)).sum();
    assert!(records > wires.len(), "telegrams that hold no records measure nothing");
    println!("{} telegrams, {records} records; aim: {AIM} ns a telegram", wires.len());
    let rounds = if is_bench { ROUNDS } else { 1 };
    let steps: [(&str, Step); 4] = [
        ("scanned", scan),
        ("scanned, every record read and scaled", decode),
        ("the same, every number in its fixed unit", decode_fixed),
        ("the same as a list that is kept", decode_list),
    ];
    for (name, step) in steps {
        let mean = measure(&wires, rounds, step);
        println!("{mean:>7.0} ns a telegram, {:>5.1} ns a record: {name}", mean * wires.len() as f64 / records as f64);
    }
}

/// The mean over the telegrams of each one's median over the rounds, in ns.
fn measure(wires: &[Vec<u8>], rounds: usize, step: Step) -> f64 {
    let mut telegrams: Vec<_> = wires.iter().map(|wire| Telegram { wire: wire.clone(), took: Vec::new() }).collect();
    let from = Instant::now();
    while rounds > 1 && from.elapsed() < WARM_UP {
        for telegram in &telegrams {
            black_box(step(black_box(&telegram.wire)));
        }
    }
    for _ in 0..rounds {
        for telegram in &mut telegrams {
            let from = Instant::now();
            for _ in 0..TIMES {
                black_box(step(black_box(&telegram.wire)));
            }
            telegram.took.push(from.elapsed().as_nanos() as f64 / f64::from(TIMES));
        }
    }
    let medians = telegrams.iter_mut().map(|telegram| {
        telegram.took.sort_by(f64::total_cmp);
        telegram.took.get(telegram.took.len() / 2).copied().unwrap_or_default()
    });
    medians.sum::<f64>() / wires.len() as f64
}

/// Finds the frame and checks it; how many bytes of data it has.
fn scan(wire: &[u8]) -> usize {
    with_data(wire, |_, data| black_box(data).len())
}

/// Reads all of a telegram; how many records it has.
fn decode(wire: &[u8]) -> usize {
    with_data(wire, |ci, data| {
        let reader = Reader::open(ci, data).expect("a telegram of a real meter");
        reader.fold(0, |count, record| count + usize::from(black_box(record).is_ok()))
    })
}

fn decode_fixed(wire: &[u8]) -> usize {
    with_data(wire, |ci, data| {
        let reader = Reader::open(ci, data).expect("a telegram of a real meter");
        reader.fold(0, |count, record| {
            let record = black_box(record).expect("a record of a real meter");
            if let Value::Number(amount) = &record.value {
                black_box(amount.fixed());
            }
            count + 1
        })
    })
}

fn decode_list(wire: &[u8]) -> usize {
    with_data(wire, |ci, data| black_box(Payload::parse(ci, data)).expect("a telegram of a real meter").records.len())
}

fn with_data(wire: &[u8], read: impl Fn(u8, &[u8]) -> usize) -> usize {
    let mut scanner = Scanner::new();
    scanner.push(wire);
    let Some(Ok(Frame::Long { ci, data, .. })) = scanner.next() else { return 0 };
    read(ci, &data)
}

fn telegrams() -> Option<Vec<Vec<u8>>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/frames");
    let folder = std::env::var_os("HEARTH_FRAMES").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(folder.join("mbus.json")).ok()?;
    let parsed: serde_json::Value = serde_json::from_str(&text).expect("the telegrams are JSON");
    let list = parsed.get("telegrams").and_then(serde_json::Value::as_array).expect("a list of telegrams");
    Some(list.iter().filter_map(|telegram| bytes(telegram.get("hex")?.as_str()?)).collect())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| Some(pair.first()? << 4 | pair.last()?)).collect()
}
