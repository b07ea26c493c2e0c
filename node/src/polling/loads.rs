//! What the lines of this node are asked, for its metrics.
//!
//! Promises: a line is worked out when it is told of and when its reads take another time; it is forgotten when it is let
//! go. Refuses: doing anything about it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use protocol::meter::LineId;
use raft_store::state::registry::LineSpec;
use tokio::sync::watch;

use super::orders::Charge;
use crate::capacity::{Ask, Group, Measured, Shares, Spans, load};
use crate::clock::wall_now;
use crate::metrics::Metrics;

/// A line that is held.
#[derive(Debug)]
struct Held {
    spec: LineSpec,
    groups: Vec<Group>,
    permille: u32,
}

/// The loads of the lines that are held.
#[derive(Debug)]
pub(super) struct Loads {
    shares: Shares,
    metrics: Metrics,
    measured: Measured,
    news: watch::Receiver<u64>,
    /// What was measured is taken over up to this.
    version: u64,
    spans: Spans,
    held: BTreeMap<LineId, Held>,
}

impl Loads {
    pub(super) fn new(shares: Shares, metrics: Metrics, measured: Measured) -> Self {
        let news = measured.watch();
        Self { shares, metrics, measured, news, version: 0, spans: Spans::default(), held: BTreeMap::new() }
    }

    /// The line is held, and these are its meters.
    pub(super) fn set(&mut self, line: LineId, spec: &LineSpec, charges: &[Charge]) {
        self.held.insert(line, Held { spec: spec.clone(), groups: groups(charges), permille: 0 });
        self.rate(line);
    }

    fn rate(&mut self, line: LineId) {
        let Some(Held { spec, groups, permille }) = self.held.get_mut(&line) else { return };
        let read_ms = |ask: Ask| self.measured.read_ms(line, ask).unwrap_or_else(|| ask.read_ms(spec));
        let load = load(spec, groups, read_ms, self.shares, &mut self.spans, wall_now().0);
        *permille = load.map_or(0, |load| load.permille);
    }

    /// The line is let go.
    pub(super) fn forget(&mut self, line: LineId) {
        self.held.remove(&line);
        self.measured.forget(line);
    }

    /// Waits until reads take another time than they did, and takes it over. Cancel-safe.
    pub(super) async fn follow(&mut self) {
        if self.news.changed().await.is_err() {
            return std::future::pending().await;
        }
        let (lines, version) = self.measured.since(self.version);
        self.version = version;
        lines.into_iter().for_each(|line| self.rate(line));
        self.tell();
    }

    /// Tells the metrics.
    pub(super) fn tell(&self) {
        let loads = || self.held.values().map(|held| held.permille);
        let overloaded = loads().filter(|permille| *permille > 1_000).count();
        self.metrics.lines_loaded(overloaded, loads().max().unwrap_or(0));
    }
}

/// Meters that are asked alike at the same moments, together.
fn groups(charges: &[Charge]) -> Vec<Group> {
    let mut counted = HashMap::<(*const _, Ask), Group>::new();
    for Charge { meter, table, .. } in charges.iter().filter(|charge| charge.meter.enabled) {
        let ask = Ask::of(&meter.address);
        let fresh = || Group { table: Arc::clone(table), ask, meters: 0 };
        counted.entry((Arc::as_ptr(table), ask)).or_insert_with(fresh).meters += 1;
    }
    counted.into_values().collect()
}
