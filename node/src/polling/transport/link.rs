//! A line's channel through its ups and downs.
//!
//! ```text
//!   closed --open--> open --fails--> pausing (doubled, jittered, bounded) --> closed
//!      ^               |                ^
//!      +-- close ------+                +-- open failed: the line is down, said once
//! ```
//!
//! Promises: a line that cannot be reached is said and counted once until it is reached again; the pause between
//! attempts has a bound. Refuses: waiting by itself: the line's task decides what to do with the pause.

use std::sync::Arc;
use std::time::Duration;

use raft_store::state::registry::LineSpec;
use tokio::time::Instant;

use crate::config::Config;
use crate::metrics::Metrics;

use super::Channel;
use crate::dialin::Directory;
use crate::polling::watchdog::Descriptors;

/// The channel is not open.
#[derive(Debug, Clone, thiserror::Error)]
#[error("line {line} at {endpoint}: {why}")]
pub(in crate::polling) struct Down {
    line: String,
    endpoint: String,
    /// The channel's last error.
    pub(in crate::polling) why: String,
    /// When opening it is worth another attempt.
    pub(in crate::polling) until: Instant,
}

/// A line's channel, open or not.
#[derive(Debug)]
pub(in crate::polling) struct Link {
    spec: Arc<LineSpec>,
    config: Arc<Config>,
    metrics: Metrics,
    descriptors: Descriptors,
    units: Directory,
    channel: Option<Channel>,
    pause: Duration,
    until: Instant,
    why: String,
    down: bool,
}

impl Link {
    pub(in crate::polling) fn new(
        spec: Arc<LineSpec>,
        config: Arc<Config>,
        metrics: Metrics,
        descriptors: Descriptors,
        units: Directory,
    ) -> Self {
        let (pause, until) = (config.polling.reconnect_min, Instant::now());
        Self { spec, config, metrics, descriptors, units, channel: None, pause, until, why: String::new(), down: false }
    }

    /// The open channel, opened if it was not and its pause is over.
    pub(in crate::polling) async fn open(&mut self) -> Result<&mut Channel, Down> {
        if self.channel.as_ref().is_some_and(Channel::is_over) {
            self.close();
        }
        if self.channel.is_none() {
            // A unit that is here is here: nobody is bothered by looking.
            if Instant::now() < self.until && self.spec.endpoint.unit().is_none() {
                return Err(self.as_down());
            }
            match Channel::open(&self.spec, &self.config.polling, &self.descriptors, &self.units).await {
                Ok(channel) => self.opened(channel),
                Err(error) => return Err(self.cannot_open(&error)),
            }
        }
        let down = self.as_down();
        self.channel.as_mut().ok_or(down)
    }

    fn opened(&mut self, channel: Channel) {
        self.channel = Some(channel);
        self.metrics.line_opened();
        if std::mem::take(&mut self.down) {
            self.metrics.line_down(false);
            tracing::info!(line = %self.spec.name, "line is up again");
        }
    }

    fn cannot_open(&mut self, error: &std::io::Error) -> Down {
        self.set_back(error.to_string());
        let down = self.as_down();
        if !std::mem::replace(&mut self.down, true) {
            self.metrics.line_down(true);
            tracing::warn!(%down, "line is down");
        }
        down
    }

    fn as_down(&self) -> Down {
        let Self { spec, until, why, .. } = self;
        Down { line: spec.name.clone(), endpoint: spec.endpoint.to_string(), why: why.clone(), until: *until }
    }

    /// The channel failed under an exchange; it is closed, and opened again after a pause.
    pub(in crate::polling) fn failed(&mut self, error: &std::io::Error) {
        tracing::debug!(line = %self.spec.name, %error, "channel failed");
        self.close();
        self.set_back(error.to_string());
    }

    /// The channel carried an answer: the next pause is short again.
    pub(in crate::polling) fn worked(&mut self) {
        self.pause = self.config.polling.reconnect_min;
    }

    /// Whether opening the channel failed last.
    pub(in crate::polling) const fn is_down(&self) -> bool {
        self.down
    }

    pub(in crate::polling) const fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    pub(in crate::polling) fn close(&mut self) {
        if self.channel.take().is_some() {
            self.metrics.line_closed();
        }
    }

    fn set_back(&mut self, why: String) {
        self.why = why;
        self.until = Instant::now() + jittered(self.pause);
        self.pause = (self.pause * 2).min(self.config.polling.reconnect_max);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
        if self.down {
            self.metrics.line_down(false);
        }
    }
}

/// Between half of `pause` and all of it, so that the lines of one gateway do not come back at one moment.
fn jittered(pause: Duration) -> Duration {
    let dice = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(dice) / f64::from(u32::MAX))
}
