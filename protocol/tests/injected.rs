//! Heartbeats and noise at every place of every known M-Bus and Modbus answer never make a wrong reading.
#![allow(clippy::panic, clippy::disallowed_methods, reason = "a test says what disagrees, and reads files")]

mod common;

use std::path::PathBuf;

use common::inject::{Ends, injected, lost, never_wrong};
use common::{bytes, converse, target, telegrams, text};
use protocol::bytes::checksum;
use protocol::exchange::{Answer, Exchange, LineFault, Target};
use protocol::mbus::frame::{Frame, Scanner};
use protocol::mbus::header::{Header, Status, manufacturer};
use protocol::mbus::reply::ReplyBuilder;
use protocol::meter::{Address, Quantity, Reading};

/// The known M-Bus answers that are readings: name, primary address, bytes, the reading.
fn mbus() -> Vec<(String, Address, Vec<u8>, Reading)> {
    let known = telegrams("mbus.json").unwrap_or_default().into_iter().filter_map(|telegram| {
        let wire = bytes(text(&telegram, "hex"));
        let address = Address::MbusPrimary(*wire.get(5)?);
        let Answer::Reading(truth) = read_mbus(address, 0, |_| wire.clone()) else { return None };
        Some((text(&telegram, "name").to_owned(), address, wire, truth))
    });
    known.collect()
}

/// A slave that acknowledges a reset, and answers the nth request for data as told.
fn slave(mut answer: impl FnMut(usize) -> Vec<u8>) -> impl FnMut(&[u8]) -> Vec<u8> {
    let mut asked = 0;
    move |request| {
        if request.get(1) == Some(&0x40) {
            return vec![0xE5];
        }
        asked += 1;
        answer(asked)
    }
}

fn read_mbus(address: Address, repeats: u8, answer: impl FnMut(usize) -> Vec<u8>) -> Answer {
    converse(&mut Exchange::read(&target(address, repeats)), slave(answer)).0
}

#[test]
fn bytes_injected_into_an_mbus_answer_never_make_a_wrong_reading() {
    let mut ends = Ends::new();
    for (name, address, wire, truth) in mbus() {
        let begin = || Exchange::read(&target(address, 0));
        for (at, noise, disturbed) in injected(&wire) {
            never_wrong(&(&name, at, noise), &truth, &mut ends, &begin, slave(|_| disturbed.clone()));
        }
    }
    println!("{ends:?}");
}

#[test]
fn an_mbus_answer_disturbed_once_is_read_right_when_it_is_repeated() {
    for (name, address, wire, truth) in mbus() {
        let begin = || Exchange::read(&target(address, 1));
        let mut ends = Ends::new();
        for (at, noise, disturbed) in injected(&wire).step_by(7) {
            let answers = slave(|nth| if nth == 1 { disturbed.clone() } else { wire.clone() });
            never_wrong(&(&name, at, noise), &truth, &mut ends, &begin, answers);
        }
        assert_eq!(ends.keys().collect::<Vec<_>>(), [&"true"], "{name}");
    }
}

#[test]
fn bytes_injected_around_an_mbus_answer_do_not_lose_it() {
    for (name, address, wire, truth) in mbus() {
        for (at, noise, disturbed) in injected(&wire).filter(|(at, ..)| *at == 0 || *at == wire.len()) {
            let mut ends = Ends::new();
            let begin = || Exchange::read(&target(address, 0));
            never_wrong(&(&name, at, noise), &truth, &mut ends, &begin, slave(|_| disturbed.clone()));
            assert_eq!(ends.get("true"), Some(&1), "{name}: {noise:02X?} at {at}");
        }
    }
}

#[test]
fn a_byte_lost_from_an_mbus_answer_never_makes_a_wrong_reading() {
    let mut ends = Ends::new();
    for (name, address, wire, truth) in mbus() {
        let begin = || Exchange::read(&target(address, 0));
        for (at, disturbed) in lost(&wire).enumerate() {
            never_wrong(&(&name, at), &truth, &mut ends, &begin, slave(|_| disturbed.clone()));
        }
    }
    println!("{ends:?}");
}

#[test]
fn a_wrong_checksum_never_makes_an_mbus_reading() {
    for (name, address, wire, _) in mbus() {
        let place = wire.len() - 2;
        for wrong in 1..=255_u8 {
            let mut bad = wire.clone();
            bad.iter_mut().skip(place).take(1).for_each(|sum| *sum = sum.wrapping_add(wrong));
            let answer = read_mbus(address, 0, |_| bad.clone());
            assert_eq!(answer, Answer::Lost(LineFault::BadChecksum), "{name} {wrong}");
        }
    }
}

#[test]
fn one_changed_byte_never_makes_an_mbus_reading_of_other_values() {
    let mut ends = Ends::new();
    for (name, address, wire, truth) in mbus() {
        let begin = || Exchange::read(&target(address, 0));
        for at in 0..wire.len() {
            for flip in [0x01, 0x10, 0x7E, 0x80, 0xFF] {
                let mut bad = wire.clone();
                bad.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= flip);
                never_wrong(&(&name, at, flip), &truth, &mut ends, &begin, slave(|_| bad.clone()));
            }
        }
    }
    println!("{ends:?}");
}

/// A heat meter of Kamstrup that says one energy.
fn heat_meter(id: u32) -> Vec<u8> {
    let header =
        Header { id, manufacturer: manufacturer(*b"KAM"), version: 1, medium: 4, access: 1, status: Status(0) };
    ReplyBuilder::new(&header).bcd(&[0x06], 1234).frame(5).expect("fits").encode()
}

/// The same answer with two bytes changed so that their sum stays.
fn cancelled(wire: &[u8], first: usize, second: usize) -> Vec<u8> {
    let mut bad = wire.to_vec();
    bad.iter_mut().skip(first).take(1).for_each(|byte| *byte = byte.wrapping_add(1));
    bad.iter_mut().skip(second).take(1).for_each(|byte| *byte = byte.wrapping_sub(1));
    bad
}

#[test]
fn two_changes_that_cancel_pass_a_sum_of_eight_bits_and_what_else_is_checked_still_holds() {
    let wire = heat_meter(0x1234_5678);
    let secondary = Address::MbusSecondary { id: 0x1234_5678, manufacturer: 0x2C2D, version: 1, medium: 4 };
    let read = |address, wire: &[u8]| {
        let acknowledged = |request: &[u8]| request.len() > 5 || request.get(1) == Some(&0x40);
        let answer = |request: &[u8]| if acknowledged(request) { vec![0xE5] } else { wire.to_vec() };
        converse(&mut Exchange::read(&target(address, 0)), answer).0
    };
    let (primary, truth) = (Address::MbusPrimary(5), 1234 * 3_600_000);
    let energy = |answer: &Answer| match answer {
        Answer::Reading(reading) => reading.value(Quantity::Energy),
        _ => None,
    };
    assert_eq!(energy(&read(primary, &wire)), Some(truth));
    // What the sum cannot tell: two bytes of one value.
    let (low, high) = (21, 22);
    assert_eq!(
        checksum(wire.get(4..wire.len() - 2).expect("a body")),
        wire.iter().rev().nth(1).copied().expect("a sum")
    );
    assert_eq!(energy(&read(primary, &cancelled(&wire, low, high))), Some(1135 * 3_600_000));
    // Both lengths, the address, the control field, the identity of whom was selected, and the end of the records.
    for (first, second) in [(1, 2), (5, low), (4, low), (19, low), (20, 19)] {
        assert_eq!(energy(&read(primary, &cancelled(&wire, first, second))), None, "{first} and {second}");
    }
    for place in 7..15 {
        assert_eq!(energy(&read(secondary, &cancelled(&wire, place, low))), None, "identity byte {place}");
    }
}

/// The answers to reads in the files of Modbus models, by the name of each.
fn known_modbus() -> Vec<(String, Vec<Vec<u8>>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let files = std::fs::read_dir(folder).expect("profiles").map(|entry| entry.expect("a file").path());
    let mut known = Vec::new();
    for path in files.filter(|path| path.to_string_lossy().contains("modbus-")) {
        let file: toml::Table = std::fs::read_to_string(path).expect("a file").parse().expect("a profile");
        let name = file.get("name").and_then(toml::Value::as_str).expect("a name").to_owned();
        let goldens = file.get("golden").and_then(toml::Value::as_array).into_iter().flatten();
        let reads = goldens.filter(|golden| golden.get("action").and_then(toml::Value::as_str) == Some("read-now"));
        known.extend(reads.map(|golden| (name.clone(), replies(golden))));
    }
    assert!(known.len() >= 3, "{} known Modbus dialogues", known.len());
    known
}

/// The second of each pair of telegrams.
fn replies(golden: &toml::Value) -> Vec<Vec<u8>> {
    let pairs = golden.get("telegrams").and_then(toml::Value::as_array).into_iter().flatten();
    pairs.map(|pair| bytes(pair.get(1).and_then(toml::Value::as_str).expect("a reply"))).collect()
}

/// The known answers of Modbus models, as they are and disturbed.
fn modbus(disturb: impl Fn(&[u8]) -> Vec<(String, Vec<u8>)>) -> Ends {
    let mut ends = Ends::new();
    for (name, answers) in known_modbus() {
        let wanted = Target { profile: Some(name.clone()), ..target(Address::ModbusUnit(1), 0) };
        let replay = |nth: usize, bad: &[u8]| {
            let mut told = 0;
            let answers = &answers;
            let bad = bad.to_vec();
            move |_: &[u8]| {
                told += 1;
                if told == nth { bad.clone() } else { answers.get(told - 1).cloned().unwrap_or_default() }
            }
        };
        let begin = || Exchange::read(&wanted);
        let Answer::Reading(truth) = converse(&mut begin(), replay(0, &[])).0 else { panic!("{name}") };
        for (nth, wire) in answers.iter().enumerate() {
            for (what, bad) in disturb(wire) {
                never_wrong(&(&name, what), &truth, &mut ends, &begin, replay(nth + 1, &bad));
            }
        }
    }
    ends
}

#[test]
fn bytes_injected_into_a_modbus_answer_never_make_a_wrong_reading() {
    let ends = modbus(|wire| injected(wire).map(|(at, noise, bad)| (format!("{noise:02X?} at {at}"), bad)).collect());
    println!("{ends:?}");
    assert!(ends.get("true").is_some_and(|count| *count > 0), "{ends:?}");
}

#[test]
fn a_byte_lost_or_changed_never_makes_a_wrong_modbus_reading() {
    let ends = modbus(|wire| lost(wire).enumerate().map(|(at, bad)| (format!("lost at {at}"), bad)).collect());
    println!("{ends:?}");
    let changed = modbus(|wire| {
        let change = |at: usize, flip: u8| {
            let mut bad = wire.to_vec();
            bad.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= flip);
            (format!("changed at {at}"), bad)
        };
        (0..wire.len()).flat_map(|at| [0x01, 0x80, 0xFF].map(|flip| change(at, flip))).collect()
    });
    println!("{changed:?}");
    assert_eq!(changed.get("true"), None, "a changed byte is told by its checksum");
}

#[test]
fn an_acknowledgement_injected_behind_the_start_of_an_answer_is_no_frame_of_its_own() {
    for (name, _, wire, _) in mbus() {
        for at in 4..wire.len() {
            let (front, back) = wire.split_at(at);
            let mut scanner = Scanner::new();
            scanner.push(&[front, &[0xE5], back].concat());
            scanner.close_gap();
            let found: Vec<_> = std::iter::from_fn(|| scanner.next()).collect();
            assert!(found.iter().all(|item| !matches!(item, Ok(Frame::Ack))), "{name} at {at}: {found:?}");
        }
    }
}
