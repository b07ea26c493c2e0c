//! What a master asks of one slave besides its values (EN 13757-3 clauses 7 to 11, EN 13757-2 clause 5.7).
//!
//! ```text
//!   SND_NKE -> E5 --> SND_UD CI 51 | 50 | B8..BF -> E5      address, clock, what to read, reset, speed
//!                 \-> REQ_UD1 -> E5 | CI 71                 alarms
//! ```
//!
//! Promises: pure, like a reading's dialogue; a setting is said to be accepted only by its own acknowledgement, which a
//! slave gives at its old speed. Refuses: addresses and times that no slave can have; switching the line's speed.

use super::frame::{Frame, MOST_DATA, ci, control};
use super::kind;
use super::payload::application_error;
use super::record::Place;
use super::time::TimePoint;
use super::transaction::{Heard, Transaction, Turn};
use crate::dialogue::{LineFault, Refusal, Timing};
use crate::meter::CivilTime;

/// The highest primary address a slave can be given.
const HIGHEST_PRIMARY: u8 = 250;

/// A speed a slave can be set to, by its CI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Speed {
    /// 300 bit/s.
    Baud300,
    /// 600 bit/s.
    Baud600,
    /// 1200 bit/s.
    Baud1200,
    /// 2400 bit/s.
    Baud2400,
    /// 4800 bit/s.
    Baud4800,
    /// 9600 bit/s.
    Baud9600,
    /// 19 200 bit/s.
    Baud19200,
    /// 38 400 bit/s.
    Baud38400,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Whether there is an alarm (REQ_UD1).
    Alarms,
    /// A new primary address, 0 to 250.
    SetPrimary(u8),
    /// A new time, to the minute.
    SetClock(CivilTime),
    /// A reset of the application, with its subcode: what the next answers hold.
    ResetApplication(Option<u8>),
    /// Which records the next answer holds: place and VIF with VIFEs of each.
    SelectData(Vec<(Place, Vec<u8>)>),
    /// The next answer holds all records (global readout).
    SelectAllData,
    /// Another speed.
    SetSpeed(Speed),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The slave acknowledged.
    Accepted,
    /// The slave has no alarm.
    NoAlarm,
    /// The slave's alarm bits; their meaning is the maker's.
    Alarm(u8),
    /// The slave answered that it will not, or the request cannot be made.
    Refused(Refusal),
    /// No usable answer.
    Lost(LineFault),
}

/// One dialogue with the slave at one primary address (or the one selected, at FD).
#[derive(Debug, Clone)]
pub struct ServiceDialogue {
    /// What is asked once the slave is reset.
    next: Option<Frame>,
    current: Transaction,
    timing: Timing,
    outcome: Option<Outcome>,
    asks_alarms: bool,
}

impl Service {
    /// The frame that asks it of `address`, or why there is none.
    fn request(&self, address: u8) -> Result<Frame, String> {
        let control = control::SND_UD | control::FCB;
        let send = |ci, data: Vec<u8>| {
            let fits = data.len() <= MOST_DATA;
            fits.then_some(Frame::Long { control, address, ci, data })
                .ok_or_else(|| format!("data do not fit one frame of {MOST_DATA} bytes: select fewer records"))
        };
        match self {
            Self::Alarms => Ok(Frame::Short { control: control::REQ_UD1 | control::FCB, address }),
            Self::SetPrimary(primary) if *primary > HIGHEST_PRIMARY => {
                Err(format!("primary address {primary} is not one a meter can have: 0 to {HIGHEST_PRIMARY}"))
            }
            Self::SetPrimary(primary) => send(ci::SEND, vec![0x01, 0x7A, *primary]),
            Self::SetClock(time) => {
                let bytes =
                    TimePoint::encode(*time).ok_or_else(|| format!("time {time} is not one a meter can have"))?;
                send(ci::SEND, [&[0x04, 0x6D], &bytes[..]].concat())
            }
            Self::ResetApplication(subcode) => send(ci::RESET, subcode.iter().copied().collect()),
            Self::SelectData(wanted) => {
                let parts = wanted.iter().map(|(place, vif)| [place.encode(0x08), vif.clone()].concat());
                send(ci::SEND, parts.collect::<Vec<_>>().concat())
            }
            Self::SelectAllData => send(ci::SEND, vec![0x7F]),
            Self::SetSpeed(speed) => send(ci::SPEED + *speed as u8, Vec::new()),
        }
    }
}

impl ServiceDialogue {
    /// Asks `service` of the slave at `address`; one selected before, at FD, is not reset: that would deselect it.
    pub fn new(address: u8, service: &Service, timing: Timing) -> Self {
        let reset = Frame::Short { control: control::SND_NKE, address };
        let (request, outcome) = match service.request(address) {
            Ok(request) => (request, None),
            Err(text) => (reset.clone(), Some(Outcome::Refused(Refusal { code: 0, text }))),
        };
        let is_selected = address == super::frame::SELECTED;
        let (first, next) = if is_selected { (request, None) } else { (reset, Some(request)) };
        let asks_alarms = *service == Service::Alarms;
        Self { next, current: Transaction::new(first, timing), timing, outcome, asks_alarms }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Turn<Outcome> {
        loop {
            if let Some(outcome) = &self.outcome {
                return Turn::Done(outcome.clone());
            }
            match self.current.poll() {
                Turn::Send(bytes) => return Turn::Send(bytes),
                Turn::Await(time) => return Turn::Await(time),
                Turn::Done(heard) => self.handle(heard),
            }
        }
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.current.handle_bytes(bytes);
    }

    /// The time of the last [`Turn::Await`] passed.
    pub fn handle_timeout(&mut self) {
        self.current.handle_timeout();
    }

    fn handle(&mut self, heard: Heard) {
        let is_reset = self.next.is_some();
        self.outcome = match heard {
            Heard::Ack if is_reset => None,
            Heard::Ack if self.asks_alarms => Some(Outcome::NoAlarm),
            Heard::Ack => Some(Outcome::Accepted),
            Heard::Reply { ci, data } => Some(self.reply(ci, &data, is_reset)),
            Heard::Lost(fault) => Some(Outcome::Lost(fault)),
        };
        if let Some(request) = self.next.take() {
            self.current = Transaction::new(request, self.timing);
        }
    }

    fn reply(&self, ci: u8, data: &[u8], is_reset: bool) -> Outcome {
        if let Some(code) = kind::error_code(ci, data) {
            return Outcome::Refused(Refusal { code: code.into(), text: application_error(code).to_owned() });
        }
        match kind::alarm_bits(ci, data) {
            Some(bits) if self.asks_alarms && !is_reset => Outcome::Alarm(bits),
            _ => Outcome::Lost(LineFault::Undecodable),
        }
    }
}
