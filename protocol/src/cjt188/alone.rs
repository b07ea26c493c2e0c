//! Asking whoever is alone on a line for its address: the only way CJ/T 188 has to find a meter.
//!
//! ```text
//!   03 DI 810A to AA.. --silence--> the same with DI the other way round, as water meter, as a read of data
//!                      --sound----> heard out: nothing more --> seen;  more --> seen, and not alone
//!                      --unsound--> once more; again --> several answer at once
//! ```
//!
//! Promises: no I/O, no clock; a bounded number of requests. Refuses: telling several meters apart: their answers
//! overlay each other.

use std::time::Duration;

use super::frame::{ANYONE, Frame, LONGEST, Scanner, control};
use super::identifier::di;
use super::patience::{MOST_HEARD, patience};
use crate::dialogue::{LineFault, Timing};
use crate::meter::Address;
use crate::probe::{Method, Pace, Sighting, Step};

/// Bytes of a request.
const SPOKEN: usize = 20;
/// Requests answered by noise before it counts as several meters.
const NOISE_ENOUGH: u32 = 2;
/// Heat, then water.
const HEAT: u8 = 0x20;
const WATER: u8 = 0x10;
const ASKED: [(u8, u8, [u8; 2]); 6] = [
    (HEAT, control::READ_ADDRESS, di::ADDRESS.to_le_bytes()),
    (HEAT, control::READ_ADDRESS, di::ADDRESS.to_be_bytes()),
    (WATER, control::READ_ADDRESS, di::ADDRESS.to_le_bytes()),
    (WATER, control::READ_ADDRESS, di::ADDRESS.to_be_bytes()),
    (HEAT, control::READ, di::CURRENT.to_le_bytes()),
    (HEAT, control::READ, di::CURRENT.to_be_bytes()),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Speak,
    Listen { heard: usize },
    Rest,
    Over,
}

/// A scan in progress.
#[derive(Debug, Clone)]
pub(crate) struct Alone {
    timing: Timing,
    pace: Pace,
    phase: Phase,
    sent: usize,
    scanner: Scanner,
    /// Who answered the request of now.
    first: Option<Sighting>,
    is_disturbed: bool,
    noisy: u32,
    seen: Vec<Sighting>,
}

impl Alone {
    pub(crate) fn new(timing: Timing) -> Self {
        let (pace, scanner, seen) = (Pace::default(), Scanner::new(), Vec::new());
        let (first, is_disturbed, noisy) = (None, false, 0);
        Self { timing, pace, phase: Phase::Speak, sent: 0, scanner, first, is_disturbed, noisy, seen }
    }

    pub(crate) fn poll(&mut self) -> Step {
        match self.phase {
            Phase::Speak => match ASKED.get(self.sent) {
                None => {
                    self.phase = Phase::Over;
                    Step::Done
                }
                Some((meter_type, control, di)) => {
                    self.sent += 1;
                    (self.scanner, self.is_disturbed) = (Scanner::new(), false);
                    self.phase = Phase::Listen { heard: 0 };
                    let data = vec![di[0], di[1], self.sent as u8];
                    Step::Send(Frame { meter_type: *meter_type, address: ANYONE, control: *control, data }.encode())
                }
            },
            Phase::Listen { .. } => Step::Await(self.patience()),
            Phase::Rest => {
                self.phase = Phase::Speak;
                Step::Rest
            }
            Phase::Over => Step::Done,
        }
    }

    pub(crate) fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        let Phase::Listen { heard } = &mut self.phase else { return };
        *heard = heard.saturating_add(bytes.len());
        let is_babble = *heard > MOST_HEARD;
        self.pace.heard(waited);
        for chunk in bytes.chunks(LONGEST) {
            self.scanner.push(chunk);
            self.handle_frames();
        }
        if is_babble {
            self.handle_timeout();
        }
    }

    /// The line is quiet: what was heard is all that was said.
    pub(crate) fn handle_timeout(&mut self) {
        if !matches!(self.phase, Phase::Listen { .. }) {
            return;
        }
        self.scanner.close_gap();
        self.handle_frames();
        self.noisy += u32::from(self.is_disturbed);
        let several = Sighting::at(Method::Cjt188, Address::Cjt188(ANYONE));
        let several = Sighting { fault: Some(LineFault::Collision), ..several };
        self.phase = match self.first.take() {
            Some(first) => {
                self.seen.push(first);
                self.seen.extend(self.is_disturbed.then_some(several));
                Phase::Over
            }
            None if self.noisy >= NOISE_ENOUGH => {
                self.seen.push(several);
                Phase::Over
            }
            None => Phase::Rest,
        };
    }

    pub(crate) fn take_seen(&mut self) -> Vec<Sighting> {
        std::mem::take(&mut self.seen)
    }

    /// Probes made, and at most to be made.
    pub(crate) const fn probes(&self) -> (u32, u32) {
        let left = if matches!(self.phase, Phase::Over) { 0 } else { ASKED.len().saturating_sub(self.sent) };
        (self.sent as u32, left as u32)
    }

    fn handle_frames(&mut self) {
        while let Some(next) = self.scanner.next() {
            match next {
                Ok(frame) if !frame.is_from_meter() => {}
                Ok(Frame { meter_type, address, .. }) if self.first.is_none() => {
                    let seen = Sighting::at(Method::Cjt188, Address::Cjt188(address));
                    self.first = Some(Sighting { meter_type: Some(meter_type), ..seen });
                }
                Ok(_) | Err(_) => self.is_disturbed = true,
            }
        }
    }

    fn patience(&self) -> Duration {
        let timing = Timing { extra: self.pace.cut(self.timing.extra), ..self.timing };
        patience(&timing, SPOKEN, &self.scanner)
    }
}
