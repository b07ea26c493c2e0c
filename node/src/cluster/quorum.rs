//! The leader's own lease: a quorum confirms it, again and again.
//!
//! Promises: a confirmation counts from the moment it was asked for. Refuses: answering for a term that has ended.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Cluster;
use crate::clock::Moment;

/// Has the quorum confirm this node's leadership while it leads, until `stop`.
pub async fn run(cluster: Cluster, stop: CancellationToken) {
    let mut leadership = cluster.leadership();
    let settings = cluster.lease_settings().clone();
    let mut ticks = interval(settings.quorum_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
            changed = leadership.changed() => if changed.is_err() { return },
        }
        let now = *leadership.borrow_and_update();
        if now.mine {
            confirm(&cluster, now.term, settings.quorum_fresh).await;
        } else {
            cluster.hearing().give_up();
        }
    }
}

async fn confirm(cluster: &Cluster, term: u64, fresh: Duration) {
    let hearing = cluster.hearing();
    let asked = Moment::now();
    hearing.lead(term);
    // An answer later than this would be too old to count.
    if let Ok(Ok(index)) = timeout(fresh, cluster.consensus().confirm()).await {
        hearing.quorum_confirmed(term, asked, fresh, index);
    }
}
