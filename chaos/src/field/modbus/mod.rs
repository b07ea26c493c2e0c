//! A Modbus slave: the registers of a model, in frames of the serial line or of TCP.
//!
//! ```text
//!   a read that touches what the model measures --> a new sample --> registers --> reply
//!   a write of the valve's register ------------------------------> the valve moves
//! ```
//!
//! Promises: the registers of one reply are of one moment; the ledger holds what that reply says, and no more. Refuses,
//! by exception 02: registers the model does not have, except unused ones between those it has.

mod column;
pub mod map;

use protocol::meter::Dialect;
use protocol::modbus::payload::{Request, Table};
use protocol::modbus::slave::Bank;
use protocol::modbus::{frame, mbap};

use super::body::Body;
use super::physics::Resolution;
use super::reply::{Asked, Reply};
use crate::clock::Stamp;
use crate::ledger::{Values, ValveIs};
use map::Map;

/// The set bit of an exception's function.
const EXCEPTION: u8 = 0x80;

/// One slave.
#[derive(Debug)]
pub struct ModbusSlave {
    unit: u8,
    map: &'static Map,
    bank: Bank,
}

impl ModbusSlave {
    /// A slave of this model at this unit.
    pub fn new(unit: u8, map: &'static Map) -> Self {
        let mut bank = Bank::default();
        // The places between the registers of a model are there, and hold nothing.
        map.fill(&mut bank);
        Self { unit, map, bank }
    }

    /// The steps in which it counts.
    pub fn resolution(&self) -> Resolution {
        self.map.resolution()
    }

    /// What is said to a frame of the serial line; `None` where it is for somebody else.
    pub fn ask_rtu(&mut self, frame: &frame::Frame, body: &mut Body, now: Stamp) -> Option<Asked> {
        let unit = self.unit;
        let wrap = |pdu| frame::Frame { unit, pdu }.encode();
        (frame.unit == unit).then(|| self.ask(&frame.pdu, wrap, body, now))
    }

    /// The same to a frame of TCP.
    pub fn ask_tcp(&mut self, frame: &mbap::Frame, body: &mut Body, now: Stamp) -> Option<Asked> {
        let (unit, transaction) = (self.unit, frame.transaction);
        let wrap = |pdu| mbap::Frame { transaction, unit, pdu }.encode();
        (frame.unit == unit).then(|| self.ask(&frame.pdu, wrap, body, now))
    }

    fn ask(&mut self, pdu: &[u8], wrap: impl Fn(Vec<u8>) -> Vec<u8>, body: &mut Body, now: Stamp) -> Asked {
        let request = Request::decode(pdu);
        let said = match request {
            Some(Request::Read { table, start, count }) => self.sample(table, start, count, body, now),
            _ => None,
        };
        let reply = self.bank.answer(pdu);
        let is_refused = reply.first().is_some_and(|function| function & EXCEPTION != 0);
        match (said, request) {
            (Some(values), _) if !is_refused => {
                Asked::with("read", Reply::reading(Dialect::Modbus, wrap(reply), values))
            }
            (_, Some(request)) if !is_refused => self.take(&request, wrap(reply), body, now),
            _ => Asked::with("other", Reply::acknowledge(Dialect::Modbus, wrap(reply))),
        }
    }

    /// What a read will say, where it touches anything that is measured.
    fn sample(&mut self, table: Table, start: u16, count: u16, body: &mut Body, now: Stamp) -> Option<Values> {
        let touched = self.map.within(&ALL_SAID, table, start, count);
        if touched == Values::default() {
            return None;
        }
        let said = self.map.put(&mut self.bank, &body.sample(now));
        Some(self.map.within(&said, table, start, count))
    }

    fn take(&self, request: &Request, bytes: Vec<u8>, body: &mut Body, now: Stamp) -> Asked {
        let acknowledged = Reply::acknowledge(Dialect::Modbus, bytes);
        let ordered = match request {
            Request::WriteRegister { address, value } => self.map.ordered(Table::Holding, *address, *value),
            Request::WriteRegisters { start, values } if values.len() == 1 => {
                self.map.ordered(Table::Holding, *start, values.first().copied().unwrap_or_default())
            }
            Request::WriteCoil { address, on } => self.map.ordered(Table::Coils, *address, u16::from(*on)),
            _ => None,
        };
        let Some(target) = ordered else { return Asked::with("other", acknowledged) };
        let kind = if target == ValveIs::Open { "valve-open" } else { "valve-close" };
        match body.order(target, now) {
            Some(moves) => Asked::with(kind, Reply { valve_order: moves.then_some(ValveIs::Moving), ..acknowledged }),
            None => Asked::silence(kind),
        }
    }
}

/// Every quantity said, to ask a map which of them a read touches.
const ALL_SAID: Values = Values {
    energy_joule: Some(0),
    cooling_energy_joule: Some(0),
    volume_millilitre: Some(0),
    power_milliwatt: Some(0),
    flow_millilitre_per_hour: Some(0),
    supply_milli_celsius: Some(0),
    return_milli_celsius: Some(0),
    difference_millikelvin: Some(0),
    operating_seconds: Some(0),
    on_seconds: Some(0),
    valve: Some(ValveIs::Open),
};
