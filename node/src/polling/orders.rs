//! What a line's task is told while it runs.
//!
//! Promises: the last word counts; one that was overtaken need not have been heard. Refuses: commands: they are seen
//! in the applied state, the bell only says when to look.

use std::sync::Arc;

use raft_store::state::UnixMillis;
use raft_store::state::registry::Meter;

use crate::timetable::Timetable;

/// One meter, and when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) meter: Meter,
    /// Shared by all meters of the same schedule.
    pub(super) table: Arc<Timetable>,
    /// Slots that began before are not asked for.
    pub(super) since: UnixMillis,
    /// The identity it has to give in its answers; `None`: any.
    pub(super) identity: Option<String>,
}

/// What the task is told while it runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders {
    /// All meters of the line.
    pub(super) meters: Arc<Vec<Charge>>,
    /// Finish the running exchange, close the channel, end.
    pub(super) ending: bool,
    /// Counts changes of the line's commands.
    pub(super) bell: u64,
}
