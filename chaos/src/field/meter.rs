//! A meter: what it measures, its valve, its faults, and the language it says it in.
//!
//! Promises: silence for other addresses and for what it does not know; no two readings alike, except where a master
//! asks for the same telegram again. Refuses: time and sockets; moments are arguments.

use std::time::Duration;

use protocol::meter::Address;

use super::body::Body;
use super::config::Fault;
use super::dialects::{Dialects, Frame};
use super::meter_cjt188::Cjt188Slave;
use super::meter_mbus::MbusSlave;
use super::physics::{Physics, Resolution, mix};
use super::reply::{Asked, Reply};
use super::valve::Valve;
use crate::clock::Stamp;
use crate::ledger::AnswerKind;

/// One meter.
#[derive(Debug)]
pub struct Meter {
    name: String,
    fault: Fault,
    body: Body,
    slave: Slave,
    readings: u64,
}

#[derive(Debug)]
enum Slave {
    Mbus(Box<MbusSlave>),
    Cjt188(Cjt188Slave),
}

impl Meter {
    /// A meter; `None` for an address no simulated meter has.
    pub fn new(name: &str, address: Address, valve: Option<Valve>, fault: Fault, seed: u64) -> Option<Self> {
        let seed = name.bytes().fold(seed, |seed, byte| mix(seed ^ u64::from(byte)));
        let slave = match address {
            Address::MbusPrimary(primary) => Slave::Mbus(Box::new(MbusSlave::new(primary, seed))),
            Address::Cjt188(address) => Slave::Cjt188(Cjt188Slave::new(address)),
            _ => return None,
        };
        let physics = Physics::new(seed, slave.resolution());
        Some(Self { name: name.to_owned(), fault, body: Body::new(physics, valve), slave, readings: 0 })
    }

    fn ask(&mut self, frame: &Frame, alone: bool, now: Stamp) -> Option<Asked> {
        let asked = match (&mut self.slave, frame) {
            (Slave::Mbus(slave), Frame::Mbus(frame)) => slave.ask(frame, alone, &mut self.body, now),
            (Slave::Cjt188(slave), Frame::Cjt188(frame)) => slave.ask(frame, alone, &mut self.body, now),
            _ => None,
        }?;
        let reply = asked.reply.and_then(|reply| self.spoil(reply));
        Some(Asked { meter: Some(self.name.clone()), reply, ..asked })
    }

    /// Applies the planted faults.
    fn spoil(&mut self, mut reply: Reply) -> Option<Reply> {
        self.readings += u64::from(reply.kind == AnswerKind::Reading);
        let Fault { silent, damaged_every, late_ms } = self.fault;
        let is_its_turn = damaged_every > 0 && self.readings.is_multiple_of(damaged_every);
        if is_its_turn && reply.kind == AnswerKind::Reading {
            reply.damaged = true;
            // The checksum is the last byte but one, in both dialects.
            if let Some(sum) = reply.bytes.iter_mut().rev().nth(1) {
                *sum ^= 0x55;
            }
        }
        reply.delay = Duration::from_millis(late_ms);
        (!silent).then_some(reply)
    }
}

impl Slave {
    fn resolution(&self) -> Resolution {
        match self {
            Self::Mbus(slave) => slave.resolution(),
            Self::Cjt188(slave) => slave.resolution(),
        }
    }
}

/// All meters of a line.
#[derive(Debug, Default)]
pub struct Bank {
    meters: Vec<Meter>,
}

impl Bank {
    /// These meters.
    pub fn new(meters: Vec<Meter>) -> Self {
        Self { meters }
    }

    /// The languages they speak.
    pub fn dialects(&self) -> Dialects {
        let any = |wanted: fn(&Slave) -> bool| self.meters.iter().any(|meter| wanted(&meter.slave));
        Dialects {
            mbus: any(|slave| matches!(slave, Slave::Mbus(_))),
            cjt188: any(|slave| matches!(slave, Slave::Cjt188(_))),
        }
    }

    /// Puts a request to all; at most one answers.
    pub fn ask(&mut self, frame: &Frame, now: Stamp) -> Asked {
        let alone = self.meters.len() == 1;
        let asked = self.meters.iter_mut().find_map(|meter| meter.ask(frame, alone, now));
        asked.unwrap_or(Asked::silence("other"))
    }

    /// The valve of a meter.
    pub fn valve(&self, meter: &str) -> Option<&Valve> {
        self.meters.iter().find(|one| one.name == meter)?.body.valve.as_ref()
    }
}
