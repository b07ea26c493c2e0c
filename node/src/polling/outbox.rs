//! A line's way into the spool.
//!
//! Promises: what it calls durable is; as long as the spool refuses, the line waits here and does not speak, except that
//! with `spool.when_full = "slow-down"` a reading for which there is no room comes back: the line goes on with what needs
//! none. Refuses: keeping a record that the line's end overtook.
//!
//! A reading that comes back was never accepted: its slot is read again, or missed with `spool-pressure`.

use std::time::Duration;

use protocol::api::peer::SpoolRecord;
use protocol::api::peer::spool_record::Content;
use protocol::meter::LineId;
use tokio::sync::watch;

use crate::config::WhenFull;
use crate::spool::{Spool, SpoolError};

use super::orders::Orders;

/// A handle; clones share the spool.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    pub(super) spool: Spool,
    pub(super) line: LineId,
    pub(super) orders: watch::Receiver<Orders>,
    /// From attempt to attempt.
    pub(super) pause: Duration,
    pub(super) when_full: WhenFull,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stored {
    Durable,
    /// The line was ordered to end first; the record is not kept.
    Overtaken,
    /// There is no room for a reading; the record is not kept.
    NoRoom(SpoolError),
}

impl Outbox {
    /// Makes a record durable, or says why it is not kept.
    pub(super) async fn store(mut self, record: SpoolRecord) -> Stored {
        let mut said = false;
        loop {
            let Err(error) = self.spool.append(&record).await else { return Stored::Durable };
            if self.when_full == WhenFull::SlowDown && is_pressed(&error) && is_reading(&record) {
                return Stored::NoRoom(error);
            }
            if !std::mem::replace(&mut said, true) {
                tracing::error!(line = %self.line, %error, "a record cannot be made durable: the line waits");
            }
            tokio::select! {
                _ = self.orders.wait_for(|orders| orders.ending) => return Stored::Overtaken,
                () = tokio::time::sleep(self.pause) => {}
            }
        }
    }
}

const fn is_pressed(error: &SpoolError) -> bool {
    matches!(error, SpoolError::Full { .. } | SpoolError::Pressed(_))
}

const fn is_reading(record: &SpoolRecord) -> bool {
    matches!(record.content, Some(Content::Reading(_)))
}
