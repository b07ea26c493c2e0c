//! What holds for all bytes, in both towers.

mod common;

use common::{converse, target};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::cjt188::digits::Shown;
use protocol::cjt188::heat::Heat;
use protocol::cjt188::payload::Current;
use protocol::cjt188::reply as cjt188_reply;
use protocol::cjt188::status::Status as ValveStatus;
use protocol::cjt188::unit::UnitCode;
use protocol::exchange::{Answer, Exchange, Step};
use protocol::mbus::header::{Header, Status};
use protocol::mbus::payload::Payload;
use protocol::mbus::record::Records;
use protocol::mbus::reply::{EnergyUnit, ReplyBuilder};
use protocol::meter::{Action, Address, CivilTime, Quantity, Reading};
use protocol::{cjt188, mbus};

const NUMBER: [u8; 7] = [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78];
const ADDRESSES: [Address; 3] = [
    Address::MbusPrimary(5),
    Address::MbusSecondary { id: 0x1234_5678, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF },
    Address::Cjt188(NUMBER),
];

fn mbus_reply(energy: i64, watts: i64, centi: i16) -> Vec<u8> {
    let header = Header { id: 0x1234_5678, manufacturer: 0x2C2D, version: 1, medium: 4, access: 9, status: Status(0) };
    let builder = ReplyBuilder::new(&header).energy(EnergyUnit::KilowattHour, energy).power_watts(watts);
    builder.flow_temp_centi(centi).frame(5).expect("fits").encode()
}

fn heat(energy: u32, flow: u32, supply: u32) -> Heat {
    let shown = |digits, unit| Shown { digits: Some(digits), unit };
    Heat {
        settled: shown(0, UnitCode::GJ),
        energy: shown(energy, UnitCode::MWh),
        power: shown(0, UnitCode::KW),
        flow: shown(flow, UnitCode::LPerHour),
        volume: shown(energy, UnitCode::L),
        supply_temp: Some(supply),
        return_temp: Some(2015),
        hours: None,
        clock: Some(CivilTime { year: 2026, month: 2, day: 28, hour: 23, minute: 59, second: 58 }),
        status: ValveStatus::default(),
    }
}

fn cjt188_wire(heat: &Heat) -> Vec<u8> {
    let data = vec![0x1F, 0x90, 0x01];
    let request = cjt188::frame::Frame { meter_type: 0x20, address: NUMBER, control: 0x01, data };
    cjt188_reply::current(&request, NUMBER, heat).expect("a request").encode()
}

/// The last request of the dialogue is answered with `pieces`, one read each; what came before, with E5.
fn answer(address: Address, pieces: &[Vec<u8>]) -> Answer {
    let mut exchange = Exchange::read(&target(address, 0));
    for _ in 0..200 {
        match exchange.poll() {
            Step::Send(request) if matches!(request.get(1), Some(0x40 | 0x0B)) => {
                exchange.poll();
                exchange.handle_bytes(&[0xE5]);
            }
            Step::Send(_) => pieces.iter().for_each(|piece| {
                exchange.poll();
                exchange.handle_bytes(piece);
            }),
            Step::Await(_) => exchange.handle_timeout(),
            Step::Done(answer) => return answer,
        }
    }
    unreachable!("the dialogue does not end")
}

fn reading(address: Address, pieces: &[Vec<u8>]) -> Option<Reading> {
    match answer(address, pieces) {
        Answer::Reading(reading) => Some(reading),
        _ => None,
    }
}

fn valid_answers() -> [(Address, Vec<u8>); 2] {
    let wire = cjt188_wire(&heat(123_456, 78_901, 6543));
    [(Address::MbusPrimary(5), mbus_reply(123_456, -42, 6543)), (Address::Cjt188(NUMBER), wire)]
}

#[test]
fn no_single_corrupted_byte_changes_a_reading() {
    for (address, wire) in valid_answers() {
        let good = reading(address, std::slice::from_ref(&wire)).expect("a reading");
        for place in 0..wire.len() {
            for flip in 1..=255_u8 {
                let mut bad = wire.clone();
                bad.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= flip);
                if let Some(read) = reading(address, &[bad]) {
                    assert_eq!(read, good, "byte {place} changed by {flip:02X}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn mbus_frames_come_back_from_their_bytes(
        control in any::<u8>(), address in any::<u8>(), ci in any::<u8>(), data in vec(any::<u8>(), 0..=252),
    ) {
        for frame in [
            mbus::frame::Frame::Ack,
            mbus::frame::Frame::Short { control, address },
            mbus::frame::Frame::Long { control, address, ci, data },
        ] {
            let mut scanner = mbus::frame::Scanner::new();
            scanner.push(&frame.encode());
            prop_assert_eq!(scanner.next(), Some(Ok(frame)));
            prop_assert_eq!(scanner.next(), None);
        }
    }

    #[test]
    fn cjt188_frames_come_back_from_their_bytes(
        meter_type in 0x10_u8..0x50, address in any::<[u8; 7]>(), control in (0_u8..0xC0).prop_map(|c| c.wrapping_sub(0x80)).prop_filter("known", |c| cjt188::control::is_known(*c)), data in vec(any::<u8>(), 0..=100),
    ) {
        let frame = cjt188::frame::Frame { meter_type, address, control, data };
        let mut scanner = cjt188::frame::Scanner::new();
        scanner.push(&frame.encode());
        prop_assert_eq!(scanner.next(), Some(Ok(frame)));
        prop_assert_eq!(scanner.next(), None);
    }

    #[test]
    fn mbus_values_come_back_through_a_dialogue(
        energy in -9_999_999_999_i64..999_999_999_999, watts in any::<i32>(), centi in -32_767_i16..=i16::MAX,
    ) {
        let reading = reading(Address::MbusPrimary(5), &[mbus_reply(energy, watts.into(), centi)]).expect("a reading");
        prop_assert_eq!(reading.value(Quantity::Energy), Some(energy * 3_600_000));
        prop_assert_eq!(reading.value(Quantity::Power), Some(i64::from(watts) * 1000));
        prop_assert_eq!(reading.value(Quantity::SupplyTemp), Some(i64::from(centi) * 10));
    }

    #[test]
    fn cjt188_values_come_back_through_a_dialogue(
        energy in 0_u32..100_000_000, flow in 0_u32..100_000_000, supply in 0_u32..20_000,
    ) {
        let sent = heat(energy, flow, supply);
        let reading = reading(Address::Cjt188(NUMBER), &[cjt188_wire(&sent)]).expect("a reading");
        prop_assert_eq!(reading.value(Quantity::Energy), Some(i64::from(energy) * 36_000_000));
        prop_assert_eq!(reading.value(Quantity::SupplyTemp), Some(i64::from(supply) * 10));
        prop_assert_eq!(Heat::decode(&sent.encode()), Ok(sent));
    }

    #[test]
    fn no_bytes_make_a_scanner_or_a_decoder_panic_or_hold_a_reading_for_free(bytes in vec(any::<u8>(), 0..600)) {
        let mut scanner = mbus::frame::Scanner::new();
        scanner.push(&bytes);
        while scanner.next().is_some() {}
        let mut scanner = cjt188::frame::Scanner::new();
        scanner.push(&bytes);
        scanner.close_gap();
        while scanner.next().is_some() {}
        for kind in [0x70, 0x72, 0x73, 0x76, 0x77, 0x78, 0x7A] {
            let _ = Payload::parse(kind, &bytes);
        }
        Records::new(&bytes, false).for_each(drop);
        for data in [bytes.clone(), [vec![0x90, 0x1F, 0x01], bytes.clone()].concat()] {
            let _ = Current::read(&cjt188::frame::Frame { meter_type: 0x20, address: NUMBER, control: 0x81, data });
        }
        for address in ADDRESSES {
            prop_assert!(reading(address, std::slice::from_ref(&bytes)).is_none());
        }
    }

    #[test]
    fn any_bytes_end_every_dialogue(bytes in vec(any::<u8>(), 0..300), repeats in 0_u8..4) {
        for address in ADDRESSES {
            for action in [Action::ReadNow, Action::ValveOpen] {
                let mut exchange = Exchange::perform(&target(address, repeats), action);
                let (_, spoken) = converse(&mut exchange, |_| bytes.clone());
                prop_assert!(spoken <= 40);
            }
        }
    }

    #[test]
    fn however_the_bytes_are_split_the_answer_is_the_same(cuts in vec(any::<prop::sample::Index>(), 0..12)) {
        for (address, wire) in valid_answers() {
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
            places.extend([0, wire.len()]);
            places.sort_unstable();
            let pieces: Vec<Vec<u8>> = places
                .windows(2)
                .map(|pair| wire.get(*pair.first().unwrap_or(&0)..*pair.last().unwrap_or(&0)).unwrap_or_default().to_vec())
                .collect();
            prop_assert_eq!(answer(address, &pieces), answer(address, &[wire]));
        }
    }

    #[test]
    fn noise_without_a_start_byte_before_an_answer_is_survived(noise in vec(any::<u8>(), 0..40)) {
        let noise: Vec<u8> = noise.into_iter().filter(|byte| !matches!(byte, 0x68 | 0x10)).collect();
        for (address, wire) in valid_answers() {
            let good = reading(address, std::slice::from_ref(&wire));
            prop_assert_eq!(reading(address, &[noise.clone(), wire]), good);
        }
    }

    #[test]
    fn any_noise_before_an_answer_costs_at_most_a_repeat(noise in vec(any::<u8>(), 0..40)) {
        for (address, wire) in valid_answers() {
            let good = answer(address, std::slice::from_ref(&wire));
            let mut noise = noise.clone();
            let (noisy, _) = converse(&mut Exchange::read(&target(address, 1)), |request| match request.get(1) {
                Some(0x40) => vec![0xE5],
                _ => [std::mem::take(&mut noise), wire.clone()].concat(),
            });
            prop_assert_eq!(noisy, good);
        }
    }
}
