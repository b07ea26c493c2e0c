//! What a simulated meter says: everything a master may ask, in any layout but D, answering as the standard does.
//!
//! ```text
//!   request for me, DI in an order I know --> 8x with the data      I have no such thing --> Cx SER ST1 ST2
//!   for another, or DI in the other order --> silence
//! ```
//!
//! Promises: what is written is seen by the next read. Refuses: timing, and moving a valve slowly.

use super::body::Body;
use super::control;
use super::digits;
use super::frame::{ANYONE, Frame};
use super::heat::Heat;
use super::identifier::{self, Lead, Order, di};
use super::layout::{Layout, veil};
use super::prices::Prices;
use super::reply::{self, CLOSE, OPEN};
use super::status::Status;
use super::total::Total;
use super::water::Water;
use crate::bytes::bcd_encode;
use crate::meter::{CivilTime, ValveState};

/// What a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Heat.
    Heat(Heat),
    /// Water or gas.
    Water(Water),
}

/// A meter in memory.
#[derive(Debug, Clone)]
pub struct Slave {
    /// Most significant byte first.
    pub address: [u8; 7],
    /// T of its answers.
    pub meter_type: u8,
    /// How its bytes stand; in layout D it stays silent.
    pub layout: Layout,
    /// The order of DI it knows; `None`: both.
    pub order: Option<Order>,
    /// What it counts.
    pub counts: Counts,
    /// Past months, the last first.
    pub months: Vec<Total>,
    /// Prices, where it has any.
    pub prices: Option<Prices>,
    /// The settlement day, where it has one.
    pub settlement_day: Option<u8>,
    /// The reading day, where it has one.
    pub reading_day: Option<u8>,
    /// The version of its key, where it has one.
    pub key_version: Option<u8>,
}

impl Slave {
    /// A meter in the standard layout that knows both orders and keeps nothing but its counts.
    pub const fn new(address: [u8; 7], meter_type: u8, counts: Counts) -> Self {
        Self {
            address,
            meter_type,
            layout: Layout::A,
            order: None,
            counts,
            months: Vec::new(),
            prices: None,
            settlement_day: None,
            reading_day: None,
            key_version: None,
        }
    }

    /// What it says to `request`; `None` is silence.
    pub fn answer(&mut self, request: &Frame) -> Option<Frame> {
        let is_for_me = request.address == self.address || request.address == ANYONE;
        let (lead, rest) = Lead::of(request).filter(|_| is_for_me && !request.is_from_meter())?;
        let (code, order) = identifier::resolve(lead.di);
        if self.order.is_some_and(|known| Some(known) != order) {
            return None;
        }
        let answer = self.perform(request, code, rest);
        let answer = answer.or_else(|| reply::refusal(request, self.address, self.status()))?;
        Some(Frame { meter_type: self.meter_type, ..answer })
    }

    fn perform(&mut self, request: &Frame, code: u16, rest: &[u8]) -> Option<Frame> {
        let day = |day: Option<u8>| bcd_encode(day?.into(), 1);
        match (request.control, code) {
            (control::READ, di::CURRENT) => match self.counts {
                Counts::Heat(heat) => self.say(request, &heat),
                Counts::Water(water) => self.say(request, &water),
            },
            (control::READ, di::PRICES) => self.say(request, &self.prices?),
            (control::READ, di::SETTLEMENT_DAY) => self.say_bytes(request, &day(self.settlement_day)?),
            (control::READ, di::READING_DAY) => self.say_bytes(request, &day(self.reading_day)?),
            (control::READ, _) => {
                let back = identifier::month(code)?;
                self.say(request, self.months.get(usize::from(back.checked_sub(1)?))?)
            }
            (control::READ_KEY_VERSION, di::KEY_VERSION) => self.say_bytes(request, &[self.key_version?]),
            (control::READ_ADDRESS, di::ADDRESS) => self.say_bytes(request, &[]),
            _ => self.write(request, code, rest),
        }
    }

    fn write(&mut self, request: &Frame, code: u16, rest: &[u8]) -> Option<Frame> {
        match (request.control, code, rest) {
            (control::WRITE, di::VALVE, [order @ (OPEN | CLOSE)]) => {
                let valve = if *order == OPEN { ValveState::Open } else { ValveState::Closed };
                *self.status_mut() = Status::with_valve(valve);
                self.say_bytes(request, &self.status().0)
            }
            (control::WRITE, di::SET_CLOCK, rest) => {
                let mut bytes: [u8; 7] = rest.try_into().ok()?;
                if self.layout == Layout::C {
                    bytes.reverse();
                }
                *self.clock_mut() = Some(digits::decode_clock(bytes)?);
                self.say_bytes(request, &[])
            }
            (control::WRITE_BASE, di::SET_BASE, rest) => {
                let standard = self.layout.standardise(rest, Total::SHAPE)?;
                self.set_base(Total::decode(&standard).ok()?);
                self.say_bytes(request, &self.status().0)
            }
            (control::WRITE_ADDRESS, di::SET_ADDRESS, rest) => {
                let mut address: [u8; 7] = rest.try_into().ok()?;
                address.reverse();
                let answer = self.say_bytes(request, &[]);
                self.address = address;
                answer
            }
            _ => None,
        }
    }

    fn say<B: Body>(&self, request: &Frame, body: &B) -> Option<Frame> {
        reply::laid_out(request, self.address, body, self.layout)
    }

    fn say_bytes(&self, request: &Frame, rest: &[u8]) -> Option<Frame> {
        let plain = reply::answer(request, self.address, rest)?;
        let data = if self.layout == Layout::E { veil(&plain.data) } else { plain.data };
        Some(Frame { data, ..plain })
    }

    const fn set_base(&mut self, total: Total) {
        match &mut self.counts {
            Counts::Heat(heat) => heat.energy = total.0,
            Counts::Water(water) => water.volume = total.0,
        }
    }

    const fn status(&self) -> Status {
        match self.counts {
            Counts::Heat(heat) => heat.status,
            Counts::Water(water) => water.status,
        }
    }

    const fn status_mut(&mut self) -> &mut Status {
        match &mut self.counts {
            Counts::Heat(heat) => &mut heat.status,
            Counts::Water(water) => &mut water.status,
        }
    }

    const fn clock_mut(&mut self) -> &mut Option<CivilTime> {
        match &mut self.counts {
            Counts::Heat(heat) => &mut heat.clock,
            Counts::Water(water) => &mut water.clock,
        }
    }
}
