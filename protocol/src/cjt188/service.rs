//! What a master asks of one meter besides its values (CJ/T 188 clause "application layer").
//!
//! ```text
//!   read   03 810A address | 01 D12x month | 01 8102 prices | 01 8103, 8104 days | 09 8106 key version
//!   write  04 A015 clock | 16 A016 base count | 04 A017 valve | 15 A018 address          8x accepted, Cx refused
//!
//!   Learn: 01 901F ----> layout, order of DI ----> Ask          where bytes have an order and no profile names it
//! ```
//!
//! Promises: pure, like a reading's dialogue; nothing is written in a guessed layout; 84 is told as accepted, never as
//! arrived. Refuses: what no meter can have, and data that cannot be read or written without guessing, with the reason.

mod asked;

use std::sync::Arc;

use super::control;
use super::exchange::valve;
use super::frame::{ANYONE, Frame};
use super::identifier::{Order, di};
use super::layout::Layout;
use super::payload::{self, Current, Past, PayloadFault, Plain, Rules};
use super::prices::Prices;
use super::profile::Profile;
use super::transaction::{Heard, Request, Transaction};
use crate::bytes::bcd_byte;
use crate::dialogue::{LineFault, Refusal, Timing};
use crate::meter::ValveState;

pub use super::transaction::Turn;
pub use asked::Service;

/// T of requests without a profile.
const HEAT: u8 = 0x20;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The meter accepted; where it said so, what its valve is doing.
    Accepted {
        /// The state the meter claims; travel may still go on.
        valve: Option<ValveState>,
    },
    /// The address, most significant byte first, and T.
    Address([u8; 7], u8),
    /// The total of a past month.
    Past(Past),
    /// The prices.
    Prices(Prices),
    /// A day of the month.
    Day(u8),
    /// The version of the key.
    KeyVersion(u8),
    /// The meter answered that it will not, or nothing can be asked or read without guessing.
    Refused(Refusal),
    /// No usable answer.
    Lost(LineFault),
}

/// One dialogue.
#[derive(Debug, Clone)]
pub struct ServiceDialogue {
    service: Service,
    address: [u8; 7],
    timing: Timing,
    profile: Option<Arc<Profile>>,
    stage: Stage,
    unread: Option<PayloadFault>,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Current data are read for their layout.
    Learn(Box<Transaction>),
    Ask(Box<Transaction>, Way),
    Over(Outcome),
}

/// How the meter's bytes stand.
#[derive(Debug, Clone, Copy)]
struct Way {
    layout: Option<Layout>,
    order: Option<Order>,
}

impl ServiceDialogue {
    /// Asks `service` of the meter at `address` by its profile; without one its layout is seen where it matters.
    pub fn new(address: [u8; 7], service: Service, timing: Timing, profile: Option<Arc<Profile>>) -> Self {
        let named = profile.as_deref();
        let way =
            Way { layout: named.and_then(|profile| profile.layout), order: named.and_then(|profile| profile.di_order) };
        let fault = named.and_then(Profile::fault);
        let address = named.map_or(address, |profile| profile.turned(address));
        let stage = Stage::Over(Outcome::Lost(LineFault::Silent));
        let mut dialogue = Self { service, address, timing, profile, stage, unread: None };
        let first = fault.map_or_else(|| dialogue.first(way), Err);
        dialogue.stage = first.unwrap_or_else(|text| Stage::Over(refused(text)));
        dialogue
    }

    fn first(&self, way: Way) -> Result<Stage, String> {
        // What no meter can have is refused before a byte is sent.
        self.tail(way)?;
        let (control, code) = self.service.asks()?;
        if self.service.needs_layout() && way.layout.is_none() {
            let request = self.request(control::READ, di::CURRENT, way, Vec::new(), 1);
            return Ok(Stage::Learn(Box::new(Transaction::new(request, self.timing))));
        }
        self.ask(control, code, way, 1)
    }

    fn turned(&self, address: [u8; 7]) -> [u8; 7] {
        self.profile.as_deref().map_or(address, |profile| profile.turned(address))
    }

    fn tail(&self, way: Way) -> Result<Vec<u8>, String> {
        match self.service {
            Service::SetAddress(address) => Service::SetAddress(self.turned(address)).tail(way.layout),
            other => other.tail(way.layout),
        }
    }

    fn ask(&self, control: u8, code: u16, way: Way, first_ser: u8) -> Result<Stage, String> {
        let request = self.request(control, code, way, self.tail(way)?, first_ser);
        Ok(Stage::Ask(Box::new(Transaction::new(request, self.timing)), way))
    }

    fn request(&self, control: u8, code: u16, way: Way, tail: Vec<u8>, first_ser: u8) -> Request {
        let tried = self.profile.as_deref().map(|profile| match code {
            di::VALVE => Order::of(profile.valve_di, code),
            _ => Order::of(profile.read_di, di::CURRENT),
        });
        // Most published requests have 1F 90 and A0 17.
        let usual = if code == di::VALVE { Order::HighFirst } else { Order::LowFirst };
        let or_from = match self.service {
            Service::SetAddress(address) => Some(self.turned(address)),
            _ => None,
        };
        Request {
            meter_type: self.profile.as_deref().map_or(HEAT, |profile| profile.meter_type),
            address: self.address,
            or_from,
            control,
            code,
            order: way.order.or(tried).unwrap_or(usual),
            has_one_order: way.order.is_some(),
            layout: way.layout,
            tail,
            first_ser,
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Turn<Outcome> {
        loop {
            let current = match &mut self.stage {
                Stage::Learn(current) | Stage::Ask(current, _) => current,
                Stage::Over(outcome) => return Turn::Done(outcome.clone()),
            };
            match current.poll() {
                Turn::Send(bytes) => return Turn::Send(bytes),
                Turn::Await(time) => return Turn::Await(time),
                Turn::Done(heard) => self.handle(heard),
            }
        }
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if let Stage::Learn(current) | Stage::Ask(current, _) = &mut self.stage {
            current.handle_bytes(bytes);
        }
    }

    /// The time of the last [`Turn::Await`] passed.
    pub fn handle_timeout(&mut self) {
        if let Stage::Learn(current) | Stage::Ask(current, _) = &mut self.stage {
            current.handle_timeout();
        }
    }

    fn handle(&mut self, heard: Heard) {
        let next = match heard {
            Heard::Reply(frame, plain) => self.reply(&frame, &plain),
            Heard::Refused(refusal) => Ok(Stage::Over(Outcome::Refused(refusal))),
            Heard::Lost(LineFault::Undecodable) => Ok(Stage::Over(
                self.unread.map_or(Outcome::Lost(LineFault::Undecodable), |fault| refused(fault.to_string())),
            )),
            Heard::Lost(fault) => Ok(Stage::Over(Outcome::Lost(fault))),
        };
        match next {
            Ok(stage) => self.stage = stage,
            Err(fault) => {
                self.unread = fault.or(self.unread);
                if let Stage::Learn(current) | Stage::Ask(current, _) = &mut self.stage {
                    current.turn_down();
                }
            }
        }
    }

    /// What a reply leads to, or why another is waited for.
    fn reply(&self, frame: &Frame, plain: &Plain) -> Result<Stage, Option<PayloadFault>> {
        match &self.stage {
            Stage::Learn(current) => {
                let seen = match self.seen(frame, plain) {
                    Ok(way) => way,
                    Err(fault @ PayloadFault::Ambiguous(_)) => return Err(Some(fault)),
                    Err(fault) => return Ok(Stage::Over(refused(fault.to_string()))),
                };
                let ser = current.next_ser();
                let next = self.service.asks().and_then(|(control, code)| self.ask(control, code, seen, ser));
                Ok(next.unwrap_or_else(|text| Stage::Over(refused(text))))
            }
            Stage::Ask(_, way) => self.outcome(frame, plain, *way).map(Stage::Over).ok_or(None),
            Stage::Over(outcome) => Ok(Stage::Over(outcome.clone())),
        }
    }

    /// The way the current data show.
    fn seen(&self, frame: &Frame, plain: &Plain) -> Result<Way, PayloadFault> {
        let rules = self.profile.as_deref().map(Profile::rules).unwrap_or_default();
        let layout = Current::read_as(frame, rules)?.layout;
        Ok(Way { layout: Some(layout), order: Some(plain.lead.order(di::CURRENT)) })
    }

    /// What the reply says; `None` where it is not one to this.
    fn outcome(&self, frame: &Frame, plain: &Plain, way: Way) -> Option<Outcome> {
        let rules = Rules { layout: way.layout, slots: &[] };
        let told = |fault: PayloadFault| refused(fault.to_string());
        Some(match self.service {
            Service::ReadAddress => {
                let address = answered_address(frame, &plain.rest)?;
                Outcome::Address(self.turned(address), frame.meter_type)
            }
            Service::ReadMonth(_) => Past::read_as(frame, rules).map_or_else(told, Outcome::Past),
            Service::ReadPrices => payload::prices(frame, rules).map_or_else(told, Outcome::Prices),
            Service::ReadSettlementDay | Service::ReadReadingDay => Outcome::Day(day(&plain.rest)?),
            Service::ReadKeyVersion => match plain.rest.as_slice() {
                [version] => Outcome::KeyVersion(*version),
                _ => return None,
            },
            _ => Outcome::Accepted { valve: valve(plain) },
        })
    }
}

/// The address in a reply: the frame's own; some meters repeat it in the data, where it must not say another.
fn answered_address(frame: &Frame, rest: &[u8]) -> Option<[u8; 7]> {
    let repeated: Option<[u8; 7]> = rest.iter().rev().copied().collect::<Vec<u8>>().try_into().ok();
    match repeated {
        None if rest.is_empty() => Some(frame.address),
        Some(address) if frame.address == ANYONE || frame.address == address => Some(address),
        _ => None,
    }
}

pub(super) fn day(rest: &[u8]) -> Option<u8> {
    let [byte] = rest else { return None };
    bcd_byte(*byte).filter(|day| (1..=31).contains(day))
}

const fn refused(text: String) -> Outcome {
    Outcome::Refused(Refusal { code: 0, text })
}
