//! What was measured, for people and for programs.
//!
//! Promises: `kept` means that nothing was lost, doubled or changed, and no bound that was asked for was passed; a load that
//! was not carried says who used the processors. Refuses: bounds that nobody asked for.

use clap::Args;
use serde::Serialize;

use super::Options;
use super::check::Counts;
use super::sampler::Looks;
use super::usage::{Taken, Usage};

const MIB: f64 = 1024.0 * 1024.0;
/// A load is carried with at least this share of what is due, percent.
const CARRIED_PERCENT: f64 = 99.0;

/// What must not be passed; what is not named is only told.
#[derive(Debug, Clone, Copy, PartialEq, Default, Args)]
pub struct Bounds {
    /// Fail where one of a hundred readings took longer from the line to the committed row, ms
    #[arg(long)]
    pub p99_ms: Option<f64>,
    /// Fail where the memory of a node grew by more from the first minute to the last, percent
    #[arg(long)]
    pub rss_percent: Option<f64>,
    /// Fail where a smaller share of what was due was answered, or committed, percent
    #[arg(long)]
    pub carried_percent: Option<f64>,
}

/// From the answer on the line to the first sight of its committed row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Readings looked at.
    pub samples: usize,
    /// Of these, those that were in the database at the end and not seen within a minute.
    pub unseen: usize,
    /// Half of them took no longer, ms.
    pub p50_ms: f64,
    /// Nineteen of twenty.
    pub p95_ms: f64,
    /// All but one of a hundred.
    pub p99_ms: f64,
    /// All.
    pub max_ms: f64,
    /// How the looking went.
    pub looks: Looks,
}

impl Latency {
    /// Of these times, µs; `unseen` of them are only known to be as long.
    pub fn of(mut micros: Vec<i64>, unseen: usize, looks: Looks) -> Self {
        micros.sort_unstable();
        let at = |percent: usize| {
            let place = (micros.len() * percent).div_ceil(100).saturating_sub(1);
            micros.get(place).copied().unwrap_or(0) as f64 / 1000.0
        };
        let samples = micros.len();
        Self { samples, unseen, p50_ms: at(50), p95_ms: at(95), p99_ms: at(99), max_ms: at(100), looks }
    }
}

/// Readings a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Due by the schedules.
    pub due: f64,
    /// Answered on the lines.
    pub answered: f64,
    /// Committed.
    pub committed: f64,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The binary that was measured.
    pub hearth: String,
    /// Meters, each read every `interval_s` seconds.
    pub meters: u32,
    /// Seconds between the slots of each meter.
    pub interval_s: u32,
    /// `mbus` or `cjt188`.
    pub dialect: &'static str,
    /// Seconds measured.
    pub seconds: u64,
    /// How many a second.
    pub rates: Rates,
    /// How long they took.
    pub latency: Latency,
    /// What became of all of them.
    pub counts: Counts,
    /// What processors and memory went to.
    pub usage: Usage,
    /// The node that led at the beginning and at the end.
    pub leaders: [String; 2],
    /// What was not as it has to be, or passed a bound.
    pub failures: Vec<String>,
    /// `kept` or `broken`.
    pub verdict: &'static str,
}

impl Report {
    /// Of what was measured.
    pub fn new(
        options: &Options,
        rates: Rates,
        latency: Latency,
        counts: Counts,
        usage: Usage,
        leaders: [String; 2],
    ) -> Self {
        let mut report = Self {
            hearth: options.hearth.display().to_string(),
            meters: options.plant.meters(),
            interval_s: options.plant.interval_s,
            dialect: if options.plant.mbus { "mbus" } else { "cjt188" },
            seconds: options.seconds,
            rates,
            latency,
            counts,
            usage,
            leaders,
            failures: Vec::new(),
            verdict: "kept",
        };
        report.failures = report.broken().into_iter().chain(report.passed(&options.bounds)).collect();
        if !report.failures.is_empty() {
            report.verdict = "broken";
        }
        report
    }

    /// Whether nothing was broken and no bound was passed.
    pub fn is_kept(&self) -> bool {
        self.failures.is_empty()
    }

    fn broken(&self) -> Vec<String> {
        let Counts { missing, doubled, wrong, stored, .. } = self.counts;
        let found = [("missing", missing), ("doubled", doubled), ("wrong", wrong), ("stored", u64::from(stored == 0))];
        let found = found.into_iter().filter(|(_, count)| *count > 0);
        found
            .map(|(what, count)| if what == "stored" { "nothing stored".to_owned() } else { format!("{what} {count}") })
            .collect()
    }

    fn passed(&self, bounds: &Bounds) -> Vec<String> {
        let Rates { due, answered, committed } = self.rates;
        let mut passed = Vec::new();
        if let Some(bound) = bounds.p99_ms.filter(|bound| self.latency.p99_ms > *bound || self.latency.samples == 0) {
            passed.push(format!(
                "p99 of {} samples is {:.0} ms, above {bound} ms",
                self.latency.samples, self.latency.p99_ms
            ));
        }
        if let Some(bound) = bounds.rss_percent {
            let grown = self.nodes().filter(|node| node.growth_percent > bound);
            passed.extend(
                grown.map(|node| format!("{} grew by {:.1} %, above {bound} %", node.name, node.growth_percent)),
            );
        }
        if let Some(bound) = bounds.carried_percent {
            let carried = [("answered", answered), ("committed", committed)].into_iter();
            let poor = carried.filter(|(_, rate)| rate * 100.0 < due * bound);
            passed.extend(poor.map(|(what, rate)| format!("{rate:.0} of {due:.0} a second {what}, below {bound} %")));
        }
        passed
    }

    fn nodes(&self) -> impl Iterator<Item = &Taken> {
        self.usage.processes.iter().filter(|process| process.name.starts_with('n'))
    }

    /// For people.
    pub fn table(&self) -> String {
        let Rates { due, answered, committed } = self.rates;
        let Latency { samples, unseen, p50_ms, p95_ms, p99_ms, max_ms, looks } = self.latency;
        let mut lines = vec![
            format!("{} {} meters every {} s, {} s", self.meters, self.dialect, self.interval_s, self.seconds),
            format!("readings/s   due {due:.0}   answered {answered:.0}   committed {committed:.0}"),
            format!("latency ms   p50 {p50_ms:.0}   p95 {p95_ms:.0}   p99 {p99_ms:.0}   max {max_ms:.0}"),
            format!(
                "             {samples} samples, {unseen} unseen; {} looks of {:.2} ms, at most {} ms apart",
                looks.count,
                looks.took_s * 1000.0 / looks.count.max(1) as f64,
                looks.longest_gap_ms
            ),
            self.counted(),
            self.missed(),
            format!("leader       {} at the beginning, {} at the end", self.leaders[0], self.leaders[1]),
            format!(
                "{:<12} {:>9} {:>11} {:>11} {:>10} {:>9}",
                "process", "% of one", "us/reading", "first MiB", "last MiB", "growth"
            ),
        ];
        lines.extend(self.usage.processes.iter().map(|process| self.process(process)));
        lines.extend(self.machine());
        lines.extend(self.failures.iter().cloned());
        lines.join("\n") + "\n" + self.verdict + "\n"
    }

    fn counted(&self) -> String {
        let Counts { answered, in_flight, stored, missing, denied, doubled, wrong, foreign, unaccounted, .. } =
            self.counts;
        format!(
            "readings     answered {answered}   in flight {in_flight}   stored {stored}   missing {missing}   denied {denied}   \
             doubled {doubled}   wrong {wrong}   foreign {foreign}   unaccounted {unaccounted}"
        )
    }

    fn missed(&self) -> String {
        let reasons: Vec<_> = self.counts.missed.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        format!("missed       {}", if reasons.is_empty() { "none".to_owned() } else { reasons.join("   ") })
    }

    fn process(&self, process: &Taken) -> String {
        let Taken { name, cpu_s, first_bytes, last_bytes, growth_percent } = process;
        let share = cpu_s * 100.0 / self.usage.passed_s.max(0.001);
        let each = cpu_s * 1e6 / (self.rates.answered * self.usage.passed_s).max(1.0);
        let (first, last) = (*first_bytes as f64 / MIB, *last_bytes as f64 / MIB);
        format!("{name:<12} {share:>9.1} {each:>11.1} {first:>11.1} {last:>10.1} {growth_percent:>7.1} %")
    }

    /// How busy the machine was; who is the limit where the load was not carried.
    fn machine(&self) -> Vec<String> {
        let Usage { passed_s, processors, busy_s, .. } = &self.usage;
        let all = passed_s * *processors as f64;
        let (busy, others) = (busy_s * 100.0 / all, self.usage.others_s() * 100.0 / all);
        let mut lines = vec![format!("machine      {processors} processors {busy:.0} % busy, {others:.0} % by others")];
        let Rates { due, answered, committed } = self.rates;
        if answered.min(committed) * 100.0 < due * CARRIED_PERCENT {
            let mut most: Vec<_> = self.usage.processes.iter().collect();
            most.sort_by(|one, other| other.cpu_s.total_cmp(&one.cpu_s));
            let most = most.into_iter().take(3).map(|one| format!("{} {:.0} %", one.name, one.cpu_s * 100.0 / all));
            let most = most.collect::<Vec<_>>().join(", ");
            lines.push(format!(
                "NOT CARRIED: of {due:.0} a second due {answered:.0} were answered, {committed:.0} committed"
            ));
            lines.push(format!("most of the machine: {most}, others {others:.0} %, idle {:.0} %", 100.0 - busy));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steady::plant::Plant;

    fn report(bounds: Bounds, counts: Counts) -> Report {
        let plant = Plant { rate: 100, interval_s: 10, per_line: 100, mbus: false, seed: 1 };
        let options = Options { hearth: "hearth".into(), plant, seconds: 60, warm_up: 1, pool_mib: 128, bounds };
        let node = |name: &str, growth_percent| Taken {
            name: name.to_owned(),
            cpu_s: 6.0,
            first_bytes: 1,
            last_bytes: 1,
            growth_percent,
        };
        let processes = vec![node("n1", 7.0), node("field", 90.0)];
        let usage = Usage { passed_s: 60.0, processes, processors: 2, busy_s: 60.0 };
        let rates = Rates { due: 100.0, answered: 95.0, committed: 94.0 };
        let latency = Latency::of((1..=200).map(|ms| ms * 1000).collect(), 0, Looks::default());
        Report::new(&options, rates, latency, counts, usage, [String::new(), String::new()])
    }

    fn sound() -> Counts {
        Counts { answered: 5_700, stored: 5_700, ..Counts::default() }
    }

    #[test]
    fn bounds_that_nobody_named_fail_nothing_and_each_that_was_passed_is_named() {
        assert!(report(Bounds::default(), sound()).is_kept());
        let bounds = Bounds { p99_ms: Some(198.0), rss_percent: Some(7.0), carried_percent: Some(94.0) };
        assert_eq!(report(bounds, sound()).failures, Vec::<String>::new());
        let bounds = Bounds { p99_ms: Some(197.0), rss_percent: Some(6.9), carried_percent: Some(95.0) };
        let failures = report(bounds, sound()).failures.join("; ");
        assert!(
            failures.contains("198 ms") && failures.contains("n1 grew") && failures.contains("committed"),
            "{failures}"
        );
        assert!(!failures.contains("field") && !failures.contains("answered"), "{failures}");
    }

    #[test]
    fn a_lost_reading_breaks_the_promise_without_any_bound_and_a_load_not_carried_is_told() {
        let report = report(Bounds::default(), Counts { missing: 1, ..sound() });
        assert_eq!((report.verdict, report.failures.as_slice()), ("broken", ["missing 1".to_owned()].as_slice()));
        assert!(report.table().contains("NOT CARRIED: of 100 a second due 95 were answered"), "{}", report.table());
    }
}
