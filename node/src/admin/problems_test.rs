//! Each problem, alone, from a sight that has it and no other.

use protocol::api::admin as api;
use protocol::api::peer::LeaderViewReply;
use raft_store::state::assignment::Move;
use raft_store::state::membership::Labels;
use raft_store::state::registry::LineSpec;
use raft_store::state::{Entry, State, UnixMillis};

use super::*;
use crate::admin::status::tests::{NOW, heard, seen, view};
use crate::admin::testing;
use protocol::meter::{Epoch, LineId};

/// Three nodes, one line held by node 1: nothing is wrong.
fn sound() -> State {
    let at = UnixMillis(1);
    let admit = |name| Entry::Admit { at, newcomer: testing::newcomer(name, &[]), key: String::new() };
    let first = testing::newcomer("a", &[]);
    let moves = vec![Move { line: LineId(1), from: Epoch(0), to: NodeId(1) }];
    let mut state = State::default();
    testing::applied(
        &mut state,
        vec![
            Entry::Found { at, cluster_id: "c-1".to_owned(), cluster_name: "demo".to_owned(), first },
            admit("b"),
            admit("c"),
            Entry::ImportLines { at, lines: vec![testing::line("l1", Labels::new())] },
            Entry::Assign { at, term: 1, moves, cause: "least loaded".to_owned() },
        ],
    );
    state
}

fn with_report(node: usize, change: impl Fn(&mut NodeReport)) -> LeaderViewReply {
    let mut view = view();
    let heard = view.nodes.get_mut(node - 1).expect("three nodes");
    change(heard.report.as_mut().expect("a report"));
    view
}

fn with_database(state: Database, error: &str) -> LeaderViewReply {
    let status = api::DatabaseStatus { state: state.into(), endpoint: "db:3306".to_owned(), ..Default::default() };
    LeaderViewReply { database: Some(api::DatabaseStatus { error: error.to_owned(), ..status }), ..view() }
}

fn problems(state: State, view: &LeaderViewReply) -> Vec<Problem> {
    seen(state, Some(view), Some(1)).problems
}

/// The one problem there is: whether it is critical, and what it says.
fn only(state: State, view: &LeaderViewReply) -> (bool, String) {
    let problems = problems(state, view);
    assert_eq!(problems.len(), 1, "one problem was expected: {problems:#?}");
    let one = problems.first().expect("one");
    assert!(!one.remedy.is_empty(), "no remedy: {one:?}");
    (one.severity() == Severity::Critical, one.what.clone())
}

#[test]
fn a_sound_cluster_has_no_problem() {
    assert_eq!(problems(sound(), &view()), []);
}

#[test]
fn no_leader_is_critical() {
    let said = seen(sound(), None, None).problems;
    assert!(said.first().is_some_and(|p| p.severity() == Severity::Critical && p.what.contains("knows no leader")));
}

#[test]
fn a_dead_node_is_critical_only_while_lines_are_with_it() {
    let dead = |node: u64| {
        let mut view = view();
        let role = if node == 1 { NodeRole::Voter } else { NodeRole::Learner };
        *view.nodes.get_mut(node as usize - 1).expect("three nodes") = heard(node, role, NodeHealth::Dead);
        view
    };
    let said = problems(sound(), &dead(3));
    assert!(said.iter().all(|p| p.severity() == Severity::Warning), "{said:?}");
    assert!(said.iter().any(|p| p.what.contains("node 3 (c) is dead") && p.remedy.contains("hearth node remove 3")));
    let held = seen(sound(), Some(&dead(1)), Some(2)).problems;
    let first = held.first().expect("problems");
    assert_eq!(first.severity(), Severity::Critical);
    assert!(first.what.contains("node 1 (a) is dead") && first.what.contains("still holds 1 line"), "{first:?}");
}

#[test]
fn a_majority_without_margin_is_a_warning_and_less_is_critical() {
    let mut view = view();
    *view.nodes.get_mut(2).expect("three nodes") = heard(3, NodeRole::Voter, NodeHealth::Suspect);
    let said = problems(sound(), &view);
    assert!(said.iter().any(|p| p.what.starts_with("2 of 3 voters are alive, 2 are needed")), "{said:?}");
    assert!(said.iter().all(|p| p.severity() == Severity::Warning));
    *view.nodes.get_mut(1).expect("three nodes") = heard(2, NodeRole::Voter, NodeHealth::Suspect);
    let said = problems(sound(), &view);
    assert!(said.first().is_some_and(|p| p.severity() == Severity::Critical && p.what.starts_with("1 of 3 voters")));
}

#[test]
fn a_single_voter_is_told_how_to_become_three() {
    let mut view = view();
    view.nodes.iter_mut().skip(1).for_each(|node| node.set_role(NodeRole::Learner));
    let (critical, what) = only(sound(), &view);
    assert!(!critical && what.starts_with("one voter"), "{what}");
}

#[test]
fn a_database_away_is_critical_and_repeats_its_error() {
    let (critical, what) = only(sound(), &with_database(Database::Unreachable, "connection refused"));
    assert!(critical && what == "the database db:3306 cannot be reached: connection refused", "{what}");
    let (critical, what) = only(sound(), &with_database(Database::Refused, "1045 access denied"));
    assert!(critical && what == "the database db:3306 refuses: 1045 access denied", "{what}");
}

#[test]
fn no_database_is_a_warning_and_explains_the_spools() {
    let mut view = with_database(Database::None, "");
    let report = view.nodes.first_mut().and_then(|node| node.report.as_mut()).expect("a report");
    report.oldest_spooled_at = 1;
    let (critical, what) = only(sound(), &view);
    assert!(!critical && what.contains("no database is configured"), "{what}");
}

#[test]
fn rows_set_aside_are_counted() {
    let mut view = view();
    view.database.as_mut().expect("a database").rows_rejected = 3;
    let (critical, what) = only(sound(), &view);
    assert!(!critical && what.contains("3 rows"), "{what}");
}

#[test]
fn an_old_spool_is_a_warning_and_a_young_one_is_not() {
    let aged = |age_ms: u64| {
        with_report(2, move |report| {
            report.oldest_spooled_at = NOW.0 - age_ms;
            report.spool_records = 40;
        })
    };
    assert_eq!(problems(sound(), &aged(60_000)), []);
    let (critical, what) = only(sound(), &aged(61_000));
    assert!(!critical && what.contains("40 records wait in the spool of node 2 (b), the oldest for 61 s"), "{what}");
}

fn with_ledger(ledger: api::LedgerStatus) -> LeaderViewReply {
    LeaderViewReply { ledger: Some(ledger), ..view() }
}

#[test]
fn a_closed_slot_that_is_not_accounted_for_is_critical() {
    let ledger = api::LedgerStatus { horizon: NOW.0, unaccounted: 3, ..Default::default() };
    let (critical, what) = only(sound(), &with_ledger(ledger));
    assert!(critical && what.starts_with("3 closed slots"), "{what}");
}

#[test]
fn a_horizon_far_back_is_a_warning_that_names_who_holds_it() {
    let at =
        |lag_s: u64| with_ledger(api::LedgerStatus { horizon: NOW.0 - lag_s * 1000, held_by: 2, ..Default::default() });
    assert!(problems(sound(), &at(900)).is_empty());
    let (critical, what) = only(sound(), &at(901));
    assert!(!critical && what.contains("901 s ago") && what.contains("node 2"), "{what}");
    let error = api::LedgerStatus { error: "zone \"X\" is not known".to_owned(), ..Default::default() };
    assert!(only(sound(), &with_ledger(error)).1.contains("zone \"X\""));
}

#[test]
fn orphans_say_which_label_nobody_carries_and_are_told_once_for_all() {
    let mut state = sound();
    let requires: Labels = [("site".to_owned(), "south".to_owned())].into();
    let lines = vec![testing::line("l2", requires.clone()), testing::line("l3", requires)];
    testing::applied(&mut state, vec![Entry::ImportLines { at: UnixMillis(2), lines }]);
    let (critical, what) = only(state, &view());
    assert!(critical);
    assert_eq!(what, "line l2 and 1 more are without an owner: no node carries the label site=south");
}

#[test]
fn an_orphan_that_a_node_could_hold_is_only_a_warning() {
    let mut state = sound();
    let lines = vec![testing::line("l2", Labels::new())];
    testing::applied(&mut state, vec![Entry::ImportLines { at: UnixMillis(2), lines }]);
    let (critical, what) = only(state, &view());
    assert!(!critical && what.starts_with("line l2 is without an owner"), "{what}");
}

#[test]
fn a_clock_off_is_a_warning_and_beyond_the_limit_critical() {
    let off = |ms: i64| with_report(3, move |report| report.clock_offset_ms = ms);
    assert_eq!(problems(sound(), &off(-2_000)), []);
    let (critical, what) = only(sound(), &off(-2_001));
    assert!(!critical && what == "the clock of node 3 (c) is off by -2001 ms", "{what}");
    let (critical, what) = only(sound(), &off(30_001));
    assert!(critical && what.contains("it gets no lines"), "{what}");
}

#[test]
fn lines_that_cannot_be_opened_name_their_node() {
    let (critical, what) = only(sound(), &with_report(1, |report| report.lines_down = 1));
    assert!(!critical && what == "node 1 (a) cannot open 1 of its 1 lines", "{what}");
}

#[test]
fn a_draining_node_says_how_many_lines_are_left() {
    let mut state = sound();
    testing::applied(&mut state, vec![Entry::SetDraining { node: NodeId(1), draining: true }]);
    let (critical, what) = only(state, &view());
    assert!(!critical && what == "node 1 (a) is draining: 1 line left", "{what}");
}

#[test]
fn different_versions_are_listed_with_their_nodes() {
    let (critical, what) = only(sound(), &with_report(2, |report| report.version = "0.2.0".to_owned()));
    assert!(!critical);
    assert_eq!(what, "nodes run different versions: 0.1.0 on node 1, 3; 0.2.0 on node 2");
}

#[test]
fn the_worst_problems_come_first() {
    let mut view = with_database(Database::Refused, "schema");
    view.nodes.iter_mut().skip(1).for_each(|node| node.set_role(NodeRole::Learner));
    let severities: Vec<_> = problems(sound(), &view).iter().map(Problem::severity).collect();
    assert_eq!(severities, [Severity::Critical, Severity::Warning]);
}

#[test]
fn a_unit_without_a_line_is_named_with_the_node_it_called() {
    let unit = |unit: &str| api::UnknownUnit { unit: unit.to_owned(), ..Default::default() };
    let view = with_report(2, |report| report.unknown_units = vec![unit("12345678"), unit("87654321")]);
    let said = "unit 12345678 and 1 more called node 2 (b) and has no line";
    assert_eq!(only(sound(), &view), (false, said.to_owned()));
}

#[test]
fn lines_that_cannot_meet_their_schedules_are_warned_of_the_worst_by_name() {
    let mut state = sound();
    let slow = |n: u8| LineSpec { baud: 1_200 / u32::from(n), ..testing::line(&format!("slow{n}"), Labels::new()) };
    let lines = (1..=9).map(slow).collect();
    let meters = (1..=9)
        .flat_map(|line| (1..=250).map(move |n| testing::meter(&format!("m{line}-{n}"), &format!("slow{line}"), n)));
    let moves = (2..=10).map(|line| Move { line: LineId(line), from: Epoch(0), to: NodeId(1) }).collect();
    let at = UnixMillis(1);
    testing::applied(
        &mut state,
        vec![
            Entry::ImportLines { at, lines },
            Entry::ImportMeters { meters: meters.collect() },
            Entry::Assign { at, term: 1, moves, cause: "least loaded".to_owned() },
        ],
    );
    let said = problems(state, &view());
    assert!(said.iter().all(|problem| problem.severity() == Severity::Warning), "{said:?}");
    let of = |n: usize| said.get(n).map(|problem| problem.what.clone()).unwrap_or_default();
    assert_eq!(said.len(), 6, "{said:?}");
    assert!(of(0).starts_with("line slow9 needs ") && of(4).starts_with("line slow5 needs "), "{said:?}");
    assert_eq!(of(5), "2 lines more cannot meet their schedules");
}

#[test]
fn a_spool_that_fills_up_says_what_is_not_accepted_and_what_to_do() {
    let at = |level: u32| {
        with_report(2, move |report| {
            (report.spool_level, report.spool_percent, report.spool_bytes) = (level, 90, 1_000);
        })
    };
    assert_eq!(problems(sound(), &at(0)), []);
    let told = [1, 2, 3].map(|level| only(sound(), &at(level)));
    let why = [
        (false, "reads that people ask for are not done"),
        (true, "its meters are read in one of 4 slots"),
        (true, "it accepts no readings"),
    ];
    for ((critical, what), (expected, why)) in told.iter().zip(why) {
        let whole = format!("the spool of node 2 (b) is 90 % full (1000 bytes): {why}");
        assert_eq!((*critical, what), (expected, &whole));
    }
    let one = problems(sound(), &at(3)).remove(0);
    assert!(one.remedy.contains("spool.max_bytes"), "{one:?}");
}
