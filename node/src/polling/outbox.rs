//! A line's way into the spool.
//!
//! Promises: what it answers true for is durable; as long as the spool refuses, the line waits here and does not
//! speak. Refuses: keeping a record that the line's end overtook.

use std::time::Duration;

use protocol::api::peer::SpoolRecord;
use protocol::meter::LineId;
use tokio::sync::watch;

use crate::spool::Spool;

use super::orders::Orders;

/// A handle; clones share the spool.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    pub(super) spool: Spool,
    pub(super) line: LineId,
    pub(super) orders: watch::Receiver<Orders>,
    /// From attempt to attempt.
    pub(super) pause: Duration,
}

impl Outbox {
    /// Makes a record durable. False: the line was ordered to end first, and the record is not kept.
    pub(super) async fn store(mut self, record: SpoolRecord) -> bool {
        let mut said = false;
        loop {
            let Err(error) = self.spool.append(&record).await else { return true };
            if !std::mem::replace(&mut said, true) {
                tracing::error!(line = %self.line, %error, "a record cannot be made durable: the line waits");
            }
            tokio::select! {
                _ = self.orders.wait_for(|orders| orders.ending) => return false,
                () = tokio::time::sleep(self.pause) => {}
            }
        }
    }
}
