use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use protocol::api::peer::SpoolRecord;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::reading;
use super::site::{Leader, Outbox, assert_stored, config, until};
use crate::config;
use crate::mysql::testing::{Galera, Place};
use crate::mysql::{Database, DatabaseError, Reader, ReadingQuery};

/// Longer than the writer may be without a commit when the server it writes to is taken away.
const GAP_LIMIT: Duration = Duration::from_secs(15);
const PACE: Duration = Duration::from_millis(100);
const METERS: u64 = 20;

/// Readings that come all the time.
struct Feed {
    stop: CancellationToken,
    feeding: JoinHandle<Vec<SpoolRecord>>,
}

impl Feed {
    fn start(outbox: &Arc<Outbox>) -> Self {
        let (stop, outbox) = (CancellationToken::new(), Arc::clone(outbox));
        let until = stop.clone();
        let feeding = tokio::spawn(async move {
            let (mut all, mut pace) = (Vec::new(), tokio::time::interval(PACE));
            for slot in 0.. {
                if until.run_until_cancelled(pace.tick()).await.is_none() {
                    break;
                }
                let records: Vec<_> = (1..=METERS).map(|meter| reading(meter, slot)).collect();
                outbox.append(&records).await;
                all.extend(records);
            }
            all
        });
        Self { stop, feeding }
    }

    /// All that came.
    async fn end(self) -> Vec<SpoolRecord> {
        self.stop.cancel();
        self.feeding.await.unwrap()
    }
}

/// Waits until several batches were committed on `node`; the longest time between two commits meanwhile.
async fn written_to(leader: &Leader, node: &Place) -> Duration {
    let (last, longest, commits) = (Cell::new(leader.board.database().last_commit_at), Cell::new(0), Cell::new(0));
    until("it is written to", async || {
        let status = leader.board.database();
        if status.last_commit_at > last.get() {
            longest.set(longest.get().max(status.last_commit_at - last.get()));
            last.set(status.last_commit_at);
            commits.set(commits.get() + u32::from(status.endpoint.contains(&port(node))));
        }
        commits.get() > 3
    })
    .await;
    Duration::from_millis(longest.get())
}

fn port(place: &Place) -> String {
    format!(":{}/", place.port())
}

/// What is said where `node` is the only one to be written to.
async fn refusal_of(node: &Place) -> String {
    let error = Database::connect(&node.config()).await.unwrap_err();
    assert!(matches!(error, DatabaseError::NextEndpoint(_)), "{error:?}");
    error.to_string()
}

/// A node applies a little later what another one committed.
async fn has_all(node: &Place, records: &[SpoolRecord]) {
    let count = [records.len().to_string()];
    until("the node has followed", async || node.sql("SELECT COUNT(*) FROM reading").await == count).await;
    assert_stored(node, records).await;
}

#[tokio::test]
async fn a_galera_node_cut_off_killed_or_closed_costs_seconds_and_two_leaders_at_two_nodes_lose_and_double_nothing() {
    let Some(galera) = Galera::start().await else { return };
    let [mysql, other] = [0, 1].map(|first| config::Mysql {
        endpoints: galera.endpoints(first),
        connect_timeout: Duration::from_millis(500),
        ..galera.nodes[0].config()
    });
    let reader = Reader::new(mysql.clone());
    let dir = tempfile::tempdir().unwrap();
    let outbox = Arc::new(Outbox::open(dir.path()).await);
    let leader = Leader::start(&config(mysql), &[&outbox]);
    let second = Leader::start(&config(other), &[&outbox]);
    let feed = Feed::start(&outbox);
    written_to(&leader, &galera.nodes[0]).await;
    written_to(&second, &galera.nodes[1]).await;
    second.stop().await;
    let query = ReadingQuery { limit: 1, ..ReadingQuery::default() };
    reader.list(&query).await.unwrap();

    galera.isolate(0, true).await;
    let cut_off = written_to(&leader, &galera.nodes[1]).await;
    let refusal = refusal_of(&galera.nodes[0]).await;
    assert!(refusal.contains("this Galera node is cut off") && refusal.contains("error 1047"), "{refusal}");
    reader.list(&query).await.unwrap_err();
    reader.list(&query).await.expect("the console asks the next one");
    galera.isolate(0, false).await;
    galera.until_in_step(0).await;

    galera.nodes[1].stop();
    let killed = written_to(&leader, &galera.nodes[0]).await;

    galera.nodes[0].sql("SET GLOBAL wsrep_reject_queries = ALL").await;
    let closed = written_to(&leader, &galera.nodes[2]).await;
    refusal_of(&galera.nodes[0]).await;
    galera.nodes[0].sql("SET GLOBAL wsrep_reject_queries = NONE").await;

    let records = feed.end().await;
    outbox.until_empty().await;
    for node in [&galera.nodes[2], &galera.nodes[0]] {
        has_all(node, &records).await;
    }
    println!("{} records; without a commit: cut off {cut_off:?}, killed {killed:?}, closed {closed:?}", records.len());
    let gap = cut_off.max(killed).max(closed);
    assert!(gap < GAP_LIMIT, "{gap:?}");
    leader.stop().await;
}
