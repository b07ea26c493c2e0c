//! A meter: what it measures, its valve, its faults, and the language it says it in.
//!
//! Promises: silence for other addresses and for what it does not know; no two readings alike, except where a master
//! asks for the same telegram again. Refuses: time and sockets; moments are arguments.

use std::time::Duration;

use protocol::meter::{Address, Dialect};

use super::config::Fault;
use super::ears::Frame;
use super::meter_cjt188::Cjt188Slave;
use super::meter_mbus::MbusSlave;
use super::physics::{Physics, mix};
use super::valve::Valve;
use crate::clock::Stamp;
use crate::ledger::{AnswerKind, Values, ValveIs};

/// What a meter says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// In this dialect.
    pub dialect: Dialect,
    /// Values or a mere acknowledgement.
    pub kind: AnswerKind,
    /// The values.
    pub values: Option<Values>,
    /// The same telegram once more.
    pub repeat: bool,
    /// With a wrong checksum.
    pub damaged: bool,
    /// Later than usual by this.
    pub delay: Duration,
    /// The request made the valve move.
    pub valve_order: Option<ValveIs>,
}

impl Reply {
    /// A mere acknowledgement.
    pub fn acknowledge(dialect: Dialect, bytes: Vec<u8>) -> Self {
        let kind = AnswerKind::Acknowledge;
        let (values, repeat, damaged, delay, valve_order) = (None, false, false, Duration::ZERO, None);
        Self { bytes, dialect, kind, values, repeat, damaged, delay, valve_order }
    }

    /// Values.
    pub fn reading(dialect: Dialect, bytes: Vec<u8>, values: Values) -> Self {
        Self { kind: AnswerKind::Reading, values: Some(values), ..Self::acknowledge(dialect, bytes) }
    }
}

/// What a request was, to whom, and what is said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The ledger's word for the request.
    pub kind: &'static str,
    /// The meter.
    pub meter: Option<String>,
    /// Its reply.
    pub reply: Option<Reply>,
}

impl Asked {
    /// Nobody says anything.
    pub fn silence(kind: &'static str) -> Self {
        Self { kind, meter: None, reply: None }
    }

    /// A reply.
    pub fn with(kind: &'static str, reply: Reply) -> Self {
        Self { kind, meter: None, reply: Some(reply) }
    }
}

/// What a meter is besides its language.
#[derive(Debug)]
pub struct Body {
    physics: Physics,
    /// Its valve.
    pub valve: Option<Valve>,
}

impl Body {
    /// What it shows at `now`.
    pub fn sample(&mut self, now: Stamp) -> Values {
        Values { valve: self.valve.as_ref().map(|valve| valve.state(now)), ..self.physics.sample(now) }
    }

    /// Orders the valve; `None` where there is none, else whether it moves.
    pub fn order(&mut self, target: ValveIs, now: Stamp) -> Option<bool> {
        self.valve.as_mut().map(|valve| valve.order(target, now))
    }
}

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
        Some(Self { name: name.to_owned(), fault, body: Body { physics, valve }, slave, readings: 0 })
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
    fn resolution(&self) -> super::physics::Resolution {
        match self {
            Self::Mbus(slave) => slave.resolution(),
            Self::Cjt188(slave) => slave.resolution(),
        }
    }
}

/// The dialects spoken on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialects {
    /// M-Bus.
    pub mbus: bool,
    /// CJ/T 188.
    pub cjt188: bool,
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
