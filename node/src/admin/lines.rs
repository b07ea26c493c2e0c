//! Lines: import, look up, remove, watch.
//!
//! Promises: an import is all rows or none; a line is removed only once its owner has let go of it in words. Refuses:
//! choosing owners.

use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use protocol::api::admin as api;
use protocol::api::admin::lines_server::Lines;
use protocol::meter::{LineId, NodeId};
use raft_store::state::assignment::{Ownership, Phase, Revocation};
use raft_store::state::{Entry, State};
use tonic::{Request, Response, Status};

use super::page::Page;
use super::rules::{Rpc, authorize, caller};
use super::scans;
use super::seat::Seat;
use super::watching::{Feed, Watch};
use super::{Admin, convert};
use crate::capacity::Book;
use crate::clock::wall_now;
use crate::cluster::Applied;

#[tonic::async_trait]
impl Lines for Admin {
    type WatchStream = Watch<api::Line>;
    type TraceStream = Watch<api::TracePiece>;
    type ScanStream = Watch<api::ScanReport>;

    async fn import(&self, request: Request<api::ImportLinesRequest>) -> Result<Response<api::ImportReply>, Status> {
        authorize(&request, Rpc::LinesImport)?;
        self.within(async {
            match convert::rows(request.into_inner().lines, &self.config.admin, convert::line_row)? {
                Err(errors) => Ok(convert::refused_rows(errors)),
                Ok(lines) if lines.is_empty() => Ok(api::ImportReply::default()),
                Ok(lines) => {
                    let names = lines.iter().map(|(line, _)| line.name.clone()).collect();
                    let entry = Entry::RegisterLines { at: wall_now(), lines };
                    Ok(self.warned(convert::imported(self.propose(entry).await?)?, names).await)
                }
            }
        })
        .await
    }

    async fn list(&self, request: Request<api::ListLinesRequest>) -> Result<Response<api::ListLinesReply>, Status> {
        authorize(&request, Rpc::LinesList)?;
        let asked = request.into_inner();
        self.within(async {
            let page = Page::new(asked.limit, &asked.page_token, &self.config.admin)?;
            let state = self.read().await?.state;
            Ok(list(&state, &asked, page, &self.loads(&state)))
        })
        .await
    }

    async fn get(&self, request: Request<api::GetLineRequest>) -> Result<Response<api::Line>, Status> {
        authorize(&request, Rpc::LinesGet)?;
        let name = request.into_inner().name;
        self.within(async {
            let state = self.read().await?.state;
            let line = state.registry.line_named(&name).ok_or_else(|| convert::missing("line", &name))?;
            Ok(with_load(convert::line(&state, line), &self.loads(&state)))
        })
        .await
    }

    async fn remove(&self, request: Request<api::RemoveLineRequest>) -> Result<Response<api::RemoveLineReply>, Status> {
        authorize(&request, Rpc::LinesRemove)?;
        let name = request.into_inner().name;
        self.within(self.remove_line(name)).await
    }

    async fn watch(&self, request: Request<api::WatchLinesRequest>) -> Result<Response<Self::WatchStream>, Status> {
        authorize(&request, Rpc::LinesWatch)?;
        let start = self.read().await?;
        let present = request.into_inner().send_present;
        let admin = self.clone();
        self.watch(move |feed| admin.feed_lines(feed, start, present)).map(Response::new)
    }

    async fn trace(&self, request: Request<api::TraceLineRequest>) -> Result<Response<Self::TraceStream>, Status> {
        authorize(&request, Rpc::LinesTrace)?;
        let (caller, name) = (caller(&request), request.into_inner().name);
        let seat = Seat::of(&self.read().await?.state, &name)?;
        tracing::info!(line = %name, %caller, "a trace begins");
        let admin = self.clone();
        self.watch(move |feed| admin.feed_trace(feed, seat)).map(Response::new)
    }

    async fn scan(&self, request: Request<api::ScanLineRequest>) -> Result<Response<Self::ScanStream>, Status> {
        authorize(&request, Rpc::LinesScan)?;
        let (caller, mut wanted) = (caller(&request), request.into_inner());
        let state = self.read().await?.state;
        let seat = Seat::of(&state, &wanted.name)?;
        wanted.methods = scans::methods(&state, seat.line, &wanted.methods).map_err(Status::invalid_argument)?;
        let admin = self.clone();
        self.watch(move |feed| admin.feed_scan(feed, seat, wanted, caller)).map(Response::new)
    }
}

fn with_load(line: api::Line, book: &Book) -> api::Line {
    let load_permille = Some(book.of(LineId(line.id)).map_or(0, |load| load.permille));
    api::Line { load_permille, ..line }
}

fn list(state: &State, asked: &api::ListLinesRequest, page: Page<'_>, book: &Book) -> api::ListLinesReply {
    let node = Some(NodeId(asked.node)).filter(|node| node.0 > 0);
    let (lines, next_page_token) = page.take(&state.registry.line_names, |name, id: LineId| {
        let wanted =
            name.contains(&asked.name_contains) && node.is_none_or(|node| state.assignment.owner(id) == Some(node));
        let line = state.registry.lines.get(&id).filter(|_| wanted)?;
        Some(with_load(convert::line(state, line), book))
    });
    api::ListLinesReply { lines, next_page_token }
}

/// The next thing to do about a line that shall be forgotten.
#[derive(Debug, PartialEq, Eq)]
enum Removal {
    /// Nobody owns it: forget it.
    Forget,
    /// Ask the owner to let go.
    Ask(Revocation),
    /// The owner was asked.
    Wait,
}

fn removal(state: &State, name: &str) -> Result<Removal, Status> {
    let line = state.registry.line_named(name).ok_or_else(|| convert::missing("line", name))?;
    let meters = state.registry.meters_of(line.id).count();
    if meters > 0 {
        let text = format!("line {name} has {meters} meters: remove them or move them to another line first");
        return Err(Status::failed_precondition(text));
    }
    Ok(match state.assignment.lines.get(&line.id) {
        None | Some(Ownership { phase: Phase::Orphan, .. }) => Removal::Forget,
        Some(Ownership { phase: Phase::Revoking { to: None, .. }, .. }) => Removal::Wait,
        Some(ownership) => Removal::Ask(Revocation { line: line.id, epoch: ownership.epoch, to: None }),
    })
}

impl Admin {
    /// Goes on until the line is forgotten; the assigner may give a released line away first, so it may take turns.
    async fn remove_line(&self, name: String) -> Result<api::RemoveLineReply, Status> {
        let mut applied = self.cluster.applied();
        loop {
            let state = self.read().await?.state;
            match removal(&state, &name)? {
                Removal::Ask(revocation) => {
                    let cause = "is to be removed".to_owned();
                    self.propose(Entry::Revoke { at: wall_now(), lines: vec![revocation], cause }).await?;
                }
                Removal::Forget => match self.propose(Entry::RemoveLine { name: name.clone() }).await {
                    Ok(_) => return Ok(api::RemoveLineReply {}),
                    Err(status) if status.code() == tonic::Code::FailedPrecondition => {}
                    Err(status) => return Err(status),
                },
                Removal::Wait => applied.changed().await.map_err(|_| stopping())?,
            }
        }
    }

    async fn feed_lines(self, feed: Arc<Feed<api::Line>>, start: Applied, present: bool) -> Result<(), Status> {
        let mut applied = self.cluster.applied();
        let mut known = start.state.assignment.lines.clone();
        let mut changed: Vec<LineId> = if present { known.keys().copied().collect() } else { Vec::new() };
        let mut state = start.state;
        loop {
            for line in changed.iter().filter_map(|id| state.registry.lines.get(id)) {
                if feed.send(convert::line(&state, line)).await.is_err() {
                    return Ok(());
                }
            }
            applied.changed().await.map_err(|_| stopping())?;
            let next = applied.borrow_and_update().clone();
            if next.index < start.index {
                continue;
            }
            changed = changes(&known, &next.state.assignment.lines);
            known = next.state.assignment.lines.clone();
            state = next.state;
        }
    }
}

pub(super) fn stopping() -> Status {
    Status::unavailable("this node is stopping: ask another one")
}

/// The lines whose ownership is not as it was.
fn changes(before: &OrdMap<LineId, Ownership>, after: &OrdMap<LineId, Ownership>) -> Vec<LineId> {
    let id = |item: DiffItem<'_, '_, LineId, Ownership>| match item {
        DiffItem::Add(id, _) | DiffItem::Update { new: (id, _), .. } => Some(*id),
        DiffItem::Remove(..) => None,
    };
    before.diff(after).filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    use protocol::meter::Epoch;
    use raft_store::state::UnixMillis;

    use super::*;
    use crate::admin::testing;
    use crate::capacity::Measured;
    use crate::config;

    fn names(asked: &api::ListLinesRequest) -> Vec<String> {
        let page = Page::new(asked.limit, &asked.page_token, &config::Admin::default()).expect("within the limit");
        let mut book = Book::new((&config::Polling::default()).into(), Measured::default());
        let state = testing::cluster_of_three();
        book.follow(&state, 1);
        let reply = list(&state, asked, page, &book);
        assert!(reply.lines.iter().all(|line| (line.load_permille > Some(0)) == (line.meters > 0)), "{reply:?}");
        reply.lines.into_iter().filter_map(|line| line.spec).map(|spec| spec.name).collect()
    }

    #[test]
    fn lines_are_listed_by_owner_and_by_part_of_their_name() {
        assert_eq!(names(&api::ListLinesRequest::default()), ["l1", "l2", "l3"]);
        assert_eq!(names(&api::ListLinesRequest { node: 2, ..Default::default() }), ["l2"]);
        assert_eq!(names(&api::ListLinesRequest { name_contains: "3".to_owned(), ..Default::default() }), ["l3"]);
        assert_eq!(
            names(&api::ListLinesRequest { limit: 1, page_token: "l1".to_owned(), ..Default::default() }),
            ["l2"]
        );
    }

    #[test]
    fn only_lines_whose_ownership_changed_are_told() {
        let before = testing::cluster_of_three();
        let mut after = before.clone();
        let released = Entry::Release { at: UnixMillis(9), node: NodeId(2), lines: vec![(LineId(2), Epoch(1))] };
        testing::applied(&mut after, vec![released]);
        assert_eq!(changes(&before.assignment.lines, &after.assignment.lines), [LineId(2)]);
        assert_eq!(changes(&after.assignment.lines, &after.assignment.lines), []);
    }

    #[test]
    fn a_line_is_let_go_before_it_is_forgotten() {
        let mut state = testing::cluster_of_three();
        assert_eq!(removal(&state, "l1").expect_err("it has meters").code(), tonic::Code::FailedPrecondition);
        assert_eq!(removal(&state, "l9").expect_err("there is none").code(), tonic::Code::NotFound);
        assert_eq!(removal(&state, "l3").expect("it is an orphan"), Removal::Forget);
        testing::applied(&mut state, vec![Entry::RemoveMeter { name: "m3".to_owned() }]);
        let asked = Revocation { line: LineId(2), epoch: Epoch(1), to: None };
        assert_eq!(removal(&state, "l2").expect("it has no meters"), Removal::Ask(asked));
        let revoke = Entry::Revoke { at: UnixMillis(9), lines: vec![asked], cause: "is to be removed".to_owned() };
        testing::applied(&mut state, vec![revoke]);
        assert_eq!(removal(&state, "l2").expect("it has no meters"), Removal::Wait);
    }
}
