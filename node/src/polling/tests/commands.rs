//! What people ask of meters.

use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::api::peer::spool_record::Kind;
use protocol::meter::{Action, Address, ValveState};
use raft_store::state::Entry;
use raft_store::state::command::Outcome;
use raft_store::state::registry::Endpoint;

use super::field::{Field, Request, Sim, What};
use super::rig::{ME, Rig, is_reading, reason, soon, until, value};
use crate::clock::wall_now;

const LONG: u64 = 600_000;

fn told(requests: &[Request]) -> Vec<(u8, What)> {
    requests.iter().filter(|r| r.what != What::Reset).map(|r| (r.meter, r.what)).collect()
}

#[tokio::test]
async fn a_valve_command_goes_before_the_polls_and_is_read_back_until_it_is_seen() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let sims = (1..=5).map(|n| (n, Sim { travel_reads: 2, ..Sim::new(10) }));
    let field = Field::new(sims);
    field.held.store(true, Ordering::SeqCst);
    let line = rig.town.add_line(field.serve_tcp(0), |spec| spec.extra_answer_ms = 20_000);
    let meters: Vec<_> = (1..=5).map(|n| rig.town.add_meter(line, Address::MbusPrimary(n), 3_600)).collect();
    rig.town.assign(line, ME);
    rig.start();
    let mut requests = field.requests.subscribe();
    soon(requests.wait_for(|all| !all.is_empty())).await.unwrap();

    let command = rig.town.submit(meters[2], Action::ValveClose, LONG);
    rig.town.proposed(|entry| matches!(entry, Entry::Start { .. })).await;
    // The running exchange is finished first; the start has to be answered before it is.
    tokio::time::sleep(Duration::from_millis(20)).await;
    field.held.store(false, Ordering::SeqCst);
    assert_eq!(rig.town.outcome(command).await, Outcome::Verified("closed".to_owned()));
    rig.records(5, is_reading).await;

    let told = told(&field.requests.borrow());
    assert_eq!(told[..2], [(1, What::Read), (3, What::Valve(ValveState::Closed))]);
    let reads_of_third = told.iter().filter(|request| **request == (3, What::Read)).count();
    assert!(reads_of_third >= 3, "closed was reported before it was seen: {told:?}");
    assert_eq!(rig.metrics.report().exchanges, told.len() as u64);
}

#[tokio::test]
async fn due_polls_take_turns_with_read_backs() {
    let mut rig = Rig::new(|config| config.commands.read_back_every = Duration::ZERO).with_lease();
    let field = Field::new((1..=4).map(|n| (n, Sim { travel_reads: 6, ..Sim::new(10) })));
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meters: Vec<_> = (1..=4).map(|n| rig.town.add_meter(line, Address::MbusPrimary(n), 3_600)).collect();
    let command = rig.town.submit(meters[3], Action::ValveClose, LONG);
    rig.town.assign(line, ME);
    rig.start();
    rig.town.outcome(command).await;
    let polled = told(&field.requests.borrow()).iter().filter(|(meter, _)| *meter < 4).count();
    assert_eq!(polled, 3, "polls starved while a valve travelled");
}

#[tokio::test]
async fn a_valve_that_does_not_move_is_told_as_still_open() {
    let mut rig = Rig::new(|config| config.commands.valve_travel = Duration::from_millis(300)).with_lease();
    let field = Field::new([(1, Sim { travel_reads: u32::MAX, ..Sim::new(10) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    let command = rig.town.submit(meter, Action::ValveClose, LONG);
    assert_eq!(rig.town.outcome(command).await, Outcome::Failed("still open after 0 s".to_owned()));
}

#[tokio::test]
async fn a_read_now_is_stored_beside_the_schedule_and_told_in_words() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(5_406))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    rig.start();
    rig.record(is_reading).await;
    let command = rig.town.submit(meter, Action::ReadNow, LONG);
    assert_eq!(rig.town.outcome(command).await, Outcome::Verified("energy 5406 kWh (mbus-generic)".to_owned()));
    let record = rig.record(|r| r.kind() == Kind::OnDemand).await;
    let asked = rig.town.applied.borrow().state.commands.commands[&command].requested_at;
    assert_eq!((record.command, record.slot), (command.0, asked.0));
    assert_eq!(value(&record, 1), Some(5_406 * 3_600_000));
    assert_eq!(rig.metrics.report().exchanges, 2);
}

#[tokio::test]
async fn a_meter_that_does_not_answer_fails_a_command_after_its_attempts() {
    let mut rig = Rig::new(|config| config.commands.attempts = 3).with_lease();
    let field = Field::new([(1, Sim { mute: true, ..Sim::new(10) })]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.apply(&Entry::SetMeterEnabled { name: "meter 1".to_owned(), enabled: false });
    rig.town.assign(line, ME);
    rig.start();
    let command = rig.town.submit(meter, Action::ReadNow, LONG);
    assert_eq!(rig.town.outcome(command).await, Outcome::Failed("no-answer after 3 attempts".to_owned()));
    assert_eq!(field.requests.borrow().len(), 3);
}

#[tokio::test]
async fn a_command_past_its_deadline_is_neither_started_nor_sent() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    let late = rig.town.submit(meter, Action::ValveClose, 0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    rig.town.assign(line, ME);
    rig.start();
    rig.record(is_reading).await;
    rig.town.apply(&Entry::Expire { at: wall_now() });
    assert_eq!(rig.town.outcome(late).await, Outcome::Expired);
    assert_eq!(told(&field.requests.borrow()), [(1, What::Read)]);
}

#[tokio::test]
async fn a_command_left_running_by_an_earlier_owner_is_started_again() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    let line = rig.town.add_line(field.serve_tcp(0), |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    rig.town.assign(line, ME);
    let command = rig.town.submit(meter, Action::ValveClose, LONG);
    let epoch = rig.town.epoch(line);
    rig.town.apply(&Entry::Start { at: wall_now(), command, node: ME, epoch });
    rig.town.leaderless.store(2, Ordering::SeqCst);
    rig.start();
    assert_eq!(rig.town.outcome(command).await, Outcome::Verified("closed".to_owned()));
    let starts = rig.town.applied.borrow().state.commands.commands[&command].starts.len();
    assert_eq!(starts, 2);
}

#[tokio::test]
async fn a_command_for_a_line_that_is_down_stays_queued_and_runs_when_the_line_is_up() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim::new(10))]);
    let endpoint = field.serve_tcp(0);
    let Endpoint::Tcp { port, .. } = endpoint else { panic!("no gateway") };
    let line = rig.town.add_line(endpoint, |_| {});
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 3_600);
    field.die(port);
    rig.town.assign(line, ME);
    rig.start();
    until(|| rig.metrics.report().lines_down > 0).await;
    // The schedule has nothing for the line any more.
    rig.town.apply(&Entry::SetMeterEnabled { name: "meter 1".to_owned(), enabled: false });
    rig.record(|r| reason(r) == "disabled").await;
    let command = rig.town.submit(meter, Action::ReadNow, LONG);
    let early = tokio::time::timeout(Duration::from_millis(200), rig.town.proposed(|_| true)).await;
    assert!(early.is_err(), "started on a line that is down");
    field.serve_tcp(port);
    assert_eq!(rig.town.outcome(command).await, Outcome::Verified("energy 10 kWh (mbus-generic)".to_owned()));
}
