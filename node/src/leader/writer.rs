//! The writer: what every node has accepted goes into the database, while this node leads.
//!
//! ```text
//!   spool of node 1 --> puller --+
//!   spool of node 2 --> puller --+--> bounded hand-over --> scribe --> transactions -----> database
//!   spool of node 3 --> puller --+                             |
//!          ^              |                                    |  committed
//!          +- acknowledge +<-----------------------------------+
//! ```
//!
//! Promises: a record is acknowledged only after its commit, so what was lost on the way is pulled again, and the table's
//! key makes it one row; while the database is away nothing more is pulled than fits the hand-over. Refuses: holding
//! anything a new leader would need: it starts from what each spool still has.

mod backlog;
mod hand_over;
mod history;
mod lanes;
mod newest;
mod projector;
mod puller;
mod pullers;
mod sanity;
mod scribe;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use protocol::api::admin::DatabaseStatus;
use protocol::api::admin::database_status::State as DatabaseState;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::config::Config;
use crate::metrics::Metrics;
use backlog::Backlog;
use hand_over::hand_over;
use history::Job;
pub use history::{History, HistoryError};
use puller::Limits;
use pullers::Pullers;
use scribe::Scribe;

/// The duty of writing, from election to the loss of leadership.
#[derive(Debug)]
pub struct Writer {
    cluster: Cluster,
    config: Arc<Config>,
    metrics: Metrics,
    history: History,
    jobs: mpsc::Receiver<Job>,
}

impl Writer {
    /// A writer for one time of leading.
    pub fn new(cluster: Cluster, config: Arc<Config>, metrics: Metrics) -> Self {
        let (history, jobs) = History::new(&config.mysql);
        Self { cluster, config, metrics, history, jobs }
    }

    /// Where ended commands are handed to the database.
    pub fn history(&self) -> History {
        self.history.clone()
    }

    /// Writes until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let Self { cluster, config, metrics, history: _, jobs } = self;
        let board = cluster.board();
        if config.mysql.endpoints.is_empty() {
            board.set_database(DatabaseStatus { state: DatabaseState::None.into(), ..DatabaseStatus::default() });
            return stop.cancelled().await;
        }
        let backlog = Backlog::default();
        let (giving, batches) = hand_over(config.mysql.hand_over);
        let pullers = Pullers::new(Limits::of(&config), giving, backlog.clone());
        let scribe = Scribe::new(&config, board, metrics, backlog, batches, jobs, cluster.applied());
        let dial = |node| cluster.peer(node).map_err(|error| error.to_string());
        tokio::join!(pullers.run(cluster.applied(), dial, stop.clone()), scribe.run(stop));
    }
}
