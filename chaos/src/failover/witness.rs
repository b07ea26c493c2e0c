//! Who spoke when on which line, as the field hears it.
//!
//! Promises: the moments are the ledger's own; requests whose speaker was gone before it could be seen are nobody's.
//! Refuses: remembering more than was asked for: [`Witness::forget`] ends the memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Stamp;
use crate::field::Field;
use crate::ledger::Event;

/// A handle to what was heard; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    heard: Arc<Mutex<BTreeMap<String, Vec<Said>>>>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    /// Its first byte, µs of the monotonic clock.
    at: i64,
    /// Who may have said it.
    by: BTreeSet<String>,
}

impl Witness {
    /// Hears everything said in `field` from now on.
    pub fn watch(field: &Field) -> Self {
        let witness = Self::default();
        let (mut events, own) = (field.follow(), witness.clone());
        // Ends with the field: its ledger is what sends.
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                own.note(event);
            }
        });
        witness
    }

    fn note(&self, event: Event) {
        if let Event::Request(request) = event {
            let said = Said { at: request.first.mono, by: request.speaker.names() };
            self.heard().entry(request.line).or_default().push(said);
        }
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Said>>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything.
    pub fn forget(&self) {
        self.heard().clear();
    }

    /// When, at `since` or later, somebody who is none of `names` first spoke on `line`.
    pub fn first_of_others(&self, line: &str, names: &BTreeSet<String>, since: Stamp) -> Option<i64> {
        self.first(line, since, |by| !by.is_empty() && by.is_disjoint(names))
    }

    /// When, at `since` or later, one of `names` first spoke on `line`.
    pub fn first_of(&self, line: &str, names: &BTreeSet<String>, since: Stamp) -> Option<i64> {
        self.first(line, since, |by| !by.is_disjoint(names))
    }

    fn first(&self, line: &str, since: Stamp, is_meant: impl Fn(&BTreeSet<String>) -> bool) -> Option<i64> {
        let heard = self.heard();
        let said = heard.get(line)?.iter().filter(|said| said.at >= since.mono && is_meant(&said.by));
        said.map(|said| said.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_a_known_stranger_after_the_moment_counts_as_another() {
        let witness = Witness::default();
        let say = |at, by: &[&str]| Said { at, by: names(by) };
        let said = vec![say(5, &["b"]), say(10, &["a"]), say(11, &[]), say(12, &["a", "b"]), say(13, &["b"])];
        witness.heard().insert("north".to_owned(), said);
        let since = Stamp { mono: 10, wall: 0 };
        assert_eq!(witness.first_of_others("north", &names(&["a"]), since), Some(13));
        assert_eq!(witness.first_of("north", &names(&["b"]), since), Some(12));
        assert_eq!(witness.first_of_others("south", &names(&["a"]), since), None);
        witness.forget();
        assert_eq!(witness.first_of("north", &names(&["b"]), since), None);
    }
}
