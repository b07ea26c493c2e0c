//! How missed freezes are filled from meters' own history.
//!
//! Promises: each number has its unit in its name or text. Refuses: judging.

use serde::{Deserialize, Serialize};

/// How missed freezes are filled from meters' own history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// Freezes of so many past days are taken from a meter's history; 0: none.
    pub days: u32,
    /// The most earlier freezes taken of one answer; what is left comes with the next ones, months before days.
    pub per_answer: u32,
}

impl Default for Backfill {
    fn default() -> Self {
        Self { days: 400, per_answer: 2 }
    }
}
