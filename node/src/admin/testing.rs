//! A small cluster's state for tests, made by the entries that would make it.

use protocol::meter::{Action, Address, CommandId, Epoch, LineId, MeterId, NodeId};
use raft_store::state::assignment::{Move, Revocation};
use raft_store::state::command::{Outcome, Request};
use raft_store::state::membership::{Labels, Newcomer};
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, Schedule};
use raft_store::state::{Entry, LogPosition, Reply, State, UnixMillis, apply};

pub fn newcomer(name: &str, labels: &[(&str, &str)]) -> Newcomer {
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Newcomer { name: name.to_owned(), address: format!("{name}:7400"), labels }
}

pub fn line(name: &str, requires: Labels) -> LineSpec {
    LineSpec {
        name: name.to_owned(),
        endpoint: Endpoint::Tcp { host: format!("gw-{name}"), port: 4001 },
        baud: 2400,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 2,
        requires,
    }
}

pub fn meter(name: &str, line: &str, address: u8) -> MeterSpec {
    MeterSpec {
        name: name.to_owned(),
        line: line.to_owned(),
        address: Address::MbusPrimary(address),
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 0 },
        enabled: true,
    }
}

/// Applies `entries` in term 1; none may be refused.
pub fn applied(state: &mut State, entries: Vec<Entry>) {
    for entry in entries {
        let reply = apply(state, LogPosition { term: 1, index: 1 }, &entry);
        assert!(!matches!(reply, Reply::Refused(_) | Reply::Rows(_)), "{entry:?}: {reply:?}");
    }
    state.check().expect("the state is sound");
}

/// Nodes a, b (site=north), c; l1 held by 1 with m1 and m2, l2 on its way from 2 to 3, l3 orphaned since no node
/// carries its label; command 1 on m1 verified, command 2 on m2 queued.
pub fn cluster_of_three() -> State {
    let mut state = State::default();
    applied(&mut state, founding());
    applied(&mut state, ownership());
    applied(&mut state, commands());
    state
}

fn founding() -> Vec<Entry> {
    let at = UnixMillis(1_000);
    let admit = |newcomer| Entry::Admit { at, newcomer, key: String::new() };
    let nowhere = [("site".to_owned(), "nowhere".to_owned())].into();
    vec![
        Entry::Found { at, cluster_id: "c-1".to_owned(), cluster_name: "demo".to_owned(), first: newcomer("a", &[]) },
        admit(newcomer("b", &[("site", "north")])),
        admit(newcomer("c", &[])),
        Entry::ImportLines {
            at,
            lines: vec![line("l1", Labels::new()), line("l2", Labels::new()), line("l3", nowhere)],
        },
        Entry::ImportMeters { meters: vec![meter("m1", "l1", 1), meter("m2", "l1", 2), meter("m3", "l2", 1)] },
    ]
}

fn ownership() -> Vec<Entry> {
    let at = UnixMillis(1_500);
    let give = |line, to| Move { line: LineId(line), from: Epoch(0), to: NodeId(to) };
    let moves = vec![give(1, 1), give(2, 2)];
    let revoked = Revocation { line: LineId(2), epoch: Epoch(1), to: Some(NodeId(3)) };
    vec![
        Entry::Assign { at, term: 1, moves, cause: "least loaded".to_owned() },
        Entry::Revoke { at, lines: vec![revoked], cause: "balance".to_owned() },
    ]
}

fn commands() -> Vec<Entry> {
    let request = |meter, action, key: &str| Request {
        meter: MeterId(meter),
        action,
        deadline: UnixMillis(902_000),
        key: key.to_owned(),
    };
    let (command, epoch) = (CommandId(1), Epoch(1));
    vec![
        Entry::Submit { at: UnixMillis(2_000), request: request(1, Action::ValveClose, "k1") },
        Entry::Start { at: UnixMillis(2_100), command, node: NodeId(1), epoch },
        Entry::Finish { at: UnixMillis(2_900), command, epoch, outcome: Outcome::Verified("closed".to_owned()) },
        Entry::Submit { at: UnixMillis(3_000), request: request(2, Action::ReadNow, "k2") },
    ]
}
