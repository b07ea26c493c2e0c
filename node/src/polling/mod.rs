//! The lines that are mine.
//!
//! ```text
//!   cluster.applied() --> Roster --orders--> LineTask (one per line) --> spool
//!                           |                  |
//!                           +---- Outlet <-----+     Release, Start, Finish --> cluster.propose()
//!                                 Watchdog           a thread beside the runtime
//! ```
//!
//! Promises: a line is spoken on only under this node's epoch and lease; a reading is durable before its line speaks
//! again; every slot of a held line ends as read or missed with a reason; a stop lets go of every line in words.
//! Refuses: deciding who owns what, and writing to the database.

mod changes;
mod commands;
mod dialogue;
mod line;
mod orders;
mod outbox;
mod outlet;
mod permit;
mod records;
mod release;
mod roster;
mod schedule;
#[cfg(test)]
mod tests;
mod transport;
mod watchdog;

use std::sync::Arc;

use protocol::meter::NodeId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cluster::lease::Lease;
use crate::cluster::{Applied, Cluster};
use crate::config::Config;
use crate::dialin::Directory;
use crate::metrics::Metrics;
use crate::spool::Spool;

use outlet::Outlet;
use roster::Roster;
use watchdog::{Descriptors, Watchdog};

/// What every line's task works with; clones share it.
#[derive(Debug, Clone)]
struct Shared {
    node: NodeId,
    applied: watch::Receiver<Applied>,
    lease: Lease,
    outlet: Outlet,
    spool: Spool,
    config: Arc<Config>,
    metrics: Metrics,
    descriptors: Descriptors,
    units: Directory,
}

/// The lines of this node, not started yet.
#[derive(Debug)]
pub(crate) struct Polling {
    cluster: Cluster,
    spool: Spool,
    config: Arc<Config>,
    metrics: Metrics,
    units: Directory,
}

impl Polling {
    /// The lines that `cluster` gives to this node, some of them through `units`; what they say goes to `spool`.
    pub(crate) const fn new(
        cluster: Cluster,
        spool: Spool,
        config: Arc<Config>,
        metrics: Metrics,
        units: Directory,
    ) -> Self {
        Self { cluster, spool, config, metrics, units }
    }

    /// Serves the lines of this node until `stop`; then finishes what runs and lets go of every line, within
    /// `polling.stop_limit`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { cluster, spool, config, metrics, units } = self;
        let (outlet, proposals) = Outlet::new(config.polling.proposals_queue);
        let (lease, descriptors) = (cluster.lease(), Descriptors::default());
        let every = config.lease.watchdog_every;
        let watchdog = match Watchdog::start(lease.clone(), descriptors.clone(), every) {
            Ok(watchdog) => watchdog,
            Err(error) => return tracing::error!(%error, "the line watchdog cannot be started: no line is served"),
        };
        let (node, applied, at_once) = (cluster.node(), cluster.applied(), config.polling.proposals);
        let roster = Roster::new(Shared { node, applied, lease, outlet, spool, config, metrics, descriptors, units });
        tokio::select! {
            () = roster.run(stop) => {}
            // Neither ends by itself: the roster holds the outlet's other end.
            () = outlet::forward(cluster, proposals, at_once) => {}
            () = watchdog.beat(every) => {}
        }
    }
}
