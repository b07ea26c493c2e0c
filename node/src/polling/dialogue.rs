//! Drives one dialogue, or one turn of a scan, over a channel.
//!
//! ```text
//!   asked in time --+-- answered before its own time is over: taken, whatever the deadline says by then
//!                   +-- not, and a repeat would come after the deadline: the dialogue says what it lost
//!                   +-- answered, and the next question would: cut short, which is no word about the meter
//! ```
//!
//! Promises: before every write the permit is asked, and what lies there is thrown away only if it is granted; what came
//! before a time was over is taken before that time counts as over; a dialogue ends within its limit, whatever the meter
//! does; a failed channel is told apart from a meter that does not answer; whoever listens to the line hears every byte.
//! Refuses: opening channels, and repeating: the dialogue itself knows how often.

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
    /// Whether the last question waits for its answer; else only for the line to be quiet.
    fn is_listening(&self) -> bool {
        true
    }
    /// The line was quiet for longer than it may be inside a frame.
    fn handle_gap(&mut self);
    /// What may stand in the stream that no meter said.
    fn expect(&mut self, _words: Vec<Pattern>) {}
    /// Its limit passed; whether anything was heard.
    fn give_up(&mut self, heard: bool) -> Self::Answer;
    /// What it wants to ask may not be asked; `silent`: that nothing was heard would be news of the meter. What it ends
    /// with, if that says anything.
    fn cut_short(&mut self, _silent: bool) -> Option<Self::Answer> {
        None
    }
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

    fn is_listening(&self) -> bool {
        Self::is_listening(self)
    }

    fn give_up(&mut self, heard: bool) -> Answer {
        Answer::Lost(if heard { LineFault::Garbled } else { LineFault::Silent })
    }

    fn cut_short(&mut self, silent: bool) -> Option<Answer> {
        // As if nothing were heard any more: the exchange itself knows what was the most telling thing it heard.
        for _ in 0..MOST_TURNS {
            match Self::poll(self) {
                Step::Done(Answer::Lost(LineFault::Silent)) if !silent => return None,
                Step::Done(answer) => return Some(answer),
                Step::Send(_) | Step::Await(_) => Self::handle_timeout(self),
            }
        }
        None
    }
}

/// Turns of an exchange that hears nothing any more, at most: two for each of its repeats, at each of its stages.
const MOST_TURNS: usize = 4_096;

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
    let (mut heard, mut spoke, mut answered) = (false, false, false);
    let (mut since, mut paused, mut is_over) = (Instant::now(), None, false);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match talk.poll() {
            Turn::Done(answer) => return Ok(answer),
            Turn::Send(_) if left.is_zero() => return Ok(talk.give_up(heard)),
            Turn::Await(_) if is_over => return Ok(talk.give_up(heard)),
            Turn::Send(bytes) => {
                let sent = send(channel, &bytes, left, terms, spoke).await;
                sent.map_err(|ending| last_word(talk, ending, answered))?;
                (heard, spoke, answered, since, paused) = (false, true, false, Instant::now(), None);
            }
            Turn::Await(wait) => {
                // With the limit comes a last look at what lies there.
                is_over = left.is_zero();
                let wait = wait.min(left).saturating_sub(paused.unwrap_or_default());
                // Once something was heard, a pause may end the frame long before it ends the patience.
                let is_inside = heard && paused.is_none();
                let gap = channel.longest_gap(&terms.timing).filter(|gap| is_inside && *gap < wait);
                let bytes = channel.read(gap.unwrap_or(wait)).await?;
                if bytes.is_empty() {
                    match gap {
                        Some(_) => talk.handle_gap(),
                        None => {
                            answered = !talk.is_listening();
                            talk.handle_timeout();
                        }
                    }
                    paused = gap;
                    continue;
                }
                terms.voice.heard(bytes);
                talk.handle_bytes(bytes, since.elapsed());
                (heard, answered, since, paused) = (true, true, Instant::now(), None);
            }
        }
    }
}

/// What was heard to what was asked is not forgotten because what follows may not be asked. Silence is the meter's only
/// where all that was left was to repeat, and too late for it: a line that has to fall silent would have asked again.
fn last_word<T: Talk>(talk: &mut T, ending: Ending<T::Answer>, answered: bool) -> Ending<T::Answer> {
    match ending {
        Ending::Denied(why, true) => {
            talk.cut_short(why == Denied::TooLate && !answered).map_or(ending, Ending::Answered)
        }
        ending => ending,
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
    let may_speak = || terms.permit.to_speak(span, terms.deadline).map_err(|why| Ending::Denied(why, spoke));
    may_speak()?;
    channel.drain(|stale| terms.voice.heard(stale))?;
    // A line that babbles takes its time to be drained.
    may_speak()?;
    channel.write(bytes, left.min(terms.permit.margin)).await?;
    terms.voice.said(bytes);
    Ok(())
}
