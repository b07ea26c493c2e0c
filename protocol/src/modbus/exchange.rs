//! The master's dialogue with one Modbus slave: the reads a profile asks for one after another, or one write.
//!
//! ```text
//!   Quiet (3.5 characters) --> Speak --> Listen --+--> the next read .. --> Reading
//!     ^   what still comes is dropped             +--> a write's reply ---> Accepted
//!     |                                           +--> exception ---------> Refused
//!     +------ silence, Timing::repeats times -----+--> Lost
//! ```
//!
//! Promises: a reply counts only from the unit asked, with the function and the length asked; after a reply to a repeat
//! the line is left to fall silent, so that the other reply is not taken for that of the next read. An accepted write
//! says nothing of the valve's travel, and on a line that echoes it may be the request itself: the state is a later read.
//! Refuses: choosing a profile.

use std::sync::Arc;
use std::time::Duration;

use super::frame::{self, Frame, FrameFault};
use super::link::{Framing, Link};
use super::payload::{Fit, Reply, Request, exception};
use super::plan;
use super::profile::Profile;
use super::reading::{self, Registers};
use crate::dialogue::{Answer, LineFault, Reach, Refusal, Step};
use crate::meter::{Action, Address};

/// The most bytes listened to for one request, in bytes: a babbling line is not waited out.
const MOST_HEARD: usize = 2048;
/// What a slave may take to answer; the standard's serial guide leaves it open and names about one second.
const ANSWER: Duration = Duration::from_secs(1);
/// The pause between frames, 3.5 characters, rounded up.
const PAUSE_CHARACTERS: usize = 4;
/// The least pause, whatever the speed.
const LEAST_PAUSE: Duration = Duration::from_micros(1750);
/// Exceptions that ask for patience: acknowledge and busy.
const PATIENCE: [u8; 2] = [5, 6];
/// Exceptions by which a gateway says that the slave behind it was not heard.
const UNHEARD: [u8; 2] = [10, 11];

/// One dialogue.
#[derive(Debug, Clone)]
pub struct Dialogue {
    target: Reach,
    framing: Framing,
    profile: Arc<Profile>,
    is_read: bool,
    /// What is still to be asked, the next one last.
    requests: Vec<Request>,
    phase: Phase,
    /// How often the request of now was sent.
    sent: u8,
    transaction: u16,
    link: Link,
    worst: LineFault,
    registers: Registers,
    raw: Vec<u8>,
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Quiet { wait: Duration, heard: usize },
    Speak,
    Listen { heard: usize },
    Over(Answer),
}

impl Dialogue {
    /// A dialogue that asks `action` of `target`, a meter of this profile, in frames of the serial line.
    pub fn new(target: &Reach, profile: Arc<Profile>, action: Action) -> Self {
        Self::framed(target, profile, action, Framing::Rtu)
    }

    /// The same in frames of either kind.
    pub fn framed(target: &Reach, profile: Arc<Profile>, action: Action, framing: Framing) -> Self {
        let requests = asked(&profile, action);
        let mut dialogue = Self {
            target: *target,
            framing,
            profile,
            is_read: action == Action::ReadNow,
            requests,
            phase: Phase::Quiet { wait: pause(target), heard: 0 },
            sent: 0,
            transaction: 0,
            link: Link::new(framing, 0),
            worst: LineFault::Silent,
            registers: Registers::new(),
            raw: vec![],
        };
        if let Some(text) = dialogue.impossible() {
            dialogue.finish(Answer::Refused(Refusal { code: 0, text }));
        }
        dialogue
    }

    /// The same in frames of Modbus TCP, its requests numbered from the one after `transaction`: a late reply to an
    /// earlier dialogue has another number.
    #[must_use]
    pub fn over_tcp(mut self, transaction: u16) -> Self {
        self.framing = Framing::Tcp;
        self.transaction = transaction;
        self
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        match (&self.phase, self.requests.last()) {
            (Phase::Quiet { wait, .. }, _) => Step::Await(*wait),
            (Phase::Over(answer), _) => Step::Done(answer.clone()),
            (Phase::Speak, Some(request)) => {
                self.sent = self.sent.saturating_add(1);
                self.transaction = self.transaction.wrapping_add(1);
                self.link = Link::new(self.framing, self.transaction);
                self.phase = Phase::Listen { heard: 0 };
                Step::Send(self.link.encode(self.unit(), request.encode()))
            }
            (Phase::Listen { .. }, Some(request)) => Step::Await(self.patience(request)),
            (Phase::Speak | Phase::Listen { .. }, None) => Step::Done(Answer::Lost(self.worst)),
        }
    }

    /// Whether the last question still waits for bytes of its answer.
    pub const fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Listen { .. })
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(frame::LONGEST) {
            match &mut self.phase {
                Phase::Quiet { heard, .. } => {
                    *heard = heard.saturating_add(chunk.len());
                    if *heard > MOST_HEARD {
                        self.note(LineFault::Garbled);
                        self.phase = Phase::Speak;
                        return;
                    }
                }
                Phase::Listen { heard } => {
                    *heard = heard.saturating_add(chunk.len());
                    let is_babble = *heard > MOST_HEARD;
                    self.link.push(chunk);
                    self.handle_frames();
                    if is_babble && matches!(self.phase, Phase::Listen { .. }) {
                        self.note(LineFault::Garbled);
                        self.handle_timeout();
                    }
                }
                Phase::Speak | Phase::Over(_) => return,
            }
        }
    }

    /// The line was quiet for longer than it may be inside a frame: what comes now is not joined with what came.
    pub fn handle_gap(&mut self) {
        if matches!(self.phase, Phase::Listen { .. }) {
            self.link.close_gap();
            self.handle_frames();
        }
    }

    /// The time of the last [`Step::Await`] passed.
    pub fn handle_timeout(&mut self) {
        match self.phase {
            Phase::Quiet { .. } => self.phase = Phase::Speak,
            Phase::Listen { .. } => {
                self.link.close_gap();
                self.handle_frames();
                if matches!(self.phase, Phase::Listen { .. }) {
                    self.try_again(Answer::Lost(self.worst));
                }
            }
            Phase::Speak | Phase::Over(_) => {}
        }
    }

    fn handle_frames(&mut self) {
        while matches!(self.phase, Phase::Listen { .. }) {
            match self.link.next() {
                None => return,
                Some(Ok((frame, raw))) => self.handle_frame(&frame, raw),
                Some(Err(FrameFault::BadChecksum)) => self.note(LineFault::BadChecksum),
                Some(Err(FrameFault::Garbage(_))) => self.note(LineFault::Garbled),
            }
        }
    }

    fn handle_frame(&mut self, frame: &Frame, raw: Vec<u8>) {
        if frame.unit != self.unit() {
            return self.note(LineFault::WrongMeter);
        }
        let Some(request) = self.requests.last() else { return };
        let fit = Reply::decode(&frame.pdu).map_or(Fit::Other, |reply| request.fit(&reply));
        match fit {
            Fit::Other => self.note(LineFault::Undecodable),
            Fit::Exception(code) => self.handle_exception(code),
            Fit::Values(values) => {
                if let Request::Read { table, start, .. } = request {
                    let places = (*start..=u16::MAX).map(|address| (*table, address));
                    self.registers.extend(places.zip(values));
                }
                self.raw.extend(raw);
                self.go_on();
            }
        }
    }

    fn handle_exception(&mut self, code: u8) {
        let refused = Answer::Refused(Refusal { code: code.into(), text: exception(code) });
        match code {
            code if PATIENCE.contains(&code) => self.try_again(refused),
            code if UNHEARD.contains(&code) => self.try_again(Answer::Lost(self.worst)),
            _ => self.finish(refused),
        }
    }

    /// The request of now is answered.
    fn go_on(&mut self) {
        self.requests.pop();
        if !self.requests.is_empty() {
            let wait = if self.sent > 1 { self.silence() } else { pause(&self.target) };
            self.sent = 0;
            self.phase = Phase::Quiet { wait, heard: 0 };
            return;
        }
        if !self.is_read {
            return self.finish(Answer::Accepted { valve: None });
        }
        let raw = std::mem::take(&mut self.raw);
        let reading = reading::assemble(&self.registers, &self.profile, self.target.address.to_string(), raw);
        self.finish(Answer::Reading(reading));
    }

    /// Repeats the request of now, or ends with `otherwise`.
    fn try_again(&mut self, otherwise: Answer) {
        if self.sent <= self.target.timing.repeats {
            self.phase = Phase::Quiet { wait: pause(&self.target), heard: 0 };
        } else {
            self.finish(otherwise);
        }
    }

    fn finish(&mut self, answer: Answer) {
        self.phase = Phase::Over(answer);
    }

    /// Keeps the most telling fault.
    fn note(&mut self, fault: LineFault) {
        self.worst = self.worst.or_more_telling(fault);
    }

    fn impossible(&self) -> Option<String> {
        let lacks = if self.is_read { "nothing to read" } else { "no valve" };
        self.requests.is_empty().then(|| format!("profile \"{}\" has {lacks}", self.profile.name))
    }

    /// How long to wait for the next bytes: once a frame has begun, for the longest there is.
    fn patience(&self, request: &Request) -> Duration {
        let bytes = if self.link.is_unfinished() { frame::LONGEST } else { request.encode().len() + PAUSE_CHARACTERS };
        self.target.timing.characters(bytes) + ANSWER + self.target.timing.extra
    }

    /// How long no reply to a repeated request can still be on its way.
    fn silence(&self) -> Duration {
        self.target.timing.characters(frame::LONGEST) + ANSWER + self.target.timing.extra
    }

    const fn unit(&self) -> u8 {
        match self.target.address {
            Address::ModbusUnit(unit) => unit,
            _ => 0,
        }
    }
}

/// What is asked for `action`, the first one last.
fn asked(profile: &Profile, action: Action) -> Vec<Request> {
    match action {
        Action::ReadNow => plan::reads(profile).into_iter().rev().collect(),
        Action::ValveOpen | Action::ValveClose => profile.write(action).into_iter().collect(),
    }
}

fn pause(target: &Reach) -> Duration {
    target.timing.characters(PAUSE_CHARACTERS).max(LEAST_PAUSE)
}
