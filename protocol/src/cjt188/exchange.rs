//! The master's dialogue with one CJ/T 188 meter: one request, one reply, repeats with a new SER.
//!
//! ```text
//!   read          01 DI 901F      -> 81 current data      C1 refused      the repeat asks with DI the other way round:
//!   valve         04 DI A017 55|99 -> 84 status           C4 refused      makers differ, and stay silent if not theirs
//! ```
//!
//! Promises: T of the answer is not looked at; SER may be the echo, 12h or 00. 84 is told as accepted, never as
//! arrived. Refuses: an answer from another address, with another SER, with other data, or in an unclear layout.

use std::time::Duration;

use super::frame::{self, Frame, FrameFault, Scanner, control};
use super::heat::Status;
use super::payload::{Current, PayloadFault};
use super::profile::Profile;
use super::reading;
use super::reply::{CLOSE, Lead, OPEN, di};
use crate::bytes::Cursor;
use crate::dialogue::{Answer, LineFault, Refusal, Step, Target};
use crate::meter::{Action, Address};
use crate::profile;

/// The most bytes listened to for one request, in bytes: a babbling line is not waited out.
const MOST_HEARD: usize = 2048;
/// The answer time of CJ/T 188 is 500 ms ...
const ANSWER_FIXED: Duration = Duration::from_millis(500);
/// ... and 30 characters.
const ANSWER_CHARACTERS: usize = 30;
/// What some meters answer as SER whatever was sent.
const SER_CONSTANTS: [u8; 2] = [0x12, 0x00];

/// One dialogue.
#[derive(Debug, Clone)]
pub struct Dialogue {
    target: Target,
    action: Action,
    profile: Option<&'static Profile>,
    phase: Phase,
    /// Requests sent so far; the number of the last is its SER.
    sent: u8,
    scanner: Scanner,
    worst: LineFault,
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Speak,
    Listen { heard: usize },
    Over(Answer),
}

impl Dialogue {
    /// A dialogue that asks `action` of `target`.
    pub fn new(target: &Target, action: Action) -> Self {
        let profile = profile::cjt188(target.profile.as_deref());
        let unknown = || {
            let name = target.profile.as_deref().unwrap_or_default();
            Answer::Refused(Refusal { code: 0, text: format!("profile \"{name}\" is not known") })
        };
        Self {
            target: target.clone(),
            action,
            profile,
            phase: if profile.is_some() { Phase::Speak } else { Phase::Over(unknown()) },
            sent: 0,
            scanner: Scanner::new(),
            worst: LineFault::Silent,
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        match &self.phase {
            Phase::Speak => {
                self.sent = self.sent.saturating_add(1);
                self.scanner = Scanner::new();
                self.phase = Phase::Listen { heard: 0 };
                Step::Send(self.request().encode())
            }
            Phase::Listen { .. } => Step::Await(self.patience()),
            Phase::Over(answer) => Step::Done(answer.clone()),
        }
    }

    /// Whether the last question still waits for bytes of its answer.
    pub const fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Listen { .. })
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(frame::LONGEST) {
            let Phase::Listen { heard } = &mut self.phase else { return };
            *heard = heard.saturating_add(chunk.len());
            let babbling = *heard > MOST_HEARD;
            self.scanner.push(chunk);
            self.handle_frames();
            if babbling && matches!(self.phase, Phase::Listen { .. }) {
                self.note(LineFault::Garbled);
                self.handle_timeout();
            }
        }
    }

    /// The line was quiet for longer than it may be inside a frame: what comes now is not joined with what came.
    pub fn handle_gap(&mut self) {
        if matches!(self.phase, Phase::Listen { .. }) {
            self.scanner.close_gap();
            self.handle_frames();
        }
    }

    /// The time of the last [`Step::Await`] passed.
    pub fn handle_timeout(&mut self) {
        self.scanner.close_gap();
        self.handle_frames();
        if !matches!(self.phase, Phase::Listen { .. }) {
            return;
        }
        self.phase =
            if self.sent <= self.target.timing.repeats { Phase::Speak } else { Phase::Over(Answer::Lost(self.worst)) };
    }

    fn handle_frames(&mut self) {
        while matches!(self.phase, Phase::Listen { .. }) {
            match self.scanner.next() {
                None => return,
                Some(Ok(frame)) if !frame.is_from_meter() => {}
                Some(Ok(frame)) => self.handle_reply(&frame),
                Some(Err(FrameFault::BadChecksum)) => self.note(LineFault::BadChecksum),
                Some(Err(FrameFault::Garbage(_))) => self.note(LineFault::Garbled),
            }
        }
    }

    fn handle_reply(&mut self, frame: &Frame) {
        let asked = self.address();
        if frame.address != asked && asked != frame::ANYONE {
            return self.note(LineFault::WrongMeter);
        }
        if frame.control & !(control::FROM_METER | control::ERROR) != self.control() {
            return self.note(LineFault::Garbled);
        }
        if frame.is_refusal() {
            return self.handle_refusal(&frame.data);
        }
        match self.action {
            Action::ReadNow => self.handle_current(frame),
            Action::ValveOpen | Action::ValveClose => self.handle_valve(frame),
        }
    }

    fn handle_refusal(&mut self, data: &[u8]) {
        let mut cursor = Cursor::new(data);
        let (Some(ser), first, second) = (cursor.byte(), cursor.byte(), cursor.byte()) else {
            return self.note(LineFault::Undecodable);
        };
        if !self.is_ours(ser) {
            return self.note(LineFault::Undecodable);
        }
        // A meter may refuse the data identifier because it has the other order of bytes.
        if self.action == Action::ReadNow && self.sent == 1 && self.target.timing.repeats > 0 {
            self.phase = Phase::Speak;
            return;
        }
        let code = u16::from_le_bytes([first.unwrap_or(0), second.unwrap_or(0)]);
        let text = format!("meter refuses with status {code:04X}");
        self.phase = Phase::Over(Answer::Refused(Refusal { code, text }));
    }

    fn handle_current(&mut self, frame: &Frame) {
        match (Current::read(frame), self.profile) {
            (Ok(current), Some(profile)) if self.is_ours(current.ser) => {
                let reading = reading::assemble(&current.heat, profile, frame);
                self.phase = Phase::Over(Answer::Reading(reading));
            }
            // The next answer may be another: late data, another SER, a clock that has moved on.
            (Ok(_), _) | (Err(PayloadFault::OtherData(_) | PayloadFault::Ambiguous), _) => {
                self.note(LineFault::Undecodable);
            }
            (Err(_), _) => self.phase = Phase::Over(Answer::Lost(LineFault::Undecodable)),
        }
    }

    fn handle_valve(&mut self, frame: &Frame) {
        match Lead::of(frame) {
            Some((lead, rest)) if lead.asks(di::VALVE) && self.is_ours(lead.ser) => {
                let valve = Cursor::new(rest).array().and_then(|status| Status(status).valve());
                self.phase = Phase::Over(Answer::Accepted { valve });
            }
            _ => self.note(LineFault::Undecodable),
        }
    }

    /// Keeps the most telling fault.
    fn note(&mut self, fault: LineFault) {
        let weight = |fault: LineFault| match fault {
            LineFault::Silent => 0,
            LineFault::Garbled | LineFault::Collision => 1,
            LineFault::BadChecksum => 2,
            LineFault::WrongMeter => 3,
            LineFault::Undecodable | LineFault::LineDown => 4,
        };
        if weight(fault) > weight(self.worst) {
            self.worst = fault;
        }
    }

    fn request(&self) -> Frame {
        let (read, valve) = self.profile.map_or(([0; 2], [0; 2]), |profile| (profile.read_di, profile.valve_di));
        let (mut data, tail) = match self.action {
            Action::ReadNow => (read.to_vec(), None),
            Action::ValveOpen => (valve.to_vec(), Some(OPEN)),
            Action::ValveClose => (valve.to_vec(), Some(CLOSE)),
        };
        if self.sent.is_multiple_of(2) {
            data.reverse();
        }
        data.push(self.sent);
        data.extend(tail);
        let meter_type = self.profile.map_or(0, |profile| profile.meter_type);
        Frame { meter_type, address: self.address(), control: self.control(), data }
    }

    const fn control(&self) -> u8 {
        match self.action {
            Action::ReadNow => control::READ,
            Action::ValveOpen | Action::ValveClose => control::WRITE,
        }
    }

    fn is_ours(&self, ser: u8) -> bool {
        (1..=self.sent).contains(&ser) || SER_CONSTANTS.contains(&ser)
    }

    /// How long to wait for the next bytes: once a frame has begun, for the longest there is.
    fn patience(&self) -> Duration {
        let timing = self.target.timing;
        let bytes = if self.scanner.is_unfinished() { frame::LONGEST } else { self.request().encode().len() };
        timing.characters(bytes + ANSWER_CHARACTERS) + ANSWER_FIXED + timing.extra
    }

    const fn address(&self) -> [u8; 7] {
        match self.target.address {
            Address::Cjt188(address) => address,
            Address::MbusPrimary(_) | Address::MbusSecondary { .. } | Address::ModbusUnit(_) => frame::ANYONE,
        }
    }
}
