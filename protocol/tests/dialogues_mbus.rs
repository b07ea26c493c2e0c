//! The master's M-Bus dialogue against small slaves in memory.

mod common;

use common::{converse, target};
use protocol::exchange::{Answer, Exchange, LineFault, Step};
use protocol::mbus::frame::{Frame, Scanner, ci, control};
use protocol::mbus::header::{Header, Status, manufacturer};
use protocol::mbus::reply::{EnergyUnit, ReplyBuilder, ValveCode};
use protocol::mbus::selection::Selection;
use protocol::meter::{Action, Address, CivilTime, Quality, Quantity, ValveState};

const METER: Address = Address::MbusPrimary(5);
const ACK: [u8; 1] = [0xE5];

const fn header(access: u8) -> Header {
    let manufacturer = manufacturer(*b"KAM");
    Header { id: 0x1234_5678, manufacturer, version: 1, medium: 4, access, status: Status(0) }
}

fn reply() -> Vec<u8> {
    let time = CivilTime { year: 2026, month: 11, day: 12, hour: 13, minute: 14, second: 0 };
    let builder = ReplyBuilder::new(&header(1))
        .energy(EnergyUnit::KilowattHour, 1234)
        .volume_litres(56_789)
        .power_watts(4500)
        .flow_litres_per_hour(321)
        .flow_temp_centi(6543)
        .return_temp_centi(4321)
        .on_time_hours(10)
        .operating_time_hours(9)
        .date_time(time)
        .error_flags(0)
        .valve(ValveCode::Open);
    builder.frame(5).expect("fits").encode()
}

fn parse(request: &[u8]) -> Frame {
    let mut scanner = Scanner::new();
    scanner.push(request);
    scanner.next().expect("whole").expect("sound")
}

fn kind(request: &[u8]) -> u8 {
    match parse(request) {
        Frame::Short { control, .. } | Frame::Long { control, .. } => control & control::KIND,
        Frame::Ack => 0,
    }
}

/// A slave that acknowledges resets and selections, and answers requests for data with `data`.
fn slave(request: &[u8], data: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    if kind(request) == control::REQ_UD2 & control::KIND { data() } else { ACK.to_vec() }
}

fn read(repeats: u8, slave: impl FnMut(&[u8]) -> Vec<u8>) -> (Answer, usize) {
    converse(&mut Exchange::read(&target(METER, repeats)), slave)
}

fn reading(answer: Answer) -> protocol::meter::Reading {
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    reading
}

#[test]
fn a_reply_built_by_a_simulated_meter_reads_back_equal() {
    let (answer, spoken) = read(2, |request| slave(request, reply));
    let reading = reading(answer);
    assert_eq!(spoken, 2);
    assert_eq!(reading.identity, "123456782C2D0104");
    for (quantity, value) in [
        (Quantity::Energy, 1234 * 3_600_000),
        (Quantity::Volume, 56_789_000),
        (Quantity::Power, 4_500_000),
        (Quantity::Flow, 321_000),
        (Quantity::SupplyTemp, 65_430),
        (Quantity::ReturnTemp, 43_210),
        (Quantity::OnTime, 36_000),
        (Quantity::OperatingTime, 32_400),
        (Quantity::ErrorFlags, 0),
    ] {
        assert_eq!(reading.value(quantity), Some(value), "{}", quantity.name());
    }
    assert_eq!(reading.meter_time.map(|time| time.to_string()).as_deref(), Some("2026-11-12T13:14:00"));
    assert_eq!((reading.valve, reading.quality), (Some(ValveState::Open), Quality(0)));
    assert_eq!(reading.raw, reply());
}

#[test]
fn silence_is_told_as_silence_after_the_repeats_and_no_more() {
    assert_eq!(read(2, |_| Vec::new()), (Answer::Lost(LineFault::Silent), 3));
    assert_eq!(read(0, |_| Vec::new()), (Answer::Lost(LineFault::Silent), 1));
}

#[test]
fn a_meter_that_only_acknowledges_is_reset_once_and_then_given_up() {
    // Reset, three requests, the recovering reset, one request.
    assert_eq!(read(2, |request| slave(request, Vec::new)), (Answer::Lost(LineFault::Silent), 6));
}

#[test]
fn a_repeat_keeps_the_frame_count_bit_and_a_good_answer_ends_it() {
    let mut requests = Vec::new();
    let (answer, _) = read(2, |request| {
        requests.push(request.to_vec());
        let mut data = reply();
        if requests.len() == 2 {
            *data.get_mut(30).expect("long") ^= 0x10;
        }
        slave(request, || data)
    });
    assert!(matches!(answer, Answer::Reading(_)));
    assert_eq!(requests.len(), 3);
    assert_eq!(requests.get(1), requests.get(2));
    assert_eq!(requests.get(1), Some(&Frame::Short { control: 0x7B, address: 5 }.encode()));
}

#[test]
fn a_checksum_that_stays_wrong_is_told_as_such() {
    let (answer, _) = read(1, |request| {
        slave(request, || {
            let mut data = reply();
            *data.get_mut(30).expect("long") ^= 0x10;
            data
        })
    });
    assert_eq!(answer, Answer::Lost(LineFault::BadChecksum));
}

#[test]
fn noise_alone_is_told_as_garbled() {
    assert_eq!(read(1, |_| vec![0x00, 0x7F, 0x13]).0, Answer::Lost(LineFault::Garbled));
}

#[test]
fn ones_own_echo_is_stripped_and_alone_is_silence() {
    let echoing = |request: &[u8]| [request.to_vec(), slave(request, reply)].concat();
    assert!(matches!(read(0, echoing).0, Answer::Reading(_)));
    assert_eq!(read(0, <[u8]>::to_vec).0, Answer::Lost(LineFault::Silent));
}

#[test]
fn noise_around_the_acknowledgement_and_before_the_reply_is_survived() {
    let noisy = |request: &[u8]| [vec![0x00, 0x68, 0xFF], slave(request, reply), vec![0x3F]].concat();
    assert!(matches!(read(0, noisy).0, Answer::Reading(_)));
}

#[test]
fn an_answer_from_another_address_is_never_a_reading() {
    let other = || ReplyBuilder::new(&header(1)).power_watts(1).frame(6).expect("fits").encode();
    assert_eq!(read(1, |request| slave(request, other)).0, Answer::Lost(LineFault::WrongMeter));
}

#[test]
fn at_the_address_of_everyone_any_meter_may_answer() {
    let mut exchange = Exchange::read(&target(Address::MbusPrimary(0xFE), 0));
    assert!(matches!(converse(&mut exchange, |request| slave(request, reply)).0, Answer::Reading(_)));
}

#[test]
fn an_application_error_is_a_refusal_with_its_code() {
    let error = || Frame::Long { control: control::RSP_UD, address: 5, ci: ci::ERROR, data: vec![0x08] }.encode();
    let (answer, _) = read(2, |request| slave(request, error));
    assert!(matches!(answer, Answer::Refused(refusal) if refusal.code == 8 && refusal.text.contains("busy")));
}

#[test]
fn telegrams_are_joined_while_more_follow_and_the_count_bit_toggles() {
    let telegram = |nth: u8| {
        let builder = ReplyBuilder::new(&header(nth));
        let builder = if nth == 0 { builder.power_watts(7).more_follow() } else { builder.volume_litres(9) };
        builder.frame(5).expect("fits").encode()
    };
    let mut counts = Vec::new();
    let (answer, _) = read(0, |request| {
        slave(request, || {
            counts.push(request.get(1).copied());
            telegram(counts.len() as u8 - 1)
        })
    });
    let reading = reading(answer);
    assert_eq!(counts, [Some(0x7B), Some(0x5B)]);
    assert_eq!((reading.value(Quantity::Power), reading.value(Quantity::Volume)), (Some(7000), Some(9000)));
    assert_eq!(reading.raw, [telegram(0), telegram(1)].concat());
}

#[test]
fn a_meter_that_repeats_its_telegram_for_ever_is_read_once() {
    let mut access = 0;
    let (answer, spoken) = read(0, |request| {
        slave(request, || {
            access += 1;
            ReplyBuilder::new(&header(access)).power_watts(7).more_follow().frame(5).expect("fits").encode()
        })
    });
    assert_eq!((reading(answer).value(Quantity::Power), spoken), (Some(7000), 3));
}

#[test]
fn a_meter_that_always_has_more_is_read_sixteen_telegrams_long() {
    let mut count = 0;
    let (answer, spoken) = read(0, |request| {
        slave(request, || {
            count += 1;
            ReplyBuilder::new(&header(0)).power_watts(count).more_follow().frame(5).expect("fits").encode()
        })
    });
    assert_eq!((reading(answer).value(Quantity::Power), spoken), (Some(1000), 17));
}

#[test]
fn a_meter_is_selected_by_its_secondary_address_and_read_at_fd() {
    let address = header(0).address();
    let mut selected = false;
    let mut exchange = Exchange::read(&target(address, 1));
    let (answer, spoken) = converse(&mut exchange, |request| match parse(request) {
        Frame::Long { control: 0x53, address: 0xFD, ci: ci::SELECT, data } => {
            selected = Selection::decode(&data).is_some_and(|selection| selection.matches(&header(0)));
            ACK.to_vec()
        }
        Frame::Short { control: 0x7B, address: 0xFD } if selected => reply(),
        _ => Vec::new(),
    });
    assert_eq!((reading(answer).identity, spoken), (address.to_string(), 2));
}

#[test]
fn a_selected_meter_that_falls_silent_is_deselected_selected_again_and_asked_once_more() {
    let mut kinds = Vec::new();
    let mut exchange = Exchange::read(&target(header(0).address(), 0));
    let (answer, _) = converse(&mut exchange, |request| {
        kinds.push(kind(request));
        match kinds.as_slice() {
            // Nobody acknowledges being deselected.
            [0x43] | [0x43, 0x4B, 0x40, 0x43] => ACK.to_vec(),
            [0x43, 0x4B, 0x40, 0x43, 0x4B] => reply(),
            _ => Vec::new(),
        }
    });
    assert!(matches!(answer, Answer::Reading(_)));
    assert_eq!(kinds, [0x43, 0x4B, 0x40, 0x43, 0x4B]);
}

#[test]
fn only_the_plain_current_value_of_the_device_is_its_reading() {
    let data = || {
        let builder = ReplyBuilder::new(&header(0))
            .bcd(&[0xAB, 0x40], 1)
            .bcd(&[0xAB, 0x3C], 2)
            .record(0x4C, &[0x2B], &[3, 0, 0, 0])
            .record(0x1C, &[0x2B], &[4, 0, 0, 0])
            .record(0x8C, &[0x10, 0x2B], &[5, 0, 0, 0])
            .record(0x8C, &[0x40, 0x2B], &[6, 0, 0, 0]);
        builder.bcd(&[0xAB, 0x3B], 7).power_watts(8).error_flags(0xFFFF).frame(5).expect("fits").encode()
    };
    let reading = reading(read(0, |request| slave(request, data)).0);
    assert_eq!(reading.value(Quantity::Power), Some(7000));
    assert_eq!(reading.value(Quantity::ErrorFlags), Some(0xFFFF));
    assert_eq!(reading.measurements.len(), 2);
}

#[test]
fn another_meter_answering_a_selection_is_never_a_reading() {
    let address = Header { id: 0x8765_4321, ..header(0) }.address();
    let mut exchange = Exchange::read(&target(address, 1));
    assert_eq!(converse(&mut exchange, |request| slave(request, reply)).0, Answer::Lost(LineFault::WrongMeter));
}

#[test]
fn a_garbled_answer_to_wildcards_is_told_as_a_collision() {
    let address = Address::MbusSecondary { id: 0x1FFF_FFFF, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF };
    let mut exchange = Exchange::read(&target(address, 1));
    assert_eq!(converse(&mut exchange, |_| vec![0xA5]).0, Answer::Lost(LineFault::Collision));
}

#[test]
fn a_valve_command_is_accepted_when_acknowledged_and_never_claims_arrival() {
    for (action, byte) in [(Action::ValveOpen, 1), (Action::ValveClose, 0)] {
        let mut commands = Vec::new();
        let mut exchange = Exchange::perform(&target(METER, 2), action);
        let (answer, spoken) = converse(&mut exchange, |request| {
            commands.push(request.to_vec());
            ACK.to_vec()
        });
        let command =
            Frame::Long { control: 0x73, address: 5, ci: ci::SEND, data: vec![0x01, 0xFD, 0x1F, byte] }.encode();
        assert_eq!((answer, spoken), (Answer::Accepted { valve: None }, 2));
        assert_eq!(commands.last(), Some(&command));
    }
}

#[test]
fn a_valve_on_its_way_or_absent_has_no_state() {
    for (code, state) in [
        (ValveCode::Closed, Some(ValveState::Closed)),
        (ValveCode::Fault, Some(ValveState::Fault)),
        (ValveCode::Moving, None),
    ] {
        let data = || ReplyBuilder::new(&header(0)).valve(code).frame(5).expect("fits").encode();
        assert_eq!(reading(read(0, |request| slave(request, data)).0).valve, state);
    }
}

#[test]
fn an_invalid_value_is_absent_and_said_so_and_the_rest_is_kept() {
    let data = || {
        let builder = ReplyBuilder::new(&header(0)).energy(EnergyUnit::KilowattHour, 9_999_999_999_999);
        builder.power_watts(-3).record(0x04, &[0x6D], &[0x80, 0, 0, 0]).frame(5).expect("fits").encode()
    };
    let reading = reading(read(0, |request| slave(request, data)).0);
    assert_eq!((reading.value(Quantity::Energy), reading.value(Quantity::Power)), (None, Some(-3000)));
    assert_eq!(reading.quality, Quality::INVALID_VALUE.with(Quality::CLOCK_OFF));
}

#[test]
fn a_real32_finer_than_the_unit_is_rounded_and_said_so() {
    // EDC heat meter: record 85 00 5B 2B 4B AC 41, 21.536703 degrees.
    let data = || {
        let builder = ReplyBuilder::new(&header(0)).record(0x05, &[0x5B], &[0x2B, 0x4B, 0xAC, 0x41]);
        builder.frame(5).expect("fits").encode()
    };
    let reading = reading(read(0, |request| slave(request, data)).0);
    assert_eq!((reading.value(Quantity::SupplyTemp), reading.quality), (Some(21_537), Quality::ROUNDED));
}

#[test]
fn records_that_cannot_be_read_are_undecodable_at_once() {
    let data = || ReplyBuilder::new(&header(0)).record(0x04, &[0x06], &[1]).frame(5).expect("fits").encode();
    assert_eq!(read(2, |request| slave(request, data)), (Answer::Lost(LineFault::Undecodable), 2));
}

#[test]
fn a_recovery_starts_over_with_the_first_telegram_and_the_first_count_bit() {
    let first = |watts| ReplyBuilder::new(&header(0)).power_watts(watts).more_follow().frame(5).expect("fits").encode();
    let last = || ReplyBuilder::new(&header(1)).volume_litres(9).frame(5).expect("fits").encode();
    let mut requests = Vec::new();
    let (answer, _) = read(1, |request| {
        requests.push(request.get(1).copied().unwrap_or_default());
        match requests.as_slice() {
            // The second telegram never comes before the recovery.
            [0x40, 0x7B] => first(7),
            [0x40, 0x7B, 0x5B] | [0x40, 0x7B, 0x5B, 0x5B] => Vec::new(),
            [.., 0x40, 0x7B] => first(8),
            [.., 0x7B, 0x5B] => last(),
            _ => ACK.to_vec(),
        }
    });
    assert_eq!(requests, [0x40, 0x7B, 0x5B, 0x5B, 0x40, 0x7B, 0x5B]);
    let reading = reading(answer);
    assert_eq!(reading.value(Quantity::Power), Some(8000));
    assert_eq!(reading.raw, [first(8), last()].concat());
}

#[test]
fn bytes_that_came_before_a_request_are_never_its_answer() {
    let mut exchange = Exchange::read(&target(METER, 0));
    exchange.handle_bytes(&ACK);
    assert!(matches!(exchange.poll(), Step::Send(_)));
    assert!(matches!(exchange.poll(), Step::Await(_)));
}

#[test]
fn a_line_that_never_falls_quiet_is_left_as_well() {
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
fn a_line_that_babbles_for_ever_is_left_after_the_repeats() {
    let (answer, spoken) = read(1, |_| vec![0x55; 100_000]);
    assert_eq!((answer, spoken), (Answer::Lost(LineFault::Garbled), 2));
}

#[test]
fn the_answer_time_is_the_standards_and_grows_once_a_frame_began() {
    let mut exchange = Exchange::read(&target(METER, 0));
    assert!(matches!(exchange.poll(), Step::Send(_)));
    let Step::Await(first) = exchange.poll() else { unreachable!("awaits") };
    // 330 bit times and 50 ms at 2400 bit/s, after the five characters of the request.
    assert_eq!(first.as_micros(), 137_500 + 50_000 + 22_916);
    exchange.handle_bytes(&[0x68]);
    let Step::Await(then) = exchange.poll() else { unreachable!("awaits") };
    assert!(then.as_millis() >= 261 * 11 * 1000 / 2400);
}

#[test]
fn a_profile_nobody_knows_is_refused_before_a_byte_is_sent() {
    let named = protocol::exchange::Target { profile: Some("no-such".to_owned()), ..target(METER, 0) };
    let (answer, spoken) = converse(&mut Exchange::read(&named), |_| Vec::new());
    assert!(matches!(answer, Answer::Refused(refusal) if refusal.text.contains("no-such")));
    assert_eq!(spoken, 0);
}
