//! Reading the records of M-Bus telegrams allocates nothing, however many there are.

mod common;

use allocation_counter::measure;
use common::{bytes, target, telegrams, text};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::exchange::{Answer, Exchange, Step};
use protocol::mbus::frame::{Frame, Scanner};
use protocol::mbus::header::{Header, Status, manufacturer};
use protocol::mbus::payload::Reader;
use protocol::mbus::reply::ReplyBuilder;
use protocol::mbus::value::Value;
use protocol::meter::Address;

fn frame(wire: &[u8]) -> (u8, Vec<u8>) {
    let mut scanner = Scanner::new();
    scanner.push(wire);
    match scanner.next() {
        Some(Ok(Frame::Long { ci, data, .. })) => (ci, data),
        other => unreachable!("{other:?}"),
    }
}

/// Opens the data, reads every record and scales every number.
fn read(ci: u8, data: &[u8]) -> usize {
    let reader = Reader::open(ci, data).expect("readable");
    let records = reader.map(|record| match record.expect("readable").value {
        Value::Number(amount) => usize::from(amount.fixed().is_some()),
        Value::Time(point) => usize::from(point.is_whole()),
        Value::Text(text) => text.chars().count(),
        Value::Bytes(octets) => octets.iter().count(),
        Value::Invalid | Value::Nothing => 0,
    });
    std::hint::black_box(records.count())
}

#[test]
fn the_records_of_real_telegrams_are_read_without_an_allocation() {
    let Some(telegrams) = telegrams("mbus.json") else { return };
    let mut records = 0;
    for telegram in &telegrams {
        let (ci, data) = frame(&bytes(text(telegram, "hex")));
        let took = measure(|| records += read(ci, &data));
        assert_eq!(took.count_total, 0, "{}", text(telegram, "name"));
    }
    assert!(records > 400, "{records} records");
}

proptest! {
    #[test]
    fn no_data_whatever_make_their_reading_allocate(data in vec(any::<u8>(), 0..253), texts in any::<bool>()) {
        // Plain texts are looked for at both places: the most that is read of one telegram.
        let data: Vec<u8> = data.iter().map(|byte| if texts && byte % 5 == 0 { 0xFC } else { *byte }).collect();
        for kind in [0x72, 0x73, 0x76, 0x77, 0x78, 0x7A] {
            let mut records = 0;
            let took = measure(|| records = Reader::open(kind, &data).map(Iterator::count).unwrap_or_default());
            prop_assert_eq!(took.count_total, 0);
            prop_assert!(records <= data.len());
        }
    }
}

/// A reply of so many records that a profile does not ask for, and an energy.
fn reply(records: usize) -> Vec<u8> {
    let header =
        Header { id: 1, manufacturer: manufacturer(*b"KAM"), version: 1, medium: 4, access: 1, status: Status(0) };
    let builder = ReplyBuilder::new(&header).volume_litres(7);
    let builder = (0..records).fold(builder, |builder, _| builder.record(0x01, &[0xFD, 0x3A], &[9]));
    builder.frame(5).expect("fits").encode()
}

/// How often a whole reading allocates.
fn allocations(reply: &[u8]) -> u64 {
    let target = target(Address::MbusPrimary(5), 0);
    let took = measure(|| {
        let mut exchange = Exchange::read(&target);
        let mut answers = [&[0xE5][..], reply].into_iter();
        loop {
            match exchange.poll() {
                Step::Send(_) => {}
                Step::Await(_) => exchange.handle_bytes(answers.next().expect("two answers")),
                Step::Done(answer) => break assert!(matches!(answer, Answer::Reading(_))),
            }
        }
    });
    took.count_total
}

#[test]
fn a_reading_of_many_records_allocates_no_more_often_than_one_of_few() {
    // The first of all reads the profiles.
    allocations(&reply(1));
    let (few, many) = (allocations(&reply(1)), allocations(&reply(50)));
    assert!(few > 0 && many == few, "{few} and {many} allocations");
}
