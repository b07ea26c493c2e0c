//! The master's CJ/T 188 dialogue against small meters in memory.

mod common;

use common::heat::{NUMBER, heat, shown};
use common::{converse, target};
use protocol::cjt188::control;
use protocol::cjt188::digits::Shown;
use protocol::cjt188::frame::{ANYONE, Frame, Scanner};
use protocol::cjt188::heat::Heat;
use protocol::cjt188::identifier::{Lead, di};
use protocol::cjt188::reply;
use protocol::cjt188::status::Status;
use protocol::cjt188::unit::UnitCode;
use protocol::exchange::{Answer, Exchange, LineFault, Step};
use protocol::meter::{Action, Address, Quality, Quantity, Reading, ValveState};

const METER: Address = Address::Cjt188(NUMBER);

fn parse(request: &[u8]) -> Frame {
    let mut scanner = Scanner::new();
    scanner.push(request);
    scanner.next().expect("whole").expect("sound")
}

fn meter(request: &[u8]) -> Vec<u8> {
    let request = parse(request);
    let status = Status::with_valve(ValveState::Open);
    reply::current(&request, NUMBER, &heat(status)).expect("a request").encode()
}

fn read(repeats: u8, slave: impl FnMut(&[u8]) -> Vec<u8>) -> (Answer, usize) {
    converse(&mut Exchange::read(&target(METER, repeats)), slave)
}

fn reading(answer: Answer) -> Reading {
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    reading
}

#[test]
fn a_reply_built_by_a_simulated_meter_reads_back_equal() {
    let (answer, spoken) = read(2, meter);
    let reading = reading(answer);
    assert_eq!((reading.identity.as_str(), spoken), ("11110012345678", 1));
    for (quantity, value) in [
        (Quantity::Energy, 1_946_160_000),
        (Quantity::Volume, 19_830_000),
        (Quantity::Power, 12_340_000),
        (Quantity::Flow, 432_100),
        (Quantity::SupplyTemp, 65_140),
        (Quantity::ReturnTemp, 41_150),
        (Quantity::OperatingTime, 28 * 3600),
    ] {
        assert_eq!(reading.value(quantity), Some(value), "{}", quantity.name());
    }
    assert_eq!(reading.meter_time.map(|time| time.to_string()).as_deref(), Some("2026-11-12T13:14:15"));
    assert_eq!((reading.valve, reading.quality), (Some(ValveState::Open), Quality(0)));
}

#[test]
fn every_unit_of_the_table_becomes_its_fixed_unit() {
    for (unit, joules) in [
        (UnitCode::J, 1),
        (UnitCode::Wh, 3600),
        (UnitCode::KWh, 3_600_000),
        (UnitCode::MWh, 3_600_000_000),
        (UnitCode::HundredMWh, 360_000_000_000),
        (UnitCode::KJ, 1000),
        (UnitCode::MJ, 1_000_000),
        (UnitCode::GJ, 1_000_000_000),
        (UnitCode::HundredGJ, 100_000_000_000),
    ] {
        let amount = shown(700, unit).amount(2).and_then(|amount| amount.fixed());
        assert_eq!(amount.map(|fixed| (fixed.value, fixed.rounded)), Some((7 * joules, false)), "{unit:?}");
    }
}

#[test]
fn a_value_marked_invalid_is_absent_and_the_low_battery_is_a_doubt() {
    let (answer, _) = read(0, |request| {
        let power = Shown { digits: None, unit: UnitCode::KW };
        let heat = Heat { power, supply_temp: None, ..heat(Status([0b0000_0101, 0])) };
        reply::current(&parse(request), NUMBER, &heat).expect("a request").encode()
    });
    let reading = reading(answer);
    assert_eq!((reading.value(Quantity::Power), reading.value(Quantity::SupplyTemp)), (None, None));
    assert_eq!(reading.value(Quantity::ReturnTemp), Some(41_150));
    assert_eq!(reading.quality, Quality::INVALID_VALUE.with(Quality::LOW_BATTERY));
    assert_eq!(reading.valve, Some(ValveState::Closed));
}

#[test]
fn silence_is_told_as_silence_after_the_repeats_and_no_more() {
    assert_eq!(read(3, |_| Vec::new()), (Answer::Lost(LineFault::Silent), 4));
}

#[test]
fn a_meter_silent_to_one_order_of_the_identifier_is_asked_in_the_other() {
    let (answer, spoken) = read(1, |request| {
        let theirs = parse(request);
        let (lead, _) = Lead::of(&theirs).expect("lead");
        if lead.di == [0x90, 0x1F] { meter(request) } else { Vec::new() }
    });
    assert_eq!((reading(answer).value(Quantity::Volume), spoken), (Some(19_830_000), 2));
}

#[test]
fn a_bad_checksum_is_repeated_and_told_when_it_stays() {
    let mut times = 0;
    let mut spoiled_until = |last: usize| {
        times = 0;
        read(2, |request| {
            times += 1;
            let mut wire = meter(request);
            if times <= last {
                *wire.get_mut(20).expect("long") ^= 1;
            }
            wire
        })
    };
    assert!(matches!(spoiled_until(1), (Answer::Reading(_), 2)));
    assert_eq!(spoiled_until(9), (Answer::Lost(LineFault::BadChecksum), 3));
}

#[test]
fn ones_own_echo_is_stripped_and_alone_is_silence() {
    assert!(matches!(read(0, |request| [request.to_vec(), meter(request)].concat()).0, Answer::Reading(_)));
    assert_eq!(read(0, <[u8]>::to_vec).0, Answer::Lost(LineFault::Silent));
}

#[test]
fn an_answer_from_another_address_is_never_a_reading_unless_anyone_was_asked() {
    let other = |request: &[u8]| {
        reply::current(&parse(request), [0x22; 7], &heat(Status::default())).expect("a request").encode()
    };
    assert_eq!(read(1, other).0, Answer::Lost(LineFault::WrongMeter));
    let anyone = target(Address::Cjt188(ANYONE), 0);
    assert_eq!(reading(converse(&mut Exchange::read(&anyone), other).0).identity, "22222222222222");
}

#[test]
fn the_serial_number_may_be_echoed_or_a_known_constant_and_nothing_else() {
    let with_ser = |ser: u8| {
        read(0, |request| {
            let mut answer = reply::current(&parse(request), NUMBER, &heat(Status::default())).expect("a request");
            *answer.data.get_mut(2).expect("ser") = ser;
            answer.encode()
        })
    };
    for ser in [0x01, 0x12, 0x00] {
        assert!(matches!(with_ser(ser).0, Answer::Reading(_)));
    }
    assert_eq!(with_ser(0x77).0, Answer::Lost(LineFault::Undecodable));
}

#[test]
fn an_answer_to_something_else_is_never_a_reading() {
    for (control, di) in [(0x84, [0x1F, 0x90]), (0x81, [0x1F, 0xD1])] {
        let (answer, spoken) = read(1, |request| {
            let mut answer = reply::current(&parse(request), NUMBER, &heat(Status::default())).expect("a request");
            answer.control = control;
            answer.data.splice(..2, di);
            answer.encode()
        });
        assert!(matches!(answer, Answer::Lost(LineFault::Garbled | LineFault::Undecodable)));
        assert_eq!(spoken, 2);
    }
}

#[test]
fn a_line_that_never_falls_quiet_is_left_after_the_repeats() {
    let mut exchange = Exchange::read(&target(METER, 1));
    let mut heard = 0;
    loop {
        match exchange.poll() {
            Step::Send(_) => {}
            Step::Await(_) => {
                exchange.handle_bytes(&[0x55; 100]);
                heard += 100;
                assert!(heard < 10_000);
            }
            Step::Done(answer) => break assert_eq!(answer, Answer::Lost(LineFault::Garbled)),
        }
    }
}

#[test]
fn the_meter_type_need_not_be_echoed() {
    let (answer, _) = read(0, |request| {
        let answer = reply::current(&parse(request), NUMBER, &heat(Status::default())).expect("a request");
        Frame { meter_type: 0x25, ..answer }.encode()
    });
    assert!(matches!(answer, Answer::Reading(_)));
}

#[test]
fn a_refusal_carries_the_status_of_the_meter() {
    for action in [Action::ReadNow, Action::ValveClose] {
        let mut exchange = Exchange::perform(&target(METER, 2), action);
        let (answer, _) = converse(&mut exchange, |request| {
            reply::refusal(&parse(request), NUMBER, Status([0x03, 0x01])).expect("a request").encode()
        });
        assert!(matches!(answer, Answer::Refused(refusal) if refusal.code == 0x0103));
    }
}

#[test]
fn a_valve_command_is_accepted_with_the_state_it_has_not_the_state_it_will_have() {
    for (action, byte) in [(Action::ValveOpen, reply::OPEN), (Action::ValveClose, reply::CLOSE)] {
        let mut exchange = Exchange::perform(&target(METER, 2), action);
        let (answer, spoken) = converse(&mut exchange, |request| {
            let request = parse(request);
            let (lead, rest) = Lead::of(&request).expect("lead");
            assert!(request.control == control::WRITE && lead.asks(di::VALVE));
            assert_eq!(rest, [byte]);
            reply::valve(&request, NUMBER, Status::with_valve(ValveState::Open)).expect("a request").encode()
        });
        assert_eq!((answer, spoken), (Answer::Accepted { valve: Some(ValveState::Open) }, 1));
    }
}

#[test]
fn a_valve_command_has_the_bytes_makers_publish() {
    // The makers' collection has "close" for everyone as 04 04 A017 00 99; here to one heat meter with SER 01.
    let mut exchange = Exchange::perform(&target(METER, 0), Action::ValveClose);
    let mut sent = Vec::new();
    converse(&mut exchange, |request| {
        sent = request.to_vec();
        Vec::new()
    });
    let frame = [0x68, 0x20, 0x78, 0x56, 0x34, 0x12, 0x00, 0x11, 0x11, 0x04, 0x04, 0xA0, 0x17, 0x01, 0x99];
    assert_eq!(sent.get(2..17), Some(frame.as_slice()));
}

#[test]
fn water_data_under_the_same_identifier_are_a_volume_a_clock_and_a_valve() {
    // The bytes a maker of cold water meters publishes for 901F: 556677.00 m3 twice, 2015-05-11 22:01:31, status 21 84.
    let (answer, spoken) = read(2, |request| {
        let volume = [0x00, 0x77, 0x66, 0x55, 0x2C];
        let rest = [&volume[..], &volume, &[0x31, 0x01, 0x22, 0x11, 0x05, 0x15, 0x20, 0x21, 0x84]].concat();
        reply::answer(&parse(request), NUMBER, &rest).expect("a request").encode()
    });
    let reading = reading(answer);
    assert_eq!((reading.value(Quantity::Volume), spoken), (Some(556_677_000_000), 1));
    assert_eq!(reading.measurements.len(), 1);
    assert_eq!(reading.meter_time.map(|time| time.to_string()).as_deref(), Some("2015-05-11T22:01:31"));
    assert_eq!((reading.valve, reading.quality), (Some(ValveState::Closed), Quality(0)));
}

#[test]
fn a_water_meter_whose_clock_was_never_set_is_refused_until_a_profile_names_its_layout() {
    // The bytes published for cold water meter 00002020120218: 2.00 m3, clock all zeros, status 00 FF.
    let rest = [0x00, 0x02, 0x00, 0x00, 0x2C, 0x00, 0x02, 0x00, 0x00, 0x2C, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xFF];
    let (answer, spoken) =
        read(1, |request| reply::answer(&parse(request), NUMBER, &rest).expect("a request").encode());
    let Answer::Refused(refusal) = answer else { unreachable!("{answer:?}") };
    assert!(refusal.text.contains("ambiguous") && refusal.text.contains("profile"), "{}", refusal.text);
    assert_eq!(spoken, 2, "a clock may be clearer in the next answer");
}
