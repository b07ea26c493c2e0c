//! The node's side of the lease: a heartbeat to the leader, again and again.
//!
//! Promises: the lease is counted from the moment a heartbeat was sent; a new leader is asked at once; a leader that
//! does not answer is asked again. Refuses: going through the log.

use std::sync::Arc;

use protocol::api::admin::NodeReport;
use protocol::api::peer::HeartbeatRequest;
use protocol::api::peer::cluster_client::ClusterClient;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Cluster;
use crate::clock::{Moment, wall_now};
use crate::config;
use crate::metrics::Metrics;

/// Renews the node's lease.
#[derive(Debug)]
pub struct Heart {
    cluster: Cluster,
    settings: Arc<config::Config>,
    metrics: Metrics,
    incarnation: u64,
    sequence: u64,
    started_at: u64,
}

impl Heart {
    /// The heart of this node; `incarnation` tells this life of it from others.
    pub fn new(cluster: Cluster, settings: Arc<config::Config>, metrics: Metrics, incarnation: u64) -> Self {
        Self { cluster, settings, metrics, incarnation, sequence: 0, started_at: wall_now().0 }
    }

    /// Beats until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut leadership = self.cluster.leadership();
        let (farewell, mut told) = (self.cluster.farewell(), false);
        let mut ticks = interval(self.settings.lease.heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                changed = leadership.changed() => if changed.is_err() { return },
                () = farewell.said(), if !told => told = true,
            }
            if let Err(reason) = self.beat().await {
                tracing::debug!(%reason, "heartbeat not answered");
            }
        }
    }

    async fn beat(&mut self) -> Result<(), String> {
        let leader = self.cluster.leadership().borrow().leader.ok_or("no leader is known")?;
        let peer = self.cluster.peer(leader).map_err(|error| error.to_string())?;
        let request = self.request();
        let stopping = request.report.as_ref().is_some_and(|report| report.stopping);
        let lease = &self.settings.lease;
        let sent = Moment::now();
        let answer = timeout(lease.heartbeat_timeout, ClusterClient::new(peer).heartbeat(request)).await;
        let reply =
            answer.map_err(|_| format!("node {leader} did not answer"))?.map_err(|status| status.to_string())?;
        let reply = reply.into_inner();
        if reply.sequence != self.sequence {
            return Err(format!("node {leader} answered another heartbeat"));
        }
        // Before that the node may believe in an ownership that ended while it was away.
        let applied = timeout(lease.heartbeat_timeout, self.cluster.applied_at(reply.applied)).await;
        applied
            .map_err(|_| format!("the log is not applied up to {} yet", reply.applied))?
            .map_err(|e| e.to_string())?;
        self.cluster.lease().renew(sent, lease.length);
        if stopping {
            self.cluster.farewell().taken_note_of();
        }
        Ok(())
    }

    fn request(&mut self) -> HeartbeatRequest {
        self.sequence += 1;
        let stopping = self.cluster.farewell().is_said();
        let report = NodeReport { started_at: self.started_at, stopping, ..self.metrics.report() };
        HeartbeatRequest {
            node: self.cluster.node().0,
            incarnation: self.incarnation,
            sequence: self.sequence,
            wall_clock: wall_now().0,
            report: Some(report),
            address: self.settings.advertise(),
        }
    }
}
