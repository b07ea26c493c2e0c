//! Readings: from the database, or as they reach it.
//!
//! ```text
//!   Watch on the leader:   board.commits --> the watcher
//!   Watch elsewhere:       the leader's Watch --> the watcher        (one hop, never two)
//!   Export:                see `exports`
//! ```
//!
//! Promises: a watcher sees each commit once, in order, and is told when it missed some. Refuses: hiding a change of
//! leaders: the stream ends with it, in words.

use std::sync::Arc;

use protocol::api::admin as api;
use protocol::api::admin::readings_client::ReadingsClient;
use protocol::api::admin::readings_server::Readings;
use protocol::meter::{MeterId, NodeId, Quality};
use raft_store::state::State;
use tonic::{Request, Response, Status};

use super::page::rows;
use super::rules::{Rpc, authorize};
use super::watching::{Feed, Watch};
use super::{Admin, convert};
use crate::cluster::Lost;
use crate::cluster::peers::NODE_KEY;
use crate::mysql::{DatabaseError, ReadingQuery};

#[tonic::async_trait]
impl Readings for Admin {
    type WatchStream = Watch<api::Reading>;
    type ExportStream = Watch<api::ExportPart>;

    async fn export(
        &self,
        request: Request<api::ExportReadingsRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        authorize(&request, Rpc::ReadingsExport)?;
        self.within(self.begin_export(request.into_inner())).await
    }

    async fn list(
        &self,
        request: Request<api::ListReadingsRequest>,
    ) -> Result<Response<api::ListReadingsReply>, Status> {
        authorize(&request, Rpc::ReadingsList)?;
        let asked = request.into_inner();
        self.within(async {
            let limit = rows(asked.limit, &self.config.admin)?;
            let query = query(asked, limit)?;
            let found = self.reader.list(&query).await.map_err(no_rows)?;
            Ok(api::ListReadingsReply { readings: found.into_iter().map(convert::stored).collect() })
        })
        .await
    }

    async fn watch(&self, request: Request<api::WatchReadingsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        authorize(&request, Rpc::ReadingsWatch)?;
        let from_node = request.metadata().contains_key(NODE_KEY);
        let asked = request.into_inner();
        let leadership = self.leadership();
        let admin = self.clone();
        match leadership.leader {
            _ if leadership.mine => {
                let meter = meter_id(&self.cluster.applied().borrow().state, &asked.meter)?;
                self.watch(move |feed| admin.feed_commits(feed, meter)).map(Response::new)
            }
            Some(leader) if !from_node => self.watch(move |feed| admin.forward(feed, leader, asked)).map(Response::new),
            _ => Err(Status::unavailable("no leader is known here: watch again in a second")),
        }
    }
}

/// What is asked of the database; 0 and an empty name are open.
fn query(asked: api::ListReadingsRequest, limit: u32) -> Result<ReadingQuery, Status> {
    let api::ListReadingsRequest { meter, from, to, flagged, flags, .. } = asked;
    if to > 0 && from > to {
        return Err(Status::invalid_argument(format!("from {from} is after to {to}: exchange them")));
    }
    let given = |moment: u64| Some(moment).filter(|moment| *moment > 0);
    let marks = marks(flagged, &flags)?;
    let meter = Some(meter).filter(|name| !name.is_empty());
    Ok(ReadingQuery { meter, from: given(from), to: given(to), limit, marks, kept: flagged })
}

/// The marks that are looked for; `None`: none in particular.
fn marks(flagged: bool, flags: &[String]) -> Result<Option<Quality>, Status> {
    let any = if flagged { Quality(!Quality::HARMLESS.0) } else { Quality::default() };
    let named = flags.iter().map(|flag| {
        Quality::named(flag).ok_or_else(|| {
            let names = Quality::NAMED.map(|(_, name)| name).join(", ");
            Status::invalid_argument(format!("flag {flag:?} is none: use one of {names}"))
        })
    });
    let marks = named.into_iter().try_fold(any, |marks, mark| Ok::<_, Status>(marks.with(mark?)))?;
    Ok(Some(marks).filter(|marks| *marks != Quality::default()))
}

/// Why the database shows nothing; its errors name themselves.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(super) fn no_rows(error: DatabaseError) -> Status {
    match error {
        DatabaseError::Refused { .. } => Status::failed_precondition(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

fn meter_id(state: &State, name: &str) -> Result<Option<MeterId>, Status> {
    match name {
        "" => Ok(None),
        _ => {
            state.registry.meter_named(name).map(|meter| Some(meter.id)).ok_or_else(|| convert::missing("meter", name))
        }
    }
}

fn leader_changed() -> Status {
    Status::unavailable("the leader changed: watch again; what was committed meanwhile can be listed")
}

impl Admin {
    async fn feed_commits(self, feed: Arc<Feed<api::Reading>>, meter: Option<MeterId>) -> Result<(), Status> {
        let mut commits = self.cluster.board().commits(meter);
        let mut leadership = self.cluster.leadership();
        loop {
            let record = tokio::select! {
                record = commits.next() => record.map_err(fell_behind)?,
                _ = leadership.wait_for(|leadership| !leadership.mine) => return Err(leader_changed()),
            };
            let reading = convert::committed(&self.cluster.applied().borrow().state, &record);
            if feed.send(reading).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn forward(
        self,
        feed: Arc<Feed<api::Reading>>,
        leader: NodeId,
        asked: api::WatchReadingsRequest,
    ) -> Result<(), Status> {
        let peer = self.cluster.peer(leader).map_err(convert::refusal)?;
        let mut readings = ReadingsClient::new(peer).watch(asked).await?.into_inner();
        while let Some(reading) = readings.message().await? {
            if feed.send(reading).await.is_err() {
                return Ok(());
            }
        }
        Err(leader_changed())
    }
}

fn fell_behind(lost: Lost) -> Status {
    match lost {
        Lost::Behind(missed) => Status::resource_exhausted(format!(
            "the watcher fell behind by {missed} readings (admin.watch_records): watch again; what it missed can be listed"
        )),
        Lost::Over => super::lines::stopping(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;

    #[test]
    fn an_open_span_has_no_end_and_a_turned_one_is_refused() {
        let asked = |from, to| query(api::ListReadingsRequest { from, to, ..Default::default() }, 10);
        let open = ReadingQuery { from: Some(5), limit: 10, ..ReadingQuery::default() };
        assert_eq!(asked(5, 0).expect("open"), open);
        assert!(asked(5, 5).is_ok() && asked(0, 5).is_ok());
        assert_eq!(asked(6, 5).expect_err("turned").code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn flags_are_asked_for_by_name_and_one_that_is_none_is_refused_with_those_there_are() {
        let asked = |flagged, flags: &[&str]| {
            let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
            query(api::ListReadingsRequest { flagged, flags, ..Default::default() }, 10)
        };
        let marks = |flagged, flags: &[&str]| asked(flagged, flags).expect("they are flags").marks;
        assert_eq!(marks(false, &[]), None);
        assert_eq!(marks(false, &["index-back", "jump"]), Some(Quality::INDEX_BACK.with(Quality::JUMP)));
        let any = marks(true, &[]).expect("any doubt");
        assert!(any.has(Quality::CLOCK_OFF) && !any.has(Quality::ROUNDED) && !any.has(Quality::BACKFILLED));
        assert!(asked(false, &["back"]).expect_err("none").message().contains("index-back, jump, unit-changed"));
    }

    #[test]
    fn watching_a_meter_that_does_not_exist_is_refused_by_its_name() {
        let state = testing::cluster_of_three();
        assert_eq!(meter_id(&state, "m2").expect("it exists"), Some(MeterId(2)));
        assert_eq!(meter_id(&state, "").expect("all"), None);
        assert_eq!(meter_id(&state, "m9").expect_err("none").message(), "meter m9 does not exist");
    }

    #[test]
    fn a_watcher_that_fell_behind_is_told_how_far() {
        let status = fell_behind(Lost::Behind(7));
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert!(status.message().contains("7 readings"));
    }
}
