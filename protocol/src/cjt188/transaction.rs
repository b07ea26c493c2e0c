//! One request to a CJ/T 188 meter and what comes back: the unit every dialogue is made of.
//!
//! ```text
//!   Send -> Await --+--> Reply      from the address asked, same function, same DI, SER the echo, 12h or 00
//!     ^             +--> Refused    C with the error bit: SER and one or two status bytes, or either alone
//!     +--- repeat --+--> Lost       (bounded) the repeat has a new SER, and DI the other way round unless it is known
//! ```
//!
//! Promises: no I/O, no clock; T of the answer is not looked at; one's own echo is stepped over; a reply that is turned
//! down is waited past. Refuses: knowing what a reply means.

use std::time::Duration;

use super::control;
use super::frame::{self, ANYONE, Frame, FrameFault, Scanner};
use super::identifier::Order;
use super::layout::Layout;
use super::patience::{MOST_HEARD, patience};
use super::payload::Plain;
use crate::bytes::Cursor;
use crate::dialogue::{LineFault, Refusal, Timing};

pub use crate::dialogue::Turn;

/// What some meters answer as SER whatever was sent.
const SER_CONSTANTS: [u8; 2] = [0x12, 0x00];

/// What is asked of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// T.
    pub(super) meter_type: u8,
    /// Whom, most significant byte first.
    pub(super) address: [u8; 7],
    /// A second address the answer may have.
    pub(super) or_from: Option<[u8; 7]>,
    /// C.
    pub(super) control: u8,
    /// DI.
    pub(super) code: u16,
    /// The order of DI tried first, ...
    pub(super) order: Order,
    /// ... and whether there is but one.
    pub(super) has_one_order: bool,
    /// The layout of the answers, where it is named.
    pub(super) layout: Option<Layout>,
    /// What follows SER.
    pub(super) tail: Vec<u8>,
    /// SER of the first request.
    pub(super) first_ser: u8,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// The answer, and its data in plain.
    Reply(Frame, Plain),
    /// The meter will not.
    Refused(Refusal),
    /// No usable answer.
    Lost(LineFault),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Speak,
    Listen,
    Over(Heard),
}

/// One request and its repeats.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    request: Request,
    timing: Timing,
    phase: Phase,
    /// Requests sent so far.
    sent: u8,
    /// Bytes heard since the last.
    heard: usize,
    scanner: Scanner,
    worst: LineFault,
}

impl Transaction {
    pub(super) fn new(request: Request, timing: Timing) -> Self {
        let (phase, worst) = (Phase::Speak, LineFault::Silent);
        Self { request, timing, phase, sent: 0, heard: 0, scanner: Scanner::new(), worst }
    }

    /// What to do next.
    pub(super) fn poll(&mut self) -> Turn<Heard> {
        match &self.phase {
            Phase::Speak => {
                self.sent = self.sent.saturating_add(1);
                self.scanner = Scanner::new();
                (self.phase, self.heard) = (Phase::Listen, 0);
                Turn::Send(self.frame().encode())
            }
            Phase::Listen => Turn::Await(self.patience()),
            Phase::Over(heard) => Turn::Done(heard.clone()),
        }
    }

    /// Whether the last request still waits for bytes of its answer.
    pub(super) const fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Listen)
    }

    /// Bytes came.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(frame::LONGEST) {
            if self.phase != Phase::Listen {
                return;
            }
            self.heard = self.heard.saturating_add(chunk.len());
            self.scanner.push(chunk);
            self.handle_frames();
            self.leave_a_babbler();
        }
    }

    fn leave_a_babbler(&mut self) {
        if self.heard > MOST_HEARD && self.phase == Phase::Listen {
            self.note(LineFault::Garbled);
            self.handle_timeout();
        }
    }

    /// The line was quiet for longer than it may be inside a frame.
    pub(super) fn handle_gap(&mut self) {
        if self.is_listening() {
            self.scanner.close_gap();
            self.handle_frames();
        }
    }

    /// The time of the last [`Turn::Await`] passed.
    pub(super) fn handle_timeout(&mut self) {
        self.scanner.close_gap();
        self.handle_frames();
        if self.phase != Phase::Listen {
            return;
        }
        let may_repeat = self.sent <= self.timing.repeats;
        self.phase = if may_repeat { Phase::Speak } else { Phase::Over(Heard::Lost(self.worst)) };
    }

    /// The reply is not the one waited for: another may come, or the request is repeated.
    pub(super) fn turn_down(&mut self) {
        self.note(LineFault::Undecodable);
        self.phase = Phase::Listen;
        self.handle_frames();
        self.leave_a_babbler();
    }

    /// SER for what is asked next.
    pub(super) const fn next_ser(&self) -> u8 {
        self.request.first_ser.wrapping_add(self.sent)
    }

    fn handle_frames(&mut self) {
        while self.phase == Phase::Listen {
            match self.scanner.next() {
                None => return,
                Some(Ok(frame)) if !frame.is_from_meter() => {}
                Some(Ok(frame)) => self.handle_reply(frame),
                Some(Err(FrameFault::BadChecksum)) => self.note(LineFault::BadChecksum),
                Some(Err(FrameFault::Garbage(_))) => self.note(LineFault::Garbled),
            }
        }
    }

    fn handle_reply(&mut self, frame: Frame) {
        let Request { address, or_from, control, code, layout, .. } = &self.request;
        if *address != ANYONE && frame.address != *address && Some(frame.address) != *or_from {
            return self.note(LineFault::WrongMeter);
        }
        if frame.control & control::FUNCTION != *control {
            return self.note(LineFault::Garbled);
        }
        if frame.is_refusal() {
            return self.handle_refusal(&frame.data);
        }
        match Plain::of(&frame, *code, *layout) {
            Some(plain) if self.is_ours(plain.lead.ser) => self.phase = Phase::Over(Heard::Reply(frame, plain)),
            _ => self.note(LineFault::Undecodable),
        }
    }

    fn handle_refusal(&mut self, data: &[u8]) {
        let mut cursor = Cursor::new(data);
        let (first, second, third) = (cursor.byte(), cursor.byte(), cursor.byte());
        let is_whole = matches!(data.len(), 1..=3);
        if !is_whole || second.is_some() && !first.is_some_and(|ser| self.is_ours(ser)) {
            return self.note(LineFault::Undecodable);
        }
        // A meter may refuse the data identifier because it has the other order of bytes.
        let is_read = self.request.control == control::READ;
        if is_read && self.sent == 1 && self.timing.repeats > 0 && !self.request.has_one_order {
            self.phase = Phase::Speak;
            return;
        }
        // A lone byte that is no SER of ours is a status without one.
        let lone = first.filter(|byte| second.is_none() && !self.is_ours(*byte));
        let code = u16::from_le_bytes([second.or(lone).unwrap_or(0), third.unwrap_or(0)]);
        let text = format!("meter refuses to {} with status {code:04X}", control::word(self.request.control));
        self.phase = Phase::Over(Heard::Refused(Refusal { code, text }));
    }

    /// Keeps the most telling fault.
    fn note(&mut self, fault: LineFault) {
        self.worst = self.worst.or_more_telling(fault);
    }

    fn frame(&self) -> Frame {
        let Request { meter_type, address, control, code, order, has_one_order, tail, .. } = &self.request;
        let is_turned = !has_one_order && self.sent.is_multiple_of(2);
        let order = if is_turned { order.other() } else { *order };
        let ser = self.next_ser().wrapping_sub(1);
        let data = [&order.wire(*code), &[ser][..], tail].concat();
        Frame { meter_type: *meter_type, address: *address, control: *control, data }
    }

    fn is_ours(&self, ser: u8) -> bool {
        ser.wrapping_sub(self.request.first_ser) < self.sent || SER_CONSTANTS.contains(&ser)
    }

    fn patience(&self) -> Duration {
        patience(&self.timing, self.frame().encode().len(), &self.scanner)
    }
}
