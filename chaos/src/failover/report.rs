//! What was measured, for people and for programs.
//!
//! Promises: `kept` means that every run finished within its limit and no two nodes spoke on one line at once. Refuses:
//! judging the times: they are told, with their median and their worst.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Options;
use super::leader::LeaderRun;
use super::node::NodeRun;
use crate::cluster::Cluster;
use crate::cluster::process::Process;
use crate::judge::{EXAMPLES_PER_KIND, Finding};

/// Bytes in a mebibyte.
const MIB: u64 = 1 << 20;

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The binary that was measured.
    pub hearth: String,
    /// Runs of each kind that were asked for.
    pub runs: u32,
    /// How many lines.
    pub lines: u32,
    /// How many meters.
    pub meters: u32,
    /// The seed that repeats the choices.
    pub seed: u64,
    /// Leader killed, until the next command was taken.
    pub leader_command: Times,
    /// Leader killed, until a new one was seen.
    pub leader_elected: Times,
    /// Follower killed, until the first of its lines was polled by another.
    pub node_first_line: Times,
    /// Follower killed, until the last of its lines was polled by another.
    pub node_last_line: Times,
    /// Lines that lost their node, in all runs.
    pub node_lines: usize,
    /// Memory of the nodes at the end; absent where they did not come to rest.
    pub memory: Option<Memory>,
    /// What did not come about, or not within its limit.
    pub failures: Vec<String>,
    /// Moments with two speakers on a line.
    pub overlaps: usize,
    /// Some of them.
    pub examples: Vec<Finding>,
    /// `kept` or `broken`.
    pub verdict: &'static str,
}

/// Times of one kind, ms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// The middle one; absent where there is none.
    pub median_ms: Option<u64>,
    /// The longest.
    pub worst_ms: Option<u64>,
    /// All, in the order of the runs.
    pub all_ms: Vec<u64>,
}

/// Memory of the nodes, bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The middle one.
    pub median_bytes: u64,
    /// The most.
    pub max_bytes: u64,
    /// By name.
    pub nodes: BTreeMap<String, u64>,
}

impl Times {
    fn push(&mut self, time: Duration) {
        self.all_ms.push(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.median_ms = median(&self.all_ms);
        self.worst_ms = self.all_ms.iter().max().copied();
    }

    fn row(&self, name: &str) -> String {
        let seconds = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| format!("{}.{:03}", ms / 1000, ms % 1000));
        let (median, worst) = (seconds(self.median_ms), seconds(self.worst_ms));
        format!("{name:<44}{:>6}{median:>10}{worst:>10}\n", self.all_ms.len())
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(lower.midpoint(*upper))
}

impl Memory {
    /// Of the nodes that run.
    pub fn of(cluster: &Cluster) -> Option<Self> {
        let bytes = |node: &Process| Some((node.name.clone(), node.resident_bytes()?));
        let nodes: BTreeMap<String, u64> = cluster.nodes().iter().filter_map(bytes).collect();
        let values: Vec<u64> = nodes.values().copied().collect();
        Some(Self { median_bytes: median(&values)?, max_bytes: *values.iter().max()?, nodes })
    }
}

impl Report {
    /// Nothing measured yet.
    pub fn new(options: &Options) -> Self {
        Self {
            hearth: options.hearth.display().to_string(),
            runs: options.runs,
            lines: options.lines,
            meters: options.meters,
            seed: options.seed,
            leader_command: Times::default(),
            leader_elected: Times::default(),
            node_first_line: Times::default(),
            node_last_line: Times::default(),
            node_lines: 0,
            memory: None,
            failures: Vec::new(),
            overlaps: 0,
            examples: Vec::new(),
            verdict: "broken",
        }
    }

    /// Something did not come about.
    pub fn failed(&mut self, what: String) {
        self.failures.push(what);
    }

    /// A leader was killed.
    pub fn leader(&mut self, number: u32, run: LeaderRun) {
        for (times, time) in [(&mut self.leader_command, run.command), (&mut self.leader_elected, run.elected)] {
            match time {
                Ok(time) => times.push(time),
                Err(error) => self.failures.push(format!("run {number} without a leader: {error:#}")),
            }
        }
    }

    /// A follower was killed.
    pub fn node(&mut self, number: u32, run: NodeRun) {
        self.node_lines += run.lines;
        match run.taken {
            Ok(taken) => {
                self.node_first_line.push(taken.first);
                self.node_last_line.push(taken.last);
            }
            Err(error) => self.failed(format!("run {number} without a follower: {error:#}")),
        }
    }

    /// What the nodes occupy.
    pub fn memory(&mut self, memory: Option<Memory>) {
        self.memory = memory;
    }

    /// The ledger is complete: these overlaps are in it.
    pub fn judged(&mut self, overlaps: &[Finding]) {
        self.overlaps = overlaps.len();
        self.examples = overlaps.iter().take(EXAMPLES_PER_KIND).cloned().collect();
        if self.is_kept() {
            self.verdict = "kept";
        }
    }

    /// Whether every run finished, and nobody spoke while another did.
    pub fn is_kept(&self) -> bool {
        let wanted = usize::try_from(self.runs).unwrap_or(usize::MAX);
        let done = [&self.leader_command, &self.leader_elected, &self.node_first_line, &self.node_last_line];
        self.failures.is_empty() && self.overlaps == 0 && done.iter().all(|times| times.all_ms.len() == wanted)
    }

    /// The report for people.
    pub fn table(&self) -> String {
        let mut text = format!("{:<44}{:>6}{:>10}{:>10}\n", "from kill -9, in seconds", "runs", "median", "worst");
        text += &self.leader_command.row("leader: the next command is taken");
        text += &self.leader_elected.row("leader: the next one is seen");
        text += &self.node_first_line.row("follower: the first of its lines is polled");
        text += &self.node_last_line.row("follower: the last of its lines is polled");
        if let Some(Memory { median_bytes, max_bytes, .. }) = self.memory {
            let (median, most) = (median_bytes / MIB, max_bytes / MIB);
            text += &format!("{:<44}{:>6}{median:>10}{most:>10}\n", "memory of a node, MiB (median, most)", "");
        }
        text += &format!("{:<44}{:>6}\n", "two speakers on a line", self.overlaps);
        text.extend(self.examples.iter().map(|one| format!("{} {}: {}\n", one.kind, one.subject, one.text)));
        text.extend(self.failures.iter().map(|failure| format!("not in order: {failure}\n")));
        text + &format!("{:<44}{:>6}\n", "verdict", self.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(runs: u32) -> Report {
        Report::new(&Options { hearth: "hearth".into(), runs, lines: 3, meters: 3, seed: 1 })
    }

    fn finished(runs: u32) -> Report {
        let mut report = report(runs);
        for n in 1..=u64::from(runs) {
            let time = Duration::from_millis(n * 1000);
            report.leader(1, LeaderRun { command: Ok(time), elected: Ok(time) });
            let taken = super::super::node::Taken { first: time, last: time * 2 };
            report.node(1, NodeRun { lines: 2, taken: Ok(taken) });
        }
        report
    }

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        assert_eq!((median(&[]), median(&[3]), median(&[9, 1, 5])), (None, Some(3), Some(5)));
        assert_eq!(median(&[4, 1, 8, 2]), Some(3));
    }

    #[test]
    fn finished_runs_without_overlaps_are_kept_and_told_in_seconds() {
        let mut report = finished(2);
        report.judged(&[]);
        assert_eq!((report.verdict, report.node_lines), ("kept", 4));
        assert_eq!((report.node_last_line.median_ms, report.node_last_line.worst_ms), (Some(3000), Some(4000)));
        assert!(report.table().contains("1.500     2.000"), "{}", report.table());
    }

    #[test]
    fn an_overlap_or_a_run_that_did_not_finish_or_never_began_is_broken() {
        let overlap = Finding { kind: "overlap", subject: "north".to_owned(), text: String::new() };
        let mut overlapped = finished(1);
        overlapped.judged(&[overlap]);
        let mut unfinished = finished(1);
        let late = || Err(anyhow::anyhow!("too late"));
        unfinished.leader(2, LeaderRun { command: late(), elected: late() });
        unfinished.judged(&[]);
        let mut idle = report(1);
        idle.judged(&[]);
        assert_eq!([overlapped.verdict, unfinished.verdict, idle.verdict], ["broken"; 3]);
        assert!(unfinished.table().contains("run 2 without a leader: too late"), "{}", unfinished.table());
    }
}
