//! What the leader is asked about the past: which freezes its database lacks.
//!
//! Promises: an answer in a bounded time, or a word why there is none. Refuses: asking again.

use protocol::api::peer as messages;
use protocol::api::peer::history_client::HistoryClient;
use protocol::meter::MeterId;
use raft_store::state::UnixMillis;
use raft_store::state::plant::schedule::Freeze;
use tokio::time::timeout;

use super::{Cluster, ProposeError};

/// A freeze that nobody read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Of this meter.
    pub meter: MeterId,
    /// Its slot.
    pub slot: UnixMillis,
    /// What it stands for.
    pub freeze: Freeze,
}

/// Why nobody knows what is missing.
#[derive(Debug, thiserror::Error)]
pub enum MissingError {
    /// There is nobody to ask.
    #[error(transparent)]
    NoLeader(#[from] ProposeError),
    /// The leader does not say.
    #[error("the leader does not say which freezes of {meters} meters are missing: {why}")]
    Untold {
        /// How many it was asked about.
        meters: usize,
        /// In its own words, or that it says nothing.
        why: String,
    },
}

impl Cluster {
    /// The freezes of `meters` from `since` on that the database has no reading of, as the leader finds them there.
    pub async fn missing(&self, meters: &[MeterId], since: UnixMillis) -> Result<Vec<Missing>, MissingError> {
        let limit = usize::try_from(self.config.raft.message_bytes.as_u64()).unwrap_or(usize::MAX);
        let mut client = HistoryClient::new(self.peer(self.leader()?)?).max_decoding_message_size(limit);
        let untold = |why| MissingError::Untold { meters: meters.len(), why };
        let request = messages::MissingRequest { meters: meters.iter().map(|meter| meter.0).collect(), since: since.0 };
        let patience = self.config.backfill.statement_timeout + self.config.raft.propose_timeout;
        let answer = timeout(patience, client.missing(request)).await;
        let answer = answer.map_err(|_| untold(format!("no answer within {patience:?}")))?;
        let reply = answer.map_err(|status| untold(status.message().to_owned()))?.into_inner();
        Ok(reply.freezes.iter().filter_map(missing).collect())
    }
}

/// `None` for a freeze of a later release.
fn missing(freeze: &messages::MissingFreeze) -> Option<Missing> {
    let messages::MissingFreeze { meter, slot, freeze } = *freeze;
    let freeze = match freeze {
        1 => Freeze::Day,
        2 => Freeze::Month,
        _ => return None,
    };
    Some(Missing { meter: MeterId(meter), slot: UnixMillis(slot), freeze })
}
