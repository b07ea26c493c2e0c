//! What the lines of this node are asked, for its metrics.
//!
//! Promises: a line is worked out when it is told of, and forgotten when it is let go. Refuses: doing anything about it.

use std::collections::BTreeMap;

use protocol::meter::LineId;
use raft_store::state::registry::LineSpec;

use super::orders::Charge;
use crate::capacity::{Ask, Group, Shares, Spans, load};
use crate::clock::wall_now;
use crate::metrics::Metrics;

/// The loads of the lines that are held.
#[derive(Debug)]
pub(super) struct Loads {
    shares: Shares,
    metrics: Metrics,
    spans: Spans,
    /// A thousandth.
    held: BTreeMap<LineId, u32>,
}

impl Loads {
    pub(super) const fn new(shares: Shares, metrics: Metrics, spans: Spans) -> Self {
        Self { shares, metrics, spans, held: BTreeMap::new() }
    }

    /// The line is held, and these are its meters.
    pub(super) fn set(&mut self, line: LineId, spec: &LineSpec, charges: &[Charge]) {
        let enabled = charges.iter().filter(|charge| charge.meter.enabled);
        let groups: Vec<_> = enabled
            .map(|charge| Group { table: charge.table.clone(), ask: Ask::of(&charge.meter.address), meters: 1 })
            .collect();
        let load = load(spec, &groups, self.shares, &mut self.spans, wall_now().0);
        self.held.insert(line, load.map_or(0, |load| load.permille));
    }

    /// The line is let go.
    pub(super) fn forget(&mut self, line: LineId) {
        self.held.remove(&line);
    }

    /// Tells the metrics.
    pub(super) fn tell(&self) {
        let overloaded = self.held.values().filter(|permille| **permille > 1_000).count();
        self.metrics.lines_loaded(overloaded, self.held.values().copied().max().unwrap_or(0));
    }
}
