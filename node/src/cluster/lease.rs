//! The right to speak on lines, as this node knows it.
//!
//! ```text
//!   heartbeat sent at t ---- leader answers ----> lease runs until t + lease.length
//!   may_speak(span)  =  now + span < end of lease            asked before every write
//! ```
//!
//! Promises: the lease only ever comes from an answered heartbeat and counts from the moment that was **sent**, on a
//! clock that runs through suspend; when it ends nobody has to do anything for the node to fall silent.
//! Refuses: a grace period.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// A handle to the node's lease; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Lease {
    /// [`Moment::as_nanos`] of the lease's end.
    end: Arc<AtomicU64>,
}

impl Lease {
    /// A heartbeat sent at `sent` was answered: the lease runs until `sent + length`. Never shortens it.
    pub fn renew(&self, sent: Moment, length: Duration) {
        self.end.fetch_max((sent + length).as_nanos(), Ordering::SeqCst);
    }

    /// How long it still runs; zero once it has ended.
    pub fn remaining(&self) -> Duration {
        Moment::from_nanos(self.end.load(Ordering::SeqCst)).since(Moment::now())
    }

    /// How long ago it ended; zero while it runs.
    pub fn ended_for(&self) -> Duration {
        Moment::now().since(Moment::from_nanos(self.end.load(Ordering::SeqCst)))
    }

    /// Whether a transmission that takes `span` would be over before the lease is.
    pub fn may_speak(&self, span: Duration) -> bool {
        self.remaining() > span
    }
}
