//! The master's Modbus dialogue against a small slave in memory, and the telegrams of every profile.

mod common;

use std::time::Duration;

use common::converse;
use protocol::exchange::{Answer, Exchange, LineFault, Reach, Refusal, Step, Target, Timing};
use protocol::meter::{Action, Address, Quality, Quantity, Reading, ValveState};
use protocol::modbus::exchange::Dialogue;
use protocol::modbus::frame::{Direction, Frame, Scanner};
use protocol::modbus::payload::Table;
use protocol::modbus::slave::Bank;
use protocol::modbus::{Framing, mbap};
use protocol::profile::Catalogue;

const UNIT: u8 = 7;
const VALVE: &str = "modbus-belimo-energy-valve-4";
/// The reads of [`VALVE`]: four, all different.
const READS: usize = 4;

fn target(profile: Option<&str>, repeats: u8) -> Target {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats };
    Target {
        address: Address::ModbusUnit(UNIT),
        timing,
        profile: profile.map(str::to_owned),
        catalogue: Catalogue::builtin(),
    }
}

fn bank() -> Bank {
    let mut bank = Bank::default();
    bank.put(Table::Holding, 0, &[0; 110]);
    bank.put(Table::Holding, 4, &[10_000]);
    bank.put(Table::Holding, 19, &[6512, 0, 4108]);
    bank.put(Table::Holding, 71, &[1000, 0]);
    bank
}

fn parse(request: &[u8]) -> Frame {
    let mut scanner = Scanner::new(Direction::Requests);
    scanner.push(request);
    scanner.next().expect("whole").expect("sound")
}

fn slave(bank: &mut Bank, request: &[u8]) -> Vec<u8> {
    let request = parse(request);
    assert_eq!(request.unit, UNIT);
    Frame { unit: UNIT, pdu: bank.answer(&request.pdu) }.encode()
}

fn perform(action: Action, repeats: u8, slave: impl FnMut(&[u8]) -> Vec<u8>) -> (Answer, usize) {
    converse(&mut Exchange::perform(&target(Some(VALVE), repeats), action), slave)
}

fn reading(answer: Answer) -> Reading {
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    reading
}

#[test]
fn what_a_simulated_slave_holds_reads_back_equal() {
    let mut bank = bank();
    let (answer, spoken) = perform(Action::ReadNow, 2, |request| slave(&mut bank, request));
    let reading = reading(answer);
    assert_eq!((spoken, reading.identity.as_str()), (READS, "7"));
    assert_eq!(reading.value(Quantity::Energy), Some(3_600_000_000));
    assert_eq!(reading.value(Quantity::SupplyTemp), Some(65_120));
    assert_eq!(reading.value(Quantity::ReturnTemp), Some(41_080));
    assert_eq!((reading.valve, reading.quality), (Some(ValveState::Open), Quality(0)));
}

#[test]
fn a_valve_is_closed_by_a_write_and_seen_closed_by_the_next_read() {
    let mut bank = bank();
    let (answer, spoken) = perform(Action::ValveClose, 2, |request| slave(&mut bank, request));
    assert_eq!((answer, spoken), (Answer::Accepted { valve: None }, 1));
    assert_eq!(bank.get(Table::Holding, 0), Some(0));
    for (position, state) in [(10_000, Some(ValveState::Open)), (5000, None), (0, Some(ValveState::Closed))] {
        bank.put(Table::Holding, 4, &[position]);
        let (answer, _) = perform(Action::ReadNow, 2, |request| slave(&mut bank, request));
        assert_eq!(reading(answer).valve, state);
    }
}

#[test]
fn an_exception_is_a_refusal_with_its_code_in_words() {
    let (answer, spoken) = perform(Action::ReadNow, 2, |request| slave(&mut Bank::default(), request));
    let text = "modbus exception 02: illegal data address".to_owned();
    assert_eq!((answer, spoken), (Answer::Refused(Refusal { code: 2, text }), 1));
}

#[test]
fn a_busy_slave_is_asked_again_and_then_refuses() {
    let busy = |request: &[u8]| Frame { unit: UNIT, pdu: vec![parse(request).pdu.first().unwrap_or(&0) | 0x80, 6] };
    let (answer, spoken) = perform(Action::ReadNow, 2, |request| busy(request).encode());
    assert!(matches!(answer, Answer::Refused(Refusal { code: 6, .. })), "{answer:?}");
    assert_eq!(spoken, 3);
}

#[test]
fn a_gateway_that_did_not_hear_the_slave_is_silence_and_no_refusal() {
    let unheard = |request: &[u8]| Frame { unit: UNIT, pdu: vec![parse(request).pdu.first().unwrap_or(&0) | 0x80, 11] };
    let (answer, spoken) = perform(Action::ReadNow, 1, |request| unheard(request).encode());
    assert_eq!((answer, spoken), (Answer::Lost(LineFault::Silent), 2));
}

#[test]
fn silence_is_lost_after_the_repeats_and_one_lost_request_costs_one_repeat() {
    let (answer, spoken) = perform(Action::ReadNow, 2, |_| vec![]);
    assert_eq!((answer, spoken), (Answer::Lost(LineFault::Silent), 3));
    let (mut bank, mut asked) = (bank(), 0);
    let (answer, spoken) = perform(Action::ReadNow, 1, |request| {
        asked += 1;
        if asked == 2 { vec![] } else { slave(&mut bank, request) }
    });
    assert_eq!((reading(answer).value(Quantity::SupplyTemp), spoken), (Some(65_120), READS + 1));
}

#[test]
fn a_reply_of_another_unit_is_not_taken() {
    let mut bank = bank();
    let (answer, _) =
        perform(Action::ReadNow, 0, |request| Frame { unit: UNIT + 1, pdu: bank.answer(&parse(request).pdu) }.encode());
    assert_eq!(answer, Answer::Lost(LineFault::WrongMeter));
}

#[test]
fn late_replies_of_earlier_exchanges_before_the_right_one_are_stepped_over() {
    let mut bank = bank();
    let late = [
        Frame { unit: UNIT + 1, pdu: vec![0x03, 0x02, 0x00, 0x01] },
        Frame { unit: UNIT, pdu: vec![0x04, 0x02, 0x00, 0x01] },
        Frame {
            unit: UNIT,
            pdu: vec![0x03, 0x14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
        },
        Frame { unit: UNIT, pdu: vec![0x84, 0x02] },
    ];
    let late: Vec<u8> = late.iter().flat_map(Frame::encode).collect();
    let (answer, spoken) = perform(Action::ReadNow, 0, |request| [late.clone(), slave(&mut bank, request)].concat());
    assert_eq!((reading(answer).value(Quantity::SupplyTemp), spoken), (Some(65_120), READS));
}

#[test]
fn what_comes_before_the_first_request_is_dropped() {
    let mut exchange = Exchange::read(&target(Some(VALVE), 0));
    let Step::Await(pause) = exchange.poll() else { unreachable!("listens first") };
    assert!(pause >= Duration::from_millis(16) && pause < Duration::from_millis(25), "{pause:?}");
    exchange.handle_bytes(&Frame { unit: UNIT, pdu: vec![0x03, 0x02, 0x00, 0x00] }.encode());
    let mut bank = bank();
    let (answer, _) = converse(&mut exchange, |request| slave(&mut bank, request));
    assert_eq!(reading(answer).valve, Some(ValveState::Open));
}

#[test]
fn after_a_reply_to_a_repeat_the_line_must_fall_silent_before_the_next_read() {
    let (mut bank, mut exchange) = (bank(), Exchange::read(&target(Some(VALVE), 1)));
    exchange.handle_timeout();
    let Step::Send(request) = exchange.poll() else { unreachable!("asks") };
    exchange.handle_timeout();
    exchange.handle_timeout();
    assert!(matches!(exchange.poll(), Step::Send(_)));
    let reply = slave(&mut bank, &request);
    exchange.handle_bytes(&reply);
    let Step::Await(silence) = exchange.poll() else { unreachable!("waits for the other reply") };
    assert!(silence > Duration::from_secs(1));
    exchange.handle_bytes(&reply);
    exchange.handle_timeout();
    let (answer, _) = converse(&mut exchange, |request| slave(&mut bank, request));
    assert_eq!(reading(answer).value(Quantity::SupplyTemp), Some(65_120));
}

#[test]
fn a_meter_without_a_known_profile_is_refused_with_the_remedy() {
    for (name, action, says) in [
        (None, Action::ReadNow, "modbus does not say what a model is: name one of"),
        (Some("warmth"), Action::ReadNow, VALVE),
        (Some("modbus-tuf-2000m"), Action::ValveOpen, "has no valve"),
    ] {
        let (answer, spoken) = converse(&mut Exchange::perform(&target(name, 2), action), |_| vec![]);
        let Answer::Refused(refusal) = answer else { unreachable!("{answer:?}") };
        assert!(refusal.text.contains(says) && spoken == 0, "{}", refusal.text);
    }
}

#[test]
fn the_same_dialogue_speaks_modbus_tcp_and_takes_no_reply_of_another_transaction() {
    let Target { address, timing, catalogue, .. } = target(Some(VALVE), 0);
    let profile = catalogue.modbus(VALVE).expect("built in");
    let mut dialogue = Dialogue::framed(&Reach { address, timing }, profile, Action::ReadNow, Framing::Tcp);
    let mut bank = bank();
    let answer = loop {
        match dialogue.poll() {
            Step::Await(_) => dialogue.handle_timeout(),
            Step::Send(request) => {
                let mut scanner = mbap::Scanner::new();
                scanner.push(&request);
                let request = scanner.next().expect("whole").expect("sound");
                let pdu = bank.answer(&request.pdu);
                let other = mbap::Frame { transaction: request.transaction + 1, unit: UNIT, pdu: vec![0x83, 0x02] };
                dialogue.handle_bytes(&other.encode());
                dialogue.handle_bytes(&mbap::Frame { pdu, ..request }.encode());
            }
            Step::Done(answer) => break answer,
        }
    };
    assert_eq!(reading(answer).value(Quantity::Energy), Some(3_600_000_000));
}

#[test]
fn a_late_reply_to_an_earlier_dialogue_over_tcp_is_not_taken_for_one_of_this() {
    let answer = |request: &[u8], bank: &mut Bank| {
        let mut scanner = mbap::Scanner::new();
        scanner.push(request);
        let asked = scanner.next().expect("whole").expect("sound");
        mbap::Frame { pdu: bank.answer(&asked.pdu), ..asked }.encode()
    };
    let (mut then, mut now) = (Bank::default(), bank());
    then.put(Table::Holding, 0, &[0x1111; 110]);
    let mut late = Vec::new();
    let mut earlier = Exchange::read(&target(Some(VALVE), 0)).over_modbus_tcp(1024);
    converse(&mut earlier, |request| {
        late.push(answer(request, &mut then));
        vec![]
    });
    assert_eq!(late.len(), 1);
    let read = |late: &[u8], now: &mut Bank| {
        let mut exchange = Exchange::read(&target(Some(VALVE), 0)).over_modbus_tcp(2048);
        converse(&mut exchange, |request| [late, &answer(request, now)].concat()).0
    };
    let truth = reading(read(&[], &mut now));
    assert_eq!(reading(read(&late.concat(), &mut now)).measurements, truth.measurements);
}
