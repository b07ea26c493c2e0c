//! The master's M-Bus dialogue on a line that is slower than it waits.

mod common;

use std::collections::VecDeque;

use common::target;
use protocol::exchange::{Answer, Exchange, Step};
use protocol::mbus::header::{Header, Status, manufacturer};
use protocol::mbus::reply::ReplyBuilder;
use protocol::meter::{Action, Address, Quality, Quantity};

const METER: Address = Address::MbusPrimary(5);

fn telegram(nth: u8) -> Vec<u8> {
    let header =
        Header { id: 1, manufacturer: manufacturer(*b"KAM"), version: 1, medium: 4, access: nth, status: Status(0) };
    let builder = ReplyBuilder::new(&header);
    let builder = if nth == 0 { builder.power_watts(7).more_follow() } else { builder.volume_litres(9) };
    builder.frame(5).expect("fits").encode()
}

/// What happens while the master waits.
enum Event {
    Bytes(Vec<u8>),
    Silence,
}

use Event::{Bytes, Silence};

/// Each wait of the master takes one event, whatever it asked; then silence. What it said, and what it made of it.
fn script(mut exchange: Exchange, events: Vec<Event>) -> (Answer, Vec<Vec<u8>>) {
    let (mut events, mut said) = (VecDeque::from(events), Vec::new());
    for _ in 0..100 {
        match exchange.poll() {
            Step::Send(bytes) => said.push(bytes),
            Step::Await(_) => match events.pop_front() {
                Some(Bytes(bytes)) => exchange.handle_bytes(&bytes),
                Some(Silence) | None => exchange.handle_timeout(),
            },
            Step::Done(answer) => return (answer, said),
        }
    }
    unreachable!("the dialogue does not end")
}

fn controls(said: &[Vec<u8>]) -> Vec<u8> {
    said.iter().filter_map(|frame| frame.get(if frame.len() == 5 { 1 } else { 4 }).copied()).collect()
}

#[test]
fn a_late_copy_of_a_telegram_asked_for_twice_is_stepped_over() {
    let ack = || Bytes(vec![0xE5]);
    let events = vec![ack(), Silence, Bytes(telegram(0)), Bytes(telegram(0)), Bytes(telegram(1))];
    let (answer, said) = script(Exchange::read(&target(METER, 2)), events);
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    assert_eq!(controls(&said), [0x40, 0x7B, 0x7B, 0x5B]);
    assert_eq!((reading.value(Quantity::Power), reading.value(Quantity::Volume)), (Some(7000), Some(9000)));
    assert_eq!((reading.quality, reading.raw), (Quality(0), [telegram(0), telegram(1)].concat()));
}

#[test]
fn a_meter_that_repeats_for_ever_is_told_from_late_copies_and_its_reading_is_incomplete() {
    let ack = || Bytes(vec![0xE5]);
    let same = || Bytes(telegram(0));
    for events in [vec![ack(), same(), same()], vec![ack(), Silence, same(), same(), Silence, same()]] {
        let (answer, _) = script(Exchange::read(&target(METER, 2)), events);
        let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
        assert_eq!((reading.value(Quantity::Power), reading.quality), (Some(7000), Quality::INCOMPLETE));
        assert_eq!(reading.raw, telegram(0));
    }
}

#[test]
fn a_chain_longer_than_is_joined_is_incomplete() {
    let header = Header { id: 1, manufacturer: 1, version: 1, medium: 4, access: 0, status: Status(0) };
    let endless = (0..16)
        .map(|nth| ReplyBuilder::new(&header).power_watts(nth).more_follow().frame(5).expect("fits").encode())
        .map(Bytes);
    let events = std::iter::once(Bytes(vec![0xE5])).chain(endless).collect();
    let (answer, _) = script(Exchange::read(&target(METER, 2)), events);
    assert!(matches!(answer, Answer::Reading(reading) if reading.quality == Quality::INCOMPLETE));
}

#[test]
fn the_second_acknowledgement_of_a_repeated_reset_is_not_that_of_the_command() {
    let ack = || Bytes(vec![0xE5]);
    // Both resets are acknowledged late; the command never is.
    let (answer, said) =
        script(Exchange::perform(&target(METER, 1), Action::ValveClose), vec![Silence, ack(), ack(), Silence]);
    assert!(matches!(answer, Answer::Lost(_)), "{answer:?}");
    assert_eq!(controls(&said), [0x40, 0x40, 0x73, 0x73, 0x40]);
    // And where the command is acknowledged, it counts.
    let events = vec![Silence, ack(), ack(), Silence, ack()];
    let (answer, said) = script(Exchange::perform(&target(METER, 1), Action::ValveClose), events);
    assert_eq!((answer, controls(&said)), (Answer::Accepted { valve: None }, vec![0x40, 0x40, 0x73]));
}

#[test]
fn the_second_acknowledgement_of_a_repeated_selection_is_not_that_of_the_command() {
    let ack = || Bytes(vec![0xE5]);
    let address = Address::MbusSecondary { id: 1, manufacturer: 1, version: 1, medium: 4 };
    let events = vec![Silence, ack(), ack(), Silence];
    let (answer, said) = script(Exchange::perform(&target(address, 1), Action::ValveClose), events);
    assert!(matches!(answer, Answer::Lost(_)), "{answer:?}");
    assert_eq!(controls(&said).get(..3), Some(&[0x53, 0x53, 0x73][..]));
}

#[test]
fn a_line_that_babbles_after_a_repeated_reset_is_not_heard_out_for_ever() {
    let events = vec![Silence, Bytes(vec![0xE5]), Bytes(vec![0; 4096]), Bytes(vec![0xE5])];
    let (answer, _) = script(Exchange::perform(&target(METER, 1), Action::ValveClose), events);
    assert_eq!(answer, Answer::Accepted { valve: None });
}
