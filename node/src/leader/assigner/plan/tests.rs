//! What a plan may and may not do, by example and by chance.

use proptest::prelude::*;
use protocol::meter::Address;
use raft_store::state::membership::Newcomer;
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

proptest! {
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
