//! What is known of a line or a meter beside how it is reached.
//!
//! Promises: what says nothing is the default, and is not kept. Refuses: judging what labels mean.

use super::schedule::Schedule;
use crate::state::membership::Labels;

/// Labels that name a place, the widest first: each has a column in the tables.
pub const PLACES: [&str; 6] = ["region", "station", "community", "building", "unit", "household"];

/// Of a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineDetail {
    /// Where it is, and whatever else people sort by; its meters have them, too.
    pub labels: Labels,
    /// For its meters that have none of their own and no policy.
    pub schedule: Option<Schedule>,
}

/// Of a meter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterDetail {
    /// Where it is, and whatever else people sort by; they go before its line's.
    pub labels: Labels,
    /// The identity it has to give in its answers; `None`: any.
    pub identity: Option<String>,
    /// Whose word its schedule is.
    pub schedule: Own,
}

/// Whose word a meter's schedule is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Own {
    /// Its own: the interval in its row.
    #[default]
    Interval,
    /// Its own: these rules.
    Words(Schedule),
    /// A policy's, its line's, or the default.
    Inherited,
}
