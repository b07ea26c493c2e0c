//! The consensus library's calls to other nodes, over gRPC.
//!
//! Promises: an unreachable node is told from a refusing one; a pre-vote that could not be asked counts as not granted;
//! appends are pipelined in one stream. Refuses: retrying (the library does).

use std::future::Future;
use std::time::Duration;

use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use protocol::api::peer as messages;
use protocol::api::peer::raft_client::RaftClient;
use protocol::meter::NodeId;
use raft_store::types::{Node, TypeConfig, Vote};
use raft_store::{Snapshot, SnapshotBytes};
use tokio::time::timeout;
use tonic::{Request, Status};

use super::peers::{Peer, Peers};
use super::wire;

/// Bytes of a snapshot in one message.
const CHUNK: usize = 1 << 20;

/// Makes the connections.
#[derive(Debug, Clone)]
pub struct Network {
    peers: Peers,
    message_bytes: usize,
}

impl Network {
    /// Connections through `peers`, of messages up to `message_bytes`.
    pub const fn new(peers: Peers, message_bytes: usize) -> Self {
        Self { peers, message_bytes }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &Node) -> Connection {
        Connection { network: self.clone(), target: NodeId(target), first_address: node.address.clone() }
    }
}

/// The connection to one node, wherever it is reached now. An address that is none is an unreachable node.
#[derive(Debug)]
pub struct Connection {
    network: Network,
    target: NodeId,
    /// Where it was reached when it was admitted; good until the replicated state is known.
    first_address: String,
}

type Failed = RPCError<TypeConfig>;

fn unreachable(reason: impl ToString) -> Failed {
    RPCError::Unreachable(Unreachable::from_string(reason))
}

/// A node that answers with an error is there; anything else is not.
fn failed(status: &Status) -> Failed {
    match status.code() {
        tonic::Code::Internal | tonic::Code::InvalidArgument | tonic::Code::PermissionDenied => {
            RPCError::Network(NetworkError::from_string(status))
        }
        _ => unreachable(status),
    }
}

impl Connection {
    fn client(&self) -> Result<RaftClient<Peer>, Failed> {
        let peer = self.network.peers.now(self.target, &self.first_address).map_err(unreachable)?;
        let limit = self.network.message_bytes;
        Ok(RaftClient::new(peer).max_decoding_message_size(limit).max_encoding_message_size(limit))
    }

    /// One call, at most `limit` long.
    async fn call<T>(
        limit: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Failed> {
        match timeout(limit, call).await {
            Ok(answer) => answer.map(tonic::Response::into_inner).map_err(|status| failed(&status)),
            Err(_) => Err(unreachable(format!("no answer within {limit:?}"))),
        }
    }

    async fn send_snapshot(&self, vote: Vote, snapshot: SnapshotBytes) -> Result<Vote, Failed> {
        let header = messages::SnapshotHeader { ballot: Some(wire::ballot(&vote)), bytes: snapshot.len() as u64 };
        let part = |part| messages::SnapshotPart { part: Some(part) };
        let header = part(messages::snapshot_part::Part::Header(header));
        let chunks: Vec<_> = snapshot.as_slice().chunks(CHUNK).map(<[u8]>::to_vec).collect();
        let chunks = chunks.into_iter().map(move |chunk| part(messages::snapshot_part::Part::Chunk(chunk)));
        let parts = futures::stream::iter(std::iter::once(header).chain(chunks));
        let reply = self.client()?.install_snapshot(Request::new(parts)).await.map_err(|status| failed(&status))?;
        wire::vote(reply.into_inner().ballot).map_err(unreachable)
    }
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = SnapshotBytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, Failed> {
        let last = rpc.entries.last().map(|entry| entry.log_id).or(rpc.prev_log_id);
        let request = wire::append(rpc).map_err(|error| RPCError::Network(NetworkError::from_string(error)))?;
        let mut client = self.client()?;
        let reply = Self::call(option.soft_ttl(), client.append(request)).await?;
        Ok(match wire::read_append_reply(reply).map_err(unreachable)? {
            Ok(upto) if upto == last => AppendEntriesResponse::Success,
            Ok(upto) => AppendEntriesResponse::PartialSuccess(upto),
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, Failed>>, Failed>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            // The library waits between attempts inside its own stream: without asking that first, a node that refuses
            // connections would be tried again at once, for ever.
            let mut input = input;
            let Some(first) = input.next().await else {
                let nothing: BoxStream<'s, _> = Box::pin(futures::stream::empty());
                return Ok(nothing);
            };
            let mut client = self.client()?;
            let input = futures::stream::iter([first]).chain(input);
            // An entry that cannot be encoded ends the stream: the library sees a broken connection and says so.
            let requests = input.map(wire::append).scan((), |(), request| {
                let sent = request.inspect_err(|error| tracing::error!(%error, "append not sent")).ok();
                std::future::ready(sent)
            });
            let replies = Self::call(option.soft_ttl(), client.append_stream(requests)).await?;
            let results = replies.map(|reply| {
                let reply = reply.map_err(|status| failed(&status))?;
                wire::read_append_reply(reply).map_err(unreachable)
            });
            let results: BoxStream<'s, _> = Box::pin(results);
            Ok(results)
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failed> {
        let mut client = self.client()?;
        let reply = Self::call(option.soft_ttl(), client.vote(wire::vote_request(&rpc))).await?;
        wire::read_vote_reply(reply).map_err(unreachable)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failed> {
        let mut client = self.client()?;
        let reply = Self::call(option.soft_ttl(), client.pre_vote(wire::vote_request(&rpc))).await?;
        wire::read_vote_reply(reply).map_err(unreachable)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let limit = option.soft_ttl();
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = timeout(limit, self.send_snapshot(vote, snapshot.snapshot)) => match sent {
                Ok(answer) => Ok(SnapshotResponse::new(answer?)),
                Err(_) => Err(unreachable(format!("snapshot not taken within {limit:?}")).into()),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Failed> {
        let mut client = self.client()?;
        let reply = Self::call(option.soft_ttl(), client.transfer_leader(wire::transfer(&request))).await?;
        if reply.refused.is_empty() {
            return Ok(Ok(()));
        }
        tracing::warn!(reason = %reply.refused, "leadership was not taken over");
        let vote = *request.from_leader();
        Ok(Err(TransferLeaderError::VoteChanged { expected: vote, actual: vote }))
    }
}
