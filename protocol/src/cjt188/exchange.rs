//! The master's dialogue with one CJ/T 188 meter: a reading, or a move of its valve.
//!
//! ```text
//!   read          01 DI 901F      -> 81 current data      C1 refused      the repeat asks with DI the other way round:
//!   valve         04 DI A017 55|99 -> 84 status           C4 refused      makers differ, and stay silent if not theirs
//! ```
//!
//! Promises: T of the answer is not looked at; SER may be the echo, 12h or 00. 84 is told as accepted, never as
//! arrived. Refuses: an answer from another address, with another SER, with other data; and one that cannot be read
//! without guessing, with the reason in words.

use super::control;
use super::frame::{ANYONE, Frame};
use super::identifier::{Order, di};
use super::payload::{Current, PayloadFault, Plain};
use super::profile::Profile;
use super::reading;
use super::reply::{CLOSE, OPEN};
use super::status::Status;
use super::transaction::{Heard, Request, Transaction, Turn};
use crate::bytes::Cursor;
use crate::choice::Choice;
use crate::dialogue::{Answer, LineFault, Reach, Refusal, Step};
use crate::meter::{Action, Address, ValveState};

/// One dialogue.
#[derive(Debug, Clone)]
pub struct Dialogue {
    stage: Stage,
    action: Action,
    profiles: Choice<Profile>,
    /// Why the last reply could not be read.
    unread: Option<PayloadFault>,
}

#[derive(Debug, Clone)]
enum Stage {
    Asking(Box<Transaction>),
    Over(Answer),
}

impl Dialogue {
    /// A dialogue that asks `action` of `target` by one of `profiles`: its address may tell the model, and T of its answer.
    pub fn new(target: &Reach, profiles: &Choice<Profile>, action: Action) -> Self {
        let address = address(target);
        let profile = profiles.pick(|profile| profile.knows(address, None));
        let request = request(profile, profile.turned(address), action);
        let stage = Stage::Asking(Box::new(Transaction::new(request, target.timing)));
        Self { stage, action, profiles: profiles.clone(), unread: None }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        loop {
            let current = match &mut self.stage {
                Stage::Asking(current) => current,
                Stage::Over(answer) => return Step::Done(answer.clone()),
            };
            let heard = match current.poll() {
                Turn::Send(bytes) => return Step::Send(bytes),
                Turn::Await(time) => return Step::Await(time),
                Turn::Done(heard) => heard,
            };
            match self.answer(heard) {
                Some(answer) => self.stage = Stage::Over(answer),
                None => current_of(&mut self.stage).into_iter().for_each(Transaction::turn_down),
            }
        }
    }

    /// Whether the last question still waits for bytes of its answer.
    pub const fn is_listening(&self) -> bool {
        match &self.stage {
            Stage::Asking(current) => current.is_listening(),
            Stage::Over(_) => false,
        }
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        current_of(&mut self.stage).into_iter().for_each(|current| current.handle_bytes(bytes));
    }

    /// The line was quiet for longer than it may be inside a frame: what comes now is not joined with what came.
    pub fn handle_gap(&mut self) {
        current_of(&mut self.stage).into_iter().for_each(Transaction::handle_gap);
    }

    /// The time of the last [`Step::Await`] passed.
    pub fn handle_timeout(&mut self) {
        current_of(&mut self.stage).into_iter().for_each(Transaction::handle_timeout);
    }

    /// How it ends; `None` where another reply may be better.
    fn answer(&mut self, heard: Heard) -> Option<Answer> {
        match heard {
            Heard::Reply(frame, _) if self.action == Action::ReadNow => self.read(&frame),
            Heard::Reply(_, plain) => Some(Answer::Accepted { valve: valve(&plain) }),
            Heard::Refused(refusal) => Some(Answer::Refused(refusal)),
            Heard::Lost(LineFault::Undecodable) => {
                Some(self.unread.map_or(Answer::Lost(LineFault::Undecodable), |fault| refused(fault.to_string())))
            }
            Heard::Lost(fault) => Some(Answer::Lost(fault)),
        }
    }

    fn read(&mut self, frame: &Frame) -> Option<Answer> {
        let knows = |profile: &Profile| profile.knows_seen(frame.address, Some(frame.meter_type));
        let profile = self.profiles.pick(knows);
        match Current::read_as(frame, profile.rules()) {
            Ok(current) => Some(Answer::Reading(reading::assemble(&current.data, profile, frame))),
            // The next answer may be clearer: a clock moves on.
            Err(fault @ PayloadFault::Ambiguous(_)) => {
                self.unread = Some(fault);
                None
            }
            Err(fault) => Some(refused(fault.to_string())),
        }
    }
}

fn current_of(stage: &mut Stage) -> Option<&mut Transaction> {
    match stage {
        Stage::Asking(current) => Some(current),
        Stage::Over(_) => None,
    }
}

/// The valve in the status that answers a write.
pub(super) fn valve(plain: &Plain) -> Option<ValveState> {
    Cursor::new(&plain.rest).array().and_then(|status| Status(status).valve())
}

pub(super) const fn refused(text: String) -> Answer {
    Answer::Refused(Refusal { code: 0, text })
}

pub(super) fn request(profile: &Profile, address: [u8; 7], action: Action) -> Request {
    let (control, code, tried, tail) = match action {
        Action::ReadNow => (control::READ, di::CURRENT, profile.read_di, None),
        Action::ValveOpen => (control::WRITE, di::VALVE, profile.valve_di, Some(OPEN)),
        Action::ValveClose => (control::WRITE, di::VALVE, profile.valve_di, Some(CLOSE)),
    };
    Request {
        meter_type: profile.meter_type,
        address,
        or_from: None,
        control,
        code,
        order: profile.di_order.unwrap_or(Order::of(tried, code)),
        has_one_order: profile.di_order.is_some(),
        layout: profile.layout,
        tail: tail.into_iter().collect(),
        first_ser: 1,
    }
}

pub(super) const fn address(target: &Reach) -> [u8; 7] {
    match target.address {
        Address::Cjt188(address) => address,
        Address::MbusPrimary(_)
        | Address::MbusSecondary { .. }
        | Address::MbusEnhanced { .. }
        | Address::ModbusUnit(_) => ANYONE,
    }
}

#[cfg(test)]
mod tests;
