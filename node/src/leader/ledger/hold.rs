//! How far slots may be closed: not past what a node may still have.
//!
//! ```text
//!   node with records in its spool     the oldest of them holds, by the leader's clock
//!   node with an empty spool           what came since its last heartbeat may hold
//!   node not heard by this leader      anything may be in its spool: it holds everything ..
//!   silent for silent_node_limit       .. and nobody waits for it any longer: lost
//! ```
//!
//! Promises: pure. Refuses: trusting a silent node's spool to be empty.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::api::admin::NodeReport;
use protocol::meter::NodeId;

use crate::cluster::hearing::Silence;

/// How far slots may be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    /// Records of nodes that are waited for are younger, Unix ms.
    pub(super) until: u64,
    /// Whose are the oldest.
    pub(super) by: Option<NodeId>,
    /// When nodes that are not waited for were heard for the last time, at the latest, Unix ms.
    pub(super) lost: Vec<u64>,
}

/// The hold of `nodes` at `now`, Unix ms.
pub(super) fn of(nodes: &BTreeMap<NodeId, Silence>, now: u64, limit: Duration) -> Hold {
    let mut hold = Hold { until: now, by: None, lost: Vec::new() };
    for (node, silence) in nodes {
        let heard = now.saturating_sub(u64::try_from(silence.span.as_millis()).unwrap_or(u64::MAX));
        if silence.span >= limit {
            hold.lost.push(heard);
            continue;
        }
        let until = silence.report.as_ref().map_or(0, |report| heard.min(oldest(report)));
        if until < hold.until {
            (hold.until, hold.by) = (until, Some(*node));
        }
    }
    hold
}

/// When the oldest record was spooled, by the leader's clock.
fn oldest(report: &NodeReport) -> u64 {
    match report.oldest_spooled_at {
        0 => u64::MAX,
        at => at.saturating_add_signed(report.clock_offset_ms.saturating_neg()),
    }
}
