//! Units that called in and have no line.
//!
//! Promises: bounded; the newest are kept, each once with how often it called. Refuses: keeping them from calling.

use std::collections::VecDeque;

use protocol::api::admin::UnknownUnit;

use crate::clock::wall_now;

/// Units without a line, the newest first.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    units: VecDeque<UnknownUnit>,
}

impl Unknown {
    /// `unit` called from `peer`; at most `keep` are remembered.
    pub(super) fn called(&mut self, unit: &str, peer: &str, keep: usize) {
        let before = self.units.iter().position(|known| known.unit == unit).and_then(|at| self.units.remove(at));
        let calls = before.map_or(0, |known| known.calls) + 1;
        self.units.push_front(UnknownUnit { unit: unit.to_owned(), peer: peer.to_owned(), at: wall_now().0, calls });
        self.units.truncate(keep);
    }

    /// Forgets those that have a line now.
    pub(super) fn forget(&mut self, has_line: impl Fn(&str) -> bool) {
        self.units.retain(|known| !has_line(&known.unit));
    }

    /// How many there are, and the newest `shown`.
    pub(super) fn newest(&self, shown: usize) -> (usize, Vec<UnknownUnit>) {
        (self.units.len(), self.units.iter().take(shown).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_each_once_with_its_calls() {
        let mut unknown = Unknown::default();
        for unit in ["a", "b", "a", "c", "d"] {
            unknown.called(unit, "10.0.0.7:1", 3);
        }
        let (count, newest) = unknown.newest(2);
        let names: Vec<_> = newest.iter().map(|known| (known.unit.as_str(), known.calls)).collect();
        assert_eq!((count, names), (3, vec![("d", 1), ("c", 1)]));
        unknown.forget(|unit| unit == "d");
        assert_eq!(unknown.newest(9).1.iter().map(|known| known.calls).collect::<Vec<_>>(), [1, 2]);
    }
}
