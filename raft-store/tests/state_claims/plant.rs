//! Labels, schedules by whose word, and since when that is due.

use std::collections::BTreeMap;

use protocol::meter::MeterId;
use raft_store::state::plant::calendar::Calendar;
use raft_store::state::plant::detail::{LineDetail, MeterDetail, Own};
use raft_store::state::plant::duty::{ENDED_KEPT, Standing};
use raft_store::state::plant::policy::Policy;

use super::*;

fn at(millis: u64) -> UnixMillis {
    UnixMillis(millis)
}

fn label(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

fn inherited(labels: BTreeMap<String, String>) -> MeterDetail {
    MeterDetail { labels, identity: None, schedule: Own::Inherited }
}

/// Two meters on one line that has a label and a schedule; both inherit theirs.
fn plant() -> State {
    let mut state = State::default();
    let line = LineDetail { labels: label("station", "S1"), schedule: Some("every 1h".parse().unwrap()) };
    let meters = vec![
        (meter_spec("m1", "l1", 1), inherited(BTreeMap::new())),
        (meter_spec("m2", "l1", 2), inherited(label("station", "S2"))),
    ];
    done(&mut state, &found());
    imported(&mut state, &Entry::RegisterLines { at: at(10), lines: vec![(line_spec("l1", 1), line)] }, (1, 0, 0));
    imported(&mut state, &Entry::RegisterMeters { at: at(20), meters }, (2, 0, 0));
    state
}

fn done(state: &mut State, entry: &Entry) {
    let reply = run(state, entry);
    assert!(!is_refused(&reply), "{entry:?}: {reply:?}");
    assert_eq!(state.check(), Ok(()), "after {entry:?}");
}

fn imported(state: &mut State, entry: &Entry, (created, updated, unchanged): (u32, u32, u32)) {
    assert_eq!(run(state, entry), Reply::Imported { created, updated, unchanged });
    assert_eq!(state.check(), Ok(()));
}

fn schedule(state: &State, meter: &str) -> (String, String) {
    let meter = state.registry.meter_named(meter).unwrap();
    let (schedule, whose) = state.plant.schedule_of(&state.registry, meter);
    (schedule.to_string(), whose.to_owned())
}

fn policy(name: &str, rank: u32, selector: &str, schedule: &str) -> Policy {
    let (selector, schedule) = (selector.parse().unwrap(), schedule.parse().unwrap());
    Policy { name: name.to_owned(), rank, selector, schedule }
}

/// Every ended duty: meter, from, until, schedule.
fn ended(state: &State) -> Vec<(u64, u64, u64, String)> {
    let ended = state.plant.duties.ended.values();
    ended.map(|d| (d.meter.0, d.since.0, d.until.0, d.plan.schedule.to_string())).collect()
}

#[test]
fn a_meter_is_read_by_its_own_word_else_a_policy_else_its_line_else_every_quarter_of_an_hour() {
    let mut state = plant();
    assert_eq!(schedule(&state, "m1"), ("every 1h".to_owned(), "line".to_owned()));
    done(&mut state, &Entry::SetPolicy { at: at(30), policy: policy("b", 5, "station=S1", "daily 00:00") });
    done(&mut state, &Entry::SetPolicy { at: at(30), policy: policy("a", 5, "name=m*", "daily 01:00") });
    assert_eq!(schedule(&state, "m1"), ("daily 01:00".to_owned(), "a".to_owned()), "by name where ranks are alike");
    done(&mut state, &Entry::SetPolicy { at: at(31), policy: policy("b", 1, "station=S1", "daily 00:00") });
    assert_eq!(schedule(&state, "m1"), ("daily 00:00".to_owned(), "b".to_owned()), "its line's label");
    assert_eq!(schedule(&state, "m2"), ("daily 01:00".to_owned(), "a".to_owned()), "its own label goes before");
    let words = MeterDetail { schedule: Own::Words("every 5m".parse().unwrap()), ..MeterDetail::default() };
    let rows = vec![(meter_spec("m1", "l1", 1), words), (meter_spec("m3", "l1", 3), MeterDetail::default())];
    imported(&mut state, &Entry::RegisterMeters { at: at(32), meters: rows }, (1, 1, 0));
    assert_eq!(schedule(&state, "m1"), ("every 5m".to_owned(), "meter".to_owned()));
    assert_eq!(schedule(&state, "m3"), ("every 15m".to_owned(), "meter".to_owned()), "the interval of its row");
    for name in ["a", "b"] {
        done(&mut state, &Entry::RemovePolicy { at: at(33), name: name.to_owned() });
    }
    let bare = vec![(line_spec("l1", 1), LineDetail::default())];
    imported(&mut state, &Entry::RegisterLines { at: at(34), lines: bare }, (0, 1, 0));
    assert_eq!(schedule(&state, "m2"), ("every 15m".to_owned(), "default".to_owned()));
    let gone = Entry::RemovePolicy { at: at(35), name: "a".to_owned() };
    assert_eq!(run(&mut state, &gone), Reply::Refused(Refused::missing("schedule policy", "a")));
}

#[test]
fn every_change_of_what_is_due_ends_the_duty_at_its_moment_and_begins_the_next() {
    let mut state = plant();
    let line = state.registry.line_named("l1").unwrap().id;
    done(&mut state, &Entry::SetPolicy { at: at(100), policy: policy("p", 0, "station=S1", "daily 00:00") });
    assert_eq!(ended(&state), [(1, 20, 100, "every 1h".to_owned())], "m2 is not selected");
    done(&mut state, &Entry::SetPolicy { at: at(150), policy: policy("p", 3, "station=S1", "daily 00:00") });
    assert_eq!(ended(&state).len(), 1, "the same schedule is the same duty");
    let calendar = Calendar { zone: "Asia/Shanghai".to_owned(), ..Calendar::default() };
    done(&mut state, &Entry::SetCalendar { at: at(200), calendar: calendar.clone() });
    assert_eq!(ended(&state)[1..], [(1, 100, 200, "daily 00:00".to_owned())], "an interval goes by no calendar");
    assert_eq!(state.plant.duties.ended[&1].plan.calendar, Some(Calendar::default()), "as it was then");
    done(&mut state, &Entry::SwitchMeter { at: at(300), name: "m2".to_owned(), enabled: false });
    done(&mut state, &Entry::SwitchMeter { at: at(310), name: "m2".to_owned(), enabled: false });
    done(&mut state, &Entry::SwitchMeter { at: at(400), name: "m2".to_owned(), enabled: true });
    assert_eq!(ended(&state)[2..], [(2, 20, 300, "every 1h".to_owned())], "what is off is not due");
    assert_eq!(state.plant.duties.current[&MeterId(2)], Standing { since: at(400), due: true });
    done(&mut state, &Entry::ForgetMeter { at: at(500), name: "m1".to_owned() });
    assert_eq!(ended(&state)[3..], [(1, 200, 500, "daily 00:00".to_owned())]);
    assert_eq!(state.plant.duties.ended[&3].plan.calendar, Some(calendar));
    assert_eq!(state.plant.duties.ended[&3].line, line);
    assert_eq!(run(&mut state, &Entry::SettleDuties { upto: 2 }), Reply::Applied(3));
    assert_eq!(state.plant.duties.ended.keys().copied().collect::<Vec<_>>(), [3]);
}

#[test]
fn a_meter_that_goes_to_another_line_is_due_there_from_then_on() {
    let mut state = plant();
    imported(
        &mut state,
        &Entry::RegisterLines { at: at(30), lines: vec![(line_spec("l2", 2), LineDetail::default())] },
        (1, 0, 0),
    );
    let rows = vec![(meter_spec("m1", "l2", 1), MeterDetail::default())];
    imported(&mut state, &Entry::RegisterMeters { at: at(40), meters: rows }, (0, 1, 0));
    assert_eq!(ended(&state), [(1, 20, 40, "every 1h".to_owned())]);
    assert_eq!(state.plant.duties.ended[&0].line.0, 1);
}

#[test]
fn a_clock_that_is_behind_makes_no_duty_overlap_another() {
    let mut state = plant();
    for (moment, enabled) in [(10, false), (500, true), (300, false), (400, true)] {
        done(&mut state, &Entry::SwitchMeter { at: at(moment), name: "m1".to_owned(), enabled });
    }
    assert_eq!(ended(&state), [], "none of them lasted");
    assert_eq!(state.plant.duties.current[&MeterId(1)], Standing { since: at(500), due: true });
}

#[test]
fn the_identity_a_meter_has_to_give_and_labels_can_be_taken_back() {
    let mut state = plant();
    let known = MeterDetail { identity: Some("12345678".to_owned()), ..inherited(label("building", "7")) };
    let row = |detail: &MeterDetail| vec![(meter_spec("m1", "l1", 1), detail.clone())];
    imported(&mut state, &Entry::RegisterMeters { at: at(30), meters: row(&known) }, (0, 1, 0));
    imported(&mut state, &Entry::RegisterMeters { at: at(31), meters: row(&known) }, (0, 0, 1));
    let meter = state.registry.meter_named("m1").unwrap();
    assert_eq!(state.plant.identity(meter.id), Some("12345678"));
    assert_eq!((state.plant.label(meter, "building"), state.plant.label(meter, "station")), (Some("7"), Some("S1")));
    assert_eq!(ended(&state), [], "neither changes what is due");
    imported(&mut state, &Entry::ImportMeters { meters: vec![meter_spec("m1", "l1", 1)] }, (0, 1, 0));
    assert_eq!(state.plant.identity(MeterId(1)), None);
}

#[test]
fn a_selector_is_read_as_people_write_it() {
    let selector = |text: &str| text.parse::<raft_store::state::plant::policy::Selector>();
    assert_eq!(selector(" station = S1 , building=1*").unwrap().to_string(), "station=S1,building=1*");
    for text in ["", "station", "=S1", "station=", "a=1,,b=2"] {
        assert!(selector(text).unwrap_err().to_string().contains("or name=*"), "{text}");
    }
}

#[test]
fn with_nobody_to_settle_them_the_oldest_ended_duties_are_forgotten() {
    let mut state = plant();
    done(&mut state, &Entry::SwitchMeter { at: at(30), name: "m1".to_owned(), enabled: false });
    let one = state.plant.duties.ended[&0].clone();
    let kept = ENDED_KEPT as u64;
    state.plant.duties.ended = (0..kept).map(|number| (number, one.clone())).collect();
    state.plant.duties.next_ended = kept;
    run(&mut state, &Entry::SwitchMeter { at: at(40), name: "m2".to_owned(), enabled: false });
    let ended = &state.plant.duties.ended;
    assert_eq!((ended.len(), ended.contains_key(&0), ended[&kept].meter), (ENDED_KEPT, false, MeterId(2)));
}
