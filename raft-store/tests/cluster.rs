//! Three nodes of the consensus on real stores, joined in memory: what they hold agrees, across snapshots and
//! restarts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

mod common;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{Config, RaftNetworkV2, SnapshotPolicy};
use raft_store::state::{Entry, Reply};
use raft_store::types::{Node, TypeConfig, Vote};
use raft_store::{Limits, LogStore, Machine, MachineHandle, Raft, Snapshot, SnapshotBytes, StoreError, codec};
use tempfile::TempDir;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The nodes that can be reached, by id.
#[derive(Clone, Default)]
struct Wires(Arc<Mutex<BTreeMap<u64, Raft>>>);

struct Wire {
    wires: Wires,
    to: u64,
}

impl Wire {
    fn peer(&self) -> Result<Raft, Unreachable<TypeConfig>> {
        let peer = self.wires.0.lock().unwrap().get(&self.to).cloned();
        peer.ok_or_else(|| Unreachable::from_string("cut"))
    }
}

fn cut(error: impl ToString) -> Unreachable<TypeConfig> {
    Unreachable::from_string(error)
}

impl RaftNetworkFactory<TypeConfig> for Wires {
    type Network = Wire;

    async fn new_client(&mut self, to: u64, _: &Node) -> Wire {
        Wire { wires: self.clone(), to }
    }
}

impl RaftNetworkV2<TypeConfig> for Wire {
    type SnapshotData = SnapshotBytes;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Ok(self.peer()?.append_entries(request).await.map_err(cut)?)
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Ok(self.peer()?.vote(request).await.map_err(cut)?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        _: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Ok(self.peer()?.install_full_snapshot(vote, snapshot).await.map_err(cut)?)
    }
}

/// Snapshots every 40 entries, and hardly anything kept in the log before them.
fn config() -> Arc<Config> {
    let config = Config {
        heartbeat_interval: 100,
        election_timeout_min: 500,
        election_timeout_max: 1_000,
        install_snapshot_timeout: 5_000,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(40),
        max_in_snapshot_log_to_keep: 5,
        ..Config::default()
    };
    Arc::new(config.validate().unwrap())
}

async fn start(id: u64, folder: &Path, wires: &Wires) -> (Raft, MachineHandle) {
    let log = open(folder).await;
    let (machine, seen) = Machine::open(folder, &log).unwrap();
    let raft = Raft::new(id, config(), wires.clone(), log, machine).await.unwrap();
    wires.0.lock().unwrap().insert(id, raft.clone());
    (raft, seen)
}

/// Tasks of a node that was shut down may hold its folder for a moment longer.
async fn open(folder: &Path) -> LogStore {
    let opened = async {
        loop {
            match LogStore::open(folder, &Limits::default()) {
                Err(StoreError::Lock(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                other => return other.unwrap(),
            }
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.unwrap()
}

async fn stop(id: u64, raft: Raft, wires: &Wires) {
    wires.0.lock().unwrap().remove(&id);
    raft.shutdown().await.unwrap();
}

fn node(id: u64) -> Node {
    Node::new(format!("n{id}.example:7000"))
}

/// Import `n` makes one line and two meters.
fn imports(n: u16) -> [Entry; 2] {
    let line = common::line_spec(&format!("line-{n}"), n);
    let meters = (1..3).map(|at| common::meter_spec(&format!("meter-{n}-{at}"), &line.name, at)).collect();
    [
        Entry::ImportLines { at: raft_store::state::UnixMillis(u64::from(n)), lines: vec![line] },
        Entry::ImportMeters { meters },
    ]
}

async fn write(raft: &Raft, numbers: std::ops::Range<u16>) -> u64 {
    let mut index = 0;
    for entry in numbers.flat_map(imports) {
        let written = raft.client_write(entry).await.unwrap();
        assert!(matches!(written.data, Reply::Imported { .. }), "{:?}", written.data);
        index = written.log_id.index;
    }
    index
}

async fn seen_at(seen: &MachineHandle, index: u64) -> raft_store::Applied {
    tokio::time::timeout(PATIENCE, seen.wait_for(index)).await.unwrap().unwrap()
}

/// Folders live as long as the test.
fn folders() -> BTreeMap<u64, TempDir> {
    (1..=3).map(|id| (id, tempfile::tempdir().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_byte_for_byte_also_those_that_came_late_by_a_snapshot() {
    let (folders, wires) = (folders(), Wires::default());
    let (leader, leader_sees) = start(1, folders[&1].path(), &wires).await;
    leader.initialize(BTreeMap::from([(1, node(1))])).await.unwrap();
    leader.wait(Some(PATIENCE)).current_leader(1, "alone").await.unwrap();
    leader.client_write(common::found()).await.unwrap();
    write(&leader, 0..60).await;
    let (_, second_sees) = start(2, folders[&2].path(), &wires).await;
    let (_, third_sees) = start(3, folders[&3].path(), &wires).await;
    for id in [2, 3] {
        leader.add_learner(id, node(id), true).await.unwrap();
    }
    leader.change_membership([1, 2, 3], false).await.unwrap();
    let last = write(&leader, 60..80).await;
    let mut digests = Vec::new();
    for seen in [&leader_sees, &second_sees, &third_sees] {
        let applied = seen_at(seen, last).await;
        assert_eq!(applied.state.check(), Ok(()));
        assert_eq!(applied.state.registry.meters.len(), 160);
        digests.push(codec::digest(&applied.state).unwrap());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_in_hand_is_in_the_view() {
    let (folders, wires) = (folders(), Wires::default());
    let (leader, sees) = start(1, folders[&1].path(), &wires).await;
    leader.initialize(BTreeMap::from([(1, node(1))])).await.unwrap();
    leader.wait(Some(PATIENCE)).current_leader(1, "alone").await.unwrap();
    for n in 0..50 {
        let index = write(&leader, n..n + 1).await;
        let applied = sees.applied();
        assert!(applied.index >= index);
        assert!(applied.state.registry.line_named(&format!("line-{n}")).is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_holds_what_it_held() {
    let (folders, wires) = (folders(), Wires::default());
    let (raft, sees) = start(1, folders[&1].path(), &wires).await;
    raft.initialize(BTreeMap::from([(1, node(1))])).await.unwrap();
    raft.wait(Some(PATIENCE)).current_leader(1, "alone").await.unwrap();
    let last = write(&raft, 0..75).await;
    let before = codec::digest(&seen_at(&sees, last).await.state).unwrap();
    raft.wait(Some(PATIENCE)).purged(Some(raft_store::types::log_id(purged(&raft).await)), "purged").await.unwrap();
    stop(1, raft, &wires).await;
    drop(sees);
    let (raft, sees) = start(1, folders[&1].path(), &wires).await;
    let again = seen_at(&sees, last).await;
    assert_eq!(codec::digest(&again.state).unwrap(), before);
    raft.wait(Some(PATIENCE)).current_leader(1, "leads again").await.unwrap();
    write(&raft, 75..80).await;
}

/// Where the log begins, once it was purged.
async fn purged(raft: &Raft) -> raft_store::state::LogPosition {
    let metrics = raft.wait(Some(PATIENCE)).metrics(|metrics| metrics.purged.is_some(), "purged").await.unwrap();
    raft_store::types::position(metrics.purged.unwrap())
}
