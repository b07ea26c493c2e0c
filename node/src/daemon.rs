//! A node, put together: who is started, in which order, and in which order it stops.
//!
//! ```text
//!   start:  profiles -> identity -> port -> spool -> consensus -> services -> heart, quorum, leader, polling
//!   stop:   polling lets go of its lines -> the spool drains -> leadership is handed over -> services -> consensus
//! ```
//!
//! Promises: what cannot start says what, which value and what to do; a part that fails stops the node rather than lie;
//! every part is waited for by name. Refuses: knowing what the parts do.

mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::profile::Catalogue;
use raft_store::state::Entry;
use raft_store::state::membership::Newcomer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::capacity::Measured;
use crate::clock::wall_now;
use crate::cluster::consensus::{Consensus, StartError};
use crate::cluster::heartbeat::Heart;
use crate::cluster::identity::{Identity, IdentityError};
use crate::cluster::network::Network;
use crate::cluster::peers::{Caller, Peers};
use crate::cluster::{Cluster, Leadership, ProposeError, quorum};
use crate::config::Config;
use crate::dialin::{Directory, Herald, Listener};
use crate::leader::Leader;
use crate::metrics::Metrics;
use crate::mysql::{self, SettingsError};
use crate::polling::Polling;
use crate::profiles::{self, ProfilesError};
use crate::spool::{Spool, SpoolError};
use crate::survey::Surveys;
use crate::trace::Traces;
use server::Server;

/// How long a stopping node waits for its spool to be emptied by the leader.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// From look to look while waiting for that.
const DRAIN_LOOK: Duration = Duration::from_millis(50);
/// For connections to end once the services stop.
const SERVER_STOP_LIMIT: Duration = Duration::from_secs(2);
/// From attempt to attempt at a change that must come about.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// It does not know who it is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its port cannot be had.
    #[error("node.listen = {address}: {source}: choose a free port, or stop what holds this one")]
    Port {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its address is open to others, and nothing checks who they are.
    #[error(
        "node.listen = {address} can be reached from other machines, and nobody is asked who they are yet: listen on \
         127.0.0.1, or say --accept-unauthenticated-access if the network keeps strangers out"
    )]
    Open {
        /// The address.
        address: SocketAddr,
    },
    /// A port on which units call in cannot be had.
    #[error("dialin.listen = {address}: {source}: choose a free port, or stop what holds this one")]
    DialIn {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its outbox cannot be opened.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// By its settings no database can be reached.
    #[error(transparent)]
    Database(#[from] SettingsError),
    /// A profile of a meter model is not understood.
    #[error(transparent)]
    Profiles(#[from] ProfilesError),
    /// Its consensus cannot be started.
    #[error(transparent)]
    Consensus(#[from] StartError),
    /// A part failed while the node ran.
    #[error("{part} failed: {reason}")]
    Failed {
        /// The part.
        part: &'static str,
        /// Why.
        reason: String,
    },
}

/// What a node is told when it is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Permissions {
    /// Listen on an address that others can reach, although nobody is asked who they are.
    pub unauthenticated_access: bool,
}

/// Runs a node until `stop`, and stops it in good order.
pub async fn run(config: Config, permissions: Permissions, stop: CancellationToken) -> Result<(), DaemonError> {
    let node = Node::start(Arc::new(config), permissions).await?;
    let cause = node.until(stop).await;
    node.stop().await;
    cause
}

/// What limbs, head and mouth of the node share; clones share it.
#[derive(Clone)]
struct Memory {
    config: Arc<Config>,
    metrics: Metrics,
    cluster: Cluster,
    spool: Spool,
    catalogue: Catalogue,
    traces: Traces,
    surveys: Surveys,
    units: Directory,
    measured: Measured,
}

struct Node {
    memory: Memory,
    consensus: Consensus,
    polling: (CancellationToken, JoinHandle<()>),
    duties: (CancellationToken, JoinHandle<()>),
    server: Server,
    /// Heart, quorum, the watch of leadership, and the units that call in.
    rest: (CancellationToken, Vec<JoinHandle<()>>),
}

impl Node {
    async fn start(config: Arc<Config>, permissions: Permissions) -> Result<Self, DaemonError> {
        let address = config.node.listen;
        if !address.ip().is_loopback() && !permissions.unauthenticated_access {
            return Err(DaemonError::Open { address });
        }
        mysql::check(&config.mysql)?;
        let catalogue = profiles::load(config.node.profiles.as_deref())?;
        let identity = Identity::load(&config.node.data_dir)?;
        let listener = TcpListener::bind(address).await.map_err(|source| DaemonError::Port { address, source })?;
        let metrics = Metrics::default();
        let units = Directory::new(config.units.clone(), metrics.clone());
        let callers = listen_for_units(&config, &units).await?;
        let spool = Spool::open(&config.node.data_dir, &config.spool, metrics.clone())?;
        let peers = Peers::new(Caller::new(&identity.cluster_id, identity.node_id()), config.raft.connect_timeout);
        let message_bytes = usize::try_from(config.raft.message_bytes.as_u64()).unwrap_or(usize::MAX);
        let network = Network::new(peers.clone(), message_bytes);
        let (consensus, machine) =
            Consensus::start(identity.node_id(), &identity.cluster_id, &config.node.data_dir, network, &config.raft)
                .await?;
        let (seen, leadership) = watch::channel(Leadership::default());
        let cluster =
            Cluster::new(identity.node_id(), Arc::clone(&config), consensus.clone(), machine, leadership, peers);
        let (traces, surveys) = (Traces::new(&config.trace), Surveys::new(&config.survey));
        let measured = Measured::default();
        let memory = Memory { config, metrics, cluster, spool, catalogue, traces, surveys, units, measured };
        let server = server::serve(listener, &identity, &memory);
        if identity.founder {
            consensus.found(&memory.config.advertise()).await?;
        }
        tracing::info!(node = identity.node, cluster = %identity.cluster_id, %address, "node started");
        Ok(Self::put_together(memory, consensus, server, seen, identity, callers))
    }

    fn put_together(
        memory: Memory,
        consensus: Consensus,
        server: Server,
        seen: watch::Sender<Leadership>,
        identity: Identity,
        callers: Vec<Listener>,
    ) -> Self {
        let Memory { config, metrics, cluster, spool, catalogue, traces, surveys, units, measured } = memory.clone();
        let rest = CancellationToken::new();
        let heart = Heart::new(cluster.clone(), Arc::clone(&config), metrics.clone(), wall_now().0);
        let watcher = consensus.clone();
        let mut tasks = vec![
            tokio::spawn(async move { watcher.follow_leadership(seen).await }),
            tokio::spawn(quorum::run(cluster.clone(), rest.clone())),
            tokio::spawn(heart.run(rest.clone())),
        ];
        let follower = (cluster.clone(), rest.clone());
        tasks.push(tokio::spawn(async move { follower.0.follow_members(follower.1).await }));
        let herald = (cluster.clone(), rest.clone());
        tasks.push(tokio::spawn(async move { herald.0.announce(herald.1).await }));
        // Also where no unit can call: what an earlier life of this node saw is void.
        let tidings = Herald::new(cluster.clone(), units.clone(), Arc::clone(&config));
        tasks.push(tokio::spawn(tidings.run(rest.clone())));
        tasks.extend(callers.into_iter().map(|listener| tokio::spawn(listener.run(rest.clone()))));
        if identity.founder {
            tasks.push(tokio::spawn(found(cluster.clone(), Arc::clone(&config), identity, rest.clone())));
        }
        let leader = Leader::new(cluster.clone(), Arc::clone(&config), metrics.clone());
        let limbs = Polling { cluster, spool, catalogue, config, metrics, traces, surveys, units, measured };
        let (duties, polling) = (CancellationToken::new(), CancellationToken::new());
        Self {
            duties: (duties.clone(), tokio::spawn(leader.run(duties))),
            polling: (polling.clone(), tokio::spawn(limbs.run(polling))),
            rest: (rest, tasks),
            memory,
            consensus,
            server,
        }
    }

    /// Waits for `stop`, or for a part that cannot go on.
    async fn until(&self, stop: CancellationToken) -> Result<(), DaemonError> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            reason = self.consensus.failed() => Err(DaemonError::Failed { part: "the consensus", reason: self.with_remedy(&reason) }),
            reason = self.memory.spool.failed() => Err(DaemonError::Failed { part: "the spool", reason: reason.to_string() }),
        }
    }

    /// Why the consensus stopped: mostly it could not write.
    fn with_remedy(&self, reason: &str) -> String {
        let dir = self.memory.config.node.data_dir.display();
        format!(
            "{reason}: see that the disk of {dir} has room and is sound, then start the node again: what was agreed is kept"
        )
    }

    async fn stop(self) {
        tracing::info!("stopping: lines are let go");
        let Self { memory: Memory { config, cluster, spool, .. }, consensus, polling, duties, server, rest } = self;
        let limit = config.polling.stop_limit;
        if timeout(config.lease.heartbeat_timeout, cluster.farewell().say()).await.is_err() {
            tracing::warn!("no leader took note of the stop: lines may be given back to this node until it is silent");
        }
        polling.0.cancel();
        wait_for("polling", limit, polling.1).await;
        drain(&spool).await;
        duties.0.cancel();
        wait_for("the leader's duties", limit, duties.1).await;
        hand_over(&cluster).await;
        rest.0.cancel();
        // Streams of the consensus end with it: the services could not stop before.
        consensus.stop().await;
        server.0.cancel();
        wait_for("the services", SERVER_STOP_LIMIT, server.1).await;
        for task in rest.1 {
            wait_for("the heart", SERVER_STOP_LIMIT, task).await;
        }
        spool.close().await;
        tracing::info!("stopped");
    }
}

/// Every port on which units call in.
async fn listen_for_units(config: &Config, units: &Directory) -> Result<Vec<Listener>, DaemonError> {
    let mut listeners = Vec::new();
    for section in &config.dialin {
        let listener = Listener::bind(section.clone(), units.clone()).await;
        listeners.push(listener.map_err(|source| DaemonError::DialIn { address: section.listen, source })?);
    }
    Ok(listeners)
}

/// Lets the leader empty this node's spool; what stays is delivered after the next start.
async fn drain(spool: &Spool) {
    if spool.is_broken() {
        return;
    }
    let emptied = timeout(DRAIN_LIMIT, async {
        while spool.pressure().records > 0 {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    });
    if emptied.await.is_err() {
        let records = spool.pressure().records;
        tracing::warn!(records, "readings stay in the spool: they are delivered after the next start");
    }
}

async fn hand_over(cluster: &Cluster) {
    if !cluster.leadership().borrow().mine || cluster.votes().voters.len() < 2 {
        return;
    }
    match cluster.hand_over(None).await {
        Ok(leader) => tracing::info!(%leader, "leadership handed over"),
        Err(error) => tracing::warn!(%error, "leadership not handed over: the others will elect a leader"),
    }
}

/// Writes the first entry of a new cluster's log, once this node leads it.
async fn found(cluster: Cluster, config: Arc<Config>, identity: Identity, stop: CancellationToken) {
    let first =
        Newcomer { name: config.node.name.clone(), address: config.advertise(), labels: config.node.labels.clone() };
    while cluster.applied().borrow().state.membership.cluster_id.is_empty() {
        let entry = Entry::Found {
            at: wall_now(),
            cluster_id: identity.cluster_id.clone(),
            cluster_name: identity.cluster_name.clone(),
            first: first.clone(),
        };
        match cluster.consensus().propose(entry).await {
            Ok(_) | Err(ProposeError::Refused(_)) => return,
            Err(error) => tracing::debug!(%error, "the cluster is not founded yet"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY_PAUSE) => {}
        }
    }
}

async fn wait_for<T>(part: &str, limit: Duration, task: JoinHandle<T>) {
    let abort = task.abort_handle();
    match timeout(limit, task).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(part, %error, "a part did not end well"),
        Err(_) => {
            tracing::warn!(part, ?limit, "a part did not stop in time and is cut off");
            abort.abort();
        }
    }
}
