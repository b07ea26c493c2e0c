//! What a node counts of itself: one function per observation.
//!
//! Promises: an observation never blocks and never fails. The same numbers go to `/metrics`, to the leader with every
//! heartbeat, and to the status screen. Refuses: deciding anything.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use protocol::api::admin::{LedgerStatus, NodeReport, UnknownUnit};

/// A handle to the node's numbers; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    numbers: Arc<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    exchanges: Counter,
    readings_accepted: Counter,
    readings_missed: Counter,
    readings_backfilled: Counter,
    commands_ended: Counter,
    spool_records: Gauge,
    spool_bytes: Gauge,
    oldest_spooled_at: Gauge,
    spool_max_bytes: Gauge,
    spool_percent: Gauge,
    spool_level: Gauge,
    slots_passed_over: Counter,
    lines_open: Gauge,
    lines_down: Gauge,
    lines_overloaded: Gauge,
    line_load_highest: Gauge,
    rows_written: Counter,
    rows_rejected: Counter,
    writes_failed: Counter,
    units_connected: Gauge,
    units_refused: Counter,
    units_unknown: Gauge,
    ledger_lag_seconds: Gauge,
    ledger_unaccounted: Gauge,
    ledger_marked: Gauge,
    unknown: Mutex<Vec<UnknownUnit>>,
}

impl Metrics {
    /// A dialogue with a meter is over, however it ended.
    pub fn exchange_ended(&self) {
        self.numbers.exchanges.inc();
    }

    /// A reading is durable.
    pub fn reading_accepted(&self) {
        self.numbers.readings_accepted.inc();
    }

    /// A value of a meter's history is durable.
    pub fn reading_backfilled(&self) {
        self.numbers.readings_backfilled.inc();
    }

    /// A slot was given up, durably.
    pub fn reading_missed(&self) {
        self.numbers.readings_missed.inc();
    }

    /// A command ended on a line of this node.
    pub fn command_ended(&self) {
        self.numbers.commands_ended.inc();
    }

    /// The spool's content now; `oldest_at` is Unix ms, 0 where it is empty.
    pub fn spool_holds(&self, records: u64, bytes: u64, oldest_at: u64) {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.numbers.spool_records.set(signed(records));
        self.numbers.spool_bytes.set(signed(bytes));
        self.numbers.oldest_spooled_at.set(signed(oldest_at));
    }

    /// What the spool may hold, how full it is and what is still accepted (0 everything .. 3 marks of missed slots only).
    pub fn spool_pressed(&self, max_bytes: u64, percent: u64, level: u32) {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.numbers.spool_max_bytes.set(signed(max_bytes));
        self.numbers.spool_percent.set(signed(percent));
        self.numbers.spool_level.set(level.into());
    }

    /// So many slots were missed because the spool fills up.
    pub fn slots_passed_over(&self, slots: usize) {
        self.numbers.slots_passed_over.inc_by(slots as u64);
    }

    /// A line's channel opened.
    pub fn line_opened(&self) {
        self.numbers.lines_open.inc();
    }

    /// A line's channel closed.
    pub fn line_closed(&self) {
        self.numbers.lines_open.dec();
    }

    /// A line's channel cannot be opened (`true`), or no longer is in that state (`false`).
    pub fn line_down(&self, down: bool) {
        if down {
            self.numbers.lines_down.inc()
        } else {
            self.numbers.lines_down.dec()
        };
    }

    /// So many lines of this node are asked more than they can give, and the highest load of one, a thousandth.
    pub fn lines_loaded(&self, overloaded: usize, highest_permille: u32) {
        self.numbers.lines_overloaded.set(i64::try_from(overloaded).unwrap_or(i64::MAX));
        self.numbers.line_load_highest.set(highest_permille.into());
    }

    /// Rows were committed to the database.
    pub fn rows_written(&self, rows: u64) {
        self.numbers.rows_written.inc_by(rows);
    }

    /// Rows were set aside.
    pub fn rows_rejected(&self, rows: u64) {
        self.numbers.rows_rejected.inc_by(rows);
    }

    /// A write to the database failed and will be tried again.
    pub fn write_failed(&self) {
        self.numbers.writes_failed.inc();
    }

    /// A unit registered (`true`), or one that had is gone (`false`).
    pub fn unit_connected(&self, here: bool) {
        if here {
            self.numbers.units_connected.inc()
        } else {
            self.numbers.units_connected.dec()
        };
    }

    /// A connection of a unit was closed before it registered.
    pub fn unit_refused(&self) {
        self.numbers.units_refused.inc();
    }

    /// So many units that have no line are remembered, and these are the newest.
    pub fn units_unknown(&self, count: usize, newest: Vec<UnknownUnit>) {
        self.numbers.units_unknown.set(i64::try_from(count).unwrap_or(i64::MAX));
        *self.numbers.unknown.lock().unwrap_or_else(PoisonError::into_inner) = newest;
    }

    /// The accounts of due slots stand so at `now`, Unix ms; said by the leader.
    pub fn ledger_stands(&self, status: &LedgerStatus, now: u64) {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        if status.horizon > 0 {
            self.numbers.ledger_lag_seconds.set(signed(now.saturating_sub(status.horizon) / 1000));
        }
        self.numbers.ledger_unaccounted.set(signed(status.unaccounted));
        self.numbers.ledger_marked.set(signed(status.marked));
    }

    /// What the node says of itself with every heartbeat; identity fields are the caller's to fill.
    pub fn report(&self) -> NodeReport {
        let n = &self.numbers;
        let positive = |gauge: &Gauge| u64::try_from(gauge.get()).unwrap_or(0);
        NodeReport {
            exchanges: n.exchanges.get(),
            readings_accepted: n.readings_accepted.get(),
            readings_missed: n.readings_missed.get(),
            spool_records: positive(&n.spool_records),
            spool_bytes: positive(&n.spool_bytes),
            oldest_spooled_at: positive(&n.oldest_spooled_at),
            lines_open: positive(&n.lines_open),
            lines_down: positive(&n.lines_down),
            resident_bytes: resident_bytes(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            units_connected: positive(&n.units_connected),
            spool_level: u32::try_from(n.spool_level.get()).unwrap_or(0),
            spool_percent: positive(&n.spool_percent),
            spool_max_bytes: positive(&n.spool_max_bytes),
            slots_passed_over: n.slots_passed_over.get(),
            unknown_units: n.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..NodeReport::default()
        }
    }

    /// The numbers in the text format of OpenMetrics.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry());
        text
    }

    fn registry(&self) -> Registry {
        let n = &self.numbers;
        let mut registry = Registry::with_prefix("hearth");
        registry.register("exchanges", "Dialogues with meters that are over", n.exchanges.clone());
        registry.register("readings_accepted", "Readings made durable", n.readings_accepted.clone());
        registry.register("readings_missed", "Slots given up", n.readings_missed.clone());
        let kept = "Values of meters' own history made durable";
        registry.register("readings_backfilled", kept, n.readings_backfilled.clone());
        registry.register("commands_ended", "Commands that ended on this node's lines", n.commands_ended.clone());
        registry.register("spool_records", "Records in the spool", n.spool_records.clone());
        registry.register("spool_bytes", "Bytes in the spool", n.spool_bytes.clone());
        registry.register("spool_max_bytes", "Bytes of readings the spool may hold", n.spool_max_bytes.clone());
        registry.register("spool_percent", "How full the spool is, by bytes or age", n.spool_percent.clone());
        registry.register(
            "spool_level",
            "What the spool still accepts: 0 everything, 1 no on-demand reads, 2 fewer slots, 3 marks of missed slots",
            n.spool_level.clone(),
        );
        registry.register("slots_passed_over", "Slots missed because the spool fills up", n.slots_passed_over.clone());
        registry.register("lines_open", "Lines whose channel is open", n.lines_open.clone());
        registry.register("lines_down", "Lines whose channel cannot be opened", n.lines_down.clone());
        registry.register(
            "lines_overloaded",
            "Lines whose schedules ask more than they can give",
            n.lines_overloaded.clone(),
        );
        registry.register(
            "line_load_highest_permille",
            "What reading takes of the time there is for it, of the worst line",
            n.line_load_highest.clone(),
        );
        registry.register("units_connected", "Units that called in and registered", n.units_connected.clone());
        registry.register("units_refused", "Connections of units closed unregistered", n.units_refused.clone());
        registry.register("units_unknown", "Units that called in and have no line", n.units_unknown.clone());
        registry.register("rows_written", "Rows committed to the database", n.rows_written.clone());
        registry.register("rows_rejected", "Rows set aside", n.rows_rejected.clone());
        let lag = "Since the moment up to which due slots are accounted for, as this node last led";
        registry.register("ledger_lag_seconds", lag, n.ledger_lag_seconds.clone());
        registry.register("ledger_unaccounted", "Closed slots without reading or mark", n.ledger_unaccounted.clone());
        registry.register("ledger_marked", "Slots the leader marked as missed itself", n.ledger_marked.clone());
        registry.register("writes_failed", "Failed writes to the database", n.writes_failed.clone());
        registry
    }
}

/// The process's resident memory; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()));
    pages.unwrap_or(0).saturating_mul(rustix::param::page_size() as u64)
}
