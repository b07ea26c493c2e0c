//! What was measured, for people and for programs.
//!
//! Promises: `kept` means that the search looked at everything and found each meter once, and nobody else. Refuses: judging
//! probes and efficiency: they are told.

use protocol::api::admin::ScanReport;
use serde::Serialize;

use super::tally::Tally;
use super::{Options, Seen};

/// The outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The binary that was measured.
    pub hearth: String,
    /// The line's speed, bit/s.
    pub baud: u32,
    /// Meters on it.
    pub meters: u32,
    /// Of them those found once.
    pub found: u32,
    /// Not found.
    pub missed: u32,
    /// Found more than once.
    pub again: u32,
    /// Found, and not there.
    pub strangers: u32,
    /// Probes of a perfect walk over the digits.
    pub needed: u32,
    /// What the line's ledger has.
    pub tally: Tally,
    /// Probes as the node counted them.
    pub told: u32,
    /// `kept` or `broken`.
    pub verdict: &'static str,
}

impl Report {
    /// The report of a run in which the node's last word was `told`.
    pub fn new(options: &Options, needed: u32, tally: Tally, told: &ScanReport, seen: &Seen) -> Self {
        let Options { hearth, baud, meters, .. } = options;
        let Seen { once, missed, again, strangers } = *seen;
        let is_kept = told.complete && told.probes == tally.probes && once == *meters && strangers == 0;
        Self {
            hearth: hearth.display().to_string(),
            baud: *baud,
            meters: *meters,
            found: once,
            missed,
            again,
            strangers,
            needed,
            tally,
            told: told.probes,
            verdict: if is_kept { "kept" } else { "broken" },
        }
    }

    /// Whether each meter was found once, and nobody else.
    pub fn is_kept(&self) -> bool {
        self.verdict == "kept"
    }

    /// For people.
    pub fn table(&self) -> String {
        let Self { hearth, baud, meters, found, missed, again, strangers, needed, told, verdict, .. } = self;
        let Tally { probes, silent, readouts, collided, account, efficiency } = &self.tally;
        let share = efficiency * 100.0;
        let per_meter = f64::from(*probes) / f64::from((*meters).max(1));
        let rows = [
            ("meters", format!("{meters} at {baud} bit/s")),
            ("found once", format!("{found}, missed {missed}, more than once {again}, strangers {strangers}")),
            ("probes", format!("{probes}, {per_meter:.1} a meter; {needed} of a perfect walk; the node says {told}")),
            ("of them silent", silent.to_string()),
            ("readouts", format!("{readouts}, to {collided} of them several answered")),
            ("physics s", format!("{:.2}", account.physics_s)),
            ("passed s", format!("{:.2}, of it the meters' lag {:.2}", account.passed_s, account.lag_s)),
            ("efficiency", format!("{share:.1} %")),
            ("verdict", (*verdict).to_owned()),
        ];
        let lines = rows.map(|(name, value)| format!("{name:<18}{value}\n"));
        format!("{hearth}\n{}", lines.concat())
    }
}
