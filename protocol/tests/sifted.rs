//! Units that say words of their own into the answers of their meters: never a wrong reading, and in the end the right
//! one. Telegrams of real meters.

#![allow(clippy::indexing_slicing, reason = "a test may stop")]

mod common;

use std::time::Duration;

use common::{bytes, target, telegrams, text};
use proptest::prelude::*;
use proptest::sample::Index;
use protocol::cjt188;
use protocol::dialin::{Pattern, Sifted};
use protocol::exchange::{Answer, Exchange, Step};
use protocol::mbus::frame::{Frame, Scanner};
use protocol::meter::Address;
use protocol::modbus::frame::Frame as ModbusFrame;

/// A meter's true answer, and what reading it gives on a line where nobody else speaks.
struct Case {
    name: String,
    address: Address,
    profile: Option<String>,
    wire: Vec<u8>,
    truth: Answer,
}

/// What a meter says, one answer a question; the words of the unit are in it already. SND_NKE and the like are
/// acknowledged.
fn converse(case: &Case, words: &[Pattern], repeats: u8, mut answers: impl FnMut() -> Vec<Vec<u8>>) -> Answer {
    let target = protocol::exchange::Target { profile: case.profile.clone(), ..target(case.address, repeats) };
    let mut talk = Sifted::new(Exchange::read(&target), words.to_vec());
    let mut pending: Vec<Vec<u8>> = Vec::new();
    for _ in 0..10_000 {
        match talk.poll() {
            Step::Send(request) if request.first() == Some(&0x10) && request.get(1) == Some(&0x40) => {
                pending = vec![vec![0xE5]];
            }
            Step::Send(_) => {
                pending = answers();
                pending.reverse();
            }
            Step::Await(_) => match pending.pop() {
                Some(piece) => talk.handle_bytes(&piece, Duration::ZERO),
                None => talk.handle_timeout(),
            },
            Step::Done(answer) => return answer,
        }
    }
    unreachable!("the dialogue does not end")
}

fn case(name: String, address: Address, profile: Option<String>, wire: Vec<u8>) -> Option<Case> {
    let mut case = Case { name, address, profile, wire, truth: Answer::Accepted { valve: None } };
    case.truth = converse(&case, &[], 0, || vec![case.wire.clone()]);
    matches!(case.truth, Answer::Reading(_)).then_some(case)
}

fn mbus_case(telegram: &serde_json::Value) -> Option<Case> {
    let wire = bytes(text(telegram, "hex"));
    let mut scanner = Scanner::new();
    scanner.push(&wire);
    let Some(Ok(Frame::Long { address, .. })) = scanner.next() else { return None };
    case(text(telegram, "name").to_owned(), Address::MbusPrimary(address), None, wire)
}

fn cjt188_case(telegram: &serde_json::Value) -> Option<Case> {
    let mut wire = bytes(text(telegram, "hex"));
    let mut scanner = cjt188::frame::Scanner::new();
    scanner.push(&wire);
    let Some(Ok(mut frame)) = scanner.next() else { return None };
    if frame.control != 0x81 {
        return None;
    }
    // The first question has SER 1: as the meter would have answered it.
    if let Some(ser) = frame.data.get_mut(2) {
        *ser = 1;
        wire = frame.encode();
    }
    case(text(telegram, "hex").to_owned(), Address::Cjt188(frame.address), None, wire)
}

/// A telegram of each dialect that has a heartbeat's byte in it.
fn cases() -> Vec<Case> {
    let mbus = telegrams("mbus.json").unwrap_or_default();
    let cjt188 = telegrams("cjt188.json").unwrap_or_default();
    mbus.iter().filter_map(mbus_case).chain(cjt188.iter().filter_map(cjt188_case)).collect()
}

fn words(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect()
}

fn with(wire: &[u8], at: usize, word: &[u8]) -> Vec<u8> {
    [&wire[..at], word, &wire[at..]].concat()
}

fn is_right_or_lost(case: &Case, answer: &Answer) -> bool {
    *answer == case.truth || matches!(answer, Answer::Lost(_))
}

#[test]
fn the_telegrams_are_there() {
    let cases = cases();
    if telegrams("mbus.json").is_some() {
        let mbus = cases.iter().filter(|case| matches!(case.address, Address::MbusPrimary(_))).count();
        assert!(mbus >= 30 && cases.len() - mbus >= 10, "{mbus} of {}", cases.len());
    }
}

#[test]
fn a_heartbeat_at_any_place_of_any_answer_gives_the_true_reading_or_none() {
    let heartbeat = words(&["FE"]);
    let (mut right, mut lost) = (0, 0);
    for case in &cases() {
        for at in 0..=case.wire.len() {
            let said = with(&case.wire, at, &[0xFE]);
            let answer = converse(case, &heartbeat, 0, || vec![said.clone()]);
            assert!(is_right_or_lost(case, &answer), "{} with FE at {at}: {answer:?}", case.name);
            if answer == case.truth { right += 1 } else { lost += 1 }
        }
    }
    println!("right at once {right}, asked again {lost}");
    assert!(right > 9 * lost, "right at once {right}, asked again {lost}");
}

#[test]
fn what_is_asked_again_is_read_when_the_next_heartbeat_is_a_minute_away() {
    let heartbeat = words(&["FE"]);
    for case in &cases() {
        for at in (0..=case.wire.len()).step_by(3) {
            let mut asked = 0;
            let answer = converse(case, &heartbeat, 2, || {
                asked += 1;
                let said = if asked == 1 { with(&case.wire, at, &[0xFE]) } else { case.wire.clone() };
                // A repeat to a CJ/T 188 meter has another SER, and the telegram at hand answers the first.
                vec![said]
            });
            let has_ser = matches!(case.address, Address::Cjt188(_));
            assert!(
                answer == case.truth || has_ser && is_right_or_lost(case, &answer),
                "{} at {at}: {answer:?}",
                case.name
            );
        }
    }
}

#[test]
fn an_answer_that_holds_the_heartbeats_byte_is_read_when_nothing_was_said_into_it() {
    let mut held = 0;
    for case in &cases() {
        for word in [0xFE, 0x00, 0x01, 0x16, 0x68] {
            held += usize::from(case.wire.contains(&word));
            let answer = converse(case, &[Pattern::literal(&[word])], 0, || vec![case.wire.clone()]);
            assert_eq!(answer, case.truth, "{} with heartbeat {word:02X}", case.name);
        }
    }
    assert!(cases().is_empty() || held > 50, "{held}");
}

#[test]
fn an_answer_in_which_nobody_can_tell_the_heartbeat_from_the_meter_is_asked_for_again() {
    // Two ways to leave one FE out of FE 01 FE have the same 8-bit sum and differ in value.
    let records = [0x04, 0x06, 0xFE, 0x01, 0x00, 0x00];
    let header = [0x78, 0x56, 0x34, 0x12, 0x2D, 0x2C, 0x01, 0x04, 0x09, 0x00, 0x00, 0x00];
    let mut wire = vec![0x68, 0x15, 0x15, 0x68, 0x08, 0x05, 0x72];
    wire.extend(header);
    wire.extend(records);
    wire.push(wire[4..].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
    wire.push(0x16);
    let case = case("two ways".to_owned(), Address::MbusPrimary(5), None, wire).expect("a reading");
    let place = case.wire.iter().position(|byte| *byte == 0xFE).expect("it holds one");
    let said = with(&case.wire, place + 2, &[0xFE]);
    assert!(matches!(converse(&case, &words(&["FE"]), 0, || vec![said.clone()]), Answer::Lost(_)));
    let mut asked = 0;
    let answer = converse(&case, &words(&["FE"]), 1, || {
        asked += 1;
        vec![if asked == 1 { said.clone() } else { case.wire.clone() }]
    });
    assert_eq!((answer, asked), (case.truth.clone(), 2));
}

#[test]
fn a_frame_that_only_seems_sound_because_of_a_heartbeat_is_not_believed() {
    // The heartbeat pushes the last byte of the data to where the checksum stands, and the checksum, 16, to the end.
    let body = |last: u8| {
        let mut body = vec![0x08, 0x05, 0x72, 0x78, 0x56, 0x34, 0x12, 0x2D, 0x2C, 0x01, 0x04, 0x09, 0x00, 0x00, 0x00];
        body.extend([0x04, 0x06, 0x00, 0x00, 0x00, last, 0x01, 0xFD, 0x17, 0x00, 0x01, 0xFD, 0x17]);
        body
    };
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let mut found = 0;
    for (last, tail) in (0..=255_u8).flat_map(|last| (0..=255_u8).map(move |tail| (last, tail))) {
        let body = [body(last), vec![tail]].concat();
        let said = with(&body, body.len() - 1, &[0xFE]);
        if sum(&body) != 0x16 || sum(&said[..body.len()]) != tail {
            continue;
        }
        let length = u8::try_from(body.len()).expect("short");
        let wire = [vec![0x68, length, length, 0x68], body, vec![0x16, 0x16]].concat();
        let case = case("seeming".to_owned(), Address::MbusPrimary(5), None, wire).expect("a reading");
        let at = 4 + usize::from(length) - 1;
        let said = with(&case.wire, at, &[0xFE]);
        // Without the sieve the wrong reading would be taken.
        let fooled = converse(&case, &[], 0, || vec![said.clone()]);
        assert!(!is_right_or_lost(&case, &fooled), "the trap does not work: {fooled:?}");
        for pieces in [vec![said.clone()], vec![said[..said.len() - 1].to_vec(), said[said.len() - 1..].to_vec()]] {
            let answer = converse(&case, &words(&["FE"]), 0, || pieces.clone());
            assert!(is_right_or_lost(&case, &answer), "{answer:?}");
        }
        found += 1;
    }
    assert!(found > 0, "no such frame was built");
}

#[test]
fn an_acknowledgement_inside_a_word_of_the_unit_is_not_the_meters() {
    let close = |said: &[u8]| {
        let exchange = Exchange::perform(&target(Address::MbusPrimary(5), 0), protocol::meter::Action::ValveClose);
        let mut talk = Sifted::new(exchange, words(&["23 E5 42"]));
        let mut pending = Vec::new();
        loop {
            match talk.poll() {
                Step::Send(request) => {
                    let resets = request.get(1) == Some(&0x40);
                    pending = if resets { vec![0xE5] } else { said.to_vec() };
                }
                Step::Await(_) if pending.is_empty() => talk.handle_timeout(),
                Step::Await(_) => talk.handle_bytes(&std::mem::take(&mut pending), Duration::ZERO),
                Step::Done(answer) => return answer,
            }
        }
    };
    assert!(matches!(close(&[0xE5]), Answer::Accepted { .. }), "{:?}", close(&[0xE5]));
    assert!(matches!(close(&[0x23, 0xE5, 0x42]), Answer::Lost(_)), "{:?}", close(&[0x23, 0xE5, 0x42]));
}

#[test]
fn a_prefix_glued_to_every_piece_of_an_answer_is_left_out() {
    for case in &cases() {
        let middle = case.wire.len() / 2;
        let glued = |piece: &[u8]| [b"UNIT07", piece].concat();
        let pieces = vec![glued(&case.wire[..middle]), glued(&case.wire[middle..])];
        let answer = converse(case, &words(&["'UNIT07'"]), 0, || pieces.clone());
        assert_eq!(answer, case.truth, "{}", case.name);
    }
}

#[test]
fn a_modbus_answer_with_a_heartbeat_inside_is_read() {
    let profile = "modbus-tuf-2000m".to_owned();
    let case = Case {
        name: profile.clone(),
        address: Address::ModbusUnit(7),
        profile: Some(profile),
        wire: vec![],
        truth: Answer::Accepted { valve: None },
    };
    let slave = |request: &[u8]| {
        let count = usize::from(u16::from_be_bytes([request[4], request[5]]));
        let values = (0..2 * count).map(|n| if n % 7 == 3 { 0xFE } else { 0 });
        let pdu = [vec![request[1], u8::try_from(2 * count).expect("short")], values.collect()].concat();
        ModbusFrame { unit: 7, pdu }.encode()
    };
    let talk = |place: Option<usize>, repeats| {
        let target = protocol::exchange::Target { profile: case.profile.clone(), ..target(case.address, repeats) };
        let mut talk = Sifted::new(Exchange::read(&target), words(&["FE"]));
        let mut pending = Vec::new();
        loop {
            match talk.poll() {
                Step::Send(request) => {
                    pending = slave(&request);
                    if let Some(place) = place {
                        pending = with(&pending, place.min(pending.len()), &[0xFE]);
                    }
                }
                Step::Await(_) if pending.is_empty() => talk.handle_timeout(),
                Step::Await(_) => talk.handle_bytes(&std::mem::take(&mut pending), Duration::ZERO),
                Step::Done(answer) => break answer,
            }
        }
    };
    let truth = talk(None, 0);
    assert!(matches!(truth, Answer::Reading(_)), "{truth:?}");
    let mut right = 0;
    for place in 0..30 {
        let answer = talk(Some(place), 0);
        assert!(answer == truth || matches!(answer, Answer::Lost(_)), "{place}: {answer:?}");
        right += usize::from(answer == truth);
    }
    assert!(right >= 20, "{right}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn words_said_anywhere_and_pieces_cut_anywhere_never_give_a_wrong_reading(
        which in any::<Index>(),
        spoken in proptest::collection::vec((any::<Index>(), 0..4_usize), 0..3),
        cuts in proptest::collection::vec(any::<Index>(), 0..6),
    ) {
        let (cases, texts) = (cases(), ["FE", "'ping'", "00", "7E {3d} 16"]);
        let said: [&[u8]; 4] = [b"\xFE", b"ping", b"\x00", b"\x7E123\x16"];
        prop_assume!(!cases.is_empty());
        let case = which.get(&cases);
        let mut wire = case.wire.clone();
        for (at, word) in &spoken {
            wire = with(&wire, at.index(wire.len() + 1), said[*word]);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let pieces: Vec<Vec<u8>> =
            cuts.windows(2).map(|ends| wire[ends[0]..ends[1]].to_vec()).filter(|piece| !piece.is_empty()).collect();
        let answer = converse(case, &words(&texts), 0, || pieces.clone());
        prop_assert!(is_right_or_lost(case, &answer), "{}: {:?}", case.name, answer);
        if spoken.is_empty() {
            prop_assert_eq!(&answer, &case.truth);
        }
    }
}

#[test]
fn heartbeats_that_come_more_often_than_a_meter_may_think_do_not_keep_it_awaited() {
    let every = Duration::from_secs(1);
    for address in [Address::MbusPrimary(1), Address::Cjt188([0x11, 0x11, 0, 0x12, 0x34, 0x56, 0x78])] {
        let mut target = target(address, 2);
        target.timing.extra = Duration::from_secs(2);
        let mut talk = Sifted::new(Exchange::read(&target), words(&["FE"]));
        let (mut now, mut last, mut beat) = (Duration::ZERO, Duration::ZERO, every / 2);
        loop {
            match talk.poll() {
                Step::Send(_) => last = now,
                Step::Await(wait) if last + wait > beat => {
                    now = beat;
                    talk.handle_bytes(&[0xFE], now - last);
                    (last, beat) = (now, beat + every);
                }
                Step::Await(wait) => {
                    now = last + wait;
                    last = now;
                    talk.handle_timeout();
                }
                Step::Done(answer) => {
                    assert!(matches!(answer, Answer::Lost(_)), "{answer:?}");
                    break;
                }
            }
            assert!(now < Duration::from_secs(60), "{address:?} is awaited for ever");
        }
        // It was asked three times, and waited for each time for at most twice its time and a heartbeat.
        assert!(now > Duration::from_secs(6) && now < Duration::from_secs(25), "{now:?}");
    }
}
