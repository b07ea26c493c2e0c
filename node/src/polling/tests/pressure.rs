//! What a line does while the spool fills up.

use bytesize::ByteSize;
use protocol::api::peer::spool_record::Content;
use protocol::api::peer::{SpoolRecord, SpooledMiss};
use protocol::meter::{Action, Address, LineId, MeterId};
use raft_store::state::command::Outcome;

use super::field::{Field, Sim, What};
use super::rig::{ME, Rig, is_reading, reason, soon, until};
use crate::config::WhenFull;
use crate::polling::schedule::PASSED_OVER;
use crate::spool::Level;

/// A rig whose spool takes 95,000 bytes of readings and 5,000 of marks, and holds a mark of nobody's of `bytes`.
async fn filled(bytes: usize, when_full: WhenFull) -> Rig {
    let rig = Rig::new(|config| {
        config.spool.max_bytes = ByteSize(100_000);
        config.spool.when_full = when_full;
    });
    let content = Content::Miss(SpooledMiss { detail: "x".repeat(bytes), ..SpooledMiss::default() });
    let at = crate::clock::wall_now().0;
    rig.spool.append(&SpoolRecord { at, content: Some(content), ..SpoolRecord::default() }).await.unwrap();
    rig.with_lease()
}

/// A line with a meter read every second.
fn with_meter(rig: &Rig, field: &std::sync::Arc<Field>) -> (LineId, MeterId) {
    let line = rig.town.add_line(std::sync::Arc::clone(field).serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    (line, meter)
}

#[tokio::test]
async fn near_the_bound_a_read_that_a_person_asks_for_ends_with_the_reason_and_polls_go_on() {
    let mut rig = filled(70_000, WhenFull::SlowDown).await;
    let field = Field::new([(1, Sim::new(10))]);
    let (_, meter) = with_meter(&rig, &field);
    rig.start();
    rig.records(2, is_reading).await;
    let command = rig.town.submit(meter, Action::ReadNow, 600_000);
    let outcome = rig.town.outcome(command).await;
    let Outcome::Failed(text) = &outcome else { panic!("{outcome:?}") };
    assert!(text.contains("of 95000 bytes") && text.contains("bring the database back"), "{text}");
    assert_eq!(rig.metrics.report().spool_level, Level::Near.number());
    assert_eq!(rig.metrics.report().slots_passed_over, 0);
    rig.spool.acknowledge(rig.spool.id(), 1).await.unwrap();
    let command = rig.town.submit(meter, Action::ReadNow, 600_001);
    let outcome = rig.town.outcome(command).await;
    assert!(matches!(outcome, Outcome::Verified(_)), "{outcome:?}");
}

#[tokio::test]
async fn nearer_to_the_bound_a_meter_is_read_in_one_of_four_slots_and_the_others_are_missed_for_that_reason() {
    let mut rig = filled(81_000, WhenFull::SlowDown).await;
    let field = Field::new([(1, Sim::new(10))]);
    let (_, meter) = with_meter(&rig, &field);
    rig.start();
    let records = rig.records(9, |record| record.meter == meter.0).await;
    let read: Vec<_> = records.iter().map(|record| if is_reading(record) { "read" } else { reason(record) }).collect();
    let first = read.iter().position(|end| *end == "read").unwrap();
    let expected = (0..9).map(|n| if n % 4 == first % 4 { "read" } else { PASSED_OVER });
    assert_eq!(read, expected.collect::<Vec<_>>());
    assert!(rig.metrics.report().slots_passed_over >= 6);
}

#[tokio::test]
async fn at_the_bound_no_meter_is_read_and_every_slot_is_marked_while_valves_still_move() {
    let mut rig = filled(95_000, WhenFull::SlowDown).await;
    let field = Field::new([(1, Sim::new(10))]);
    let (_, meter) = with_meter(&rig, &field);
    rig.start();
    let marks = rig.records(3, |record| record.meter == meter.0).await;
    assert_eq!(marks.iter().map(reason).collect::<Vec<_>>(), [PASSED_OVER; 3]);
    assert_eq!(field.requests.borrow().iter().filter(|r| r.what == What::Read).count(), 0);
    let command = rig.town.submit(meter, Action::ValveClose, 600_000);
    assert_eq!(rig.town.outcome(command).await, Outcome::Verified("closed".to_owned()));
    rig.spool.acknowledge(rig.spool.id(), 1).await.unwrap();
    rig.record(is_reading).await;
}

#[tokio::test]
async fn with_stop_a_line_waits_at_the_bound_with_what_it_heard_and_goes_on_where_there_is_room() {
    let mut rig = filled(95_000, WhenFull::Stop).await;
    let field = Field::new([(1, Sim::new(10))]);
    with_meter(&rig, &field);
    rig.start();
    let mut requests = field.requests.subscribe();
    soon(requests.wait_for(|all| all.iter().any(|r| r.what == What::Read))).await.unwrap();
    until(|| rig.spool.pressure().level == Level::Full).await;
    assert_eq!(rig.spool.pressure().records, 1, "nothing is accepted");
    rig.spool.acknowledge(rig.spool.id(), 1).await.unwrap();
    rig.record(is_reading).await;
}
