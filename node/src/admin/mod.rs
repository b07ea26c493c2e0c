//! The console service: what an administrator may ask of the cluster, on every node.
//!
//! ```text
//!   request --> rules (who may) --> noun (cluster, lines, meters, plant, ..) --> cluster: read, propose
//!                                      |
//!                                      +-- convert: messages <-> domain
//! ```
//!
//! Promises: a read shows every change answered before it; a change answers what became of it, or says that this is
//! not known; a call has a time limit, a watcher a bound. Refuses: knowing how a change is carried out.

mod cluster;
mod commands;
mod convert;
mod exports;
mod ledger;
mod lines;
mod loads;
mod meters;
mod orphans;
mod page;
mod plant;
mod problems;
mod readings;
mod rules;
mod scans;
mod seat;
mod sight;
mod status;
#[cfg(test)]
mod testing;
mod traces;
mod watching;

use std::sync::{Arc, Mutex};

use protocol::api::admin::cluster_server::ClusterServer;
use protocol::api::admin::commands_server::CommandsServer;
use protocol::api::admin::ledger_server::LedgerServer;
use protocol::api::admin::lines_server::LinesServer;
use protocol::api::admin::meters_server::MetersServer;
use protocol::api::admin::plant_server::PlantServer;
use protocol::api::admin::readings_server::ReadingsServer;
use protocol::profile::Catalogue;
use raft_store::state::{Entry, Reply};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Response, Status};

use crate::capacity::{Book, Measured};
use crate::cluster::{Applied, Cluster};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::mysql::{Accounts, Reader};

/// A handle to the console service; clones share it.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Cluster,
    reader: Reader,
    accounts: Accounts,
    catalogue: Catalogue,
    config: Arc<Config>,
    metrics: Metrics,
    stop: CancellationToken,
    watchers: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    /// What each line is asked, as of the state looked at last.
    book: Arc<Mutex<Book>>,
}

impl Admin {
    /// The console service of this node, on whose lines reads took what `measured` says; `stop` ends its watchers.
    pub fn new(
        cluster: Cluster,
        reader: Reader,
        catalogue: Catalogue,
        config: Arc<Config>,
        metrics: Metrics,
        measured: Measured,
        stop: CancellationToken,
    ) -> Self {
        let watchers = Arc::new(Semaphore::new(config.admin.watchers));
        let book = Arc::new(Mutex::new(Book::new((&config.polling).into(), measured)));
        let accounts = Accounts::new(&config.mysql, &config.ledger);
        let exports = Arc::new(Semaphore::new(config.admin.exports));
        Self { cluster, reader, accounts, catalogue, config, metrics, stop, watchers, exports, book }
    }

    /// All services of the console.
    pub fn routes(self) -> Routes {
        let most = usize::try_from(self.config.admin.message_bytes.as_u64()).unwrap_or(usize::MAX);
        Routes::new(ClusterServer::new(self.clone()).max_decoding_message_size(most))
            .add_service(LinesServer::new(self.clone()).max_decoding_message_size(most))
            .add_service(MetersServer::new(self.clone()).max_decoding_message_size(most))
            .add_service(PlantServer::new(self.clone()).max_decoding_message_size(most))
            .add_service(ReadingsServer::new(self.clone()).max_decoding_message_size(most))
            .add_service(LedgerServer::new(self.clone()).max_decoding_message_size(most))
            .add_service(CommandsServer::new(self).max_decoding_message_size(most))
    }

    /// This node's copy of the state, at least as new as every change answered before.
    async fn read(&self) -> Result<Applied, Status> {
        self.cluster.read().await.map_err(convert::refusal)
    }

    /// Commits `entry` and answers what became of it.
    async fn propose(&self, entry: Entry) -> Result<Reply, Status> {
        self.cluster.propose(entry).await.map_err(convert::refusal)
    }

    /// Waits for `work` at most `admin.call_timeout`.
    async fn within<T>(&self, work: impl Future<Output = Result<T, Status>>) -> Result<Response<T>, Status> {
        let limit = self.config.admin.call_timeout;
        match tokio::time::timeout(limit, work).await {
            Ok(answer) => answer.map(Response::new),
            Err(_) => {
                let text = format!("no answer within {limit:?} (admin.call_timeout): the outcome is unknown");
                Err(Status::deadline_exceeded(text))
            }
        }
    }

    /// Starts a watcher's stream, fed by `task` until one of both ends or the node stops.
    fn watch<T, F>(&self, task: impl FnOnce(Arc<watching::Feed<T>>) -> F) -> Result<watching::Watch<T>, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let most = self.config.admin.watchers;
        let place = Arc::clone(&self.watchers).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{most} watchers are served already (admin.watchers): try another node"))
        })?;
        let patience = watching::Patience { limit: self.config.admin.watch_patience, setting: "admin.watch_patience" };
        Ok(self.feed(Some(place), self.config.admin.watch_queue, patience, task))
    }

    /// A stream fed by `task`; `place`, if any, is held until whoever reads it is gone.
    fn feed<T, F>(
        &self,
        place: Option<OwnedSemaphorePermit>,
        room: usize,
        patience: watching::Patience,
        task: impl FnOnce(Arc<watching::Feed<T>>) -> F,
    ) -> watching::Watch<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let (feed, watch) = watching::pair(room, patience, place);
        let feed = Arc::new(feed);
        tokio::spawn(drive(Arc::clone(&feed), task(feed), self.stop.clone()));
        watch
    }
}

/// Runs the task that feeds a watcher; its error is the stream's last word.
async fn drive<T>(
    feed: Arc<watching::Feed<T>>,
    task: impl Future<Output = Result<(), Status>>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = feed.closed() => {}
        () = stop.cancelled() => feed.end(Status::unavailable("this node is stopping: ask another one")),
        end = task => if let Err(status) = end { feed.end(status) },
    }
}
