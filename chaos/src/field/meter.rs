//! A meter: what it measures, its valve, its faults, and the language it says it in.
//!
//! Promises: silence for other addresses and for what it does not know; no two readings alike, except where a master
//! asks for the same telegram again. Refuses: time and sockets; moments are arguments.

use std::time::Duration;

use anyhow::{Context, Result};
use protocol::mbus;
use protocol::meter::{Address, Dialect};

use super::body::Body;
use super::cjt188::Cjt188Slave;
use super::config::{Config, Fault, MeterConfig};
use super::dialects::{Dialects, Frame};
use super::mbus::MbusSlave;
use super::modbus::ModbusSlave;
use super::modbus::map::Map;
use super::physics::{Resolution, mix};
use super::reply::{Asked, Reply};
use super::spoil;
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
    /// Answers with values so far.
    told: u64,
}

#[derive(Debug)]
enum Slave {
    Mbus(Box<MbusSlave>),
    Cjt188(Cjt188Slave),
    Modbus(Box<ModbusSlave>),
}

impl Meter {
    /// A meter as the config has it.
    pub fn new(config: &Config, meter: &MeterConfig) -> Result<Self> {
        let MeterConfig { name, fault, .. } = meter;
        let seed = name.bytes().fold(config.seed, |seed, byte| mix(seed ^ u64::from(byte)));
        let slave = match meter.parsed_address()? {
            Address::Cjt188(address) => Slave::Cjt188(Cjt188Slave::new(address, meter.cjt188)),
            Address::ModbusUnit(unit) => {
                let map =
                    Map::named(&meter.profile).with_context(|| format!("meter {name}: profile {}", meter.profile))?;
                Slave::Modbus(Box::new(ModbusSlave::new(unit, map)))
            }
            address => Slave::Mbus(Box::new(MbusSlave::new(address, &meter.mbus, fault.repeats_last, seed))),
        };
        let body = Body::new(seed, slave.resolution(), valve(config, meter));
        let body = body.with_faults(fault.clock_off_s, fault.steps_back_every);
        Ok(Self { name: name.clone(), fault: *fault, body, slave, told: 0 })
    }

    fn ask(&mut self, frame: &Frame, now: Stamp) -> Option<Asked> {
        let asked = match (&mut self.slave, frame) {
            (Slave::Mbus(slave), Frame::Mbus(frame)) => slave.ask(frame, &mut self.body, now),
            (Slave::Cjt188(slave), Frame::Cjt188(frame)) => slave.ask(frame, &mut self.body, now),
            (Slave::Modbus(slave), Frame::ModbusRtu(frame)) => slave.ask_rtu(frame, &mut self.body, now),
            (Slave::Modbus(slave), Frame::ModbusTcp(frame)) => slave.ask_tcp(frame, &mut self.body, now),
            _ => None,
        }?;
        let reply = asked.reply.and_then(|reply| self.spoil(reply));
        Some(Asked { meter: Some(self.name.clone()), reply, ..asked })
    }

    /// Applies the planted faults.
    fn spoil(&mut self, reply: Reply) -> Option<Reply> {
        let Fault { silent, late_ms, noise, stuck_ack, .. } = self.fault;
        let mut reply =
            if stuck_ack { Reply::acknowledge(Dialect::Mbus, mbus::frame::Frame::Ack.encode()) } else { reply };
        if reply.kind != AnswerKind::Acknowledge {
            self.told += 1;
            if let Some(planted) = spoil::turn(&self.fault, self.told) {
                spoil::plant(&mut reply, planted);
            }
        }
        (reply.delay, reply.noise) = (Duration::from_millis(late_ms), noise);
        (!silent).then_some(reply)
    }
}

fn valve(config: &Config, meter: &MeterConfig) -> Option<Valve> {
    let travel = match meter.fault.slow_valve_ms {
        0 => config.valve_travel(),
        slow => Duration::from_millis(slow),
    };
    let valve = meter.valve.then(|| Valve::open(travel));
    if meter.fault.jammed_valve { valve.map(Valve::jammed) } else { valve }
}

impl Slave {
    fn resolution(&self) -> Resolution {
        match self {
            Self::Mbus(slave) => slave.resolution(),
            Self::Cjt188(slave) => slave.resolution(),
            Self::Modbus(slave) => slave.resolution(),
        }
    }
}

/// All meters of a line.
#[derive(Debug, Default)]
pub struct Bank {
    meters: Vec<Meter>,
    modbus_tcp: bool,
}

impl Bank {
    /// These meters; those of Modbus are asked in frames of TCP, or of the serial line.
    pub fn new(meters: Vec<Meter>, modbus_tcp: bool) -> Self {
        Self { meters, modbus_tcp }
    }

    /// The languages they speak.
    pub fn dialects(&self) -> Dialects {
        let any = |wanted: fn(&Slave) -> bool| self.meters.iter().any(|meter| wanted(&meter.slave));
        let modbus = any(|slave| matches!(slave, Slave::Modbus(_)));
        Dialects {
            mbus: any(|slave| matches!(slave, Slave::Mbus(_))),
            cjt188: any(|slave| matches!(slave, Slave::Cjt188(_))),
            modbus_rtu: modbus && !self.modbus_tcp,
            modbus_tcp: modbus && self.modbus_tcp,
        }
    }

    /// Puts a request to all: what those say whom it concerns.
    pub fn ask(&mut self, frame: &Frame, now: Stamp) -> Vec<Asked> {
        self.meters.iter_mut().filter_map(|meter| meter.ask(frame, now)).collect()
    }

    /// The valve of a meter.
    pub fn valve(&self, meter: &str) -> Option<&Valve> {
        self.meters.iter().find(|one| one.name == meter)?.body.valve.as_ref()
    }
}
