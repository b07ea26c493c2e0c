//! A node's lines without a network: one state that answers proposals, a lease set by hand, a spool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use prost::Message;
use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;
use protocol::meter::{Action, Address, CommandId, Epoch, LineId, MeterId, NodeId};
use protocol::profile::Catalogue;
use raft_store::state::assignment::{Move, Revocation};
use raft_store::state::command::{Outcome, Phase, Request};
use raft_store::state::membership::Newcomer;
use raft_store::state::plant::detail::{MeterDetail, Own};
use raft_store::state::registry::{Endpoint, LineSpec, Meter, MeterSpec, Parity, Schedule};
use raft_store::state::{Entry, LogPosition, Reply, UnixMillis, apply};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::capacity::Measured;
use crate::clock::{Moment, wall_now};
use crate::cluster::lease::Lease;
use crate::cluster::{Applied, ProposeError};
use crate::config::Config;
use crate::dialin::Directory;
use crate::metrics::Metrics;
use crate::polling::Shared;
use crate::polling::backfill::Wants;
use crate::polling::outlet::{Outlet, Proposal};
use crate::polling::roster::Roster;
use crate::polling::watchdog::Descriptors;
use crate::spool::Spool;
use crate::survey::Surveys;
use crate::trace::Traces;

/// Nothing in these tests takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// This node.
pub(super) const ME: NodeId = NodeId(1);
/// Another.
pub(super) const OTHER: NodeId = NodeId(2);

/// Waits for `future`, not for ever.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it did not happen in time")
}

/// Waits until `happened`, for things that tell nobody.
pub(super) async fn until(happened: impl Fn() -> bool) {
    soon(async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// A cluster of one state.
#[derive(Debug, Clone)]
pub(super) struct Town {
    pub(super) applied: watch::Sender<Applied>,
    /// Every entry proposed by lines.
    pub(super) proposed: watch::Sender<Vec<Entry>>,
    /// So many proposals find no leader.
    pub(super) leaderless: Arc<AtomicU32>,
}

impl Town {
    fn new() -> Self {
        let town = Self {
            applied: watch::channel(Applied::default()).0,
            proposed: watch::channel(Vec::new()).0,
            leaderless: Arc::default(),
        };
        let newcomer = |n: u64| Newcomer {
            name: format!("n{n}"),
            address: format!("127.0.0.1:{n}"),
            labels: std::collections::BTreeMap::new(),
        };
        let at = wall_now();
        let (cluster_id, cluster_name) = ("c".to_owned(), "test".to_owned());
        town.apply(&Entry::Found { at, cluster_id, cluster_name, first: newcomer(1) });
        town.apply(&Entry::Admit { at, newcomer: newcomer(2), key: "k".to_owned() });
        town
    }

    pub(super) fn apply(&self, entry: &Entry) -> Reply {
        let mut reply = Reply::Done;
        self.applied.send_modify(|applied| {
            applied.index += 1;
            applied.term = 1;
            reply = apply(&mut applied.state, LogPosition { term: 1, index: applied.index }, entry);
        });
        reply
    }

    async fn answer(self, mut proposals: mpsc::Receiver<Proposal>) {
        while let Some(Proposal { entry, reply }) = proposals.recv().await {
            if self.leaderless.load(Ordering::SeqCst) > 0 {
                self.leaderless.fetch_sub(1, Ordering::SeqCst);
                let _ = reply.send(Err(ProposeError::NoLeader("election".to_owned())));
                continue;
            }
            let answered = match self.apply(&entry) {
                Reply::Refused(why) => Err(why.into()),
                done => Ok(done),
            };
            self.proposed.send_modify(|all| all.push(entry));
            let _ = reply.send(answered);
        }
    }

    pub(super) fn add_line(&self, endpoint: Endpoint, change: impl FnOnce(&mut LineSpec)) -> LineId {
        let name = format!("line {}", self.applied.borrow().state.registry.lines.len() + 1);
        let mut spec = LineSpec {
            name: name.clone(),
            endpoint,
            baud: 115_200,
            parity: Parity::Even,
            extra_answer_ms: 100,
            repeats: 0,
            requires: std::collections::BTreeMap::new(),
        };
        change(&mut spec);
        self.apply(&Entry::ImportLines { at: wall_now(), lines: vec![spec] });
        self.applied.borrow().state.registry.line_named(&name).expect("imported").id
    }

    pub(super) fn add_meter(&self, line: LineId, address: Address, interval_s: u32) -> MeterId {
        self.add_meter_like(line, address, interval_s, None)
    }

    /// One that is read by a profile.
    pub(super) fn add_meter_like(
        &self,
        line: LineId,
        address: Address,
        interval_s: u32,
        profile: Option<&str>,
    ) -> MeterId {
        let state = self.applied.borrow().state.clone();
        let name = format!("meter {}", state.registry.meters.len() + 1);
        let spec = MeterSpec {
            name: name.clone(),
            line: state.registry.lines[&line].spec.name.clone(),
            address,
            profile: profile.map(str::to_owned),
            schedule: Schedule { interval_s, offset_s: 0 },
            enabled: true,
        };
        self.apply(&Entry::ImportMeters { meters: vec![spec] });
        self.applied.borrow().state.registry.meter_named(&name).expect("imported").id
    }

    /// One that is read by a schedule in words, and was due from long ago.
    pub(super) fn add_meter_by(&self, line: LineId, address: Address, schedule: &str) -> MeterId {
        self.add_meter_by_profile(line, address, schedule, None)
    }

    /// The same, read by a profile.
    pub(super) fn add_meter_by_profile(
        &self,
        line: LineId,
        address: Address,
        schedule: &str,
        profile: Option<&str>,
    ) -> MeterId {
        let profile = profile.map(str::to_owned);
        let meter = self.add_meter(line, address, 3_600);
        let state = self.applied.borrow().state.clone();
        let Meter { name, schedule: interval, .. } = state.registry.meters[&meter].clone();
        self.apply(&Entry::RemoveMeter { name: name.clone() });
        let line = state.registry.lines[&line].spec.name.clone();
        let spec = MeterSpec { name: name.clone(), line, address, profile, schedule: interval, enabled: true };
        let own = Own::Words(schedule.parse().expect("a schedule"));
        let detail = MeterDetail { schedule: own, ..MeterDetail::default() };
        self.apply(&Entry::RegisterMeters { at: UnixMillis(1), meters: vec![(spec, detail)] });
        self.applied.borrow().state.registry.meter_named(&name).expect("registered").id
    }

    pub(super) fn epoch(&self, line: LineId) -> Epoch {
        self.applied.borrow().state.assignment.lines[&line].epoch
    }

    pub(super) fn assign(&self, line: LineId, to: NodeId) {
        let moves = vec![Move { line, from: self.epoch(line), to }];
        self.apply(&Entry::Assign { at: wall_now(), term: 1, moves, cause: "test".to_owned() });
    }

    pub(super) fn revoke(&self, line: LineId, to: Option<NodeId>) {
        let lines = vec![Revocation { line, epoch: self.epoch(line), to }];
        self.apply(&Entry::Revoke { at: wall_now(), lines, cause: "test".to_owned() });
    }

    pub(super) fn submit(&self, meter: MeterId, action: Action, deadline_ms: u64) -> CommandId {
        let deadline = wall_now().plus(deadline_ms);
        let request = Request { meter, action, deadline, key: format!("{meter} {action} {deadline_ms}") };
        match self.apply(&Entry::Submit { at: wall_now(), request }) {
            Reply::Queued(id) => id,
            other => panic!("not queued: {other:?}"),
        }
    }

    pub(super) async fn outcome(&self, command: CommandId) -> Outcome {
        let mut applied = self.applied.subscribe();
        let ended = |applied: &Applied| matches!(applied.state.commands.commands[&command].phase, Phase::Ended { .. });
        let applied = soon(applied.wait_for(ended)).await.expect("the town stands");
        match &applied.state.commands.commands[&command].phase {
            Phase::Ended { outcome, .. } => outcome.clone(),
            other => panic!("{other:?} is no end"),
        }
    }

    pub(super) async fn proposed(&self, wanted: impl Fn(&Entry) -> bool) {
        let mut proposed = self.proposed.subscribe();
        soon(proposed.wait_for(|all| all.iter().any(&wanted))).await.expect("the town stands");
    }
}

pub(super) fn is_release(entry: &Entry) -> bool {
    matches!(entry, Entry::Release { .. })
}

/// A node's lines, running.
pub(super) struct Rig {
    pub(super) town: Town,
    pub(super) lease: Lease,
    pub(super) spool: Spool,
    pub(super) metrics: Metrics,
    pub(super) units: Directory,
    pub(super) stop: CancellationToken,
    pub(super) traces: Traces,
    pub(super) surveys: Surveys,
    pub(super) measured: Measured,
    pub(super) wants: Wants,
    pub(super) catalogue: Catalogue,
    pub(super) config: Config,
    proposals: Option<mpsc::Receiver<Proposal>>,
    outlet: Outlet,
    _dir: tempfile::TempDir,
}

impl Rig {
    pub(super) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config: Config = toml::from_str("[node]\nname = \"n1\"\ndata_dir = \"/nonexistent\"").unwrap();
        config.polling.spread_percent = 0;
        config.polling.unacked_limit = Duration::from_millis(100);
        config.polling.reconnect_max = Duration::from_millis(400);
        config.polling.release_retry = Duration::from_millis(50);
        config.commands.read_back_every = Duration::from_millis(50);
        config.commands.attempt_pause = Duration::from_millis(50);
        // No earlier life of this process is being answered.
        config.lease.dead_after = Duration::ZERO;
        change(&mut config);
        let dir = tempfile::tempdir().unwrap();
        let metrics = Metrics::default();
        let spool = Spool::open(dir.path(), &config.spool, metrics.clone()).unwrap();
        let (outlet, proposals) = Outlet::new(64);
        let (town, lease, stop) = (Town::new(), Lease::default(), CancellationToken::new());
        let (traces, surveys) = (Traces::new(&config.trace), Surveys::new(&config.survey));
        let units = Directory::new(config.units.clone(), metrics.clone());
        Self {
            town,
            lease,
            spool,
            metrics,
            stop,
            traces,
            surveys,
            units,
            measured: Measured::default(),
            wants: Wants::default(),
            catalogue: Catalogue::builtin(),
            config,
            proposals: Some(proposals),
            outlet,
            _dir: dir,
        }
    }

    /// A lease that outlasts the test.
    pub(super) fn with_lease(self) -> Self {
        self.lease.renew(Moment::now(), Duration::from_secs(3_600));
        self
    }

    pub(super) fn start(&mut self) -> JoinHandle<()> {
        tokio::spawn(self.town.clone().answer(self.proposals.take().expect("started once")));
        let shared = Shared {
            node: ME,
            applied: self.town.applied.subscribe(),
            lease: self.lease.clone(),
            outlet: self.outlet.clone(),
            spool: self.spool.clone(),
            catalogue: self.catalogue.clone(),
            config: Arc::new(self.config.clone()),
            metrics: self.metrics.clone(),
            descriptors: Descriptors::default(),
            traces: self.traces.clone(),
            surveys: self.surveys.clone(),
            units: self.units.clone(),
            measured: self.measured.clone(),
            wants: self.wants.clone(),
        };
        tokio::spawn(Roster::new(shared).run(self.stop.clone()))
    }

    /// The first record that `wanted` accepts.
    pub(super) async fn record(&self, wanted: impl Fn(&SpoolRecord) -> bool) -> SpoolRecord {
        self.records(1, wanted).await.remove(0)
    }

    /// The first `count` records that `wanted` accepts.
    pub(super) async fn records(&self, count: usize, wanted: impl Fn(&SpoolRecord) -> bool) -> Vec<SpoolRecord> {
        let (mut found, mut after) = (Vec::new(), 0);
        let search = async {
            while found.len() < count {
                let pulled = self.spool.pull(after, 100, 1 << 20, Duration::from_secs(1)).await.unwrap();
                for (sequence, bytes) in pulled.records {
                    after = sequence;
                    found.extend(Some(SpoolRecord::decode(bytes.clone()).unwrap()).filter(&wanted));
                }
            }
        };
        soon(search).await;
        found.truncate(count);
        found
    }
}

pub(super) fn is_reading(record: &SpoolRecord) -> bool {
    matches!(record.content, Some(Content::Reading(_)))
}

/// The reason of a missed slot; empty for a reading.
pub(super) fn reason(record: &SpoolRecord) -> &str {
    match &record.content {
        Some(Content::Miss(miss)) => &miss.reason,
        _ => "",
    }
}

/// The value of the quantity with the durable number `quantity`.
pub(super) fn value(record: &SpoolRecord, quantity: u32) -> Option<i64> {
    match &record.content {
        Some(Content::Reading(reading)) => reading.values.iter().find(|v| v.quantity == quantity).map(|v| v.value),
        _ => None,
    }
}
