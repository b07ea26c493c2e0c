//! The duties that exist only while this node leads.
//!
//! Promises: they start when a term of leadership begins here and are all stopped before another begins.
//! Refuses: running without leadership; sharing anything but the cluster's memory.

pub mod assigner;
pub mod commands;
pub mod history;
pub mod keeper;
pub mod ledger;
pub mod membership;
mod ticks;
pub mod writer;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, Leadership};
use crate::config::Config;
use crate::metrics::Metrics;

/// Starts and stops the duties.
#[derive(Debug)]
pub struct Leader {
    cluster: Cluster,
    config: Arc<Config>,
    metrics: Metrics,
}

impl Leader {
    /// The duties of this node, for whenever it leads.
    pub const fn new(cluster: Cluster, config: Arc<Config>, metrics: Metrics) -> Self {
        Self { cluster, config, metrics }
    }

    /// Follows the leadership until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut leadership = self.cluster.leadership();
        while !stop.is_cancelled() {
            let now = *leadership.borrow_and_update();
            if now.mine {
                self.serve(now, &stop).await;
            }
            // A change seen while serving is still to be seen here.
            tokio::select! {
                () = stop.cancelled() => return,
                changed = leadership.wait_for(|next| *next != now) => if changed.is_err() { return },
            }
        }
    }

    /// Serves one office to its end. Duties that end by themselves are begun again: without them nothing moves.
    async fn serve(&self, office: Leadership, stop: &CancellationToken) {
        let mut leadership = self.cluster.leadership();
        self.cluster.board().event(format!("node {} leads in term {}", self.cluster.node(), office.term));
        loop {
            let end = stop.child_token();
            let mut duties = self.begin_duties(&end);
            let ended = tokio::select! {
                () = stop.cancelled() => None,
                _ = leadership.wait_for(|next| *next != office) => None,
                ended = duties.join_next() => ended,
            };
            end.cancel();
            while duties.join_next().await.is_some() {}
            let Some(ended) = ended else { return };
            tracing::error!(?ended, "a duty of the leader ended by itself: all are begun again");
            tokio::time::sleep(self.config.assigner.every).await;
        }
    }

    fn begin_duties(&self, office: &CancellationToken) -> JoinSet<()> {
        let (cluster, config) = (&self.cluster, &self.config);
        let mut duties = JoinSet::new();
        let writer = writer::Writer::new(cluster.clone(), Arc::clone(config), self.metrics.clone());
        let history = writer.history();
        duties.spawn(writer.run(office.clone()));
        duties.spawn(keeper::Keeper::new(cluster.clone(), config.mysql.clone()).run(office.clone()));
        duties.spawn(assigner::Assigner::new(cluster.clone(), Arc::clone(config)).run(office.clone()));
        duties.spawn(membership::Membership::new(cluster.clone(), Arc::clone(config)).run(office.clone()));
        let ledger = ledger::Ledger::new(cluster.clone(), Arc::clone(config), self.metrics.clone());
        duties.spawn(ledger.run(office.clone()));
        duties.spawn(commands::Commands::new(cluster.clone(), Arc::clone(config), history).run(office.clone()));
        duties
    }
}
