//! What lines are asked, in answers of the console.
//!
//! Promises: as of the state that is shown; a warning of an import names the first row that is about its line. Refuses:
//! holding an import back.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use protocol::api::admin as api;
use raft_store::state::State;

use super::Admin;
use crate::capacity::Book;
use crate::clock::wall_now;

impl Admin {
    /// The loads of the lines of `state`.
    pub(super) fn loads(&self, state: &State) -> MutexGuard<'_, Book> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.follow(state, wall_now().0);
        book
    }

    /// The reply to an import whose rows are about these lines, with what they are asked too much.
    pub(super) async fn warned(&self, reply: api::ImportReply, lines: Vec<String>) -> api::ImportReply {
        if reply.errors.is_empty()
            && let Ok(applied) = self.read().await
        {
            let warnings = warnings(&self.loads(&applied.state), &lines, self.config.admin.overloaded_shown);
            return api::ImportReply { warnings, ..reply };
        }
        reply
    }
}

/// Of lines that rows are about, those that are asked too much: the worst first, at most `shown` by name.
fn warnings(book: &Book, lines: &[String], shown: usize) -> Vec<api::RowWarning> {
    let mut rows = HashMap::<&str, u32>::new();
    for (row, line) in (1..).zip(lines) {
        rows.entry(line).or_insert(row);
    }
    let over = book.over().filter_map(|(line, load)| Some((*rows.get(line)?, line, load)));
    let mut over: Vec<_> = over.collect();
    let more = over.len().saturating_sub(shown);
    over.truncate(shown);
    let one = |(row, line, load): (u32, &str, &crate::capacity::Load)| api::RowWarning {
        row,
        message: format!("{}: {}", load.what(line), load.remedy()),
    };
    let rest = api::RowWarning { row: 0, message: format!("{more} more lines of these rows: see `hearth line list`") };
    over.into_iter().map(one).chain((more > 0).then_some(rest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;
    use crate::capacity::Measured;
    use crate::config::Polling;
    use raft_store::state::Entry;
    use raft_store::state::membership::Labels;

    #[test]
    fn rows_whose_lines_are_asked_too_much_are_warned_of_by_their_first_row_the_worst_first() {
        let mut state = testing::cluster_of_three();
        let line =
            |name: &str, baud| raft_store::state::registry::LineSpec { baud, ..testing::line(name, Labels::new()) };
        let meters =
            |line: &str| (1..=250).map(|n| testing::meter(&format!("{line}-{n}"), line, n)).collect::<Vec<_>>();
        let lines = vec![line("fast", 9_600), line("slow", 300), line("worse", 150)];
        let meters = [meters("fast"), meters("slow"), meters("worse")].concat();
        let about: Vec<_> = meters.iter().map(|meter| meter.line.clone()).collect();
        let at = raft_store::state::UnixMillis(1);
        testing::applied(&mut state, vec![Entry::ImportLines { at, lines }, Entry::ImportMeters { meters }]);
        let mut book = Book::new((&Polling::default()).into(), Measured::default());
        book.follow(&state, 1);
        let told = warnings(&book, &about, 5);
        assert_eq!(told.iter().map(|warning| warning.row).collect::<Vec<_>>(), [501, 251]);
        let first = told.first().expect("a warning");
        assert!(
            first.message.starts_with("line worse needs ") && first.message.contains("of a slot of 15 min"),
            "{first:?}"
        );
        let told = warnings(&book, &about, 1);
        assert_eq!(told.get(1).map(|w| (w.row, w.message.starts_with("1 more lines"))), Some((0, true)));
    }
}
