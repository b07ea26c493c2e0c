//! The wish of the outside that the demo ends.
//!
//! Promises: SIGINT, SIGTERM and SIGHUP are the same wish, caught from the moment this is made; each is delivered once.
//! Refuses: ending anything itself.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals.
#[derive(Debug)]
pub(super) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupt {
    /// From now on signals are wishes.
    pub(super) fn new() -> Result<Self> {
        let take = |kind| signal(kind).context("signals of the system");
        let (interrupt, terminate) = (take(SignalKind::interrupt())?, take(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hang_up: take(SignalKind::hangup())? })
    }

    /// Comes back with the next wish.
    pub(super) async fn comes(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
            _ = self.hang_up.recv() => (),
        }
    }
}
