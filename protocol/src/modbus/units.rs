//! Finding the slaves of a line by unit: one register is read of each, and any answer tells of somebody.
//!
//! ```text
//!   quiet --> read holding register 0 of unit n --registers, exception--> seen
//!                                               --exception 0A, 0B, silence--> nobody (the gateway says so)
//!                                               --unsound--> seen, and cannot be read
//! ```
//!
//! Promises: no I/O, no clock; nothing is written; a late answer tells of the unit that sent it. Refuses: telling what a
//! slave is: its registers do not say.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::frame::LONGEST;
use super::link::{Framing, Link};
use super::payload::{Request, Table};
use crate::dialogue::{LineFault, Timing};
use crate::meter::Address;
use crate::probe::{Method, Pace, Sighting, Step};

/// What a slave may take to answer; the standard's serial guide leaves it open and names about one second.
const ANSWER: Duration = Duration::from_secs(1);
/// Once slaves were timed, nobody is waited for less than this.
const LEAST_ANSWER: Duration = Duration::from_millis(500);
/// The pause between frames, 3.5 characters, rounded up ...
const PAUSE_CHARACTERS: usize = 4;
/// ... and the least.
const LEAST_PAUSE: Duration = Duration::from_micros(1750);
/// The most bytes listened to for one request, or waited out before one.
const MOST_HEARD: usize = 2048;
/// Exceptions by which a gateway says that the slave behind it was not heard.
const UNHEARD: [u8; 2] = [10, 11];
/// The bytes of a request.
const REQUEST: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Rest,
    Next,
    Quiet { heard: usize },
    Speak,
    Listen { heard: usize },
}

/// A scan in progress.
#[derive(Debug, Clone)]
pub(crate) struct Units {
    left: RangeInclusive<u8>,
    unit: u8,
    timing: Timing,
    framing: Framing,
    pace: Pace,
    phase: Phase,
    link: Link,
    is_disturbed: bool,
    probes: u32,
    seen: Vec<Sighting>,
    told: Vec<u8>,
}

impl Units {
    pub(crate) fn new(units: RangeInclusive<u8>, timing: Timing, framing: Framing) -> Self {
        Self {
            left: units,
            unit: 0,
            timing,
            framing,
            pace: Pace::default(),
            phase: Phase::Next,
            link: Link::new(framing, 0),
            is_disturbed: false,
            probes: 0,
            seen: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(crate) fn poll(&mut self) -> Step {
        match self.phase {
            Phase::Rest => {
                self.phase = Phase::Next;
                Step::Rest
            }
            Phase::Next => match self.left.next() {
                None => Step::Done,
                Some(unit) => {
                    (self.unit, self.is_disturbed) = (unit, false);
                    self.phase = Phase::Quiet { heard: 0 };
                    Step::Await(self.pause())
                }
            },
            Phase::Quiet { .. } => Step::Await(self.pause()),
            Phase::Speak => {
                self.probes = self.probes.saturating_add(1);
                self.link = Link::new(self.framing, self.probes as u16);
                self.phase = Phase::Listen { heard: 0 };
                let request = Request::Read { table: Table::Holding, start: 0, count: 1 };
                Step::Send(self.link.encode(self.unit, request.encode()))
            }
            Phase::Listen { .. } => Step::Await(self.patience()),
        }
    }

    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        match &mut self.phase {
            Phase::Quiet { heard } => {
                *heard = heard.saturating_add(bytes.len());
                if *heard > MOST_HEARD {
                    self.phase = Phase::Speak;
                }
            }
            Phase::Listen { heard } => {
                *heard = heard.saturating_add(bytes.len());
                let is_babble = *heard > MOST_HEARD;
                self.pace.heard(waited);
                for chunk in bytes.chunks(LONGEST) {
                    self.link.push(chunk);
                    self.handle_frames();
                }
                if is_babble {
                    self.is_disturbed = true;
                    self.handle_timeout();
                }
            }
            Phase::Rest | Phase::Next | Phase::Speak => {}
        }
    }

    pub(crate) fn handle_timeout(&mut self) {
        match self.phase {
            Phase::Quiet { .. } => self.phase = Phase::Speak,
            Phase::Listen { .. } => {
                self.link.close_gap();
                self.handle_frames();
                if matches!(self.phase, Phase::Listen { .. }) {
                    if self.is_disturbed {
                        self.see(self.unit, Some(LineFault::Collision));
                    }
                    self.phase = Phase::Rest;
                }
            }
            Phase::Rest | Phase::Next | Phase::Speak => {}
        }
    }

    pub(crate) fn take_seen(&mut self) -> Vec<Sighting> {
        std::mem::take(&mut self.seen)
    }

    /// Probes made, and to be made.
    pub(crate) fn probes(&self) -> (u32, u32) {
        (self.probes, self.left.len() as u32)
    }

    fn handle_frames(&mut self) {
        while let Some(next) = self.link.next() {
            let Ok((frame, _)) = next else {
                self.is_disturbed = true;
                continue;
            };
            let is_unheard = matches!(frame.pdu.as_slice(), [0x83, code] if UNHEARD.contains(code));
            if !is_unheard && (1..=247).contains(&frame.unit) {
                self.see(frame.unit, None);
            }
            if frame.unit == self.unit {
                self.phase = Phase::Rest;
            }
        }
    }

    fn see(&mut self, unit: u8, fault: Option<LineFault>) {
        if !self.told.contains(&unit) {
            self.told.push(unit);
            self.seen.push(Sighting { fault, ..Sighting::at(Method::Modbus, Address::ModbusUnit(unit)) });
        }
    }

    fn pause(&self) -> Duration {
        self.timing.characters(PAUSE_CHARACTERS).max(LEAST_PAUSE)
    }

    fn patience(&self) -> Duration {
        let bytes = if self.link.is_unfinished() { LONGEST } else { REQUEST + PAUSE_CHARACTERS };
        let allowed = ANSWER + self.timing.extra;
        self.timing.characters(bytes) + self.pace.cut(allowed).max(LEAST_ANSWER).min(allowed)
    }
}
