//! The outbox of a node, and what it does near its bounds.
//!
//! Promises: the steps come in order, below the bound, and each can be left again. Refuses: knowing how full a spool is.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

settings!(
    /// The outbox of this node.
    Spool {
        /// What the records in it may come to; what happens on the way there says `spool.when_full`.
        max_bytes: ByteSize = ByteSize::gib(64),
        /// How long its oldest record may wait; it counts like the bytes, and the worse of the two decides.
        #[serde(with = "humantime_serde")]
        max_age: Duration = Duration::from_secs(30 * 24 * 3600),
        /// What happens near the bounds: `slow-down`, or `stop` (full rate up to the bound, there lines wait).
        when_full: WhenFull = WhenFull::SlowDown,
        /// From here on reads that people ask for end unread, percent of the bound.
        pressure_percent: u32 = 70,
        /// From here on meters are read at a reduced rate, percent of the bound.
        slow_percent: u32 = 85,
        /// At the reduced rate each meter is read in one of so many slots.
        slow_every: u32 = 4,
        /// A step is left once the spool is so far below where it begins, percent of the bound.
        relief_percent: u32 = 5,
        /// Of `spool.max_bytes` this much takes marks of missed slots and no readings, percent.
        reserve_percent: u32 = 5,
        /// Records in one durable commit, at most.
        batch_records: usize = 256,
        /// Records waiting to be made durable, at most; more wait in turn.
        queue: usize = 1_024,
        /// Records in one pull of the leader, at most.
        pull_records: u32 = 5_000,
        /// Bytes in one pull of the leader, and in one record, at most.
        pull_bytes: ByteSize = ByteSize::mib(4),
        /// Records of a backlog that are sorted by meter for the leader at once, at most; a new leader is given all of them
        /// again, or half of them where two leaders did not get through. 0: a backlog is given as it came.
        sorted_bytes: ByteSize = ByteSize::mib(256),
        /// A pull waits for the first record this long, at most.
        #[serde(with = "humantime_serde")]
        pull_wait_max: Duration = Duration::from_secs(10),
        /// Memory for the file's pages, at most.
        cache_bytes: ByteSize = ByteSize::mib(32),
    }
);

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
