//! How a demo ends.
//!
//! ```text
//!   database and killed nodes back --> meters silent --> spools empty --> nodes stop --> judge --> all gone
//! ```
//!
//! Promises: what was taken away is brought back before anything is judged, so that nothing a node accepted is still
//! under way; each step has a limit, and one that is not reached is said. Refuses: a verdict while anything still writes.

use std::time::{Duration, Instant};

use anyhow::Result;
use protocol::api::admin::NodeHealth;

use super::roster::Roster;
use super::stage::Stage;
use super::summary::{self, Report};
use super::watcher::{Seen, wall_now};

/// For killed nodes to be back.
const BACK_LIMIT: Duration = Duration::from_secs(60);
/// For all spools to be empty.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);
/// An exchange that was under way when the meters fell silent is over by then, and its node has said so.
const SILENCE: Duration = Duration::from_secs(2);

impl Stage {
    /// Ends everything in good order, and judges it; answers also what ended badly though nobody asked it to.
    pub(super) async fn close(mut self) -> Result<(Report, Vec<String>)> {
        let judged = self.end_and_judge().await;
        let Self { nodes, field, database, teller, place, fallen, .. } = self;
        drop((nodes, field, database));
        teller.tell(format!("nothing is left running; {}", place.leave()));
        Ok((judged?, fallen))
    }

    async fn end_and_judge(&mut self) -> Result<Report> {
        if !self.has_database() {
            self.start_database().await?;
        }
        self.restart_all()?;
        self.settle().await;
        self.field.stop().await?;
        self.teller.tell("the meters are silent; waiting until every spool is empty");
        self.drain().await;
        for name in self.nodes.stop_all().await? {
            self.fallen.push(format!("{name} did not stop when asked to, and was killed"));
        }
        self.teller.tell("the nodes have stopped; the ledger is held against the tables");
        let report = summary::judge(self.field.program(), self.field.dir(), &self.database.url()).await;
        self.database.stop().await?;
        report
    }

    /// Nodes that were just started take part again before the meters fall silent.
    async fn settle(&mut self) {
        if let Err(error) = self.wait_for(BACK_LIMIT, everyone_is_back).await {
            self.teller.tell(format!("not every node is back: {error}"));
        }
    }

    async fn drain(&mut self) {
        let (silent, silent_wall) = (Instant::now() + SILENCE, wall_now());
        match self.wait_for(DRAIN_LIMIT, |seen, _| is_drained(seen, silent, silent_wall)).await {
            Ok(took) => self.teller.tell(format!("every spool is empty after {:.1} s", took.as_secs_f64())),
            Err(error) => self.teller.tell(format!("the spools are not empty: {error}")),
        }
    }
}

fn everyone_is_back(seen: &Seen, roster: &Roster) -> bool {
    let alive = |name: &str| seen.node(name).is_some_and(|node| node.health() == NodeHealth::Alive);
    roster.running().iter().all(|row| alive(&row.name)) && seen.leader().is_some()
}

/// Whether every node has said, after the meters fell silent, that nothing from before is left in its spool.
fn is_drained(seen: &Seen, silent: Instant, silent_wall: u64) -> bool {
    let drained = seen.status.nodes.iter().all(|node| {
        let heard = seen.asked.checked_sub(Duration::from_millis(node.heard_ms_ago.unwrap_or(u64::MAX)));
        let is_fresh = heard.is_some_and(|heard| heard >= silent);
        let report = node.report.clone().unwrap_or_default();
        // Marks of slots missed since are no readings.
        let is_empty = report.spool_records == 0 || report.oldest_spooled_at > silent_wall + SILENCE.as_millis() as u64;
        is_fresh && is_empty
    });
    drained && !seen.status.nodes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::watcher::samples;
    use std::net::SocketAddr;

    fn reported(records: u64, oldest: u64, heard_ms_ago: u64) -> Seen {
        let mut seen = samples::seen();
        for node in &mut seen.status.nodes {
            node.heard_ms_ago = Some(heard_ms_ago);
            if let Some(report) = &mut node.report {
                (report.spool_records, report.oldest_spooled_at) = (records, oldest);
            }
        }
        seen
    }

    #[test]
    fn a_spool_counts_as_empty_only_by_what_its_node_said_after_the_silence() {
        let silent = Instant::now();
        let mut seen = reported(0, 0, 100);
        seen.asked = silent + Duration::from_millis(500);
        assert!(is_drained(&seen, silent, 1_000_000));
        seen.asked = silent + Duration::from_millis(50);
        assert!(!is_drained(&seen, silent, 1_000_000), "heard before the silence");
    }

    #[test]
    fn marks_of_slots_missed_in_the_silence_are_no_backlog_and_readings_from_before_are() {
        let silent = Instant::now();
        for (oldest, drained) in [(999_999, false), (1_000_500, false), (1_010_000, true)] {
            let mut seen = reported(3, oldest, 0);
            seen.asked = silent + Duration::from_secs(1);
            assert_eq!(is_drained(&seen, silent, 1_000_000), drained, "oldest {oldest}");
        }
    }

    #[test]
    fn a_node_that_is_not_heard_is_not_back() {
        let mut seen = samples::seen();
        let roster = Roster::default();
        let address = SocketAddr::from(([127, 0, 0, 1], 20_001));
        roster.set(crate::cli::demo::roster::Row { name: "node-3".to_owned(), address, pid: Some(1) });
        assert!(everyone_is_back(&seen, &roster));
        if let Some(node) = seen.status.nodes.last_mut() {
            node.health = NodeHealth::Suspect.into();
        }
        assert!(!everyone_is_back(&seen, &roster));
    }
}
