//! What a master asks of an M-Bus slave besides its values, frame by frame.

use std::time::Duration;

use protocol::exchange::{LineFault, Timing};
use protocol::mbus::frame::{Frame, ci, control};
use protocol::mbus::record::{Function, Place};
use protocol::mbus::service::{Outcome, Service, ServiceDialogue, Speed};
use protocol::mbus::transaction::Turn;
use protocol::meter::CivilTime;

const ACK: [u8; 1] = [0xE5];

/// The dialogue against a slave in memory: nothing is silence. How it ended, and what was said.
fn ask(
    address: u8,
    service: &Service,
    repeats: u8,
    mut slave: impl FnMut(&[u8]) -> Vec<u8>,
) -> (Outcome, Vec<Vec<u8>>) {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats };
    let mut dialogue = ServiceDialogue::new(address, service, timing);
    let (mut said, mut pending) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        match dialogue.poll() {
            Turn::Send(bytes) => {
                pending = slave(&bytes);
                said.push(bytes);
            }
            Turn::Await(_) if pending.is_empty() => dialogue.handle_timeout(),
            Turn::Await(_) => dialogue.handle_bytes(&std::mem::take(&mut pending)),
            Turn::Done(outcome) => return (outcome, said),
        }
    }
    unreachable!("the dialogue does not end")
}

fn reply(ci: u8, data: &[u8]) -> Vec<u8> {
    Frame::Long { control: control::RSP_UD, address: 5, ci, data: data.to_vec() }.encode()
}

#[test]
fn every_service_has_the_frame_of_the_standard() {
    let time = CivilTime { year: 2010, month: 12, day: 31, hour: 23, minute: 59, second: 7 };
    let place = Place { storage: 1, ..Place::CURRENT };
    let maximum = Place { function: Function::Maximum, ..Place::CURRENT };
    let wanted = vec![(Place::CURRENT, vec![0x13]), (place, vec![0xFB, 0x01]), (maximum, vec![0x2E])];
    for (service, ci, data) in [
        (Service::SetPrimary(17), ci::SEND, &[0x01, 0x7A, 17][..]),
        (Service::SetClock(time), ci::SEND, &[0x04, 0x6D, 0x3B, 0x37, 0x5F, 0x1C]),
        (Service::ResetApplication(None), ci::RESET, &[]),
        (Service::ResetApplication(Some(0x10)), ci::RESET, &[0x10]),
        (Service::SelectData(wanted), ci::SEND, &[0x08, 0x13, 0x48, 0xFB, 0x01, 0x18, 0x2E]),
        (Service::SelectAllData, ci::SEND, &[0x7F]),
        (Service::SetSpeed(Speed::Baud300), 0xB8, &[]),
        (Service::SetSpeed(Speed::Baud2400), 0xBB, &[]),
        (Service::SetSpeed(Speed::Baud9600), 0xBD, &[]),
        (Service::SetSpeed(Speed::Baud38400), 0xBF, &[]),
    ] {
        let (outcome, said) = ask(5, &service, 0, |_| ACK.to_vec());
        let reset = Frame::Short { control: 0x40, address: 5 }.encode();
        let request = Frame::Long { control: 0x73, address: 5, ci, data: data.to_vec() }.encode();
        assert_eq!((outcome, said), (Outcome::Accepted, vec![reset, request]), "{service:?}");
    }
}

#[test]
fn the_speed_frame_is_a_control_frame_of_nine_bytes() {
    let (_, said) = ask(1, &Service::SetSpeed(Speed::Baud2400), 0, |_| ACK.to_vec());
    assert_eq!(said.last().map(Vec::as_slice), Some(&[0x68, 3, 3, 0x68, 0x73, 0x01, 0xBB, 0x2F, 0x16][..]));
}

#[test]
fn an_alarm_its_absence_and_anything_else_are_told_apart() {
    let alarms = |answer: Vec<u8>| {
        let slave = |request: &[u8]| if request.get(1) == Some(&0x7A) { answer.clone() } else { ACK.to_vec() };
        ask(5, &Service::Alarms, 0, slave).0
    };
    assert_eq!(alarms(ACK.to_vec()), Outcome::NoAlarm);
    assert_eq!(alarms(reply(ci::ALARM, &[0x04])), Outcome::Alarm(0x04));
    assert_eq!(alarms(reply(ci::ALARM, &[])), Outcome::Alarm(0));
    assert_eq!(alarms(reply(ci::LONG_HEADER, &[0; 12])), Outcome::Lost(LineFault::Undecodable));
    assert_eq!(alarms(Vec::new()), Outcome::Lost(LineFault::Silent));
}

#[test]
fn an_application_error_refuses_a_service_with_its_code() {
    let slave = |request: &[u8]| if request.len() == 5 { ACK.to_vec() } else { reply(ci::ERROR, &[0x08]) };
    let (outcome, _) = ask(5, &Service::SetPrimary(6), 2, slave);
    assert!(matches!(outcome, Outcome::Refused(refusal) if refusal.code == 8 && refusal.text.contains("busy")));
}

#[test]
fn what_no_slave_can_have_is_refused_before_a_byte_is_sent() {
    let time = CivilTime { year: 2026, month: 13, day: 1, hour: 0, minute: 0, second: 0 };
    let wanted = vec![(Place::CURRENT, vec![0x13]); 200];
    for service in [Service::SetPrimary(251), Service::SetClock(time), Service::SelectData(wanted)] {
        let (outcome, said) = ask(5, &service, 2, |_| ACK.to_vec());
        assert!(matches!(outcome, Outcome::Refused(_)) && said.is_empty(), "{service:?}");
    }
}

#[test]
fn a_selected_slave_is_not_reset_for_that_would_deselect_it() {
    let (outcome, said) = ask(0xFD, &Service::SetPrimary(7), 0, |_| ACK.to_vec());
    assert_eq!((outcome, said.len()), (Outcome::Accepted, 1));
}

#[test]
fn silence_garbage_and_wrong_checksums_are_lost_after_the_repeats() {
    assert_eq!(ask(5, &Service::Alarms, 2, |_| Vec::new()).1.len(), 3);
    assert_eq!(ask(5, &Service::Alarms, 1, |_| vec![0x55, 0x01]).0, Outcome::Lost(LineFault::Garbled));
    let mut broken = reply(ci::ALARM, &[1]);
    *broken.get_mut(6).expect("long") ^= 1;
    assert_eq!(ask(5, &Service::Alarms, 1, |_| broken.clone()).0, Outcome::Lost(LineFault::BadChecksum));
    let other = Frame::Long { control: control::RSP_UD, address: 6, ci: ci::ALARM, data: vec![1] }.encode();
    assert_eq!(ask(5, &Service::Alarms, 1, |_| other.clone()).0, Outcome::Lost(LineFault::WrongMeter));
}

#[test]
fn an_acknowledgement_that_comes_late_to_a_repeated_reset_sets_nothing() {
    // The line delays every answer by one request: the first is silence, then come the acknowledgements of before.
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 1 };
    let mut dialogue = ServiceDialogue::new(5, &Service::SetPrimary(6), timing);
    let mut events = [None, Some(ACK), Some(ACK), None].into_iter();
    let outcome = loop {
        match dialogue.poll() {
            Turn::Send(_) => {}
            Turn::Await(_) => match events.next().flatten() {
                Some(bytes) => dialogue.handle_bytes(&bytes),
                None => dialogue.handle_timeout(),
            },
            Turn::Done(outcome) => break outcome,
        }
    };
    assert_eq!(outcome, Outcome::Lost(LineFault::Silent));
}

#[test]
fn a_new_speed_is_waited_for_at_the_old_one() {
    let timing = Timing { baud: 300, extra: Duration::ZERO, repeats: 0 };
    let waits = |service: &Service| {
        let mut dialogue = ServiceDialogue::new(5, service, timing);
        let mut waits = Vec::new();
        loop {
            match dialogue.poll() {
                Turn::Send(_) => {}
                Turn::Await(wait) => {
                    waits.push(wait);
                    dialogue.handle_bytes(&ACK);
                }
                Turn::Done(outcome) => return (outcome, waits),
            }
        }
    };
    let (outcome, waited) = waits(&Service::SetSpeed(Speed::Baud9600));
    assert_eq!(outcome, Outcome::Accepted);
    // EN 13757-2: 330 bit times and 50 ms, at 300 bit/s.
    assert!(waited.iter().all(|wait| *wait >= Duration::from_millis(1_150)), "{waited:?}");
    assert_eq!(waited, waits(&Service::ResetApplication(None)).1);
}
