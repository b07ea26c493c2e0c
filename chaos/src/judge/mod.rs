//! Holds the promises against the ledger and the tables.
//!
//! ```text
//!   ledger --> answers   which readings the product accepted        database --> rows, missed marks
//!      |          |                                                      |
//!      |          +---- stored: missing ---- exact: doubled, wrong ------+---- slots: missed, unaccounted
//!      +--> overlap: two speakers on one line
//! ```
//!
//! Promises: a verdict of `kept` means nothing was found missing, doubled, wrong or overlapping, and something was
//! stored at all; each finding comes with an example. The rules are in words at the head of each file. Refuses: mercy
//! for what it cannot explain; `denied`, `missed` and `unaccounted` are information and decide nothing.

use serde::Serialize;

use crate::ledger::Event;

pub mod answers;
pub mod database;
pub mod exact;
pub mod facts;
pub mod overlap;
pub mod slots;
pub mod stored;

use database::Tables;
use facts::Facts;

/// The most examples a report carries for each kind of finding.
pub const EXAMPLES_PER_KIND: usize = 10;
/// How far the wall clocks of nodes and field may differ, ms, unless told otherwise.
pub const CLOCK_TOLERANCE_MS: i64 = 2000;

/// What may differ from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How far the wall clocks of nodes and field may differ, ms.
    pub clock_tolerance_ms: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock_tolerance_ms: CLOCK_TOLERANCE_MS }
    }
}

/// One thing found, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `missing`, `doubled`, `wrong`, `overlap`, `denied`.
    pub kind: &'static str,
    /// The meter or line.
    pub subject: String,
    /// What happened, with times and speakers.
    pub text: String,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Different readings that meters gave, soundly and to somebody.
    pub answered: usize,
    /// Of these, the ones the product had taken: it spoke on, or stayed.
    pub accepted: usize,
    /// Of these, the ones given last before a speaker went: stored or not, both are fine.
    pub in_flight: usize,
    /// Of these, the ones that came after the answer time was over.
    pub late: usize,
    /// Rows that hold a reading some meter gave.
    pub stored: usize,
    /// Accepted readings that are nowhere.
    pub missing: usize,
    /// Accepted by their timing, but the product says itself that the line carried nothing usable.
    pub denied: usize,
    /// Rows beyond the first for one reading, or for one slot.
    pub doubled: usize,
    /// Rows no meter said, or not then.
    pub wrong: usize,
    /// Slots marked as missed.
    pub missed: usize,
    /// Closed slots with neither row nor mark.
    pub unaccounted: usize,
    /// Rows of meters the ledger does not know.
    pub foreign: usize,
    /// Moments with two speakers on a line.
    pub overlaps: usize,
    /// `kept` or `broken`.
    pub verdict: &'static str,
    /// Some of each.
    pub examples: Vec<Finding>,
}

/// Judges a run.
pub fn judge(events: &[Event], tables: &Tables, options: Options) -> Report {
    let facts = Facts::of(events);
    let answers = answers::collect(events, &facts);
    let rows = exact::Matched::of(tables, &answers, &facts, options);
    let missing = stored::check(&answers, &rows, tables, &facts);
    let slots = slots::count(tables, &facts);
    let overlaps = overlap::check(events, &facts);
    let count = |fate| answers.iter().filter(|answer| answer.fate == fate).count();
    let mut report = Report {
        answered: answers.iter().filter(|answer| answer.fate != answers::Fate::Spoiled).count(),
        accepted: count(answers::Fate::Accepted),
        in_flight: count(answers::Fate::InFlight),
        late: count(answers::Fate::Late),
        stored: rows.stored(),
        missing: missing.missing.len(),
        denied: missing.denied.len(),
        doubled: rows.doubled.len(),
        wrong: rows.wrong.len(),
        missed: slots.missed,
        unaccounted: slots.unaccounted,
        foreign: rows.foreign,
        overlaps: overlaps.len(),
        verdict: "broken",
        examples: Vec::new(),
    };
    if report.is_kept() {
        report.verdict = "kept";
    }
    for found in [missing.missing, missing.denied, rows.doubled, rows.wrong, overlaps] {
        report.examples.extend(found.into_iter().take(EXAMPLES_PER_KIND));
    }
    report
}

impl Report {
    /// Whether every promise was kept, by a product that did something.
    pub fn is_kept(&self) -> bool {
        self.missing + self.doubled + self.wrong + self.overlaps == 0 && self.stored > 0
    }

    /// The report for people.
    pub fn table(&self) -> String {
        let rows = [
            ("answered", self.answered),
            ("accepted", self.accepted),
            ("in flight", self.in_flight),
            ("late", self.late),
            ("stored", self.stored),
            ("missing", self.missing),
            ("denied", self.denied),
            ("doubled", self.doubled),
            ("wrong", self.wrong),
            ("missed", self.missed),
            ("unaccounted", self.unaccounted),
            ("foreign", self.foreign),
            ("overlaps", self.overlaps),
        ];
        let mut text: String = rows.iter().map(|(name, count)| format!("{name:<12}{count:>10}\n")).collect();
        text.extend(self.examples.iter().map(|one| format!("{} {}: {}\n", one.kind, one.subject, one.text)));
        text + &format!("verdict     {:>10}\n", self.verdict)
    }
}
