//! Listening to a line of this node, over gRPC.
//!
//! Promises: pieces as they were said and heard, in order; an end in words once the line is let go. Refuses: knowing
//! meters by name, and whose the line is.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use protocol::api::admin::TracePiece;
use protocol::api::admin::trace_piece::Direction;
use protocol::api::peer::ListenRequest;
use protocol::api::peer::trace_server::Trace;
use protocol::meter::{LineId, NodeId};
use tonic::{Request, Response, Status};

use super::{Asker, Ear, Piece, Traces, Way};

/// The service over the taps of a node.
#[derive(Debug, Clone)]
pub struct TraceService {
    node: NodeId,
    traces: Traces,
}

impl TraceService {
    /// Serves `traces` of `node`.
    pub const fn new(node: NodeId, traces: Traces) -> Self {
        Self { node, traces }
    }
}

#[tonic::async_trait]
impl Trace for TraceService {
    type ListenStream = BoxStream<'static, Result<TracePiece, Status>>;

    async fn listen(&self, request: Request<ListenRequest>) -> Result<Response<Self::ListenStream>, Status> {
        let line = LineId(request.into_inner().line);
        let ear = self.traces.listen(line).map_err(|crowded| Status::resource_exhausted(crowded.to_string()))?;
        let node = self.node;
        let pieces = stream::unfold(Some(ear), move |ear| next(ear, node));
        Ok(Response::new(pieces.boxed()))
    }
}

/// The next piece; the last word is that the line was let go.
async fn next(ear: Option<Ear>, node: NodeId) -> Option<(Result<TracePiece, Status>, Option<Ear>)> {
    let mut ear = ear?;
    Some(match ear.next().await {
        Some(piece) => (Ok(message(piece, node)), Some(ear)),
        None => {
            let text = format!("node {node} does not serve the line any more: it let go of it, or its lease ended");
            (Err(Status::aborted(text)), None)
        }
    })
}

fn message(piece: Piece, node: NodeId) -> TracePiece {
    let (asker, meter, slot, command) = match piece.asker {
        Asker::Nobody => ("", 0, 0, 0),
        Asker::Poll { meter, slot } => ("poll", meter.0, slot.0, 0),
        Asker::Command { command, meter } => ("command", meter.0, 0, command.0),
        Asker::ReadBack { command, meter } => ("read-back", meter.0, 0, command.0),
        Asker::History { meter, slot } => ("history", meter.0, slot.0, 0),
        Asker::Scan => ("scan", 0, 0, 0),
    };
    let direction = match piece.way {
        Way::Said => Direction::Said,
        Way::Heard => Direction::Heard,
    };
    TracePiece {
        at: piece.at.0,
        direction: direction.into(),
        data: piece.bytes,
        asker: asker.to_owned(),
        meter_id: meter,
        slot,
        command,
        lost: piece.lost,
        node: node.0,
        ..TracePiece::default()
    }
}
