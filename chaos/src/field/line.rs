//! One line: what is heard on it goes to its meters, what they answer to its voice.
//!
//! ```text
//!   Ear -> listen -> ledger: request        the ear never waits for the mouth, so that bytes that come while
//!            |                              a meter answers are stamped when they come
//!            +-> echo ---+
//!            +-> meters -+-> queue -> voice -> Mouth
//! ```
//!
//! Promises: each byte heard is in the ledger with its moment and its speaker. Refuses: knowing what carries the line.

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
use super::reply::{Asked, Reply};
use super::speech::{Job, Mouth, Voice, hex};
use crate::clock::Stamp;
use crate::ledger::writer::Ledger;
use crate::ledger::{Event, LineFacts, Request, Speaker, ValveIs};

/// After so long without a byte, an unfinished frame is noise.
const NOISE_AFTER: Duration = Duration::from_millis(200);
/// Answers that may wait for the line, per speaker; a meter asked faster than that stays silent.
const QUEUED_ANSWERS: usize = 16;
/// Bytes taken from a socket at once.
const READ_BYTES: usize = 512;

/// Where bytes come from.
pub trait Ear: Send {
    /// The next bytes; 0 at the end.
    fn hear(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    /// Who speaks at this moment.
    fn speaker(&self) -> Speaker;
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
    voice: Voice,
    echoes: bool,
    bank: Mutex<Bank>,
    shared: Shared,
}

impl Line {
    /// A line of these meters.
    pub fn new(facts: LineFacts, pace: Pace, echoes: bool, bank: Bank, shared: Shared) -> Arc<Self> {
        let voice = Voice::new(&facts.line, pace, &shared.ledger);
        Arc::new(Self { facts, voice, echoes, bank: Mutex::new(bank), shared })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.facts.line
    }

    /// Its way to speak.
    pub fn voice(&self) -> &Voice {
        &self.voice
    }

    /// The field it belongs to.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Serves one ear and mouth until the ear ends.
    pub async fn converse(self: Arc<Self>, ear: impl Ear, mouth: impl Mouth) {
        let (queue, jobs) = mpsc::channel(QUEUED_ANSWERS);
        let listener = Arc::clone(&self);
        tokio::join!(listener.listen(ear, queue), self.voice.speak(mouth, jobs));
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
            let _ = queue.try_send(self.voice.answers(&heard, delay, together, id));
        }
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
