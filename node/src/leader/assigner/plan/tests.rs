//! What a plan may and may not do, by example and by chance.

use proptest::prelude::*;
use protocol::meter::Address;
use raft_store::state::membership::Newcomer;
use raft_store::state::plant::detail::{MeterDetail, Own};
use raft_store::state::plant::policy::Policy;
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, Schedule};
use raft_store::state::{Entry, LogPosition, UnixMillis, apply};

use super::*;

const AT: UnixMillis = UnixMillis(1_000);

/// A cluster of `nodes` nodes and `lines` lines of one meter each, nobody's yet.
fn cluster(nodes: u64, lines: usize) -> State {
    let mut state = State::default();
    let newcomer = |n: u64| Newcomer { name: format!("n{n}"), address: format!("h:{n}"), labels: Labels::new() };
    let found = Entry::Found { at: AT, cluster_id: "c".into(), cluster_name: "c".into(), first: newcomer(1) };
    commit(&mut state, &found);
    for n in 2..=nodes {
        commit(&mut state, &Entry::Admit { at: AT, newcomer: newcomer(n), key: String::new() });
    }
    commit(&mut state, &Entry::ImportLines { at: AT, lines: (0..lines).map(|n| line(n, Labels::new())).collect() });
    commit(&mut state, &Entry::ImportMeters { meters: (0..lines).map(meter).collect() });
    state
}

fn line(n: usize, requires: Labels) -> LineSpec {
    LineSpec {
        name: format!("L{n}"),
        endpoint: Endpoint::Tcp { host: "gw".into(), port: u16::try_from(n).expect("few lines") },
        baud: 2400,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 2,
        requires,
    }
}

fn meter(n: usize) -> MeterSpec {
    MeterSpec {
        name: format!("M{n}"),
        line: format!("L{n}"),
        address: Address::MbusPrimary(1),
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 0 },
        enabled: true,
    }
}

fn commit(state: &mut State, entry: &Entry) {
    let position = LogPosition { term: 1, index: 1 };
    let reply = apply(state, position, entry);
    assert!(!matches!(reply, raft_store::state::Reply::Refused(_) | raft_store::state::Reply::Rows(_)), "{reply:?}");
}

fn plan_of(state: &State, eligible: &[u64], dead: &[u64], may_balance: bool) -> Plan {
    let loads = loads(state);
    plan(&View {
        state,
        eligible: eligible.iter().map(|n| NodeId(*n)).collect(),
        dead: dead.iter().map(|n| NodeId(*n)).collect(),
        loads: &loads,
        may_balance,
        imbalance_percent: 20,
        moves_under_way: 500,
    })
}

/// Carries the plan out as a cluster without trouble would.
fn carry_out(state: &mut State, plan: &Plan) {
    for (cause, moves) in &plan.assigns {
        commit(state, &Entry::Assign { at: AT, term: 1, moves: moves.clone(), cause: cause.clone() });
    }
    for (cause, lines) in &plan.revocations {
        commit(state, &Entry::Revoke { at: AT, lines: lines.clone(), cause: cause.clone() });
        for revocation in lines {
            let node = state.assignment.owner(revocation.line).expect("it has an owner");
            commit(state, &Entry::Release { at: AT, node, lines: vec![(revocation.line, revocation.epoch)] });
        }
    }
}

fn held(state: &State, nodes: u64) -> Vec<usize> {
    (1..=nodes).map(|n| state.assignment.held_by(NodeId(n))).collect()
}

#[test]
fn new_lines_are_spread_evenly() {
    let mut state = cluster(3, 40);
    let plan = plan_of(&state, &[1, 2, 3], &[], false);
    carry_out(&mut state, &plan);
    assert_eq!(held(&state, 3), [14, 13, 13]);
}

#[test]
fn a_dead_nodes_lines_go_to_the_living_and_no_other_line_moves() {
    let mut state = cluster(3, 30);
    let first = plan_of(&state, &[1, 2, 3], &[], false);
    carry_out(&mut state, &first);
    let plan = plan_of(&state, &[1, 3], &[2], true);
    let moved: usize = plan.assigns.values().map(Vec::len).sum();
    assert_eq!((moved, plan.revocations.len()), (10, 0));
    assert!(plan.assigns.contains_key("node 2 is dead"));
    carry_out(&mut state, &plan);
    assert_eq!(held(&state, 3), [15, 0, 15]);
}

#[test]
fn a_silent_node_keeps_its_lines_until_its_lease_has_surely_ended() {
    let mut state = cluster(2, 10);
    let first = plan_of(&state, &[1, 2], &[], false);
    carry_out(&mut state, &first);
    assert_eq!(plan_of(&state, &[1], &[], true), Plan::default());
}

#[test]
fn a_new_node_gets_its_share_by_the_fewest_moves_once_the_imbalance_lasted() {
    let mut state = cluster(4, 40);
    let first = plan_of(&state, &[1, 2, 3], &[], false);
    carry_out(&mut state, &first);
    let waiting = plan_of(&state, &[1, 2, 3, 4], &[], false);
    assert!(waiting.imbalanced && waiting.revocations.is_empty());
    let plan = plan_of(&state, &[1, 2, 3, 4], &[], true);
    assert_eq!(plan.revocations.values().map(Vec::len).sum::<usize>(), 10);
    carry_out(&mut state, &plan);
    assert_eq!(held(&state, 4), [10, 10, 10, 10]);
    assert_eq!(plan_of(&state, &[1, 2, 3, 4], &[], true), Plan::default());
}

#[test]
fn a_draining_node_is_asked_to_let_go_of_everything() {
    let mut state = cluster(3, 12);
    let first = plan_of(&state, &[1, 2, 3], &[], false);
    carry_out(&mut state, &first);
    commit(&mut state, &Entry::SetDraining { node: NodeId(3), draining: true });
    let plan = plan_of(&state, &[1, 2], &[], true);
    carry_out(&mut state, &plan);
    assert_eq!(held(&state, 3), [6, 6, 0]);
}

#[test]
fn a_line_goes_only_to_a_node_with_the_labels_it_requires() {
    let mut state = cluster(2, 0);
    let requires = Labels::from([("site".to_owned(), "north".to_owned())]);
    commit(&mut state, &Entry::ImportLines { at: AT, lines: vec![line(1, requires.clone())] });
    assert_eq!(plan_of(&state, &[1, 2], &[], true).homeless, [LineId(1)]);
    let newcomer = Newcomer { name: "n3".into(), address: "h:3".into(), labels: requires };
    commit(&mut state, &Entry::Admit { at: AT, newcomer, key: String::new() });
    let plan = plan_of(&state, &[1, 2, 3], &[], true);
    let to: Vec<NodeId> = plan.assigns.values().flatten().map(|m| m.to).collect();
    assert_eq!((to, plan.homeless.len()), (vec![NodeId(3)], 0));
}

fn dial_in(n: usize) -> LineSpec {
    let requires = Labels::from([("site".to_owned(), "nowhere".to_owned())]);
    LineSpec { endpoint: Endpoint::DialIn { unit: format!("UNIT{n}") }, ..line(n, requires) }
}

/// Three nodes, a dial-in line 1 that node 1 holds, its unit nowhere.
fn cluster_with_a_unit() -> State {
    let mut state = cluster(3, 0);
    commit(&mut state, &Entry::ImportLines { at: AT, lines: vec![dial_in(1)] });
    commit(&mut state, &Entry::ImportMeters { meters: vec![meter(1)] });
    let plan = plan_of(&state, &[1, 2, 3], &[], true);
    carry_out(&mut state, &plan);
    assert_eq!(state.assignment.owner(LineId(1)), Some(NodeId(1)));
    state
}

fn calls(state: &mut State, node: u64, connection: u64) {
    let came = vec![(LineId(1), connection)];
    commit(state, &Entry::UnitsSeen { at: AT, node: NodeId(node), life: node, came, gone: vec![] });
}

/// What a plan does with line 1: the cause and the node it goes to.
fn move_of(plan: &Plan) -> Option<(String, NodeId)> {
    let revoked = plan.revocations.iter().flat_map(|(cause, all)| all.iter().map(move |r| (cause, r.line, r.to)));
    let assigned = plan.assigns.iter().flat_map(|(cause, all)| all.iter().map(move |m| (cause, m.line, Some(m.to))));
    revoked.chain(assigned).find_map(|(cause, line, to)| Some((cause.clone(), to.filter(|_| line == LineId(1))?)))
}

#[test]
fn a_line_follows_its_unit_with_one_epoch_more() {
    let mut state = cluster_with_a_unit();
    calls(&mut state, 2, 1);
    let plan = plan_of(&state, &[1, 2, 3], &[], false);
    assert_eq!(move_of(&plan), Some(("its unit is connected to node 2".to_owned(), NodeId(2))));
    carry_out(&mut state, &plan);
    let ownership = state.assignment.lines.get(&LineId(1)).expect("it is there");
    assert_eq!((ownership.phase.owner(), ownership.epoch.0), (Some(NodeId(2)), 2));
    assert_eq!(move_of(&plan_of(&state, &[1, 2, 3], &[], true)), None);
}

#[test]
fn a_line_on_its_way_to_where_its_unit_was_is_sent_to_where_it_is() {
    let mut state = cluster_with_a_unit();
    calls(&mut state, 2, 1);
    let plan = plan_of(&state, &[1, 2, 3], &[], false);
    for (cause, lines) in &plan.revocations {
        commit(&mut state, &Entry::Revoke { at: AT, lines: lines.clone(), cause: cause.clone() });
    }
    calls(&mut state, 3, 1);
    assert_eq!(move_of(&plan_of(&state, &[1, 2, 3], &[], false)).map(|(_, to)| to), Some(NodeId(3)));
    calls(&mut state, 2, 2);
    assert_eq!(move_of(&plan_of(&state, &[1, 2, 3], &[], false)), None);
}

#[test]
fn a_line_whose_unit_hung_up_stays_and_is_not_balanced() {
    let mut state = cluster_with_a_unit();
    calls(&mut state, 1, 1);
    let gone = Entry::UnitsSeen { at: AT, node: NodeId(1), life: 1, came: vec![], gone: vec![(LineId(1), 1)] };
    for _ in 0..2 {
        // One line of one node, and two nodes without any.
        assert_eq!(plan_of(&state, &[1, 2, 3], &[], true).revocations, BTreeMap::new());
        commit(&mut state, &gone);
    }
}

#[test]
fn a_dead_nodes_unit_counts_as_hung_up() {
    let mut state = cluster_with_a_unit();
    calls(&mut state, 1, 1);
    let plan = plan_of(&state, &[2, 3], &[1], false);
    assert_eq!(move_of(&plan), Some(("node 1 is dead".to_owned(), NodeId(2))));
    carry_out(&mut state, &plan);
    calls(&mut state, 3, 1);
    let plan = plan_of(&state, &[2, 3], &[1], false);
    assert_eq!(move_of(&plan).map(|(_, to)| to), Some(NodeId(3)));
}

#[test]
fn an_ownerless_line_goes_straight_to_its_unit() {
    let mut state = cluster(3, 2);
    commit(&mut state, &Entry::ImportLines { at: AT, lines: vec![dial_in(7)] });
    let line = state.registry.line_named("L7").expect("imported").id;
    let came = vec![(line, 1)];
    commit(&mut state, &Entry::UnitsSeen { at: AT, node: NodeId(3), life: 3, came, gone: vec![] });
    let plan = plan_of(&state, &[1, 2, 3], &[], false);
    let to = plan.assigns.values().flatten().find(|m| m.line == line).map(|m| m.to);
    assert_eq!(to, Some(NodeId(3)));
}

#[test]
fn a_draining_node_keeps_the_line_until_its_unit_has_left_it() {
    let mut state = cluster_with_a_unit();
    calls(&mut state, 1, 1);
    commit(&mut state, &Entry::SetDraining { node: NodeId(1), draining: true });
    assert_eq!(move_of(&plan_of(&state, &[2, 3], &[], true)), None);
    let mut left = state.clone();
    commit(&mut left, &Entry::UnitsSeen { at: AT, node: NodeId(1), life: 1, came: vec![], gone: vec![(LineId(1), 1)] });
    let cause = "node 1 is draining".to_owned();
    assert_eq!(move_of(&plan_of(&left, &[2, 3], &[], true)), Some((cause, NodeId(2))));
    calls(&mut state, 3, 1);
    let plan = plan_of(&state, &[2, 3], &[], true);
    assert_eq!(move_of(&plan), Some(("its unit is connected to node 3".to_owned(), NodeId(3))));
    assert_eq!(plan.revocations.values().flatten().count(), 1);
}

proptest! {
    #[test]
    fn wherever_units_call_a_line_ends_at_its_unit_and_no_living_owner_is_passed_over(
        steps in proptest::collection::vec((1_u64..4, 0_u8..4, proptest::bool::ANY), 1..12),
    ) {
        let mut state = cluster_with_a_unit();
        for (connection, (node, fate, call)) in (2_u64..).zip(steps) {
            let (came, gone) = ((LineId(1), connection), (LineId(1), connection - 1));
            let came = if call { vec![came] } else { vec![] };
            let seen = Entry::UnitsSeen { at: AT, node: NodeId(node), life: node, came, gone: vec![gone] };
            commit(&mut state, &seen);
            let dead: Vec<u64> = (1..=3).filter(|n| *n == u64::from(fate)).collect();
            let alive: Vec<u64> = (1..=3).filter(|n| !dead.contains(n)).collect();
            let before = state.assignment.lines.get(&LineId(1)).cloned().expect("it is there");
            let plan = plan_of(&state, &alive, &dead, true);
            for m in plan.assigns.values().flatten() {
                prop_assert!(before.phase.owner().is_none_or(|owner| dead.contains(&owner.0)));
                prop_assert_eq!(m.from, before.epoch);
            }
            carry_out(&mut state, &plan);
            prop_assert_eq!(state.check(), Ok(()));
            let owner = state.assignment.owner(LineId(1));
            prop_assert!(owner.is_some_and(|owner| !dead.contains(&owner.0)));
            let home = state.presence.of(LineId(1)).map(|present| present.node).filter(|n| !dead.contains(&n.0));
            prop_assert!(home.is_none() || home == owner, "unit at {home:?}, line at {owner:?}");
        }
    }

    #[test]
    fn whatever_lives_and_dies_only_ownerless_lines_are_assigned_and_every_one_that_can_be(
        lines in 0_usize..40,
        rounds in proptest::collection::vec(proptest::collection::vec(0_u8..3, 4), 1..5),
    ) {
        let mut state = cluster(4, lines);
        // Of each node: 0 alive, 1 silent, 2 dead.
        for fates in rounds {
            let of = |fate: u8| -> Vec<u64> {
                (1..=4).zip(&fates).filter(|(_, f)| **f == fate).map(|(n, _)| n).collect()
            };
            let (eligible, dead) = (of(0), of(2));
            let plan = plan_of(&state, &eligible, &dead, true);
            for m in plan.assigns.values().flatten() {
                let owner = state.assignment.owner(m.line).map(|node| node.0);
                prop_assert!(owner.is_none_or(|owner| dead.contains(&owner)), "line of a living node given away");
                prop_assert!(eligible.contains(&m.to.0));
                prop_assert_eq!(state.assignment.lines.get(&m.line).map(|o| o.epoch), Some(m.from));
            }
            carry_out(&mut state, &plan);
            prop_assert!(state.check().is_ok());
            let orphan = |o: &Ownership| o.phase.owner().is_none_or(|node| dead.contains(&node.0));
            let left = state.assignment.lines.values().filter(|o| orphan(o)).count();
            prop_assert!(eligible.is_empty() || left == 0, "{} lines left without an owner", left);
        }
    }
}

#[test]
fn a_line_weighs_what_its_meters_are_read_by_whosever_word_that_is() {
    let mut state = cluster(1, 2);
    let detail = MeterDetail { schedule: Own::Inherited, ..MeterDetail::default() };
    commit(&mut state, &Entry::RegisterMeters { at: AT, meters: vec![(meter(0), detail)] });
    assert_eq!(loads(&state), [(LineId(1), 5), (LineId(2), 5)].into());
    let policy = Policy {
        name: "often".into(),
        rank: 1,
        selector: "line=L0".parse().expect("a selector"),
        schedule: "every 5m; cron 0,30 * * * *; daily 00:00".parse().expect("a schedule"),
    };
    commit(&mut state, &Entry::SetPolicy { at: AT, policy });
    assert_eq!(loads(&state), [(LineId(1), 15), (LineId(2), 5)].into());
}
