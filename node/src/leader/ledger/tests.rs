#![allow(clippy::unwrap_used, clippy::panic)]

use protocol::api::admin::NodeReport;
use protocol::meter::{Address, NodeId};
use raft_store::state::membership::{Labels, Newcomer};
use raft_store::state::plant::calendar::Calendar;
use raft_store::state::plant::detail::{LineDetail, MeterDetail, Own};
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, Schedule};
use raft_store::state::{LogPosition, Reply, UnixMillis, apply};

use super::*;
use crate::cluster::hearing::Silence;
use crate::config;
use crate::mysql::testing::Place;
use crate::mysql::{DutyRow, SlotRow};

const HOUR: u64 = 3_600_000;
const LIMIT: Duration = Duration::from_secs(3_600);

fn node(silent_s: u64, report: Option<(u64, i64)>) -> Silence {
    let report = report.map(|(oldest_spooled_at, clock_offset_ms)| NodeReport {
        oldest_spooled_at,
        clock_offset_ms,
        ..NodeReport::default()
    });
    Silence { span: Duration::from_secs(silent_s), report }
}

fn hold(nodes: Vec<Silence>, now: u64) -> (u64, Option<u64>, Vec<u64>) {
    let nodes = (1..).map(NodeId).zip(nodes).collect();
    let hold = hold::of(&nodes, now, LIMIT);
    (hold.until, hold.by.map(|node| node.0), hold.lost)
}

#[test]
fn the_oldest_record_in_any_spool_holds_by_the_leaders_clock() {
    let now = 10 * HOUR;
    assert_eq!(hold(vec![], now), (now, None, vec![]));
    assert_eq!(hold(vec![node(0, Some((0, 0))), node(0, Some((0, 0)))], now), (now, None, vec![]));
    let spools = vec![node(0, Some((9 * HOUR, 0))), node(0, Some((8 * HOUR, -2_000))), node(0, Some((0, 0)))];
    assert_eq!(hold(spools, now), (8 * HOUR + 2_000, Some(2), vec![]));
}

#[test]
fn a_silent_node_holds_what_it_may_have_since_it_was_heard_and_at_the_limit_nothing() {
    let now = 10 * HOUR;
    assert_eq!(hold(vec![node(3_599, Some((0, 0)))], now), (now - 3_599_000, Some(1), vec![]));
    assert_eq!(hold(vec![node(3_600, Some((0, 0)))], now), (now, None, vec![now - HOUR]));
    assert_eq!(hold(vec![node(3_600, Some((HOUR, 0))), node(1, None)], now), (0, Some(2), vec![now - HOUR]));
}

fn line(name: &str, port: u16) -> LineSpec {
    LineSpec {
        name: name.to_owned(),
        endpoint: Endpoint::Tcp { host: "gw".to_owned(), port },
        baud: 2400,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 2,
        requires: Labels::new(),
    }
}

fn meter(name: &str, line: &str, address: u8, words: &str) -> (MeterSpec, MeterDetail) {
    let spec = MeterSpec {
        name: name.to_owned(),
        line: line.to_owned(),
        address: Address::MbusPrimary(address),
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 0 },
        enabled: true,
    };
    (spec, MeterDetail { schedule: Own::Words(words.parse().unwrap()), ..MeterDetail::default() })
}

fn done(state: &mut State, entry: &Entry) {
    let reply = apply(state, LogPosition { term: 1, index: 1 }, entry);
    assert!(!matches!(reply, Reply::Refused(_) | Reply::Rows(_)), "{entry:?}: {reply:?}");
}

fn register(state: &mut State, at: u64, rows: Vec<(MeterSpec, MeterDetail)>) {
    done(state, &Entry::RegisterMeters { at: UnixMillis(at), meters: rows });
}

/// Two meters, read every quarter and every day, in Helsinki.
fn plant(at: u64) -> State {
    let mut state = State::default();
    let first = Newcomer { name: "a".to_owned(), address: "a:1".to_owned(), labels: Labels::new() };
    let (cluster_id, cluster_name) = ("c-1".to_owned(), "c".to_owned());
    done(&mut state, &Entry::Found { at: UnixMillis(at), cluster_id, cluster_name, first });
    let calendar = Calendar { zone: "Europe/Helsinki".to_owned(), ..Calendar::default() };
    done(&mut state, &Entry::SetCalendar { at: UnixMillis(at), calendar });
    let lines = [("l1", 1), ("l2", 2)].map(|(name, port)| (line(name, port), LineDetail::default()));
    done(&mut state, &Entry::RegisterLines { at: UnixMillis(at), lines: lines.into() });
    register(&mut state, at, vec![meter("m1", "l1", 1, "every 15m"), meter("m2", "l1", 2, "daily 00:00")]);
    state
}

fn shown(rows: &[DutyRow]) -> Vec<(u64, u64, Option<u64>, u64)> {
    rows.iter().map(|row| (row.meter, row.from, row.until, row.line)).collect()
}

#[test]
fn the_database_is_told_every_duty_once_and_then_only_what_changed() {
    let (mut told, mut state) = (Told::new(0, Vec::new()), plant(100));
    let telling = told.difference(&state, 500).unwrap();
    assert_eq!(shown(&telling.duties), [(1, 100, None, 1), (2, 100, None, 1)]);
    let words: Vec<_> = telling.schedules.iter().map(|row| (row.expression.as_str(), row.calendar.as_str())).collect();
    assert_eq!(words, [("every 15m", ""), ("daily 00:00", "Europe/Helsinki")]);
    told.told(telling, Some(7));
    assert!(told.difference(&state, 500).is_none());

    register(&mut state, 200, vec![meter("m1", "l2", 1, "every 15m")]);
    done(&mut state, &Entry::ForgetMeter { at: UnixMillis(300), name: "m2".to_owned() });
    let telling = told.difference(&state, 500).unwrap();
    let expected = [(1, 100, Some(200), 1), (1, 200, None, 2), (2, 100, Some(300), 1)];
    assert_eq!(shown(&telling.duties), expected);
    assert_eq!(told.settled(&state), None, "they are not told yet");
    told.told(telling, Some(9));
    assert_eq!((told.applied(), told.settled(&state)), (9, Some(1)));
    done(&mut state, &Entry::SettleDuties { upto: 1 });
    assert!(told.difference(&state, 500).is_none());
}

#[test]
fn what_the_database_has_open_and_the_state_does_not_know_is_closed() {
    let state = plant(100);
    let complete = Told::new(0, Vec::new()).difference(&state, 500).unwrap().duties;
    let one = complete.first().unwrap();
    let stale = [DutyRow { from: 50, ..one.clone() }, DutyRow { meter: 9, from: 60, ..one.clone() }];
    let telling = Told::new(3, stale.into()).difference(&state, 500).unwrap();
    let expected = [(1, 50, Some(100), 1), (1, 100, None, 1), (2, 100, None, 1), (9, 60, Some(500), 1)];
    assert_eq!(shown(&telling.duties), expected);
}

#[test]
fn a_plan_that_changed_at_the_same_moment_is_told_although_its_duty_looks_alike() {
    let (mut told, mut state) = (Told::new(0, Vec::new()), plant(100));
    let telling = told.difference(&state, 500).unwrap();
    let before = telling.duties.first().unwrap().schedule;
    told.told(telling, Some(7));
    // The clock of whoever says this is behind.
    register(&mut state, 40, vec![meter("m1", "l1", 1, "every 1h")]);
    let telling = told.difference(&state, 500).unwrap();
    assert_eq!(shown(&telling.duties), [(1, 100, None, 1)]);
    assert_ne!(telling.duties.first().unwrap().schedule, before);
}

#[test]
fn the_day_clocks_are_set_has_its_slots_and_a_budget_cuts_without_a_gap() {
    let state = plant(100);
    let all = duties::plans(&state);
    let plan = |words: &str| all.values().find(|plan| plan.schedule.to_string() == words).unwrap();
    let moment = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond().unsigned_abs();
    // Helsinki falls back on 2026-10-25: that day has 25 hours.
    let (from, to) = (moment("2026-10-23T21:00:00Z"), moment("2026-10-27T00:00:00Z"));
    let made = Made { schedule: 1, to: from, needed_until: None };
    let (days, _) = slots(plan("daily 00:00"), &made, to, 100).unwrap();
    let hours: Vec<_> = days.iter().map(|slot| (slot.begin - from) / HOUR).collect();
    assert_eq!(hours, [0, 24, 49, 73]);
    let (mut cut, mut at) = (Vec::<SlotRow>::new(), from);
    while at < to {
        let (part, next) = slots(plan("every 15m"), &Made { to: at, ..made }, to, 7).unwrap();
        assert!(next > at && part.len() <= 7);
        cut.extend(part);
        at = next;
    }
    assert_eq!(cut, slots(plan("every 15m"), &made, to, 1_000).unwrap().0);
    assert_eq!(cut.len() as u64, (to - from) / 900_000);
    assert_eq!(slots(plan("every 15m"), &made, to, 0).unwrap(), (Vec::new(), from));
}

/// State, told and made, as a look does it; and what the tables say is due.
#[tokio::test]
async fn every_slot_of_the_state_is_due_in_the_database_once_through_changes_and_another_leader() {
    let Some(place) = Place::shared().await else { return };
    drop(place.migrated().await);
    let settings = config::Ledger { slots_per_look: 50, ..config::Ledger::default() };
    let now = wall_now().0;
    let begins = now - now % 900_000 - 4 * HOUR;
    let mut state = plant(begins);
    let mut entries = 1;
    for leader in 0..2 {
        let (mut ledger, book) = mysql::Ledger::open(&place.config(), &settings, "c-1", begins).await.unwrap();
        let mut told = Told::new(book.applied, ledger.open_duties().await.unwrap());
        if leader == 1 {
            // While nobody led: hourly from one hour on, and removed at two and a half.
            register(&mut state, begins + HOUR, vec![meter("m1", "l2", 1, "every 1h")]);
            let name = "m1".to_owned();
            done(&mut state, &Entry::ForgetMeter { at: UnixMillis(begins + 5 * HOUR / 2), name });
            entries += 2;
        }
        let telling = told.difference(&state, now).unwrap();
        let known = told.applied();
        ledger.tell(known, entries, &telling.schedules, &telling.duties).await.unwrap();
        told.told(telling, Some(entries));
        let mut open = Open { ledger, book, told, make_at: 0, made_to: 0, checked: None };
        while open.make_at == 0 {
            make(&mut open, &duties::plans(&state), now, &settings).await.unwrap();
        }
        let bounds = Bounds { limit: begins + HOUR, ..Bounds::default() };
        while open.ledger.sweep(open.told.applied(), &bounds).await.unwrap().horizon < bounds.limit {}
    }
    let due = "SELECT line_id, COUNT(*), COUNT(DISTINCT slot), SUM(outcome = 'missed') FROM slot_ledger \
               WHERE meter_id = 1 GROUP BY line_id ORDER BY line_id";
    // Four quarters of an hour, then the hours at one and two; on the hour whole hours only.
    let hours = (begins + HOUR..begins + 5 * HOUR / 2).step_by(900_000).filter(|slot| slot % HOUR == 0).count();
    assert_eq!(place.sql(due).await, ["1|4|4|4".to_owned(), format!("2|{hours}|{hours}|0")]);
    assert_eq!(place.sql("SELECT COUNT(*) FROM slot_ledger WHERE outcome = 'unaccounted'").await, ["0"]);
}
