//! Traces: what is said and heard on a line, from its owner to the console.
//!
//! ```text
//!   console <-- this node <-- taps of the owner           the line moves, or the owner's lease ends:
//!                  +-- a note, then pieces, pieces ..     the next owner is listened to, and noted
//! ```
//!
//! Promises: the first item is a note of who is listened to; a line that moves is followed; without an owner for
//! `trace.follow_limit` the trace ends in words. Refuses: waiting for a console that does not keep up.

use std::sync::Arc;

use protocol::api::admin as api;
use protocol::api::peer::ListenRequest;
use protocol::api::peer::trace_client::TraceClient;
use protocol::meter::MeterId;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::seat::{Seat, of_peer};
use super::watching::Feed;
use super::{Admin, convert};
use crate::clock::wall_now;

/// How listening to one owner ended.
enum Ended {
    /// The console is gone.
    Gone,
    /// The owner let go of the line, or cannot be reached.
    Lost(Status),
}

impl Admin {
    pub(super) async fn feed_trace(self, feed: Arc<Feed<api::TracePiece>>, seat: Seat) -> Result<(), Status> {
        let (line, rules) = (seat.line, self.config.trace.clone());
        let (mut seat, mut noted, mut heard_at) = (Some(seat), None, Instant::now());
        loop {
            if let Some(owner) = seat {
                let begun = Instant::now();
                match self.listen(&feed, owner, noted != Some(owner)).await {
                    Ended::Gone => return Ok(()),
                    Ended::Lost(status) if is_final(&status) => return Err(status),
                    Ended::Lost(status) => tracing::debug!(%line, %status, "a trace looks for the line's owner"),
                }
                if begun.elapsed() > rules.follow_pause {
                    heard_at = Instant::now();
                }
                noted = seat;
            }
            if heard_at.elapsed() > rules.follow_limit {
                let text = format!("line {line} has no owner to listen to since {:?}", rules.follow_limit);
                return Err(Status::unavailable(text));
            }
            tokio::time::sleep(rules.follow_pause).await;
            let state = &self.cluster.applied().borrow().state.clone();
            if !state.registry.lines.contains_key(&line) {
                return Err(Status::not_found(format!("line {line} was removed")));
            }
            seat = Seat::held(state, line);
        }
    }

    /// Hands on what `seat` hears; first, where it is `new`, who that is.
    async fn listen(&self, feed: &Feed<api::TracePiece>, seat: Seat, new: bool) -> Ended {
        let stream = async {
            let mut client = TraceClient::new(self.cluster.peer(seat.node).map_err(convert::refusal)?);
            let stream = client.listen(ListenRequest { line: seat.line.0 }).await;
            Ok(stream.map_err(|status| of_peer(status, seat.node))?.into_inner())
        };
        let mut stream = match stream.await {
            Ok(stream) => stream,
            Err(status) => return Ended::Lost(status),
        };
        if new && feed.send(note(seat)).await.is_err() {
            return Ended::Gone;
        }
        let mut applied = self.cluster.applied();
        loop {
            let piece = tokio::select! {
                piece = stream.message() => piece,
                () = seat.is_over(&mut applied) => return Ended::Lost(Status::aborted("the line moved")),
            };
            match piece {
                Ok(Some(piece)) => {
                    if feed.send(self.with_names(piece)).await.is_err() {
                        return Ended::Gone;
                    }
                }
                Ok(None) => return Ended::Lost(Status::aborted("the owner ended the stream")),
                Err(status) => return Ended::Lost(of_peer(status, seat.node)),
            }
        }
    }

    fn with_names(&self, piece: api::TracePiece) -> api::TracePiece {
        let applied = self.cluster.applied();
        let applied = applied.borrow();
        let meter = applied.state.registry.meters.get(&MeterId(piece.meter_id));
        api::TracePiece { meter: meter.map(|meter| meter.name.clone()).unwrap_or_default(), ..piece }
    }
}

/// Whether another attempt would only be refused again.
fn is_final(status: &Status) -> bool {
    matches!(status.code(), Code::ResourceExhausted | Code::PermissionDenied | Code::Unimplemented)
}

fn note(seat: Seat) -> api::TracePiece {
    let Seat { node, epoch, .. } = seat;
    let note = format!("node {node} owns the line, epoch {epoch}");
    api::TracePiece { at: wall_now().0, node: node.0, note, ..api::TracePiece::default() }
}
