//! Real spools behind real sockets, a real database, and no cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::api::admin::database_status::State as DatabaseState;
use protocol::api::peer::spool_server::{self, SpoolServer};
use protocol::api::peer::{AcknowledgeReply, AcknowledgeRequest, PullReply, PullRequest, SpoolRecord, SpooledRecord};
use protocol::meter::NodeId;
use raft_store::state::UnixMillis;
use raft_store::state::membership::Member;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::cluster::Applied;
use crate::cluster::board::Board;
use crate::cluster::peers::{Caller, Peers};
use crate::config::{self, Config};
use crate::leader::writer::backlog::Backlog;
use crate::leader::writer::hand_over::hand_over;
use crate::leader::writer::history::History;
use crate::leader::writer::puller::Limits;
use crate::leader::writer::pullers::Pullers;
use crate::leader::writer::scribe::Scribe;
use crate::metrics::Metrics;
use crate::mysql::testing::Place;
use crate::spool::Spool;
use crate::spool::service::SpoolService;

pub(super) const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn config(mysql: config::Mysql) -> Arc<Config> {
    let config: Config = toml::from_str("[node]\nname = \"a\"\ndata_dir = \"/nowhere\"").unwrap();
    let fast = config::Mysql { pull_wait: Duration::from_millis(50), retry_max: Duration::from_millis(300), ..mysql };
    Arc::new(Config { mysql: fast, ..config })
}

/// A node: its spool, served.
pub(super) struct Outbox {
    pub(super) spool: Spool,
    pub(super) address: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Outbox {
    pub(super) async fn open(dir: &Path) -> Self {
        let limits = config::Spool::default();
        let spool = Spool::open(dir, &limits, Metrics::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let service = SpoolServer::new(SpoolService::new(spool.clone(), &limits));
        let until = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_service(service).serve_with_incoming_shutdown(incoming, until).await.unwrap();
        });
        Self { spool, address, stop, serving }
    }

    pub(super) async fn append(&self, records: &[SpoolRecord]) {
        let appended = futures::future::join_all(records.iter().map(|record| self.spool.append(record))).await;
        assert_eq!(appended.into_iter().filter(Result::is_err).count(), 0);
    }

    pub(super) async fn until_empty(&self) {
        until("the spool is acknowledged", async || self.spool.pressure().records == 0).await;
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        // Connections of a writer may outlive the stop: they are cut.
        self.serving.abort();
        self.spool.close().await;
    }
}

/// A spool, number 9, that gives whatever bytes it has.
pub(super) struct Odd {
    pub(super) address: String,
    /// Up to which sequence.
    pub(super) acknowledged: watch::Receiver<u64>,
}

struct OddService {
    records: Vec<Bytes>,
    acknowledged: watch::Sender<u64>,
}

impl Odd {
    pub(super) async fn serve(records: Vec<Bytes>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, acknowledged) = watch::channel(0);
        let service = SpoolServer::new(OddService { records, acknowledged: sender });
        // Ends with the test's runtime.
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, acknowledged }
    }
}

#[tonic::async_trait]
impl spool_server::Spool for OddService {
    async fn pull(&self, request: Request<PullRequest>) -> Result<Response<PullReply>, Status> {
        let PullRequest { after, max_records, .. } = request.into_inner();
        let records = (1..).zip(&self.records).filter(|(sequence, _)| *sequence > after);
        let records = records.map(|(sequence, record)| SpooledRecord { sequence, record: record.clone() });
        let records: Vec<_> = records.take(max_records as usize).collect();
        let last = records.last().map_or(after, |record| record.sequence);
        Ok(Response::new(PullReply { spool: 9, records, last, ..PullReply::default() }))
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Result<Response<AcknowledgeReply>, Status> {
        self.acknowledged.send_replace(request.into_inner().upto);
        Ok(Response::new(AcknowledgeReply {}))
    }
}

/// A leader's writer without a cluster.
pub(super) struct Leader {
    pub(super) board: Board,
    pub(super) metrics: Metrics,
    pub(super) history: History,
    pub(super) applied: watch::Sender<Applied>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Leader {
    pub(super) fn start(config: &Arc<Config>, outboxes: &[&Outbox]) -> Self {
        let (applied, follow) = watch::channel(Applied::default());
        let (board, metrics, stop) = (Board::new(100, 1000), Metrics::default(), CancellationToken::new());
        let (history, jobs) = History::new(&config.mysql);
        let (giving, batches) = hand_over(config.mysql.hand_over);
        let backlog = Backlog::default();
        let pullers = Pullers::new(Limits::of(config), giving, backlog.clone());
        let scribe = Scribe::new(config, board.clone(), metrics.clone(), backlog, batches, jobs, follow.clone());
        let dial = dialler(follow.clone());
        let until = stop.clone();
        let running = tokio::spawn(async move {
            tokio::join!(pullers.run(follow, dial, until.clone()), scribe.run(until));
        });
        let leader = Self { board, metrics, history, applied, stop, running };
        leader.members(outboxes);
        leader
    }

    /// These are the members now, numbered from 1.
    pub(super) fn members(&self, outboxes: &[&Outbox]) {
        self.members_at(&outboxes.iter().map(|outbox| outbox.address.clone()).collect::<Vec<_>>());
    }

    /// The same by their addresses.
    pub(super) fn members_at(&self, addresses: &[String]) {
        self.applied.send_modify(|applied| {
            applied.state.membership.members =
                addresses.iter().zip(1..).map(|(address, node)| (NodeId(node), member(address.clone()))).collect();
        });
    }

    pub(super) async fn until_state(&self, state: DatabaseState) {
        until("the database is in that state", async || self.board.database().state == i32::from(state)).await;
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

fn dialler(applied: watch::Receiver<Applied>) -> impl Fn(NodeId) -> Result<crate::cluster::peers::Peer, String> {
    let peers = Peers::new(Caller::new("test", NodeId(1)), Duration::from_millis(500));
    move |node| {
        let address = applied.borrow().state.membership.members.get(&node).unwrap().address.clone();
        peers.channel(node, &address).map_err(|error| error.to_string())
    }
}

fn member(address: String) -> Member {
    let (name, labels) = (address.clone(), std::collections::BTreeMap::new());
    Member { name, address, labels, draining: false, admitted_at: UnixMillis(1) }
}

pub(super) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, waiting).await.is_ok(), "not within {LIMIT:?}: {what}");
}

/// Meters, slots and values as they stand in the table have to be those of `records`, once each.
pub(super) async fn assert_stored(place: &Place, records: &[SpoolRecord]) {
    let mut expected: Vec<_> =
        records.iter().map(|record| (record.meter, (record.slot - super::NINE) / 900_000)).collect();
    expected.sort_unstable();
    let expected: Vec<_> = expected.iter().map(|(meter, slot)| format!("{meter}|{}", meter * 1000 + slot)).collect();
    assert_eq!(place.sql("SELECT meter_id, energy_joule FROM reading ORDER BY meter_id, slot").await, expected);
}
