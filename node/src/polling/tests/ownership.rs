//! Taking lines and letting go of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::meter::{Address, Epoch};
use raft_store::state::Entry;
use raft_store::state::assignment::Phase;

use super::field::{Field, Sim, What};
use super::rig::{ME, OTHER, Rig, is_reading, is_release, soon};

#[tokio::test]
async fn a_revoked_line_is_released_only_after_the_running_exchange() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    field.held.store(true, Ordering::SeqCst);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 20_000);
    rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.town.leaderless.store(2, Ordering::SeqCst);
    rig.start();
    let mut requests = field.requests.subscribe();
    soon(requests.wait_for(|all| !all.is_empty())).await.unwrap();

    rig.town.revoke(line, Some(OTHER));
    let early = tokio::time::timeout(Duration::from_millis(300), rig.town.proposed(is_release)).await;
    assert!(early.is_err(), "released while an exchange ran");

    field.held.store(false, Ordering::SeqCst);
    rig.town.proposed(is_release).await;
    rig.record(is_reading).await;
    let mut connections = field.connections.subscribe();
    soon(connections.wait_for(|n| *n == 0)).await.unwrap();
    let owned = rig.town.applied.borrow().state.assignment.lines[&line].clone();
    assert_eq!((owned.phase, owned.epoch, owned.acknowledged), (Phase::Held { node: OTHER }, Epoch(2), true));
}

#[tokio::test]
async fn a_line_given_to_another_is_dropped_at_once_and_without_a_word() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim { mute: true, ..Sim::new(10) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 30_000);
    rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    let mut requests = field.requests.subscribe();
    soon(requests.wait_for(|all| !all.is_empty())).await.unwrap();
    rig.town.assign(line, OTHER);
    let mut connections = field.connections.subscribe();
    soon(connections.wait_for(|n| *n == 0)).await.unwrap();
    assert!(rig.town.proposed.borrow().is_empty(), "{:?}", rig.town.proposed.borrow());
}

#[tokio::test]
async fn a_stop_finishes_the_exchange_and_releases_all_lines_in_few_entries() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    field.held.store(true, Ordering::SeqCst);
    let busy = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 20_000);
    rig.town.add_meter(busy, Address::MbusPrimary(1), 3_600);
    rig.town.assign(busy, ME);
    for n in 1..200 {
        let endpoint = raft_store::state::registry::Endpoint::Serial { path: format!("/dev/none{n}") };
        let idle = rig.town.add_line(endpoint, |_| {});
        rig.town.assign(idle, ME);
    }
    let running = rig.start();
    let mut requests = field.requests.subscribe();
    soon(requests.wait_for(|all| !all.is_empty())).await.unwrap();
    rig.stop.cancel();
    field.held.store(false, Ordering::SeqCst);
    soon(running).await.unwrap();

    let state = rig.town.applied.borrow().state.clone();
    let let_go = state.assignment.lines.values().filter(|o| o.phase == Phase::Orphan && o.acknowledged).count();
    assert_eq!(let_go, 200);
    let entries = rig.town.proposed.borrow().iter().filter(|e| is_release(e)).count();
    assert!(entries <= 20, "{entries} entries for 200 lines");
    assert_eq!(rig.metrics.report().lines_open, 0);
    assert!(field.requests.borrow().iter().any(|r| r.what == What::Read), "the exchange was not finished");
    rig.record(is_reading).await;
}

#[tokio::test]
async fn a_line_that_was_being_revoked_in_an_earlier_life_is_released() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    rig.town.assign(line, ME);
    rig.town.revoke(line, Some(OTHER));
    rig.start();
    rig.town.proposed(|entry| matches!(entry, Entry::Release { lines, .. } if *lines == [(line, Epoch(1))])).await;
    assert_eq!(rig.town.applied.borrow().state.assignment.owner(line), Some(OTHER));
}
