//! Readings and missed slots, from the wire into the spool.

use std::sync::Arc;

use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::{Content, Kind};
use protocol::meter::{Address, Quality};
use raft_store::state::registry::Endpoint;

use super::field::{Field, Sim, What, mbus_reading};
use super::rig::{ME, OTHER, Rig, is_reading, reason, soon, until, value};
use crate::capacity::Ask;

const ENERGY: u32 = 1;
const VOLUME: u32 = 3;
const SUPPLY: u32 = 6;

fn cjt188(last: u8) -> Address {
    Address::Cjt188([0, 0, 0x11, 0x22, 0x33, 0x44, last])
}

/// What a missed slot keeps.
fn heard(record: &SpoolRecord) -> Vec<u8> {
    match &record.content {
        Some(Content::Miss(miss)) => miss.raw.clone(),
        _ => Vec::new(),
    }
}

fn port(endpoint: &Endpoint) -> u16 {
    match endpoint {
        Endpoint::Tcp { port, .. } => *port,
        other => panic!("{other} has no port number"),
    }
}

#[tokio::test]
async fn readings_of_two_dialects_over_a_gateway_and_a_serial_port_arrive_with_exact_values() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let (gateway, serial) = (Field::new([(7, Sim::new(5_406))]), Field::new([(0x55, Sim::new(54_060))]));
    let mbus_line = rig.town.add_line(gateway.serve_tcp(0), |_| {});
    let cjt188_line = rig.town.add_line(serial.serve_pty(), |_| {});
    let mbus = rig.town.add_meter(mbus_line, Address::MbusPrimary(7), 3_600);
    let chinese = rig.town.add_meter(cjt188_line, cjt188(0x55), 3_600);
    rig.town.assign(mbus_line, ME);
    rig.town.assign(cjt188_line, ME);
    rig.start();

    let record = rig.record(|r| r.meter == mbus.0).await;
    assert_eq!(value(&record, ENERGY), Some(5_406 * 3_600_000));
    assert_eq!((record.line, record.epoch, record.node, record.attempts), (mbus_line.0, 1, 1, 1));
    assert_eq!((record.kind(), record.command), (Kind::Scheduled, 0));
    assert!(record.slot % 3_600_000 == 0 && record.slot <= record.at && record.at < record.slot + 3_660_000);

    let record = rig.record(|r| r.meter == chinese.0).await;
    assert_eq!(value(&record, ENERGY), Some(54_060 * 36_000));
    assert_eq!(value(&record, VOLUME), Some(1_234_560_000));
    assert_eq!(value(&record, SUPPLY), Some(65_320));
    until(|| rig.metrics.report().readings_accepted == 2).await;
    assert_eq!(rig.metrics.report().lines_open, 2);
}

#[tokio::test]
async fn a_slot_is_read_once() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    let records = rig.records(3, |r| r.meter == meter.0 && is_reading(r)).await;
    let slots: Vec<_> = records.iter().map(|r| r.slot).collect();
    assert_eq!(slots, [slots[0], slots[0] + 1_000, slots[0] + 2_000]);
}

#[tokio::test]
async fn a_bad_checksum_is_tried_again_within_the_slot() {
    let mut rig = Rig::new(|_| {}).with_lease();
    // The dialogue itself starts over once: two spoilt answers use up one attempt.
    let field = Field::new([(1, Sim { spoil: 2, ..Sim::new(10) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    let record = rig.record(|r| r.meter == meter.0).await;
    assert_eq!((value(&record, ENERGY), record.attempts), (Some(10 * 3_600_000), 2));
}

#[tokio::test]
async fn a_slot_without_a_sound_answer_is_missed_with_the_fault_and_the_attempts() {
    let mut rig = Rig::new(|config| config.polling.attempts_per_slot = 2).with_lease();
    let field = Field::new([(1, Sim { spoil: u32::MAX, ..Sim::new(10) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 0);
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 2);
    rig.town.assign(line, ME);
    rig.start();
    let records = rig.records(2, |r| r.meter == meter.0).await;
    assert_eq!((reason(&records[1]), records[1].attempts), ("bad-checksum", 2));
}

#[tokio::test]
async fn a_missed_slot_keeps_what_was_heard_instead_of_an_answer() {
    let mut rig = Rig::new(|config| config.polling.attempts_per_slot = 1).with_lease();
    let field = Field::new([(1, Sim { spoil: u32::MAX, ..Sim::new(10) }), (2, Sim { mute: true, ..Sim::new(1) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 0);
    let spoilt = rig.town.add_meter(line, Address::MbusPrimary(1), 2);
    let silent = rig.town.add_meter(line, Address::MbusPrimary(2), 2);
    rig.town.assign(line, ME);
    rig.start();
    let kept = heard(&rig.record(|r| r.meter == spoilt.0 && reason(r) == "bad-checksum").await);
    assert_eq!((kept.first(), kept.last()), (Some(&0x68), Some(&0x16)), "{kept:02X?}");
    let record = rig.record(|r| r.meter == silent.0 && reason(r) == "no-answer").await;
    // The meter acknowledges nothing either: nothing was heard.
    assert!(heard(&record).is_empty());
}

#[tokio::test]
async fn an_answer_from_another_address_is_a_miss_that_keeps_the_frame() {
    let mut rig = Rig::new(|config| config.polling.attempts_per_slot = 1).with_lease();
    let field = Field::new([(1, Sim { answers_as: Some(9), ..Sim::new(10) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 0);
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 2);
    rig.town.assign(line, ME);
    rig.start();
    let record = rig.record(|r| r.meter == meter.0).await;
    assert_eq!(reason(&record), "wrong-meter");
    assert_eq!(heard(&record).get(5), Some(&9));
    let Some(Content::Miss(miss)) = &record.content else { unreachable!("it is a miss") };
    assert_eq!((miss.identity.as_str(), miss.detail.as_str()), ("100000012C2D0104", "100000012C2D0104 answered"));
}

#[tokio::test]
async fn a_clock_that_is_off_is_a_mark_beside_the_values() {
    let mut rig = Rig::new(|_| {}).with_lease();
    // These meters show the 15th of January 2026 for ever.
    let field = Field::new([(0x55, Sim::new(54_060))]);
    let line = rig.town.add_line(field.serve_pty(), |_| {});
    rig.town.add_meter(line, cjt188(0x55), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    let record = rig.record(is_reading).await;
    let Some(Content::Reading(reading)) = &record.content else { unreachable!("it is a reading") };
    assert_eq!(Quality(reading.quality).words(), ["clock-off"]);
    assert_eq!(value(&record, ENERGY), Some(54_060 * 36_000));
    assert_ne!(reading.shape, 0);
}

#[tokio::test]
async fn a_gateway_that_dies_is_a_line_down_and_is_read_again_when_it_is_back() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    let endpoint = field.serve_tcp(0);
    let line = rig.town.add_line(endpoint.clone(), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    rig.record(is_reading).await;

    field.die(port(&endpoint));
    let missed = rig.record(|r| reason(r) == "line-down").await;
    assert_eq!(missed.meter, meter.0);
    assert_eq!((rig.metrics.report().lines_down, rig.metrics.report().lines_open), (1, 0));

    field.serve_tcp(port(&endpoint));
    let back = rig.record(|r| is_reading(r) && r.slot > missed.slot).await;
    assert_eq!(value(&back, ENERGY), Some(10 * 3_600_000));
    assert_eq!((rig.metrics.report().lines_down, rig.metrics.report().lines_open), (0, 1));
}

#[tokio::test]
async fn silent_meters_do_not_delay_live_ones() {
    let mut rig = Rig::new(|config| config.polling.silent_after = 1).with_lease();
    let dead = (2..=5).map(|n| (n, Sim { mute: true, ..Sim::new(1) }));
    let field = Field::new(dead.chain([(9, Sim::new(10))]));
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 200);
    let meters: Vec<_> = (2..=5).map(|n| rig.town.add_meter(line, Address::MbusPrimary(n), 1)).collect();
    let live = rig.town.add_meter(line, Address::MbusPrimary(9), 1);
    rig.town.assign(line, ME);
    rig.start();
    rig.record(|r| reason(r) == "silent-backoff" && r.meter == meters[3].0).await;
    let from = crate::clock::wall_now().0;
    let records = rig.records(4, |r| r.meter == live.0 && r.slot > from).await;
    for record in &records {
        assert!(is_reading(record), "a live meter was missed: {}", reason(record));
        assert!(record.at - record.slot < 900, "a live meter waited {} ms", record.at - record.slot);
    }
    assert!(records.windows(2).all(|pair| pair[1].slot == pair[0].slot + 1_000));
}

#[tokio::test]
async fn new_meters_are_read_over_the_channel_that_is_open() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10)), (2, Sim::new(20))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    rig.record(is_reading).await;
    let second = rig.town.add_meter(line, Address::MbusPrimary(2), 3_600);
    rig.record(|r| r.meter == second.0 && is_reading(r)).await;
    assert_eq!(*field.connections.borrow(), 1);
    let first: Vec<_> =
        field.requests.borrow().iter().filter(|r| r.meter == 1 && r.what == What::Read).copied().collect();
    assert_eq!(first.len(), 1, "a slot that was read is read again after an import");
}

#[tokio::test]
async fn a_line_whose_channel_changes_is_served_over_the_new_one() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let (old, new) = (Field::new([(1, Sim::new(10))]), Field::new([(1, Sim::new(11))]));
    let line = rig.town.add_line(old.serve_tcp(0), |_| {});
    rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    rig.record(is_reading).await;
    let mut spec = rig.town.applied.borrow().state.registry.lines[&line].spec.clone();
    spec.endpoint = new.serve_tcp(0);
    let at = crate::clock::wall_now();
    rig.town.apply(&raft_store::state::Entry::ImportLines { at, lines: vec![spec] });
    let record = rig.record(|r| value(r, ENERGY) == Some(11 * 3_600_000)).await;
    assert_eq!(record.epoch, 1, "a new channel is no new ownership");
    let mut connections = old.connections.subscribe();
    soon(connections.wait_for(|n| *n == 0)).await.unwrap();
}

#[tokio::test]
async fn a_line_of_another_node_is_left_alone() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let (theirs, mine) = (Field::new([(1, Sim::new(10))]), Field::new([(1, Sim::new(10))]));
    for (field, node) in [(&theirs, OTHER), (&mine, ME)] {
        let line = rig.town.add_line(Arc::clone(field).serve_tcp(0), |_| {});
        rig.town.add_meter(line, Address::MbusPrimary(1), 1);
        rig.town.assign(line, node);
    }
    rig.start();
    rig.records(2, is_reading).await;
    assert_eq!(*theirs.connections.borrow(), 0);
}

#[tokio::test]
async fn connections_leave_from_the_configured_address() {
    let source = std::net::IpAddr::from([127, 0, 0, 42]);
    let mut rig = Rig::new(|config| config.polling.source = Some(source)).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    rig.record(is_reading).await;
    assert_eq!(*field.peers.lock().unwrap(), [source]);
}

#[tokio::test]
async fn what_a_read_is_thought_to_take_at_2400_bit_s_is_within_a_fifth_of_what_it_takes() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let sims = || (1..=6).map(|n| (n, Sim::new(1_000)));
    let (gateway, serial) = (Field::new(sims()), Field::new(sims()));
    for field in [&gateway, &serial] {
        field.baud.store(2_400, std::sync::atomic::Ordering::SeqCst);
    }
    let mbus = rig.town.add_line(gateway.serve_tcp(0), |spec| (spec.baud, spec.extra_answer_ms) = (2_400, 0));
    let chinese = rig.town.add_line(serial.serve_pty(), |spec| (spec.baud, spec.extra_answer_ms) = (2_400, 0));
    for n in 1..=6 {
        rig.town.add_meter(mbus, Address::MbusPrimary(n), 3_600);
        rig.town.add_meter(chinese, cjt188(n), 3_600);
    }
    rig.town.assign(mbus, ME);
    rig.town.assign(chinese, ME);
    rig.start();
    rig.records(12, is_reading).await;
    let spec = |line| rig.town.applied.borrow().state.registry.lines[&line].spec.clone();
    let answer = mbus_reading(1, &mut Sim::new(1_000)).unwrap().len() as u64;
    for (line, ask, estimate) in [
        (mbus, Ask::MbusPrimary, Ask::MbusPrimary.read_ms_of(&spec(mbus), answer)),
        (chinese, Ask::Cjt188, Ask::Cjt188.read_ms(&spec(chinese))),
    ] {
        let took = rig.measured.read_ms(line, ask).unwrap();
        println!("{ask:?}: {took} ms, thought to take {estimate} ms");
        assert!(took.abs_diff(estimate) * 5 <= took, "{ask:?} takes {took} ms and not {estimate}");
    }
}
