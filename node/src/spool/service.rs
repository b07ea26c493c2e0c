//! What the leader may ask of this node's spool, over gRPC.
//!
//! Promises: a pull never exceeds this node's own bounds, whatever was asked; a cursor or an acknowledgement of another
//! spool never touches this one; records go as they were stored. Refuses: reading them, and knowing who leads: two
//! leaders at once pull the same records, and the database's key makes them one row.

use std::time::Duration;

use protocol::api::peer::spool_server::Spool as SpoolApi;
use protocol::api::peer::{AcknowledgeReply, AcknowledgeRequest, PullReply, PullRequest, SortedKey, SpooledRecord};
use tonic::{Request, Response, Status};

use super::{Key, Pulled, Span, Spool, SpoolError};
use crate::config;

/// A leader is not kept waiting longer for records to be sorted: it has fresh ones to pull meanwhile.
const SORTING: Duration = Duration::from_millis(250);

/// The service over a spool.
#[derive(Debug, Clone)]
pub struct SpoolService {
    spool: Spool,
    max_records: u32,
    max_bytes: u64,
    wait_max: Duration,
    sorts: bool,
}

impl SpoolService {
    /// Serves `spool` within the bounds of `config`.
    pub fn new(spool: Spool, config: &config::Spool) -> Self {
        Self {
            spool,
            max_records: config.pull_records,
            max_bytes: config.pull_bytes.as_u64(),
            wait_max: config.pull_wait_max,
            sorts: config.sorted_bytes.as_u64() > 0,
        }
    }

    async fn pull_within_bounds(&self, asked: &PullRequest) -> Result<Pulled, SpoolError> {
        let after = if asked.spool == self.spool.id() { asked.after } else { 0 };
        let records = usize::try_from(asked.max_records.min(self.max_records)).unwrap_or(usize::MAX);
        let bytes = u64::from(asked.max_bytes).min(self.max_bytes);
        if self.sorts && asked.sorted_upto > 0 && asked.spool == self.spool.id() {
            let behind = asked.behind.map(|SortedKey { meter, slot, sequence }| Key { meter, slot, sequence });
            let span = Span { after, upto: asked.sorted_upto, behind };
            return self.spool.pull_sorted(span, records, bytes, SORTING).await;
        }
        let wait = Duration::from_millis(u64::from(asked.wait_ms)).min(self.wait_max);
        self.spool.pull(after, records, bytes, wait).await
    }
}

#[tonic::async_trait]
impl SpoolApi for SpoolService {
    async fn pull(&self, request: Request<PullRequest>) -> Result<Response<PullReply>, Status> {
        let pulled = self.pull_within_bounds(request.get_ref()).await?;
        Ok(Response::new(reply(pulled)))
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Result<Response<AcknowledgeReply>, Status> {
        let AcknowledgeRequest { spool, upto } = request.into_inner();
        self.spool.acknowledge(spool, upto).await?;
        Ok(Response::new(AcknowledgeReply {}))
    }
}

fn reply(pulled: Pulled) -> PullReply {
    let Pulled { spool_id, records, last, backlog_records, backlog_bytes, sorted } = pulled;
    let records = records.into_iter().map(|(sequence, record)| SpooledRecord { sequence, record }).collect();
    let key = |Key { meter, slot, sequence }| SortedKey { meter, slot, sequence };
    PullReply {
        spool: spool_id,
        records,
        backlog_records,
        backlog_bytes,
        last,
        sorted_upto: sorted.map_or(0, |rest| rest.upto),
        sorted_left: sorted.is_some_and(|rest| rest.left),
        sorted_last: sorted.and_then(|rest| rest.last).map(key),
    }
}

impl From<SpoolError> for Status {
    fn from(error: SpoolError) -> Self {
        let text = error.to_string();
        match error {
            SpoolError::WrongSpool { .. } | SpoolError::Beyond { .. } => Self::failed_precondition(text),
            SpoolError::Full { .. } | SpoolError::Pressed(_) | SpoolError::TooLarge { .. } => {
                Self::resource_exhausted(text)
            }
            SpoolError::Closed => Self::unavailable(text),
            SpoolError::Broken { .. } | SpoolError::InUse { .. } | SpoolError::Unusable { .. } => Self::internal(text),
        }
    }
}
