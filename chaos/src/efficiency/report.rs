//! What was measured, for people and for programs.
//!
//! Promises: `kept` means that no live meter was late because of dead ones. Refuses: judging efficiencies: they are told.

use serde::Serialize;

use super::Options;
use super::busy::Busy;
use super::dead::{Dead, Delays};

/// The outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The binary that was measured.
    pub hearth: String,
    /// Live meters on each line.
    pub meters: u32,
    /// The busy lines, by speed.
    pub busy: Vec<Busy>,
    /// Lines with and without dead meters.
    pub dead: Dead,
    /// `kept` or `broken`.
    pub verdict: &'static str,
}

impl Report {
    /// The report of a run.
    pub fn new(options: &Options, busy: Vec<Busy>, dead: Dead) -> Self {
        let is_kept = dead.burdened.slots > 0 && dead.burdened.late == 0;
        let hearth = options.hearth.display().to_string();
        Self { hearth, meters: options.meters, busy, dead, verdict: if is_kept { "kept" } else { "broken" } }
    }

    /// Whether no live meter was late.
    pub fn is_kept(&self) -> bool {
        self.verdict == "kept"
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{}\n{:<30}{:>10}{:>12}{:>12}{:>12}{:>12}\n",
            self.hearth, "line", "readings", "physics s", "passed s", "meters' lag", "efficiency"
        );
        for Busy { baud, account, efficiency } in &self.busy {
            let name = format!("{} meters at {baud} bit/s", self.meters);
            let (physics, passed, lag) = (account.physics_s, account.passed_s, account.lag_s);
            let share = efficiency * 100.0;
            text +=
                &format!("{name:<30}{:>10}{physics:>12.2}{passed:>12.2}{lag:>12.2}{share:>10.1} %\n", account.readings);
        }
        let Dead { live, dead, interval_s, spared, burdened } = &self.dead;
        text += &format!("{:<30}{:>10}{:>12}{:>12}{:>12}\n", "line", "slots", "late", "median ms", "p99 ms");
        for (name, delays) in
            [(format!("{live} live, every {interval_s} s"), spared), (format!("{live} live, {dead} dead"), burdened)]
        {
            let Delays { slots, late, median_ms, p99_ms } = delays;
            text += &format!("{name:<30}{slots:>10}{late:>12}{median_ms:>12}{p99_ms:>12}\n");
        }
        text + &format!("{:<30}{:>10}\n", "verdict", self.verdict)
    }
}
