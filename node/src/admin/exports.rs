//! Exports: everything a span of slots has in the database, to whoever asks this node.
//!
//! ```text
//!   database --> page --> parts (admin.export_part_rows, admin.export_part_bytes) --> [ queue ] --> the console
//!                                                                                       |
//!        one connection for each, admin.exports at once          not taken for admin.export_patience: ended
//! ```
//!
//! Promises: a console that is slow holds its own connection and nothing else; one that goes away ends its export, and the
//! question that is under way for it; the last part says how many rows there were, and nothing else ends like that.
//! Refuses: the connection of other questions, and the writer's.

use std::sync::Arc;

use prost::Message as _;
use protocol::api::admin as api;
use raft_store::state::State;
use tonic::Status;

use super::readings::no_rows;
use super::watching::{Feed, Patience, Watch};
use super::{Admin, convert};
use crate::config;
use crate::mysql::{Export, ExportQuery, ExportedRow};

impl Admin {
    /// The stream of one export; its place is free again with its connection, though whoever asked may stand still.
    pub(super) async fn begin_export(
        &self,
        asked: api::ExportReadingsRequest,
    ) -> Result<Watch<api::ExportPart>, Status> {
        let settings = &self.config.admin;
        let place = Arc::clone(&self.exports).try_acquire_owned().map_err(|_| {
            let most = settings.exports;
            Status::resource_exhausted(format!("{most} exports are under way (admin.exports): try another node"))
        })?;
        let state = self.read().await?.state;
        let query = query(&state, asked)?;
        let export = self.reader.export(query).await.map_err(no_rows)?;
        let patience = Patience { limit: settings.export_patience, setting: "admin.export_patience" };
        let admin = self.clone();
        let work = move |feed| async move {
            let _place = place;
            admin.feed_export(feed, export, state).await
        };
        Ok(self.feed(None, settings.export_queue, patience, work))
    }

    async fn feed_export(
        self,
        feed: Arc<Feed<api::ExportPart>>,
        mut export: Export,
        state: State,
    ) -> Result<(), Status> {
        let about = export.about();
        if feed.send(api::ExportPart { about, ..Default::default() }).await.is_err() {
            return Ok(());
        }
        let mut sent = 0;
        while let Some(rows) = export.next().await.map_err(no_rows)? {
            for rows in parts(rows, &state, &self.config.admin) {
                let (about, count) = (export.about(), rows.len() as u64);
                if feed.send(api::ExportPart { about, rows, total: None }).await.is_err() {
                    return Ok(());
                }
                sent += count;
            }
        }
        // Whoever reads knows by this that it is the end, and not the end of this task.
        let _ = feed.send(api::ExportPart { about: sent, rows: Vec::new(), total: Some(sent) }).await;
        Ok(())
    }
}

/// What is asked of the database; 0 and empty names are open.
fn query(state: &State, asked: api::ExportReadingsRequest) -> Result<ExportQuery, Status> {
    let api::ExportReadingsRequest { meters, line, from, to, missed } = asked;
    if to > 0 && from > to {
        return Err(Status::invalid_argument(format!("from {from} is after to {to}: exchange them")));
    }
    let registry = &state.registry;
    let some = match (meters.is_empty(), line.is_empty()) {
        (true, true) => None,
        (false, true) => Some(meters.iter().map(|name| meter_id(state, name)).collect::<Result<_, _>>()?),
        (true, false) => {
            let line = registry.line_named(&line).ok_or_else(|| convert::missing("line", &line))?;
            Some(registry.meters_of(line.id).map(|meter| meter.id.0).collect())
        }
        (false, false) => {
            return Err(Status::invalid_argument(format!(
                "meters and line {line} are asked for: name one or the other"
            )));
        }
    };
    let given = |moment: u64| Some(moment).filter(|moment| *moment > 0);
    let registered = registry.meters.len() as u64;
    Ok(ExportQuery { meters: some, registered, from: given(from), to: given(to), missed })
}

/// The meter called `name`, or one that is no more by its id, as it is shown.
fn meter_id(state: &State, name: &str) -> Result<u64, Status> {
    let named = state.registry.meter_named(name).map(|meter| meter.id.0);
    let removed = || name.strip_prefix('#').and_then(|id| id.parse().ok());
    named.or_else(removed).ok_or_else(|| convert::missing("meter", name))
}

/// The rows as messages, in parts that are within the limits; a row that is over them alone is a part.
fn parts<'a>(
    rows: Vec<ExportedRow>,
    state: &'a State,
    settings: &'a config::Admin,
) -> impl Iterator<Item = Vec<api::ExportRow>> + 'a {
    let most = usize::try_from(settings.export_part_bytes.as_u64()).unwrap_or(usize::MAX);
    let mut rows = rows.into_iter().map(|row| convert::exported(state, row)).peekable();
    std::iter::from_fn(move || {
        let mut part = vec![rows.next()?];
        let mut bytes = part.iter().map(api::ExportRow::encoded_len).sum::<usize>();
        while part.len() < settings.export_part_rows {
            let fits = |row: &api::ExportRow| bytes.saturating_add(row.encoded_len()) <= most;
            let Some(row) = rows.next_if(fits) else { break };
            bytes += row.encoded_len();
            part.push(row);
        }
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::*;
    use crate::admin::testing;

    fn meters(names: &[&str], line: &str) -> Result<Option<Vec<u64>>, Status> {
        let meters = names.iter().map(|name| (*name).to_owned()).collect();
        let asked = api::ExportReadingsRequest { meters, line: line.to_owned(), ..Default::default() };
        query(&testing::cluster_of_three(), asked).map(|query| query.meters)
    }

    #[test]
    fn meters_are_named_by_name_by_line_or_by_the_id_of_one_that_is_no_more() {
        assert_eq!(meters(&[], "").expect("all"), None);
        assert_eq!(meters(&["m3", "#77"], "").expect("two"), Some(vec![3, 77]));
        assert_eq!(meters(&[], "l1").expect("those of the line"), Some(vec![1, 2]));
        assert_eq!(meters(&[], "l3").expect("a line without meters"), Some(vec![]));
    }

    #[test]
    fn what_does_not_exist_or_contradicts_itself_is_refused_by_name() {
        assert_eq!(meters(&["m9"], "").expect_err("none").message(), "meter m9 does not exist");
        assert_eq!(meters(&[], "l9").expect_err("none").message(), "line l9 does not exist");
        assert_eq!(meters(&["m1"], "l1").expect_err("both").code(), tonic::Code::InvalidArgument);
        let turned = api::ExportReadingsRequest { from: 6, to: 5, ..Default::default() };
        let refused = query(&testing::cluster_of_three(), turned).expect_err("turned");
        assert!(refused.message().contains("exchange them"));
    }

    #[test]
    fn parts_are_bounded_in_rows_and_in_bytes_and_lose_nothing() {
        let state = testing::cluster_of_three();
        let rows = |count: u64| (1..=count).map(|slot| ExportedRow { slot, ..ExportedRow::default() }).collect();
        let sizes = |count, export_part_rows, bytes| {
            let export_part_bytes = ByteSize::b(bytes);
            let settings = config::Admin { export_part_rows, export_part_bytes, ..config::Admin::default() };
            let parts: Vec<_> = parts(rows(count), &state, &settings).collect();
            let slots: Vec<_> = parts.iter().flatten().map(|row| row.slot).collect();
            assert_eq!(slots, (1..=count).collect::<Vec<_>>());
            parts.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(7, 3, 1 << 20), [3, 3, 1]);
        assert_eq!(sizes(3, 3, 1), [1, 1, 1]);
        assert_eq!(sizes(0, 3, 1), [0; 0]);
    }
}
