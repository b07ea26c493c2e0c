//! When a line has to be silent.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::meter::Address;

use super::field::{Field, Sim, What};
use super::rig::{ME, OTHER, Rig, is_reading, reason, soon};
use crate::clock::Moment;

#[tokio::test]
async fn without_a_lease_not_a_byte_is_written() {
    let mut rig = Rig::new(|_| {});
    let field = Field::new([(1, Sim::new(10))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.start();
    let missed = rig.records(2, |_| true).await;
    assert!(missed.iter().all(|record| reason(record) == "no-lease"), "{missed:?}");
    assert_eq!(*field.bytes.borrow(), 0);
}

#[tokio::test]
async fn silence_begins_before_the_lease_ends_in_the_middle_of_a_poll_and_ends_with_the_next_lease() {
    let mut rig = Rig::new(|_| {});
    // A meter that never answers, and a request repeated for longer than the lease lasts.
    let field = Field::new([(1, Sim { mute: true, ..Sim::new(10) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| (spec.repeats, spec.extra_answer_ms) = (250, 0));
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3);
    rig.town.assign(line, ME);
    let (begun, length) = (Moment::now(), Duration::from_millis(1_200));
    rig.lease.renew(begun, length);
    rig.start();
    rig.record(|r| r.meter == meter.0 && reason(r) == "no-lease").await;
    let requests = field.requests.borrow().clone();
    assert!(requests.len() > 5, "the poll did not run when the lease ended: {requests:?}");
    let last = requests.last().expect("requests").at;
    assert!(last < begun + length, "a request came {:?} after the lease", last.since(begun + length));

    field.change(1, |sim| sim.mute = false);
    rig.lease.renew(Moment::now(), Duration::from_secs(60));
    let record = rig.record(is_reading).await;
    assert_eq!(record.epoch, 1);
}

#[tokio::test]
async fn a_line_that_may_have_been_given_away_frees_its_gateway_and_is_taken_again_with_the_next_lease() {
    let mut rig = Rig::new(|config| config.lease.dead_after = config.lease.length + Duration::from_millis(100));
    let field = Field::new([(1, Sim::new(10))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    rig.town.add_meter(line, Address::MbusPrimary(1), 1);
    rig.town.assign(line, ME);
    rig.lease.renew(Moment::now(), Duration::from_secs(3));
    rig.start();
    rig.record(is_reading).await;
    let mut connections = field.connections.subscribe();
    soon(connections.wait_for(|n| *n == 0)).await.unwrap();
    rig.lease.renew(Moment::now(), Duration::from_secs(60));
    soon(connections.wait_for(|n| *n == 1)).await.unwrap();
}

#[tokio::test]
async fn a_new_owner_of_an_unacknowledged_line_listens_until_it_is_quiet() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    field.noise.store(4, Ordering::SeqCst);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 0);
    rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, OTHER);
    rig.town.assign(line, ME);
    rig.start();
    rig.record(is_reading).await;
    let first = field.requests.borrow()[0].at;
    let quiet = first.since(*field.last_noise.lock().unwrap());
    // 500 ms and 291 characters at 115200 bit/s.
    assert!(quiet >= Duration::from_millis(520), "spoke {quiet:?} after somebody else");
}

#[tokio::test]
async fn a_line_handed_over_in_words_is_spoken_on_at_once() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    // An answer time that would be listened through for a minute.
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 60_000);
    rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    soon(rig.record(is_reading)).await;
    assert_eq!(field.requests.borrow().iter().filter(|r| r.what == What::Read).count(), 1);
}
