//! How missed freezes are filled from meters' own history.
//!
//! Promises: each number has its unit in its name or text; what is asked for can still be stored. Refuses: judging.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::days;

/// How missed freezes are filled from meters' own history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// Freezes of so many past days are taken from a meter's history; 0: none.
    pub days: u32,
    /// The most earlier freezes taken of one ordinary answer; what is left comes with the next ones, months before days.
    pub per_answer: u32,
    /// How often a node asks the leader which freezes its meters lack.
    #[serde(with = "humantime_serde")]
    pub ask_every: Duration,
    /// Meters named in one question to the leader, at most.
    pub meters_per_ask: usize,
    /// Freezes in one answer of the leader, at most: months before days, the newest first.
    pub freezes_per_ask: u32,
    /// For the leader's statement.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// The most a line may spend on asking for history, percent of its time.
    pub share_percent: u32,
    /// Dialogues for one freeze that come to nothing until it is given up on this line.
    pub attempts: u32,
}

impl Default for Backfill {
    fn default() -> Self {
        Self {
            days: 400,
            per_answer: 2,
            ask_every: Duration::from_secs(600),
            meters_per_ask: 500,
            freezes_per_ask: 2_000,
            statement_timeout: Duration::from_secs(10),
            share_percent: 10,
            attempts: 3,
        }
    }
}

impl Backfill {
    /// The first of these settings that cannot stand beside the others: its key, value, and what it has to be.
    pub(super) fn contradiction(&self, retention: Duration) -> Option<(&'static str, String, String)> {
        if days(self.days.into()) > retention {
            let kept = retention.as_secs() / days(1).as_secs();
            let remedy = format!("has to be at most mysql.retention = {kept} days: older rows are dropped");
            return Some(("backfill.days", self.days.to_string(), remedy));
        }
        if self.ask_every.is_zero() {
            return Some(("backfill.ask_every", "0s".to_owned(), "has to be longer".to_owned()));
        }
        if !(1..=100).contains(&self.share_percent) {
            let remedy = "has to be 1 to 100; backfill.days = 0 switches it off".to_owned();
            return Some(("backfill.share_percent", self.share_percent.to_string(), remedy));
        }
        None
    }

    /// How far it looks back.
    pub fn reach(&self) -> Duration {
        days(self.days.into())
    }
}
