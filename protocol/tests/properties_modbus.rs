//! What holds for all bytes in the Modbus tower.

mod common;

use std::time::Duration;

use common::converse;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::exchange::{Answer, Exchange, Step, Target, Timing};
use protocol::meter::{Action, Address, Dialect, Quantity};
use protocol::modbus::frame::{Direction, Frame, Scanner};
use protocol::modbus::mbap;
use protocol::modbus::payload::{Reply, Request, Table};
use protocol::modbus::register::{Held, Kind, Named, Order, Scale, amount};
use protocol::modbus::slave::Bank;
use protocol::profile::Catalogue;

const UNIT: u8 = 5;
const ONICON: &str = "modbus-onicon-system-10";

fn target(profile: &str, repeats: u8) -> Target {
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats };
    let profile = Some(profile.to_owned());
    Target { address: Address::ModbusUnit(UNIT), timing, profile, catalogue: Catalogue::builtin() }
}

/// The reply to the only read of [`ONICON`], with these floats for energy, flow and supply temperature.
fn onicon(energy: f32, flow: f32, supply: f32) -> Vec<u8> {
    let mut bank = Bank::default();
    bank.put(Table::Holding, 1000, &[0; 80]);
    for (address, real) in [(1042, energy), (1020, flow), (1030, supply)] {
        let bits = real.to_bits();
        bank.put(Table::Holding, address, &[(bits >> 16) as u16, bits as u16]);
    }
    let request = Request::Read { table: Table::Holding, start: 1004, count: 52 };
    Frame { unit: UNIT, pdu: bank.answer(&request.encode()) }.encode()
}

/// The only request of the dialogue is answered with `pieces`, one read each.
fn answer(pieces: &[Vec<u8>]) -> Answer {
    let mut exchange = Exchange::read(&target(ONICON, 0));
    for _ in 0..200 {
        match exchange.poll() {
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

fn table() -> impl Strategy<Value = Table> {
    prop::sample::select(vec![Table::Coils, Table::Inputs, Table::Holding, Table::InputRegisters])
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (table(), any::<u16>(), 1_u16..=125).prop_map(|(table, start, count)| Request::Read { table, start, count }),
        (any::<u16>(), any::<bool>()).prop_map(|(address, on)| Request::WriteCoil { address, on }),
        (any::<u16>(), any::<u16>()).prop_map(|(address, value)| Request::WriteRegister { address, value }),
        (any::<u16>(), vec(any::<bool>(), 1..=1968)).prop_map(|(start, bits)| Request::WriteCoils { start, bits }),
        (any::<u16>(), vec(any::<u16>(), 1..=123))
            .prop_map(|(start, values)| Request::WriteRegisters { start, values }),
    ]
}

/// A slave that has what `request` names, where the table does not end before.
fn holding_all_of(request: &Request, seed: u16) -> Bank {
    let mut bank = Bank::default();
    let (table, start, count) = match request {
        Request::Read { table, start, count } => (*table, *start, usize::from(*count)),
        Request::WriteCoil { address, .. } => (Table::Coils, *address, 1),
        Request::WriteRegister { address, .. } => (Table::Holding, *address, 1),
        Request::WriteCoils { start, bits } => (Table::Coils, *start, bits.len()),
        Request::WriteRegisters { start, values } => (Table::Holding, *start, values.len()),
    };
    let value = |at: u16| if table.is_bits() { at & 1 } else { at ^ seed };
    bank.put(table, start, &(start..=u16::MAX).take(count).map(value).collect::<Vec<_>>());
    bank
}

fn scan(direction: Direction, wire: &[u8]) -> Option<Frame> {
    let mut scanner = Scanner::new(direction);
    scanner.push(wire);
    scanner.next().and_then(Result::ok).filter(|_| !scanner.is_unfinished())
}

#[test]
fn no_single_corrupted_byte_yields_a_reading() {
    let wire = onicon(123_456.0, 4.25, 68.5);
    assert!(matches!(answer(std::slice::from_ref(&wire)), Answer::Reading(_)));
    for place in 0..wire.len() {
        for flip in 1..=255_u8 {
            let mut bad = wire.clone();
            bad.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= flip);
            let answer = answer(&[bad]);
            assert!(matches!(answer, Answer::Lost(_)), "byte {place} changed by {flip:02X}: {answer:?}");
        }
    }
}

proptest! {
    #[test]
    fn requests_and_replies_come_back_from_their_bytes(unit in 0_u8..=247, request in request(), seed in any::<u16>()) {
        prop_assert_eq!(Request::decode(&request.encode()), Some(request.clone()));
        let frame = Frame { unit, pdu: request.encode() };
        prop_assert_eq!(scan(Direction::Requests, &frame.encode()), Some(frame));

        let mut bank = holding_all_of(&request, seed);
        let pdu = bank.answer(&request.encode());
        let reply = Reply::decode(&pdu).expect("a reply");
        prop_assert_eq!(reply.encode(), pdu.clone());
        let frame = Frame { unit, pdu: pdu.clone() };
        prop_assert_eq!(scan(Direction::Replies, &frame.encode()), Some(frame));
        if !matches!(reply, Reply::Exception(..)) {
            prop_assert_eq!(pdu.len(), request.reply_length());
        }
    }

    #[test]
    fn mbap_frames_come_back_however_they_are_split(
        transaction in any::<u16>(), unit in any::<u8>(), pdu in vec(any::<u8>(), 2..=253), cut in any::<prop::sample::Index>(),
    ) {
        let frame = mbap::Frame { transaction, unit, pdu };
        let wire = frame.encode();
        let (first, second) = wire.split_at(cut.index(wire.len()));
        let mut scanner = mbap::Scanner::new();
        scanner.push(first);
        prop_assert_eq!(scanner.next(), None);
        scanner.push(second);
        prop_assert_eq!(scanner.next(), Some(Ok(frame)));
        prop_assert!(!scanner.is_unfinished());
    }

    #[test]
    fn floats_come_through_a_dialogue_exactly(energy in 0_u32..16_777_216, flow in -8000_i32..8000, supply in -80_i32..400) {
        let wire = onicon(energy as f32, flow as f32 / 8.0, supply as f32 / 4.0);
        let Answer::Reading(reading) = answer(&[wire]) else { unreachable!("a reading") };
        prop_assert_eq!(reading.value(Quantity::Energy), Some(i64::from(energy) * 3_600_000));
        prop_assert_eq!(reading.value(Quantity::Flow), Some(i64::from(flow) * 125_000));
        prop_assert_eq!(reading.value(Quantity::SupplyTemp), Some(i64::from(supply) * 250));
    }

    #[test]
    fn a_number_comes_back_from_each_order(number in any::<u32>()) {
        let [high, low] = [(number >> 16) as u16, number as u16];
        let swapped = |word: u16| word.swap_bytes();
        for (order, registers) in [
            (Order::Abcd, [high, low]),
            (Order::Cdab, [low, high]),
            (Order::Badc, [swapped(high), swapped(low)]),
            (Order::Dcba, [swapped(low), swapped(high)]),
        ] {
            let unit = Named::parse("").expect("plain");
            let Held::Amount(held) = amount(&registers, Kind::U32, order, Scale::default(), unit) else {
                unreachable!("a number")
            };
            prop_assert_eq!(held.fixed().map(|fixed| fixed.value), Some(i64::from(number)));
        }
    }

    #[test]
    fn no_bytes_make_a_scanner_or_a_decoder_panic_or_hold_a_reading_for_free(bytes in vec(any::<u8>(), 0..600)) {
        for direction in [Direction::Requests, Direction::Replies] {
            let mut scanner = Scanner::new(direction);
            scanner.push(&bytes);
            scanner.close_gap();
            while scanner.next().is_some() {}
        }
        let mut scanner = mbap::Scanner::new();
        scanner.push(&bytes);
        scanner.close_gap();
        while scanner.next().is_some() {}
        let _ = (Request::decode(&bytes), Reply::decode(&bytes));
        Bank::default().answer(&bytes);
        prop_assert!(!matches!(answer(&[bytes]), Answer::Reading(_)));
    }

    #[test]
    fn any_bytes_end_every_dialogue(bytes in vec(any::<u8>(), 0..300), repeats in 0_u8..4) {
        let catalogue = Catalogue::builtin();
        for entry in catalogue.entries().filter(|entry| entry.about.dialect == Dialect::Modbus) {
            for action in [Action::ReadNow, Action::ValveOpen] {
                let mut exchange = Exchange::perform(&target(&entry.about.name, repeats), action);
                let (_, spoken) = converse(&mut exchange, |_| bytes.clone());
                prop_assert!(spoken <= usize::from(repeats) + 1);
            }
        }
    }

    #[test]
    fn however_the_bytes_are_split_the_answer_is_the_same(cuts in vec(any::<prop::sample::Index>(), 0..12)) {
        let wire = onicon(123_456.0, 4.25, 68.5);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
        places.extend([0, wire.len()]);
        places.sort_unstable();
        let piece = |from: &usize, to: &usize| wire.get(*from..*to).unwrap_or_default().to_vec();
        let pieces: Vec<Vec<u8>> = places.iter().zip(places.iter().skip(1)).map(|(from, to)| piece(from, to)).collect();
        prop_assert_eq!(answer(&pieces), answer(&[wire]));
    }

    #[test]
    fn any_noise_before_and_after_an_answer_is_survived_without_a_repeat(
        before in vec(any::<u8>(), 0..60), after in vec(any::<u8>(), 0..60),
    ) {
        let wire = onicon(123_456.0, 4.25, 68.5);
        prop_assert_eq!(answer(&[before, wire.clone(), after]), answer(&[wire]));
    }
}
