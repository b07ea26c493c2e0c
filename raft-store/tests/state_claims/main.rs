//! What the state promises, one claim at a time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

#[path = "../common/mod.rs"]
mod common;

mod assignment;
mod commands;
mod membership;
mod plant;
mod presence;
mod registry;

use common::{dial_in_spec, found, is_refused, line_spec, meter_spec, newcomer, run, small_cluster};
use protocol::meter::{Action, CommandId, Epoch, LineId, MeterId, NodeId};
use raft_store::state::assignment::{Move, Ownership, Phase, Revocation};
use raft_store::state::command::{self, KEY_WINDOW_MS, Outcome, Request};
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, RowFault, Schedule};
use raft_store::state::{Entry, LogPosition, Refused, Reply, State, UnixMillis, apply};

const AT: UnixMillis = UnixMillis(10);
const L1: LineId = LineId(1);
const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const C1: CommandId = CommandId(1);

fn lines(rows: Vec<LineSpec>) -> Entry {
    Entry::ImportLines { at: AT, lines: rows }
}

fn meters(rows: Vec<MeterSpec>) -> Entry {
    Entry::ImportMeters { meters: rows }
}

fn assign(from: u64, to: NodeId) -> Entry {
    let moves = vec![Move { line: L1, from: Epoch(from), to }];
    Entry::Assign { at: AT, term: 1, moves, cause: "orphan".to_owned() }
}

fn revoke(epoch: u64, to: Option<NodeId>) -> Entry {
    let lines = vec![Revocation { line: L1, epoch: Epoch(epoch), to }];
    Entry::Revoke { at: AT, lines, cause: "balance".to_owned() }
}

fn release(node: NodeId, epoch: u64) -> Entry {
    Entry::Release { at: AT, node, lines: vec![(L1, Epoch(epoch))] }
}

fn submit(at: UnixMillis, key: &str, action: Action) -> Entry {
    let request = Request { meter: MeterId(1), action, deadline: UnixMillis(1_000), key: key.to_owned() };
    Entry::Submit { at, request }
}

fn start(at: u64, node: NodeId, epoch: u64) -> Entry {
    Entry::Start { at: UnixMillis(at), command: C1, node, epoch: Epoch(epoch) }
}

fn finish(epoch: u64, outcome: Outcome) -> Entry {
    Entry::Finish { at: AT, command: C1, epoch: Epoch(epoch), outcome }
}

fn retire(at: u64) -> Entry {
    Entry::Retire { at: UnixMillis(at), commands: vec![C1] }
}

/// Every entry must be carried out.
fn all(state: &mut State, entries: impl IntoIterator<Item = Entry>) {
    for entry in entries {
        let reply = run(state, &entry);
        assert!(!is_refused(&reply) && reply != Reply::Applied(0), "{entry:?}: {reply:?}");
        assert_eq!(state.check(), Ok(()), "{entry:?}");
    }
}

/// The entry must be refused with these words, and change nothing.
fn refused(state: &mut State, entry: &Entry, words: &str) {
    let before = state.clone();
    match run(state, entry) {
        Reply::Refused(why) => assert_eq!(why.to_string(), words),
        other => panic!("{entry:?} gave {other:?}"),
    }
    assert_eq!(*state, before);
}

/// The import must be refused with exactly this fault, and change nothing.
fn faulty(state: &mut State, entry: &Entry, row: u32, column: &str, message: &str) {
    let before = state.clone();
    let fault = RowFault { row, column: column.to_owned(), message: message.to_owned() };
    assert_eq!(run(state, entry), Reply::Rows(vec![fault]));
    assert_eq!(*state, before);
}

fn ownership(state: &State) -> &Ownership {
    state.assignment.lines.get(&L1).unwrap()
}

fn phase(state: &State) -> &command::Phase {
    &state.commands.commands.get(&C1).unwrap().phase
}
