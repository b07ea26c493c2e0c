//! The accounts of due slots.
//!
//! Promises: each number has its unit in its name or text. Refuses: judging.

use std::time::Duration;

use serde::{Deserialize, Serialize};

settings!(
    /// The accounts of due slots.
    Ledger {
        /// How often the leader carries them on.
        #[serde(with = "humantime_serde")]
        every: Duration = Duration::from_secs(5),
        /// A slot is closed at the earliest this long after it was over: what was decided meanwhile is known by then.
        #[serde(with = "humantime_serde")]
        grace: Duration = Duration::from_secs(60),
        /// A node that is silent keeps slots open that its spool may have, for this long.
        #[serde(with = "humantime_serde")]
        silent_node_limit: Duration = Duration::from_secs(3600),
        /// The moments of schedules are made ahead this far.
        #[serde(with = "humantime_serde")]
        ahead: Duration = Duration::from_secs(2 * 86_400),
        /// Slots and duties older than this are dropped; those of days that `reading` no longer has are, too.
        #[serde(with = "humantime_serde")]
        keep: Duration = Duration::from_secs(400 * 86_400),
        /// Rows in one transaction, at most.
        batch_rows: usize = 5_000,
        /// Moments of schedules made or dropped at one look, at most; more at the next.
        slots_per_look: usize = 50_000,
        /// Moments closed in one transaction, at most; those that are over together stay together.
        moments_per_sweep: u32 = 4,
        /// Sweeps at one look, at most; more at the next.
        sweeps_per_look: u32 = 100,
        /// For one statement, also of a console's question.
        #[serde(with = "humantime_serde")]
        statement_timeout: Duration = Duration::from_secs(25),
        /// How often what was closed is counted again.
        #[serde(with = "humantime_serde")]
        check_every: Duration = Duration::from_secs(600),
        /// What is counted then: this long before the horizon.
        #[serde(with = "humantime_serde")]
        check_span: Duration = Duration::from_secs(3600),
        /// A horizon further back than this is a problem on the status screen.
        #[serde(with = "humantime_serde")]
        lag_warning: Duration = Duration::from_secs(900),
        /// Groups of one answer, at most.
        groups_max: u32 = 10_000,
    }
);
