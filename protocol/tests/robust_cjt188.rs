//! Noise, heartbeats and cuts at every position of every known CJ/T 188 telegram: the true reading or none.

mod common;

use common::{bytes, converse, target, telegrams, text};
use protocol::cjt188::body::Body;
use protocol::cjt188::control;
use protocol::cjt188::digits::Shown;
use protocol::cjt188::frame::{Frame, Scanner};
use protocol::cjt188::layout::Layout;
use protocol::cjt188::payload::Current;
use protocol::cjt188::reply;
use protocol::cjt188::status::Status;
use protocol::cjt188::unit::UnitCode;
use protocol::cjt188::water::Water;
use protocol::exchange::{Answer, Exchange};
use protocol::meter::{Address, CivilTime, Reading};
use serde_json::Value;

/// What units send between and inside replies: preamble bytes, zeros, marks, acknowledgements, starts and stops, text,
/// wrappers. A noise that brings its own right sum and a stop to the right place is a frame to every reader: eight bits
/// of checksum cannot tell it.
const NOISE: [&[u8]; 16] = [
    &[0xFE],
    &[0xFE; 4],
    &[0x00],
    &[0x00; 2],
    &[0xFF],
    &[0xE5],
    &[0x68],
    &[0x68, 0x68],
    &[0x16],
    &[0x16, 0x68],
    b"A",
    b"0",
    b"HB\r\n",
    b"13800138000",
    &[0xAA, 0x01, 0x31, 0x33, 0x38, 0x0D],
    &[0x7B, 0x01, 0x00, 0x10, 0x7B],
];

fn answer(address: [u8; 7], wire: &[u8]) -> Answer {
    converse(&mut Exchange::read(&target(Address::Cjt188(address), 0)), |_| wire.to_vec()).0
}

fn reading(address: [u8; 7], wire: &[u8]) -> Option<Reading> {
    match answer(address, wire) {
        Answer::Reading(reading) => Some(reading),
        _ => None,
    }
}

/// The frames in bytes after which the line falls quiet.
fn frames(wire: &[u8]) -> Vec<Frame> {
    let mut scanner = Scanner::new();
    scanner.push(wire);
    scanner.close_gap();
    std::iter::from_fn(|| scanner.next()).filter_map(Result::ok).collect()
}

/// Every published telegram with a right checksum.
fn known() -> Vec<Vec<u8>> {
    let telegrams = telegrams("cjt188.json").unwrap_or_default();
    let sound = telegrams.iter().filter(|t| t.get("checksum_ok").and_then(Value::as_bool) == Some(true));
    sound.map(|telegram| bytes(text(telegram, "hex"))).collect()
}

/// A water meter's answer in each layout: no published one has a right checksum.
fn water() -> Vec<Frame> {
    let volume = Shown { digits: Some(55_667_700), unit: UnitCode::M3 };
    let clock = Some(CivilTime { year: 2015, month: 5, day: 11, hour: 22, minute: 1, second: 31 });
    let body = Water { volume, settled: volume, clock, status: Status([0x21, 0x84]) };
    let address = [0x78, 0x33, 0x00, 0x11, 0x22, 0x33, 0x44];
    let request = Frame { meter_type: 0x10, address, control: control::READ, data: vec![0x1F, 0x90, 0x01] };
    let layouts = [Layout::A, Layout::B, Layout::C, Layout::E];
    layouts.into_iter().filter_map(|layout| reply::laid_out(&request, address, &body, layout)).collect()
}

/// Answers that give a reading to a first request, with their readings. Where a published one answers a later request,
/// its SER is made that of the first.
fn readable() -> Vec<([u8; 7], Vec<u8>, Reading)> {
    let published = known().iter().flat_map(|wire| frames(wire)).collect::<Vec<_>>();
    let answers = published.into_iter().chain(water()).filter(|frame| Current::read(frame).is_ok());
    let first = answers.map(|mut frame| {
        if !matches!(frame.data.get(2), Some(0x00 | 0x12 | 0x34)) {
            frame.data.iter_mut().skip(2).take(1).for_each(|ser| *ser = 1);
        }
        frame
    });
    first
        .map(|frame| {
            let wire = frame.encode();
            let true_reading = reading(frame.address, &wire).unwrap_or_else(|| unreachable!("{frame:?}"));
            (frame.address, wire, true_reading)
        })
        .collect()
}

fn with_noise(wire: &[u8], place: usize, noise: &[u8]) -> Vec<u8> {
    let (front, back) = wire.split_at(place);
    [front, noise, back].concat()
}

#[test]
fn noise_at_every_position_of_every_answer_gives_the_true_reading_or_none() {
    let (mut same, mut none) = (0, 0);
    for (address, wire, true_reading) in readable() {
        for place in 0..=wire.len() {
            for noise in NOISE {
                match reading(address, &with_noise(&wire, place, noise)) {
                    None => none += 1,
                    Some(read) => {
                        assert_eq!(read, true_reading, "{noise:02X?} at {place}");
                        same += 1;
                    }
                }
            }
        }
    }
    println!("{same} true readings, {none} none");
    assert!(same > 0 && none > 0);
}

#[test]
fn noise_before_or_after_an_answer_costs_nothing() {
    for (address, wire, true_reading) in readable() {
        // A lone start byte in front may be the frame's own as well: that is what a repeat is for.
        for noise in NOISE.into_iter().filter(|noise| !noise.contains(&0x68)) {
            assert_eq!(reading(address, &with_noise(&wire, 0, noise)).as_ref(), Some(&true_reading), "{noise:02X?}");
        }
        for noise in NOISE {
            let behind = with_noise(&wire, wire.len(), noise);
            assert_eq!(reading(address, &behind).as_ref(), Some(&true_reading), "{noise:02X?}");
        }
    }
}

#[test]
fn every_cut_of_every_answer_gives_the_true_reading_or_none() {
    for (address, wire, true_reading) in readable() {
        for place in 0..=wire.len() {
            let (front, back) = wire.split_at(place);
            for piece in [front.to_vec(), back.to_vec(), [front, &wire].concat(), [&wire, front].concat()] {
                let read = reading(address, &piece);
                assert!(read.is_none() || read.as_ref() == Some(&true_reading), "cut at {place}");
            }
            // A missing stretch in the middle.
            for length in [1, 2, 5, 13] {
                let kept = back.get(length..).unwrap_or_default();
                let read = reading(address, &[front, kept].concat());
                assert!(read.is_none() || read.as_ref() == Some(&true_reading), "{length} bytes missing at {place}");
            }
        }
    }
}

#[test]
fn a_wrong_checksum_never_gives_a_reading() {
    for (address, wire, _) in readable() {
        let start = wire.iter().take_while(|byte| **byte == 0xFE).count();
        for place in start..wire.len() {
            for bit in 0..8 {
                let mut bad = wire.clone();
                bad.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << bit);
                assert_eq!(reading(address, &bad), None, "bit {bit} of byte {place}");
            }
        }
    }
}

#[test]
fn noise_in_any_known_telegram_never_becomes_an_answer_of_its_meter() {
    // A zero in the address shifts a frame and leaves its sum right: it is then another meter's, or no answer.
    for wire in known() {
        let sent = frames(&wire);
        let address = sent.first().expect("a frame").address;
        for place in 0..=wire.len() {
            for noise in NOISE {
                let found = frames(&with_noise(&wire, place, noise));
                let mut others = found.iter().filter(|frame| frame.address == address && !sent.contains(frame));
                assert_eq!(others.find(|frame| frame.is_from_meter()), None, "{noise:02X?} at {place}");
            }
        }
    }
}

#[test]
fn two_answers_glued_together_give_the_one_that_was_asked_for() {
    let all = readable();
    for (address, wire, true_reading) in &all {
        for (other, before, _) in all.iter().filter(|(other, ..)| other != address) {
            assert_eq!(
                reading(*address, &[before.as_slice(), wire].concat()).as_ref(),
                Some(true_reading),
                "{other:?}"
            );
        }
    }
}

#[test]
fn the_data_of_every_known_answer_lay_themselves_out_again_as_they_came() {
    for frame in known().iter().flat_map(|wire| frames(wire)) {
        let Ok(current) = Current::read(&frame) else { continue };
        let heat = current.heat().expect("the published ones are heat meters");
        let data = reply::laid_out(&request_of(&frame, &current), frame.address, heat, current.layout);
        assert_eq!(data.map(|answer| answer.data), Some(frame.data), "{:?}", current.layout);
        assert_eq!(Body::clock(heat), heat.clock);
    }
}

/// The request that this answers.
fn request_of(frame: &Frame, current: &Current) -> Frame {
    let lead: Vec<u8> = match current.layout {
        Layout::E => frame.data.iter().take(3).map(|byte| byte.wrapping_sub(0x33)).collect(),
        _ => frame.data.iter().take(3).copied().collect(),
    };
    Frame { control: control::READ, data: lead, ..frame.clone() }
}
