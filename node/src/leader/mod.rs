//! The duties that exist only while this node leads.
//!
//! Promises: they start when a term of leadership begins here and are all stopped before another begins.
//! Refuses: running without leadership; sharing anything but the cluster's memory.

pub mod assigner;
pub mod commands;
pub mod membership;
mod ticks;
pub mod writer;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
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
        loop {
            let now = *leadership.borrow_and_update();
            if now.mine {
                let office = stop.child_token();
                let duties = self.take_office(now.term, &office);
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = leadership.wait_for(|next| *next != now) => {}
                }
                office.cancel();
                duties.join_all().await;
            } else if tokio::select! {
                () = stop.cancelled() => true,
                changed = leadership.changed() => changed.is_err(),
            } {
                return;
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    fn take_office(&self, term: u64, office: &CancellationToken) -> JoinSet<()> {
        let (cluster, config) = (&self.cluster, &self.config);
        cluster.board().event(format!("node {} leads in term {term}", cluster.node()));
        let mut duties = JoinSet::new();
        let writer = writer::Writer::new(cluster.clone(), Arc::clone(config), self.metrics.clone());
        let history = writer.history();
        duties.spawn(writer.run(office.clone()));
        duties.spawn(assigner::Assigner::new(cluster.clone(), Arc::clone(config)).run(office.clone()));
        duties.spawn(membership::Membership::new(cluster.clone(), Arc::clone(config)).run(office.clone()));
        duties.spawn(commands::Commands::new(cluster.clone(), Arc::clone(config), history).run(office.clone()));
        duties
    }
}
