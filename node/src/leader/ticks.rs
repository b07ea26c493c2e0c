//! The beat of a duty that looks again and again.
//!
//! Promises: the first tick at once; a look that took longer than the beat is not made up for. Refuses: ticking once
//! the duty is over.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Ticks for one duty.
#[derive(Debug)]
pub(super) struct Ticks {
    interval: Interval,
}

impl Ticks {
    /// A tick every so often.
    pub(super) fn every(period: Duration) -> Self {
        let mut interval = interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval }
    }

    /// Waits for the next tick; false: `stop` came first.
    pub(super) async fn next(&mut self, stop: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            _ = self.interval.tick() => true,
        }
    }
}
