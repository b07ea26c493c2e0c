//! What was measured, for people and for programs.
//!
//! Promises: `kept` means that no row was lost, doubled or changed. Refuses: judging speed.

use serde::Serialize;

use super::Options;

/// One round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Round {
    /// By the product.
    pub drain: Speed,
    /// By LOAD DATA; none where nothing is compared.
    pub load: Option<Loads>,
}

/// LOAD DATA of the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Loads {
    /// In the order in which the spools hold them.
    pub of_spools: Speed,
    /// Sorted by the table's key beforehand.
    pub of_key: Speed,
}

/// Rows a second, and the processor time a row took, microseconds; none where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Speed {
    /// Rows a second.
    pub rows: f64,
    /// In the database's server.
    pub server_us: Option<f64>,
    /// In the node that led at the end.
    pub leader_us: Option<f64>,
    /// In the other nodes together.
    pub others_us: Option<f64>,
}

impl Speed {
    fn words(&self) -> String {
        let spent = [("server", self.server_us), ("leader", self.leader_us), ("others", self.others_us)];
        let spent = spent.into_iter().filter_map(|(who, us)| Some(format!(", {who} {:.1} us", us?)));
        format!("{:.0} rows/s{}", self.rows, spent.collect::<String>())
    }
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The binary that was measured.
    pub hearth: String,
    /// Rows of one round.
    pub rows: u64,
    /// Meters they are of.
    pub meters: u64,
    /// Every round.
    pub rounds: Vec<Round>,
    /// Rows a second of rows that were there.
    pub replay: Option<Speed>,
    /// What was not as it has to be.
    pub failures: Vec<String>,
    /// `kept` or `broken`.
    pub verdict: &'static str,
}

impl Report {
    /// Of nothing yet.
    pub fn new(options: &Options) -> Self {
        Self {
            hearth: options.hearth.display().to_string(),
            rows: options.rows,
            meters: options.meters,
            rounds: Vec::new(),
            replay: None,
            failures: Vec::new(),
            verdict: "kept",
        }
    }

    pub(super) fn round(&mut self, round: Round) {
        let load = round.load.map_or(String::new(), |load| {
            format!("; LOAD DATA {}; of a sorted file {}", load.of_spools.words(), load.of_key.words())
        });
        eprintln!("chaos: round {}: {}{load}", self.rounds.len() + 1, round.drain.words());
        self.rounds.push(round);
    }

    pub(super) fn replayed(&mut self, speed: Speed) {
        self.replay = Some(speed);
    }

    pub(super) fn expect(&mut self, what: &str, expected: u64, found: u64) {
        if expected != found {
            self.failures.push(format!("{what}: {found} instead of {expected}"));
            self.verdict = "broken";
        }
    }

    /// Whether no row was lost, doubled or changed.
    pub fn is_kept(&self) -> bool {
        self.failures.is_empty()
    }

    /// For people.
    pub fn table(&self) -> String {
        let drains: Vec<_> = self.rounds.iter().map(|round| round.drain.rows).collect();
        let loads = |of: fn(Loads) -> Speed| -> Vec<_> {
            self.rounds.iter().filter_map(|round| Some(of(round.load?).rows)).collect()
        };
        let (of_spools, of_key) = (loads(|load| load.of_spools), loads(|load| load.of_key));
        let list = |speeds: &[f64]| speeds.iter().map(|speed| format!("{speed:.0}")).collect::<Vec<_>>().join("  ");
        let mut lines = vec![
            format!("{} rows of {} meters a round, rows a second", self.rows, self.meters),
            format!("drain      {}   median {:.0}", list(&drains), median(&drains)),
        ];
        if of_spools.is_empty() {
            let eighth = (drains.len() / 8).max(1);
            let first: Vec<_> = drains.iter().copied().take(eighth).collect();
            let last: Vec<_> = drains.iter().copied().rev().take(eighth).collect();
            lines.push(format!("ratio      {:.2}  last eighth / first eighth", median(&last) / median(&first)));
        } else {
            for (loads, what) in [(of_spools, "in the order of the spools"), (of_key, "of a file sorted by the key")] {
                lines.push(format!("LOAD DATA  {}   median {:.0}  {what}", list(&loads), median(&loads)));
                lines.push(format!("ratio      {:.2}", median(&drains) / median(&loads)));
            }
        }
        lines.extend(self.replay.map(|speed| format!("replay     {}", speed.words())));
        lines.extend(self.failures.iter().cloned());
        lines.join("\n") + "\n" + self.verdict + "\n"
    }
}

fn median(speeds: &[f64]) -> f64 {
    let mut sorted = speeds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
