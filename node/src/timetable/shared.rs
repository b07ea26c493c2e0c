//! One timetable for each distinct schedule of many meters.
//!
//! Promises: meters of equal schedules share one for as long as anybody holds it; what nobody holds is forgotten.
//! Refuses: following a change: whoever holds a timetable asks again.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use raft_store::state::calendar::Calendar;
use raft_store::state::registry::Meter;
use raft_store::state::schedule::Schedule;

use super::{Timetable, Zone};

/// Entries kept before those that nobody holds are looked for.
const ENTRIES_LEAST: usize = 64;

/// The timetables that are held.
#[derive(Debug)]
pub struct Timetables {
    held: HashMap<(u32, u32), Weak<Timetable>>,
    /// With this many entries it is time to forget.
    forget_at: usize,
}

impl Default for Timetables {
    fn default() -> Self {
        Self { held: HashMap::new(), forget_at: ENTRIES_LEAST }
    }
}

impl Timetables {
    /// When `meter` is read.
    pub fn of(&mut self, meter: &Meter) -> Arc<Timetable> {
        let key = (meter.schedule.interval_s, meter.schedule.offset_s);
        if let Some(held) = self.held.get(&key).and_then(Weak::upgrade) {
            return held;
        }
        let schedule = Schedule::every(key.0, key.1).unwrap_or_default();
        let table = Arc::new(Timetable::new(&schedule, &Calendar::default(), &Zone::utc()));
        self.forget();
        self.held.insert(key, Arc::downgrade(&table));
        table
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    fn forget(&mut self) {
        if self.held.len() >= self.forget_at {
            self.held.retain(|_, table| table.strong_count() > 0);
            self.forget_at = ENTRIES_LEAST.max(self.held.len() * 2);
        }
    }
}
