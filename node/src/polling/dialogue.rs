//! Drives one dialogue over a channel.
//!
//! Promises: before every write the permit is asked and stale input is thrown away; a dialogue ends within its limit,
//! whatever the meter does; a failed channel is told apart from a meter that does not answer. Refuses: opening
//! channels, and repeating: the dialogue itself knows how often.

use std::io;
use std::time::Duration;

use protocol::dialin::Sifted;
use protocol::exchange::{Answer, Exchange, LineFault, Step, Timing};
use raft_store::state::UnixMillis;
use tokio::time::Instant;

use super::permit::{Denied, Permit};
use super::transport::Channel;

/// How a dialogue ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// By the meter, or by its silence.
    Answered(Answer),
    /// By the channel: no word about the meter.
    LineDown(io::Error),
    /// The line might not speak any more; whether it had spoken.
    Denied(Denied, bool),
}

/// The terms of one dialogue.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub(super) permit: &'a Permit,
    pub(super) timing: Timing,
    /// Nothing is sent that is not over by then.
    pub(super) deadline: Option<UnixMillis>,
    /// The dialogue's limit.
    pub(super) limit: Duration,
}

impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Self {
        Self::LineDown(error)
    }
}

/// Carries `exchange` through to its end.
pub(super) async fn converse(channel: &mut Channel, exchange: Exchange, terms: &Terms<'_>) -> Ending {
    let exchange = Sifted::new(exchange, channel.words());
    let ending = drive(channel, exchange, terms).await.map_or_else(|ending| ending, Ending::Answered);
    channel.rest();
    if let Ending::Denied(why, spoke) = &ending {
        tracing::debug!(%why, spoke, "a dialogue was cut short");
    }
    ending
}

async fn drive(channel: &mut Channel, mut exchange: Sifted, terms: &Terms<'_>) -> Result<Answer, Ending> {
    let end = Instant::now() + terms.limit;
    let (mut heard, mut spoke) = (false, false);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Answer::Lost(if heard { LineFault::Garbled } else { LineFault::Silent }));
        }
        match exchange.poll() {
            Step::Send(bytes) => {
                send(channel, &bytes, left, terms, spoke).await?;
                (heard, spoke) = (false, true);
            }
            Step::Await(wait) => {
                let wait = wait.min(left);
                // Once something was heard, a pause may end the frame long before it ends the patience.
                let gap = channel.longest_gap(&terms.timing).filter(|gap| heard && *gap < wait);
                let mut bytes = channel.read(gap.unwrap_or(wait)).await?;
                if let (true, Some(gap)) = (bytes.is_empty(), gap) {
                    exchange.handle_gap();
                    bytes = channel.read(wait - gap).await?;
                }
                heard |= !bytes.is_empty();
                if bytes.is_empty() { exchange.handle_timeout() } else { exchange.handle_bytes(bytes) }
            }
            Step::Done(answer) => return Ok(answer),
        }
    }
}

/// Writes `bytes` if the line may speak.
async fn send(
    channel: &mut Channel,
    bytes: &[u8],
    left: Duration,
    terms: &Terms<'_>,
    spoke: bool,
) -> Result<(), Ending> {
    let span = terms.timing.characters(bytes.len());
    channel.drain()?;
    terms.permit.to_speak(span, terms.deadline).map_err(|why| Ending::Denied(why, spoke))?;
    channel.write(bytes, left.min(terms.permit.margin)).await?;
    Ok(())
}
