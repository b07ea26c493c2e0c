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
    /// Freezes of so many past days are taken from a meter's history, but never of more than `mysql.retention`; 0: none.
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
    pub(super) fn contradiction(&self) -> Option<(&'static str, String, String)> {
        if self.ask_every.is_zero() {
            return Some(("backfill.ask_every", "0s".to_owned(), "has to be longer".to_owned()));
        }
        if !(1..=100).contains(&self.share_percent) {
            let remedy = "has to be 1 to 100; backfill.days = 0 switches it off".to_owned();
            return Some(("backfill.share_percent", self.share_percent.to_string(), remedy));
        }
        None
    }

    /// The same, but for what is older than `retention`: rows of it are dropped. 0 keeps them for ever.
    pub fn within(&self, retention: Duration) -> Self {
        let kept = u32::try_from(retention.as_secs() / days(1).as_secs()).unwrap_or(u32::MAX);
        let days = if retention.is_zero() { self.days } else { self.days.min(kept) };
        Self { days, ..self.clone() }
    }

    /// How far it looks back.
    pub fn reach(&self) -> Duration {
        days(self.days.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(change: impl FnOnce(&mut Backfill)) -> Option<&'static str> {
        let mut settings = Backfill::default();
        change(&mut settings);
        settings.contradiction().map(|(key, ..)| key)
    }

    #[test]
    fn what_could_not_be_stored_any_more_is_not_asked_for() {
        let reach = |retention| Backfill::default().within(days(retention)).reach();
        assert_eq!([reach(401), reach(30)], [days(400), days(30)]);
        assert_eq!(reach(0), days(400), "0 days are for ever");
    }

    #[test]
    fn a_share_is_a_part_of_a_hundred_and_asking_takes_time() {
        assert_eq!(wrong(|settings| settings.share_percent = 0), Some("backfill.share_percent"));
        assert_eq!(wrong(|settings| settings.share_percent = 101), Some("backfill.share_percent"));
        assert_eq!(wrong(|settings| settings.ask_every = Duration::ZERO), Some("backfill.ask_every"));
    }
}
