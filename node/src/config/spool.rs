//! What a spool does near its bounds.
//!
//! Promises: the steps come in order, below the bound, and each can be left again. Refuses: knowing how full a spool is.

use serde::{Deserialize, Serialize};

use super::Spool;

/// What happens while a spool fills up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// First on-demand reads end, then meters are read in fewer of their slots; at the bound in none.
    #[default]
    SlowDown,
    /// Everything goes on up to the bound; there lines wait.
    Stop,
}

impl Spool {
    /// What readings may come to; the rest of `spool.max_bytes` is for marks of missed slots.
    pub fn readings_bytes(&self) -> u64 {
        let all = self.max_bytes.as_u64();
        all.saturating_sub(all / 100 * u64::from(self.reserve_percent))
    }

    /// The first of these settings that cannot stand beside the others: its key, value, and what it has to be.
    pub(super) fn contradiction(&self) -> Option<(&'static str, String, String)> {
        let Self { pressure_percent: first, slow_percent: then, relief_percent: relief, .. } = *self;
        if first > then {
            let remedy = format!("has to be at most spool.slow_percent = {then}");
            return Some(("spool.pressure_percent", first.to_string(), remedy));
        }
        if then > 100 {
            return Some(("spool.slow_percent", then.to_string(), "has to be at most 100".to_owned()));
        }
        if relief >= first {
            let remedy = format!("has to be less than spool.pressure_percent = {first}");
            return Some(("spool.relief_percent", relief.to_string(), remedy));
        }
        if self.reserve_percent >= 100 {
            let remedy = "has to be less than 100: something has to be left for readings".to_owned();
            return Some(("spool.reserve_percent", self.reserve_percent.to_string(), remedy));
        }
        if self.max_age.is_zero() {
            return Some((
                "spool.max_age",
                "0s".to_owned(),
                "has to be longer than an outage of the database".to_owned(),
            ));
        }
        (self.slow_every < 2).then(|| {
            let remedy = "has to be at least 2: every second slot of a meter, or fewer".to_owned();
            ("spool.slow_every", self.slow_every.to_string(), remedy)
        })
    }
}
