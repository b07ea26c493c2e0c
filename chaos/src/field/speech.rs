//! What is spoken on a line: answers, echo, noise and heartbeats, byte by byte at the line's speed.
//!
//! ```text
//!   asked --request's bytes--> turnaround, delay --> noise | first half | heartbeat | second half | noise
//!                                                           +--> ledger: answer with the moment of its last byte
//! ```
//!
//! Promises: an answer takes the time its bytes would need on the wire; answers given at once collide. Refuses: choosing
//! what is answered.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::ears::Heard;
use super::pace::Pace;
use super::reply::{Planted, Reply};
use super::spoil;
use crate::clock::Stamp;
use crate::ledger::writer::Ledger;
use crate::ledger::{Answer, Event};

/// A master that does not take bytes for so long loses them, as on a wire.
pub const SAY_WITHIN: Duration = Duration::from_millis(200);
/// What gateways and units send to be known alive.
pub const HEARTBEAT: u8 = 0xFE;
/// Where bytes go to.
pub trait Mouth: Send {
    /// What is sent next begins an answer.
    fn begin(&mut self) {}
    /// Sends bytes; false where nobody took them.
    fn say(&mut self, bytes: &[u8]) -> impl Future<Output = bool> + Send;
    /// Sends a heartbeat, whatever that is here; gives its bytes.
    fn beat(&mut self) -> impl Future<Output = Vec<u8>> + Send {
        async {
            self.say(&[HEARTBEAT]).await;
            vec![HEARTBEAT]
        }
    }
}

/// A line's way to speak.
#[derive(Debug)]
pub struct Voice {
    line: String,
    pace: Pace,
    ledger: Arc<Ledger>,
}

/// What waits to be spoken.
pub enum Job {
    /// Bytes heard, as they come back.
    Echo {
        /// They.
        bytes: Vec<u8>,
        /// When the first was heard.
        begins: Stamp,
    },
    /// What meters say.
    Answers(Answers),
}

/// What one or several meters answer at once.
pub struct Answers {
    answers: Vec<Answer>,
    bytes: Vec<u8>,
    begins: Stamp,
    latest: Stamp,
    noise: Option<[Vec<u8>; 2]>,
    beats_inside: bool,
}

impl Voice {
    /// That of this line, at this pace.
    pub fn new(line: &str, pace: Pace, ledger: &Arc<Ledger>) -> Self {
        Self { line: line.to_owned(), pace, ledger: Arc::clone(ledger) }
    }

    /// What these meters, in this delay, say at once to what was heard.
    pub fn answers(&self, heard: &Heard, delay: Duration, together: Vec<(String, Reply)>, request: u64) -> Job {
        let asked = heard.first.after(self.pace.characters(heard.bytes.len())).max(heard.at);
        let (meters, mut replies): (Vec<_>, Vec<_>) = together.into_iter().unzip();
        let bytes = spoil::collide(&mut replies);
        let allowed = replies.iter().map(|reply| self.pace.whole_answer_time(reply.dialect, reply.bytes.len())).max();
        let seed = self.ledger.number();
        let is_noisy = replies.iter().any(|reply| reply.noise);
        Job::Answers(Answers {
            begins: asked.after(self.pace.turnaround()).after(delay),
            latest: asked.after(allowed.unwrap_or_default()),
            noise: is_noisy.then(|| [seed << 1, seed << 1 | 1].map(spoil::noise)),
            beats_inside: replies.iter().any(|reply| reply.fault == Some(Planted::HeartbeatInside)),
            answers: meters
                .into_iter()
                .zip(replies)
                .map(|(meter, reply)| self.answer(meter, reply, request, asked, &bytes))
                .collect(),
            bytes,
        })
    }

    fn answer(&self, meter: String, reply: Reply, request: u64, at: Stamp, bytes: &[u8]) -> Answer {
        Answer {
            at,
            id: self.ledger.number(),
            request,
            line: self.line.clone(),
            meter,
            kind: reply.kind,
            hex: hex(bytes),
            values: reply.values,
            meter_time: reply.meter_time,
            repeat: reply.repeat,
            late: false,
            damaged: reply.fault.is_some_and(Planted::is_damage),
            disturbed: reply.fault.is_some_and(|fault| !fault.is_damage()),
            fault: reply.fault.map(|fault| fault.name().to_owned()),
            undelivered: false,
        }
    }

    /// Speaks what is queued until the queue ends.
    pub async fn speak(&self, mut mouth: impl Mouth, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Echo { bytes, begins } => {
                    sleep_until(begins.after(self.pace.characters(bytes.len()))).await;
                    self.note_said("echo", &bytes);
                    mouth.say(&bytes).await;
                }
                Job::Answers(answers) => self.speak_answers(&mut mouth, answers).await,
            }
        }
    }

    async fn speak_answers(&self, mouth: &mut impl Mouth, job: Answers) {
        let Answers { mut answers, bytes, begins, latest, noise, beats_inside } = job;
        let [before, after] = noise.unwrap_or_default();
        sleep_until(begins).await;
        mouth.begin();
        self.say_noise(mouth, &before).await;
        let (mut spoken, mut at, mut undelivered) = (before.len(), begins, false);
        let (front, rest) = bytes.split_at(bytes.len() / 2);
        for (half, part) in [front, rest].into_iter().enumerate() {
            if beats_inside && half == 1 {
                let beat = mouth.beat().await;
                self.note_said("heartbeat", &beat);
            }
            for piece in part.chunks(self.pace.piece()) {
                spoken += piece.len();
                sleep_until(begins.after(self.pace.characters(spoken))).await;
                // The stamp is taken before the write: whoever gets the bytes cannot act before it.
                at = Stamp::now();
                undelivered |= !mouth.say(piece).await;
            }
        }
        for answer in &mut answers {
            (answer.at, answer.undelivered, answer.late) = (at, undelivered, at > latest);
        }
        answers.into_iter().for_each(|answer| self.ledger.write(Event::Answer(Box::new(answer))));
        self.say_noise(mouth, &after).await;
    }

    async fn say_noise(&self, mouth: &mut impl Mouth, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.note_said("noise", bytes);
            mouth.say(bytes).await;
        }
    }

    /// Tells the ledger of bytes that no meter said.
    pub fn note_said(&self, kind: &str, bytes: &[u8]) {
        let (at, line, kind, hex) = (Stamp::now(), self.line.clone(), kind.to_owned(), hex(bytes));
        self.ledger.write(Event::Said { at, line, kind, hex });
    }
}

async fn sleep_until(moment: Stamp) {
    let left = moment.mono.saturating_sub(Stamp::now().mono);
    if let Ok(left @ 1..) = u64::try_from(left) {
        sleep(Duration::from_micros(left)).await;
    }
}

/// Bytes as the ledger has them.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
