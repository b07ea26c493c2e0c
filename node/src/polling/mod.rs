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

mod backfill;
mod changes;
mod commands;
mod dialogue;
mod evidence;
mod line;
mod loads;
mod orders;
mod outbox;
mod outlet;
mod permit;
mod recorded;
mod records;
mod release;
mod roster;
mod sanity;
mod schedule;
mod screened;
#[cfg(test)]
mod tests;
mod transport;
mod watchdog;

use std::sync::Arc;

use protocol::meter::NodeId;
use protocol::profile::Catalogue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::capacity::Measured;
use crate::cluster::lease::Lease;
use crate::cluster::{Applied, Cluster};
use crate::config::Config;
use crate::dialin::Directory;
use crate::metrics::Metrics;
use crate::spool::Spool;
use crate::survey::Surveys;
use crate::trace::Traces;

use backfill::{Seeker, Wants};
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
    catalogue: Catalogue,
    config: Arc<Config>,
    metrics: Metrics,
    descriptors: Descriptors,
    traces: Traces,
    surveys: Surveys,
    units: Directory,
    measured: Measured,
    wants: Wants,
}

/// The lines of this node, not started yet.
#[derive(Debug)]
pub(crate) struct Polling {
    pub(crate) cluster: Cluster,
    /// Where what lines say goes to.
    pub(crate) spool: Spool,
    /// By what meters are read.
    pub(crate) catalogue: Catalogue,
    pub(crate) config: Arc<Config>,
    pub(crate) metrics: Metrics,
    /// Who listens to lines.
    pub(crate) traces: Traces,
    /// Who wants lines scanned.
    pub(crate) surveys: Surveys,
    /// Through whom some lines are reached.
    pub(crate) units: Directory,
    /// How long reads take.
    pub(crate) measured: Measured,
}

impl Polling {
    /// Serves the lines of this node until `stop`; then finishes what runs and lets go of every line, within
    /// `polling.stop_limit`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { cluster, spool, catalogue, config, metrics, traces, surveys, units, measured } = self;
        let (outlet, proposals) = Outlet::new(config.polling.proposals_queue);
        let wants = Wants::default();
        let (lease, descriptors) = (cluster.lease(), Descriptors::default());
        let every = config.lease.watchdog_every;
        let watchdog = match Watchdog::start(lease.clone(), descriptors.clone(), every) {
            Ok(watchdog) => watchdog,
            Err(error) => return tracing::error!(%error, "the line watchdog cannot be started: no line is served"),
        };
        let (node, applied, at_once) = (cluster.node(), cluster.applied(), config.polling.proposals);
        let shared = Shared {
            node,
            applied,
            lease,
            outlet,
            spool,
            catalogue,
            config,
            metrics,
            descriptors,
            traces,
            surveys,
            units,
            measured,
            wants: wants.clone(),
        };
        let settings = shared.config.backfill.within(shared.config.mysql.retention);
        let seeker = Seeker { cluster: cluster.clone(), catalogue: shared.catalogue.clone(), wants, settings };
        let roster = Roster::new(shared);
        tokio::select! {
            () = roster.run(stop) => {}
            // Neither ends by itself: the roster holds the outlet's other end.
            () = outlet::forward(cluster, proposals, at_once) => {}
            () = watchdog.beat(every) => {}
            () = seeker.run() => {}
        }
    }
}
