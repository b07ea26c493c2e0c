//! Slots looked up at one moment, each once: the meters of a line share few timetables.
//!
//! Promises: what the timetable says. Refuses: remembering beyond one look.

use std::sync::Arc;

use crate::timetable::{Slot, Timetable};

/// Answers kept, at most; more are worked out each time.
const KEPT: usize = 16;

/// A question: the first slot that is not over at a moment, or that begins after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Open { from: u64, now: u64 },
    After(u64),
}

/// One look.
#[derive(Debug, Default)]
pub(super) struct Slots {
    kept: Vec<(Arc<Timetable>, Asked, Option<Slot>)>,
}

impl Slots {
    /// The slot that `now` lies in, or else the next; none that began before `from`.
    pub(super) fn open(&mut self, table: &Arc<Timetable>, from: u64, now: u64) -> Option<Slot> {
        self.ask(table, Asked::Open { from, now })
    }

    /// The first slot that begins after `moment`.
    pub(super) fn after(&mut self, table: &Arc<Timetable>, moment: u64) -> Option<Slot> {
        self.ask(table, Asked::After(moment))
    }

    fn ask(&mut self, table: &Arc<Timetable>, asked: Asked) -> Option<Slot> {
        let same = |kept: &&(Arc<Timetable>, Asked, Option<Slot>)| kept.1 == asked && Arc::ptr_eq(&kept.0, table);
        if let Some((_, _, slot)) = self.kept.iter().find(same) {
            return *slot;
        }
        let slot = match asked {
            Asked::After(moment) => table.after(moment),
            Asked::Open { from, now } => {
                let open = table.at(now).filter(|slot| slot.begin >= from);
                open.or_else(|| table.after(now.max(from.saturating_sub(1))))
            }
        };
        if self.kept.len() < KEPT {
            self.kept.push((Arc::clone(table), asked, slot));
        }
        slot
    }
}
