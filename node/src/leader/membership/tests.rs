//! Which change of the membership is next, by example.

use raft_store::state::membership::{Labels, Newcomer};
use raft_store::state::{Entry, LogPosition, UnixMillis, apply};

use super::*;

fn members(count: u64) -> State {
    let mut state = State::default();
    let at = UnixMillis(1);
    for n in 1..=count {
        let newcomer = Newcomer { name: format!("n{n}"), address: format!("h:{n}"), labels: Labels::new() };
        let entry = if n == 1 {
            Entry::Found { at, cluster_id: "c".into(), cluster_name: "c".into(), first: newcomer }
        } else {
            Entry::Admit { at, newcomer, key: String::new() }
        };
        apply(&mut state, LogPosition { term: 1, index: n }, &entry);
    }
    state
}

fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
    nodes.iter().map(|n| NodeId(*n)).collect()
}

fn next(state: &State, voters: &[u64], learners: &[u64], stable: &[u64], dead: &[u64]) -> Option<Change> {
    let votes = Votes { voters: set(voters), learners: set(learners), ..Votes::default() };
    let (stable, dead) = (set(stable), set(dead));
    next_change(&View { state, votes: &votes, stable, dead, leader: NodeId(1), voters: 5 })
}

#[test]
fn a_newcomer_follows_first() {
    assert_eq!(next(&members(2), &[1], &[], &[1], &[]), Some(Change::Follow(NodeId(2))));
}

#[test]
fn two_nodes_are_one_voter_since_two_votes_survive_no_more_than_one() {
    assert_eq!(next(&members(2), &[1], &[2], &[1, 2], &[]), None);
}

#[test]
fn three_stable_nodes_become_three_voters_one_at_a_time() {
    let state = members(3);
    assert_eq!(next(&state, &[1], &[2, 3], &[1, 2, 3], &[]), Some(Change::Vote(set(&[1, 2]))));
    assert_eq!(next(&state, &[1, 2], &[3], &[1, 2, 3], &[]), Some(Change::Vote(set(&[1, 2, 3]))));
    assert_eq!(next(&state, &[1, 2, 3], &[], &[1, 2, 3], &[]), None);
}

#[test]
fn a_node_that_is_not_stable_does_not_vote() {
    assert_eq!(next(&members(3), &[1], &[2, 3], &[1, 2], &[]), None);
}

#[test]
fn a_fourth_node_stands_by_and_replaces_a_dead_voter_in_one_change() {
    let state = members(4);
    assert_eq!(next(&state, &[1, 2, 3], &[4], &[1, 2, 3, 4], &[]), None);
    assert_eq!(next(&state, &[1, 2, 3], &[4], &[1, 2, 4], &[3]), Some(Change::Vote(set(&[1, 2, 4]))));
}

#[test]
fn a_dead_voter_without_a_stand_by_keeps_its_vote() {
    assert_eq!(next(&members(3), &[1, 2, 3], &[], &[1, 2], &[3]), None);
}

#[test]
fn voters_are_never_more_than_the_limit() {
    let state = members(7);
    assert_eq!(next(&state, &[1, 2, 3, 4, 5], &[6, 7], &[1, 2, 3, 4, 5, 6, 7], &[]), None);
}

#[test]
fn a_removed_node_loses_its_vote_and_is_then_forgotten() {
    let mut state = members(4);
    apply(&mut state, LogPosition { term: 1, index: 9 }, &Entry::RemoveNode { node: NodeId(4) });
    assert_eq!(next(&state, &[1, 2, 4], &[3], &[1, 2], &[]), Some(Change::Vote(set(&[1, 2]))));
    assert_eq!(next(&state, &[1, 2], &[3, 4], &[1, 2], &[]), Some(Change::Forget(NodeId(4))));
}
