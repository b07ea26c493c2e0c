//! The consensus library's messages as words of peer.proto, both ways.
//!
//! Promises: total: what cannot be understood is a [`WireError`] that names it. Refuses: I/O.

use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderRequest, VoteRequest, VoteResponse,
};
use protocol::api::peer as wire;
use raft_store::codec::{CodecError, decode_payload, encode_payload};
use raft_store::state::LogPosition;
use raft_store::types::{LogId, RaftEntry, TypeConfig, Vote, log_id, position};

/// A message that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Something that has to be there is not.
    #[error("the message has no {0}")]
    Absent(&'static str),
    /// An entry is damaged, or of another release.
    #[error("log entry: {0}")]
    Entry(#[from] CodecError),
}

/// A ballot for the wire.
pub fn ballot(vote: &Vote) -> wire::Ballot {
    wire::Ballot { term: vote.leader_id.term, node: vote.leader_id.voted_for, committed: vote.committed }
}

/// The vote of a ballot.
pub fn vote(ballot: Option<wire::Ballot>) -> Result<Vote, WireError> {
    let wire::Ballot { term, node, committed } = ballot.ok_or(WireError::Absent("ballot"))?;
    Ok(if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) })
}

fn to_position(id: LogId) -> wire::LogPosition {
    let LogPosition { term, index } = position(id);
    wire::LogPosition { term, index }
}

fn from_position(position: wire::LogPosition) -> LogId {
    log_id(LogPosition { term: position.term, index: position.index })
}

/// An append for the wire.
pub fn append(request: AppendEntriesRequest<TypeConfig>) -> Result<wire::AppendRequest, WireError> {
    let entry = |entry: RaftEntry| {
        let payload = encode_payload(&entry.payload)?;
        Ok::<_, WireError>(wire::LogEntry { position: Some(to_position(entry.log_id)), payload })
    };
    Ok(wire::AppendRequest {
        ballot: Some(ballot(&request.vote)),
        previous: request.prev_log_id.map(to_position),
        entries: request.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
        committed: request.leader_commit.map(to_position),
    })
}

/// The append of a message.
pub fn read_append(message: wire::AppendRequest) -> Result<AppendEntriesRequest<TypeConfig>, WireError> {
    let entry = |entry: wire::LogEntry| {
        let position = entry.position.ok_or(WireError::Absent("position of an entry"))?;
        let payload = decode_payload(&entry.payload)?;
        Ok::<_, WireError>(RaftEntry { log_id: from_position(position), payload })
    };
    Ok(AppendEntriesRequest {
        vote: vote(message.ballot)?,
        prev_log_id: message.previous.map(from_position),
        entries: message.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
        leader_commit: message.committed.map(from_position),
    })
}

/// The result of an append for the wire.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map")]
pub fn append_reply(result: StreamAppendResult<TypeConfig>) -> wire::AppendReply {
    use wire::append_reply::Result as Said;
    let said = match result {
        Ok(upto) => Said::Taken(wire::Taken { upto: upto.map(to_position) }),
        Err(StreamAppendError::Conflict(at)) => Said::Conflict(to_position(at)),
        Err(StreamAppendError::HigherVote(ref vote)) => Said::Higher(ballot(vote)),
    };
    wire::AppendReply { result: Some(said) }
}

/// The result of an append in a message.
pub fn read_append_reply(message: wire::AppendReply) -> Result<StreamAppendResult<TypeConfig>, WireError> {
    use wire::append_reply::Result as Said;
    Ok(match message.result.ok_or(WireError::Absent("result"))? {
        Said::Taken(taken) => Ok(taken.upto.map(from_position)),
        Said::Conflict(at) => Err(StreamAppendError::Conflict(from_position(at))),
        Said::Higher(ballot) => Err(StreamAppendError::HigherVote(vote(Some(ballot))?)),
    })
}

/// A request for a vote for the wire.
pub fn vote_request(request: &VoteRequest<TypeConfig>) -> wire::VoteRequest {
    wire::VoteRequest {
        ballot: Some(ballot(&request.vote)),
        last: request.last_log_id.map(to_position),
        leadership_transfer: request.leadership_transfer,
    }
}

/// The request for a vote in a message.
pub fn read_vote_request(message: wire::VoteRequest) -> Result<VoteRequest<TypeConfig>, WireError> {
    let mut request = VoteRequest::new(vote(message.ballot)?, message.last.map(from_position));
    request.leadership_transfer = message.leadership_transfer;
    Ok(request)
}

/// An answer to a request for a vote for the wire.
pub fn vote_reply(response: &VoteResponse<TypeConfig>) -> wire::VoteReply {
    wire::VoteReply {
        ballot: Some(ballot(&response.vote)),
        granted: response.vote_granted,
        last: response.last_log_id.map(to_position),
    }
}

/// The answer to a request for a vote in a message.
pub fn read_vote_reply(message: wire::VoteReply) -> Result<VoteResponse<TypeConfig>, WireError> {
    Ok(VoteResponse::new(vote(message.ballot)?, message.last.map(from_position), message.granted))
}

/// A hand-over of leadership for the wire.
pub fn transfer(request: &TransferLeaderRequest<TypeConfig>) -> wire::TransferRequest {
    wire::TransferRequest {
        ballot: Some(ballot(request.from_leader())),
        to: *request.to_node_id(),
        last: request.last_log_id().copied().map(to_position),
    }
}

/// The hand-over of leadership in a message.
pub fn read_transfer(message: wire::TransferRequest) -> Result<TransferLeaderRequest<TypeConfig>, WireError> {
    Ok(TransferLeaderRequest::new(vote(message.ballot)?, message.to, message.last.map(from_position)))
}
