//! Drives one dialogue, or one turn of a scan, over a channel.
//!
//! Promises: before every write the permit is asked and stale input is thrown away; a dialogue ends within its limit,
//! whatever the meter does; a failed channel is told apart from a meter that does not answer; whoever listens to the line
//! hears every byte. Refuses: opening channels, and repeating: the dialogue itself knows how often.

use std::io;
use std::time::Duration;

use protocol::dialin::{Pattern, Sifted};
use protocol::exchange::{Answer, LineFault, Step, Timing};
use raft_store::state::UnixMillis;
use tokio::time::Instant;

use crate::trace::Voice;

use super::permit::{Denied, Permit};
use super::transport::Channel;

/// How a dialogue ended.
#[derive(Debug)]
pub(super) enum Ending<A = Answer> {
    /// By the meter, or by its silence.
    Answered(A),
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
    /// Who hears it.
    pub(super) voice: Voice<'a>,
}

impl<A> From<io::Error> for Ending<A> {
    fn from(error: io::Error) -> Self {
        Self::LineDown(error)
    }
}

/// What is driven: asked what to do, told what came.
pub(super) trait Talk {
    /// What it ends with.
    type Answer;
    fn poll(&mut self) -> Turn<Self::Answer>;
    /// Bytes came, `waited` after the last ones were sent or came.
    fn handle_bytes(&mut self, bytes: &[u8], waited: Duration);
    fn handle_timeout(&mut self);
    /// The line was quiet for longer than it may be inside a frame.
    fn handle_gap(&mut self);
    /// What may stand in the stream that no meter said.
    fn expect(&mut self, _words: Vec<Pattern>) {}
    /// Its limit passed; whether anything was heard.
    fn give_up(&mut self, heard: bool) -> Self::Answer;
}

/// What the driver does next.
pub(super) enum Turn<A> {
    Send(Vec<u8>),
    Await(Duration),
    Done(A),
}

impl Talk for Sifted {
    type Answer = Answer;

    fn poll(&mut self) -> Turn<Answer> {
        match Self::poll(self) {
            Step::Send(bytes) => Turn::Send(bytes),
            Step::Await(wait) => Turn::Await(wait),
            Step::Done(answer) => Turn::Done(answer),
        }
    }

    fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        Self::handle_bytes(self, bytes, waited);
    }

    fn handle_timeout(&mut self) {
        Self::handle_timeout(self);
    }

    fn handle_gap(&mut self) {
        Self::handle_gap(self);
    }

    fn expect(&mut self, words: Vec<Pattern>) {
        Self::expect(self, words);
    }

    fn give_up(&mut self, heard: bool) -> Answer {
        Answer::Lost(if heard { LineFault::Garbled } else { LineFault::Silent })
    }
}

/// Carries `talk` through to its end.
pub(super) async fn converse<T: Talk>(channel: &mut Channel, talk: &mut T, terms: &Terms<'_>) -> Ending<T::Answer> {
    talk.expect(channel.words());
    let ending = drive(channel, talk, terms).await.map_or_else(|ending| ending, Ending::Answered);
    channel.rest();
    if let Ending::Denied(why, spoke) = &ending {
        tracing::debug!(%why, spoke, "a dialogue was cut short");
    }
    ending
}

async fn drive<T: Talk>(
    channel: &mut Channel,
    talk: &mut T,
    terms: &Terms<'_>,
) -> Result<T::Answer, Ending<T::Answer>> {
    let end = Instant::now() + terms.limit;
    let (mut heard, mut spoke) = (false, false);
    let (mut since, mut paused) = (Instant::now(), None);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(talk.give_up(heard));
        }
        match talk.poll() {
            Turn::Send(bytes) => {
                send(channel, &bytes, left, terms, spoke).await?;
                (heard, spoke, since, paused) = (false, true, Instant::now(), None);
            }
            Turn::Await(wait) => {
                let wait = wait.min(left).saturating_sub(paused.unwrap_or_default());
                // Once something was heard, a pause may end the frame long before it ends the patience.
                let is_inside = heard && paused.is_none();
                let gap = channel.longest_gap(&terms.timing).filter(|gap| is_inside && *gap < wait);
                let bytes = channel.read(gap.unwrap_or(wait)).await?;
                if bytes.is_empty() {
                    match gap {
                        Some(_) => talk.handle_gap(),
                        None => talk.handle_timeout(),
                    }
                    paused = gap;
                    continue;
                }
                terms.voice.heard(bytes);
                talk.handle_bytes(bytes, since.elapsed());
                (heard, since, paused) = (true, Instant::now(), None);
            }
            Turn::Done(answer) => return Ok(answer),
        }
    }
}

/// Writes `bytes` if the line may speak.
async fn send<A>(
    channel: &mut Channel,
    bytes: &[u8],
    left: Duration,
    terms: &Terms<'_>,
    spoke: bool,
) -> Result<(), Ending<A>> {
    let span = terms.timing.characters(bytes.len());
    channel.drain(|stale| terms.voice.heard(stale))?;
    terms.permit.to_speak(span, terms.deadline).map_err(|why| Ending::Denied(why, spoke))?;
    channel.write(bytes, left.min(terms.permit.margin)).await?;
    terms.voice.said(bytes);
    Ok(())
}
