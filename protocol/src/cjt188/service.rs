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

use super::body::{self, Body};
use super::control;
use super::digits::{self, Shown};
use super::exchange::{self, valve};
use super::frame::{ANYONE, Frame};
use super::identifier::{self, Order, di};
use super::layout::Layout;
use super::payload::{self, Current, Past, PayloadFault, Plain, Rules};
use super::prices::Prices;
use super::profile::Profile;
use super::reply::{CLOSE, OPEN};
use super::total::Total;
use super::transaction::{Heard, Request, Transaction};
use crate::bytes::bcd_byte;
use crate::dialogue::{LineFault, Refusal, Target, Timing};
use crate::meter::{CivilTime, ValveState};

pub use super::transaction::Turn;

/// Years a meter's clock can be set to.
const YEARS: std::ops::RangeInclusive<u16> = 2000..=2099;
/// The most digits a base count has.
const MOST_DIGITS: u32 = 99_999_999;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Its address: asked of whoever is alone on the line, or of one to see that it is there.
    ReadAddress,
    /// The total of a past month, 1 (the last) to 12.
    ReadMonth(u8),
    /// Prices.
    ReadPrices,
    /// The day of the month on which totals are settled.
    ReadSettlementDay,
    /// The day of the month on which meters are read.
    ReadReadingDay,
    /// The version of its key.
    ReadKeyVersion,
    /// A new time.
    SetClock(CivilTime),
    /// A new base count: what the mechanical register shows.
    SetBase(Shown),
    /// Opens the valve.
    OpenValve,
    /// Closes the valve.
    CloseValve,
    /// A new address, most significant byte first.
    SetAddress([u8; 7]),
}

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
    profile: Option<&'static Profile>,
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

impl Service {
    /// C and DI.
    fn asks(self) -> Result<(u8, u16), String> {
        let month = |month| format!("month {month} is not kept: 1 (the last) to {}", identifier::MONTHS);
        Ok(match self {
            Self::ReadAddress => (control::READ_ADDRESS, di::ADDRESS),
            Self::ReadMonth(back) => (control::READ, identifier::of_month(back).ok_or_else(|| month(back))?),
            Self::ReadPrices => (control::READ, di::PRICES),
            Self::ReadSettlementDay => (control::READ, di::SETTLEMENT_DAY),
            Self::ReadReadingDay => (control::READ, di::READING_DAY),
            Self::ReadKeyVersion => (control::READ_KEY_VERSION, di::KEY_VERSION),
            Self::SetClock(_) => (control::WRITE, di::SET_CLOCK),
            Self::SetBase(_) => (control::WRITE_BASE, di::SET_BASE),
            Self::OpenValve | Self::CloseValve => (control::WRITE, di::VALVE),
            Self::SetAddress(_) => (control::WRITE_ADDRESS, di::SET_ADDRESS),
        })
    }

    /// Whether bytes of it have an order that differs between layouts.
    const fn needs_layout(self) -> bool {
        matches!(self, Self::ReadMonth(_) | Self::ReadPrices | Self::SetClock(_) | Self::SetBase(_))
    }

    /// What follows SER in a known layout, or why nothing can.
    fn tail(self, layout: Option<Layout>) -> Result<Vec<u8>, String> {
        let is_writing = matches!(self, Self::SetClock(_) | Self::SetBase(_) | Self::SetAddress(_));
        if is_writing && layout == Some(Layout::E) {
            return Err("layout E: it is not known whether such a meter wants requests with 33h added".to_owned());
        }
        match self {
            Self::SetClock(time) if !time.is_possible() || !YEARS.contains(&time.year) => {
                Err(format!("time {time} is not one a meter can have"))
            }
            Self::SetClock(time) => {
                let mut bytes = digits::encode_clock(Some(time)).to_vec();
                if layout == Some(Layout::C) {
                    bytes.reverse();
                }
                Ok(bytes)
            }
            Self::SetBase(shown) => base(shown, layout.unwrap_or(Layout::A)),
            Self::OpenValve => Ok(vec![OPEN]),
            Self::CloseValve => Ok(vec![CLOSE]),
            Self::SetAddress(ANYONE) => Err("address AAAAAAAAAAAAAA is everyone's: give one of 14 digits".to_owned()),
            Self::SetAddress(address) => Ok(address.iter().rev().copied().collect()),
            _ => Ok(Vec::new()),
        }
    }
}

fn base(shown: Shown, layout: Layout) -> Result<Vec<u8>, String> {
    let fits = shown.digits.is_some_and(|digits| digits <= MOST_DIGITS);
    let total = Total(shown);
    if !fits || Total::decode(&total.encode()).is_err() {
        return Err("a base count is an energy or a volume of at most 8 digits".to_owned());
    }
    body::write(&total, layout).ok_or_else(|| "layout D: a maker's binary base count is not written".to_owned())
}

impl ServiceDialogue {
    /// Asks `service` of `target`.
    pub fn new(target: &Target, service: Service) -> Self {
        let named = exchange::named(target);
        let profile = named.as_ref().ok().copied();
        let way = Way {
            layout: profile.and_then(|profile| profile.layout),
            order: profile.and_then(|profile| profile.di_order),
        };
        let (address, timing) = (exchange::address(target), target.timing);
        let stage = Stage::Over(Outcome::Lost(LineFault::Silent));
        let mut dialogue = Self { service, address, timing, profile, stage, unread: None };
        dialogue.stage = match named.map(|_| dialogue.first(way)) {
            Ok(Ok(stage)) => stage,
            Ok(Err(text)) | Err(text) => Stage::Over(refused(text)),
        };
        dialogue
    }

    fn first(&self, way: Way) -> Result<Stage, String> {
        // What no meter can have is refused before a byte is sent.
        self.service.tail(way.layout)?;
        let (control, code) = self.service.asks()?;
        if self.service.needs_layout() && way.layout.is_none() {
            let request = self.request(control::READ, di::CURRENT, way, Vec::new(), 1);
            return Ok(Stage::Learn(Box::new(Transaction::new(request, self.timing))));
        }
        self.ask(control, code, way, 1)
    }

    fn ask(&self, control: u8, code: u16, way: Way, first_ser: u8) -> Result<Stage, String> {
        let request = self.request(control, code, way, self.service.tail(way.layout)?, first_ser);
        Ok(Stage::Ask(Box::new(Transaction::new(request, self.timing)), way))
    }

    fn request(&self, control: u8, code: u16, way: Way, tail: Vec<u8>, first_ser: u8) -> Request {
        let profile_order = self.profile.map(|profile| match code {
            di::VALVE => Order::of(profile.valve_di, code),
            _ => Order::of(profile.read_di, di::CURRENT),
        });
        let or_from = if let Service::SetAddress(address) = self.service { Some(address) } else { None };
        Request {
            meter_type: self.profile.map_or(0, |profile| profile.meter_type),
            address: self.address,
            or_from,
            control,
            code,
            order: way.order.or(profile_order).unwrap_or(Order::HighFirst),
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
        let rules = self.profile.map(Profile::rules).unwrap_or_default();
        let layout = Current::read_as(frame, rules)?.layout;
        Ok(Way { layout: Some(layout), order: Some(plain.lead.order(di::CURRENT)) })
    }

    /// What the reply says; `None` where it is not one to this.
    fn outcome(&self, frame: &Frame, plain: &Plain, way: Way) -> Option<Outcome> {
        let rules = Rules { layout: way.layout, slots: &[] };
        let told = |fault: PayloadFault| refused(fault.to_string());
        Some(match self.service {
            Service::ReadAddress => Outcome::Address(answered_address(frame, &plain.rest)?, frame.meter_type),
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

fn day(rest: &[u8]) -> Option<u8> {
    let [byte] = rest else { return None };
    bcd_byte(*byte).filter(|day| (1..=31).contains(day))
}

const fn refused(text: String) -> Outcome {
    Outcome::Refused(Refusal { code: 0, text })
}
