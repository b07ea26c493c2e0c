//! The consensus library's calls from other nodes.
//!
//! Promises: only nodes of this cluster are heard; what cannot be understood is refused by name and changes nothing.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::raft::AppendEntriesResponse;
use protocol::api::peer as messages;
use protocol::api::peer::raft_server;
use raft_store::{Raft, Snapshot, SnapshotBytes};
use tonic::{Request, Response, Status, Streaming};

use super::peers::refuse_strangers;
use super::wire::{self, WireError};

/// The largest snapshot taken, bytes.
const SNAPSHOT_LIMIT: usize = raft_store::codec::STATE_LIMIT;

/// Hands the calls to the consensus library.
#[derive(Clone)]
pub struct RaftService {
    raft: Raft,
    cluster: Arc<str>,
}

impl RaftService {
    /// For `raft`, the consensus of `cluster`.
    pub fn new(raft: Raft, cluster: &str) -> Self {
        Self { raft, cluster: Arc::from(cluster) }
    }

    fn heard<T>(&self, request: Request<T>) -> Result<T, Status> {
        refuse_strangers(&self.cluster, request.metadata())?;
        Ok(request.into_inner())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn malformed(error: WireError) -> Status {
    Status::invalid_argument(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn stopped(error: impl ToString) -> Status {
    Status::unavailable(format!("the consensus has stopped: {}", error.to_string()))
}

#[tonic::async_trait]
impl raft_server::Raft for RaftService {
    async fn append(
        &self,
        request: Request<messages::AppendRequest>,
    ) -> Result<Response<messages::AppendReply>, Status> {
        let request = wire::read_append(self.heard(request)?).map_err(malformed)?;
        let previous = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        let response: AppendEntriesResponse<_> = self.raft.append_entries(request).await.map_err(stopped)?;
        Ok(Response::new(wire::append_reply(response.into_stream_result(previous, last))))
    }

    type AppendStreamStream = Pin<Box<dyn Stream<Item = Result<messages::AppendReply, Status>> + Send>>;

    async fn append_stream(
        &self,
        request: Request<Streaming<messages::AppendRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let requests = self.heard(request)?.scan((), |(), message| {
            let read = message.map_err(|status| status.to_string());
            let read = read.and_then(|message| wire::read_append(message).map_err(|error| error.to_string()));
            // A caller that went away is no news; what cannot be understood ends the stream.
            std::future::ready(read.inspect_err(|error| tracing::debug!(%error, "append stream ended")).ok())
        });
        let results = self.raft.stream_append(requests);
        let replies = results.map(|result| result.map(wire::append_reply).map_err(stopped));
        Ok(Response::new(Box::pin(replies)))
    }

    async fn vote(&self, request: Request<messages::VoteRequest>) -> Result<Response<messages::VoteReply>, Status> {
        let request = wire::read_vote_request(self.heard(request)?).map_err(malformed)?;
        let response = self.raft.vote(request).await.map_err(stopped)?;
        Ok(Response::new(wire::vote_reply(&response)))
    }

    async fn pre_vote(&self, request: Request<messages::VoteRequest>) -> Result<Response<messages::VoteReply>, Status> {
        let request = wire::read_vote_request(self.heard(request)?).map_err(malformed)?;
        let response = self.raft.pre_vote(request).await.map_err(stopped)?;
        Ok(Response::new(wire::vote_reply(&response)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<messages::SnapshotPart>>,
    ) -> Result<Response<messages::SnapshotReply>, Status> {
        let (ballot, bytes) = collect(self.heard(request)?).await?;
        let vote = wire::vote(ballot).map_err(malformed)?;
        let bytes = SnapshotBytes::from(bytes);
        let image = bytes.decode().map_err(|error| Status::invalid_argument(format!("snapshot: {error}")))?;
        let snapshot = Snapshot { meta: image.meta(), snapshot: bytes };
        let response = self.raft.install_full_snapshot(vote, snapshot).await.map_err(stopped)?;
        Ok(Response::new(messages::SnapshotReply { ballot: Some(wire::ballot(&response.vote)) }))
    }

    async fn transfer_leader(
        &self,
        request: Request<messages::TransferRequest>,
    ) -> Result<Response<messages::TransferReply>, Status> {
        let request = wire::read_transfer(self.heard(request)?).map_err(malformed)?;
        let taken = self.raft.handle_transfer_leader(request).await.map_err(stopped)?;
        let refused = taken.err().map(|error| error.to_string()).unwrap_or_default();
        Ok(Response::new(messages::TransferReply { refused }))
    }
}

/// The ballot and the bytes of a snapshot that comes in parts.
async fn collect(mut parts: Streaming<messages::SnapshotPart>) -> Result<(Option<messages::Ballot>, Vec<u8>), Status> {
    use messages::snapshot_part::Part;
    let absent = || Status::invalid_argument("the snapshot does not begin with its header");
    let first = parts.message().await?.and_then(|part| part.part);
    let Some(Part::Header(header)) = first else { return Err(absent()) };
    let size = usize::try_from(header.bytes).unwrap_or(usize::MAX);
    if size > SNAPSHOT_LIMIT {
        return Err(Status::invalid_argument(format!(
            "a snapshot of {size} bytes is over the {SNAPSHOT_LIMIT} allowed"
        )));
    }
    let mut bytes = Vec::with_capacity(size);
    while let Some(part) = parts.message().await? {
        let Some(Part::Chunk(chunk)) = part.part else { return Err(absent()) };
        bytes.extend_from_slice(&chunk);
        if bytes.len() > size {
            return Err(Status::invalid_argument(format!("the snapshot is longer than the {size} bytes announced")));
        }
    }
    Ok((header.ballot, bytes))
}
