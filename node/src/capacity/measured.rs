//! How long reads took on the lines of this node.
//!
//! Promises: a smoothed time for each line and way of asking; whoever follows is told only of what differs by more than
//! a tenth from what it was told before. Refuses: a clock, and remembering lines that were let go.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::meter::LineId;
use tokio::sync::watch;

use super::Ask;

/// A read counts for one part in so many.
const SMOOTHED_OVER: u64 = 8;
/// What differs by less than one part in so many is not told.
const TOLD_FROM: u64 = 10;

/// A handle; clones share what was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    lines: Arc<Mutex<HashMap<LineId, HashMap<Ask, Took>>>>,
    version: watch::Sender<u64>,
}

/// How long one read takes.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    reads: u64,
    mean_us: u64,
    told_ms: u64,
    version: u64,
}

impl Default for Measured {
    fn default() -> Self {
        Self { lines: Arc::default(), version: watch::channel(0).0 }
    }
}

impl Measured {
    fn lines(&self) -> MutexGuard<'_, HashMap<LineId, HashMap<Ask, Took>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A meter of `line` was read in this time.
    pub fn note(&self, line: LineId, ask: Ask, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut lines = self.lines();
        let kept = lines.entry(line).or_default().entry(ask).or_default();
        kept.reads += 1;
        kept.mean_us = match kept.reads {
            // The first read may have opened the channel.
            1 => return,
            2 => us,
            _ => (kept.mean_us / SMOOTHED_OVER).saturating_mul(SMOOTHED_OVER - 1).saturating_add(us / SMOOTHED_OVER),
        };
        let ms = (kept.mean_us / 1_000).max(1);
        if ms.abs_diff(kept.told_ms) * TOLD_FROM > kept.told_ms {
            self.version.send_modify(|version| {
                *version += 1;
                (kept.told_ms, kept.version) = (ms, *version);
            });
        }
    }

    /// The line was let go.
    pub fn forget(&self, line: LineId) {
        self.lines().remove(&line);
    }

    /// Milliseconds of one read; `None`: not known here.
    pub fn read_ms(&self, line: LineId, ask: Ask) -> Option<u64> {
        self.lines().get(&line)?.get(&ask).map(|took| took.told_ms).filter(|ms| *ms > 0)
    }

    /// Lines of which something was told after `version`, and the version that is.
    pub fn since(&self, version: u64) -> (BTreeSet<LineId>, u64) {
        let present = *self.version.borrow();
        if present == version {
            return (BTreeSet::new(), present);
        }
        let lines = self.lines();
        let changed = lines.iter().filter(|(_, asks)| asks.values().any(|took| took.version > version));
        (changed.map(|(line, _)| *line).collect(), present)
    }

    /// Follows the versions.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}
