//! One line: what is heard on it goes to its meters, what they answer is spoken at the line's speed.
//!
//! ```text
//!   Ear -> listen -> ledger: request        the ear never waits for the mouth, so that bytes that come while
//!            |                              a meter answers are stamped when they come
//!            +-> echo ---+
//!            +-> meters -+-> queue -> speak -> Mouth      several answers at once collide
//!                                       +----> ledger: answer, said
//! ```
//!
//! Promises: each byte heard is in the ledger with its moment and its speaker; an answer takes the time its bytes would
//! need on the wire. Refuses: knowing what carries the line.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ears::{Ears, Heard};
use super::meter::Bank;
use super::pace::Pace;
use super::reply::{Asked, Planted, Reply};
use super::spoil;
use crate::clock::Stamp;
use crate::ledger::writer::Ledger;
use crate::ledger::{Answer, Event, LineFacts, Request, Speaker, ValveIs};

/// After so long without a byte, an unfinished frame is noise.
const NOISE_AFTER: Duration = Duration::from_millis(200);
/// Answers that may wait for the line, per speaker; a meter asked faster than that stays silent.
const QUEUED_ANSWERS: usize = 16;
/// A master that does not take bytes for so long loses them, as on a wire.
pub const SAY_WITHIN: Duration = Duration::from_millis(200);
/// What gateways and units send to be known alive.
pub const HEARTBEAT: u8 = 0xFE;
/// Bytes taken from a socket at once.
const READ_BYTES: usize = 512;

/// Where bytes come from.
pub trait Ear: Send {
    /// The next bytes; 0 at the end.
    fn hear(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    /// Who speaks at this moment.
    fn speaker(&self) -> Speaker;
}

/// Where bytes go to.
pub trait Mouth: Send {
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

/// What everything in a field shares.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The witness.
    pub ledger: Arc<Ledger>,
    /// Ends everything.
    pub stop: CancellationToken,
    /// Waits for everything.
    pub tasks: TaskTracker,
}

impl Shared {
    /// Runs a task until the field stops.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }
}

/// One line with its meters.
#[derive(Debug)]
pub struct Line {
    facts: LineFacts,
    pace: Pace,
    echoes: bool,
    bank: Mutex<Bank>,
    shared: Shared,
}

/// What waits to be spoken.
enum Job {
    Echo { bytes: Vec<u8>, begins: Stamp },
    Answers(Answers),
}

/// What one or several meters answer at once.
struct Answers {
    answers: Vec<Answer>,
    bytes: Vec<u8>,
    begins: Stamp,
    latest: Stamp,
    noise: Option<[Vec<u8>; 2]>,
    beats_inside: bool,
}

impl Line {
    /// A line of these meters.
    pub fn new(facts: LineFacts, pace: Pace, echoes: bool, bank: Bank, shared: Shared) -> Arc<Self> {
        Arc::new(Self { facts, pace, echoes, bank: Mutex::new(bank), shared })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.facts.line
    }

    /// The field it belongs to.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Serves one ear and mouth until the ear ends.
    pub async fn converse(self: Arc<Self>, ear: impl Ear, mouth: impl Mouth) {
        let (queue, jobs) = mpsc::channel(QUEUED_ANSWERS);
        let listener = Arc::clone(&self);
        tokio::join!(listener.listen(ear, queue), self.speak(mouth, jobs));
    }

    async fn listen(self: Arc<Self>, mut ear: impl Ear, queue: mpsc::Sender<Job>) {
        let mut ears = Ears::new(self.bank().dialects());
        let mut buffer = [0; READ_BYTES];
        loop {
            let heard = if ears.is_waiting() {
                timeout(NOISE_AFTER, ear.hear(&mut buffer)).await
            } else {
                Ok(ear.hear(&mut buffer).await)
            };
            match heard {
                Err(_) => self.note_noise(ears.give_up()),
                Ok(Ok(count)) if count > 0 => {
                    let (bytes, now) = (buffer.get(..count).unwrap_or_default(), Stamp::now());
                    if self.echoes {
                        // A full queue drops the echo, as it drops answers.
                        let _ = queue.try_send(Job::Echo { bytes: bytes.to_vec(), begins: now });
                    }
                    for heard in ears.hear(bytes, now, &ear.speaker()) {
                        self.handle(heard, &queue);
                    }
                }
                Ok(_) => break self.note_noise(ears.give_up()),
            }
        }
    }

    fn note_noise(&self, heard: Option<Heard>) {
        if let Some(heard) = heard {
            self.note_request(&heard, "noise", None);
        }
    }

    fn note_request(&self, heard: &Heard, kind: &str, meter: Option<String>) -> u64 {
        let id = self.shared.ledger.number();
        self.shared.ledger.write(Event::Request(Request {
            at: heard.at,
            first: heard.first,
            id,
            line: self.facts.line.clone(),
            speaker: heard.speaker.clone(),
            hex: hex(&heard.bytes),
            kind: kind.to_owned(),
            meter,
        }));
        id
    }

    fn handle(self: &Arc<Self>, heard: Heard, queue: &mpsc::Sender<Job>) {
        let Some(frame) = &heard.frame else { return self.note_noise(Some(heard)) };
        let asked = self.bank().ask(frame, heard.at);
        let (kind, meter) = asked.first().map_or(("other", None), |one| (one.kind, one.meter.clone()));
        let id = self.note_request(&heard, kind, meter);
        let mut by_delay: BTreeMap<Duration, Vec<(String, Reply)>> = BTreeMap::new();
        for Asked { meter, reply, .. } in asked {
            let (Some(meter), Some(reply)) = (meter, reply) else { continue };
            if let Some(state) = reply.valve_order {
                self.follow_valve(meter.clone(), id, state);
            }
            by_delay.entry(reply.delay).or_default().push((meter, reply));
        }
        for (delay, together) in by_delay {
            // A full queue is a meter that is still busy: it stays silent.
            let _ = queue.try_send(Job::Answers(self.answers(&heard, delay, together, id)));
        }
    }

    fn answers(&self, heard: &Heard, delay: Duration, together: Vec<(String, Reply)>, request: u64) -> Answers {
        let asked = heard.first.after(self.pace.characters(heard.bytes.len())).max(heard.at);
        let (meters, mut replies): (Vec<_>, Vec<_>) = together.into_iter().unzip();
        let bytes = spoil::collide(&mut replies);
        let allowed = replies.iter().map(|reply| self.pace.whole_answer_time(reply.dialect, reply.bytes.len())).max();
        let seed = self.shared.ledger.number();
        let is_noisy = replies.iter().any(|reply| reply.noise);
        Answers {
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
        }
    }

    fn answer(&self, meter: String, reply: Reply, request: u64, at: Stamp, bytes: &[u8]) -> Answer {
        Answer {
            at,
            id: self.shared.ledger.number(),
            request,
            line: self.facts.line.clone(),
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

    async fn speak(&self, mut mouth: impl Mouth, mut jobs: mpsc::Receiver<Job>) {
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
        answers.into_iter().for_each(|answer| self.shared.ledger.write(Event::Answer(Box::new(answer))));
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
        let (at, line, kind, hex) = (Stamp::now(), self.facts.line.clone(), kind.to_owned(), hex(bytes));
        self.shared.ledger.write(Event::Said { at, line, kind, hex });
    }

    fn follow_valve(self: &Arc<Self>, meter: String, cause: u64, state: ValveIs) {
        self.note_valve(&meter, cause, state);
        let line = Arc::clone(self);
        self.shared.spawn(async move {
            let Some(travel) = line.bank().valve(&meter).map(super::valve::Valve::travel) else { return };
            sleep(travel).await;
            let state = line.bank().valve(&meter).map(|valve| valve.state(Stamp::now()));
            if let Some(state) = state.filter(|state| *state != ValveIs::Moving) {
                line.note_valve(&meter, cause, state);
            }
        });
    }

    fn note_valve(&self, meter: &str, cause: u64, state: ValveIs) {
        let (at, meter, line) = (Stamp::now(), meter.to_owned(), self.facts.line.clone());
        self.shared.ledger.write(Event::Valve { at, meter, line, state, cause });
    }

    fn bank(&self) -> MutexGuard<'_, Bank> {
        self.bank.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep_until(moment: Stamp) {
    let left = moment.mono.saturating_sub(Stamp::now().mono);
    if let Ok(left @ 1..) = u64::try_from(left) {
        sleep(Duration::from_micros(left)).await;
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
