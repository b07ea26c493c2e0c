//! One request to M-Bus slaves and what comes back (EN 13757-2 clause 5.7): the unit dialogues other than a reading are
//! made of.
//!
//! ```text
//!   Send -> Await --+--> Ack | Reply            E5, or a sound RSP_UD
//!     ^             +--> Lost                   silence, garbage, a wrong checksum
//!     +--- repeat --+    (bounded)
//! ```
//!
//! Promises: no I/O, no clock; one's own echo is stepped over; after a repeat the line is heard out, so that a late
//! second answer is never taken for the answer to what is asked next. Refuses: knowing what a reply means.

use std::time::Duration;

use super::frame::{self, Frame, FrameFault, Scanner, control};
use super::patience::{MOST_HEARD, patience};
use super::quiet::ANSWER_BEGUN;
use crate::dialogue::{LineFault, Timing};

pub use crate::dialogue::Turn;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An acknowledgement.
    Ack,
    /// Data.
    Reply {
        /// What the data are.
        ci: u8,
        /// The data.
        data: Vec<u8>,
    },
    /// No usable answer.
    Lost(LineFault),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Speak,
    Listen { heard: usize },
    Drain { heard: usize, then: Heard },
    Over(Heard),
}

/// One request and its repeats.
#[derive(Debug, Clone)]
pub struct Transaction {
    request: Frame,
    timing: Timing,
    repeats: u8,
    repeated: bool,
    phase: Phase,
    scanner: Scanner,
    worst: LineFault,
    /// After how long without bytes an answer under way is over; `None`: after the standard's time.
    quiet: Option<Duration>,
}

impl Transaction {
    /// Asks `request`, at most `timing.repeats` times more.
    pub fn new(request: Frame, timing: Timing) -> Self {
        let (repeats, scanner) = (timing.repeats, Scanner::new());
        Self {
            request,
            timing,
            repeats,
            repeated: false,
            phase: Phase::Speak,
            scanner,
            worst: LineFault::Silent,
            quiet: None,
        }
    }

    /// The same where an answer under way is known to be over after so long without bytes.
    #[must_use]
    pub(super) fn with_quiet(self, quiet: Option<Duration>) -> Self {
        Self { quiet, ..self }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Turn<Heard> {
        match &self.phase {
            Phase::Speak => {
                self.scanner = Scanner::new();
                self.phase = Phase::Listen { heard: 0 };
                Turn::Send(self.request.encode())
            }
            Phase::Listen { .. } | Phase::Drain { .. } => Turn::Await(self.patience()),
            Phase::Over(heard) => Turn::Done(heard.clone()),
        }
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(frame::LONGEST) {
            match &mut self.phase {
                Phase::Drain { heard, then } => {
                    *heard = heard.saturating_add(chunk.len());
                    if *heard > MOST_HEARD {
                        self.phase = Phase::Over(then.clone());
                    }
                }
                Phase::Listen { heard } => {
                    *heard = heard.saturating_add(chunk.len());
                    let babbling = *heard > MOST_HEARD;
                    self.scanner.push(chunk);
                    self.handle_frames();
                    if babbling {
                        self.note(LineFault::Garbled);
                        self.give_up_or_repeat();
                    }
                }
                Phase::Speak | Phase::Over(_) => return,
            }
        }
    }

    /// The time of the last [`Turn::Await`] passed.
    pub fn handle_timeout(&mut self) {
        match &self.phase {
            Phase::Drain { then, .. } => self.phase = Phase::Over(then.clone()),
            Phase::Listen { .. } => {
                self.scanner.close_gap();
                self.handle_frames();
                self.give_up_or_repeat();
            }
            Phase::Speak | Phase::Over(_) => {}
        }
    }

    fn handle_frames(&mut self) {
        while matches!(self.phase, Phase::Listen { .. }) {
            match self.scanner.next() {
                None => return,
                Some(Ok(frame)) if frame.is_from_master() => {}
                Some(Ok(Frame::Ack)) => self.finish(Heard::Ack),
                Some(Ok(Frame::Long { control, address, ci, data })) if control & control::KIND == control::RSP_UD => {
                    if self.is_from_asked(address) {
                        self.finish(Heard::Reply { ci, data });
                    } else {
                        self.note(LineFault::WrongMeter);
                    }
                }
                Some(Ok(_)) | Some(Err(FrameFault::Garbage(_))) => self.note(LineFault::Garbled),
                Some(Err(FrameFault::BadChecksum)) => self.note(LineFault::BadChecksum),
            }
        }
    }

    fn finish(&mut self, heard: Heard) {
        self.phase = if self.repeated { Phase::Drain { heard: 0, then: heard } } else { Phase::Over(heard) };
    }

    fn give_up_or_repeat(&mut self) {
        if !matches!(self.phase, Phase::Listen { .. }) {
            return;
        }
        match self.repeats.checked_sub(1) {
            Some(repeats) => (self.repeats, self.repeated, self.phase) = (repeats, true, Phase::Speak),
            None => self.phase = Phase::Over(Heard::Lost(self.worst)),
        }
    }

    /// Any sign of life tells more than silence, a sound frame more than noise.
    fn note(&mut self, fault: LineFault) {
        let weight = |fault| match fault {
            LineFault::Silent => 0,
            LineFault::Garbled => 1,
            LineFault::BadChecksum => 2,
            _ => 3,
        };
        if weight(fault) > weight(self.worst) {
            self.worst = fault;
        }
    }

    fn patience(&self) -> Duration {
        let patience = patience(&self.timing, self.request.encode().len(), &self.scanner);
        match (&self.phase, self.quiet) {
            (Phase::Listen { heard: ANSWER_BEGUN.. }, Some(quiet)) => patience.min(quiet),
            _ => patience,
        }
    }

    fn is_from_asked(&self, from: u8) -> bool {
        match &self.request {
            Frame::Short { address, .. } | Frame::Long { address, .. } => {
                from == *address || matches!(*address, frame::SELECTED | frame::ANYONE)
            }
            Frame::Ack => false,
        }
    }
}
