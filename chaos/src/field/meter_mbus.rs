//! A wired M-Bus slave (EN 13757-2 link layer, EN 13757-3 variable data).
//!
//! ```text
//!   SND_NKE -> E5          forgets the frame count bit
//!   REQ_UD2 -> RSP_UD      the same frame count bit again: the same telegram again
//!   SND_UD  -> E5          application reset; 01 FD 1F 00|01 closes, opens the valve
//! ```
//!
//! Promises: records are put together here, byte by byte from the standard's tables, and not by the code under test;
//! what the records say is exactly what the ledger says. Refuses: secondary addresses, several telegrams.

use protocol::bytes::bcd_encode;
use protocol::mbus::frame::{ANYONE, Frame, ci, control};
use protocol::meter::Dialect;

use super::body::Body;
use super::calendar::Civil;
use super::physics::Resolution;
use super::reply::{Asked, Reply};
use crate::clock::Stamp;
use crate::ledger::{Values, ValveIs};

/// "CHS" in the 15-bit letters of EN 13757-3 clause 5.6.
const MANUFACTURER: [u8; 2] = [0x13, 0x0D];
const VERSION: u8 = 1;
/// Heat, sensor in the return pipe.
const MEDIUM: u8 = 0x04;
/// The valve's record: digital output, FD 1F in one byte.
const VALVE_RECORD: [u8; 3] = [0x01, 0xFD, 0x1F];
const FCV: u8 = 0x10;

/// How a meter shows its energy: (VIF bytes, joules a step).
const ENERGY_UNITS: [(&[u8], i64); 4] = [
    (&[0x03], 3_600),             // Wh
    (&[0x06], 3_600_000),         // kWh
    (&[0x0E], 1_000_000),         // MJ
    (&[0xFB, 0x08], 100_000_000), // 0.1 GJ
];

/// One slave.
#[derive(Debug)]
pub struct MbusSlave {
    address: u8,
    serial: u32,
    energy_vif: &'static [u8],
    energy_joule: i64,
    access: u8,
    /// The frame count bit of the last read, and what was answered to it.
    last_read: Option<(bool, Reply)>,
    /// The frame count bit of the last data.
    last_data: Option<bool>,
}

impl MbusSlave {
    /// A slave at a primary address; the seed makes its serial number.
    pub fn new(address: u8, seed: u64) -> Self {
        let place = usize::from(address) % ENERGY_UNITS.len();
        let (energy_vif, energy_joule) = ENERGY_UNITS.get(place).copied().unwrap_or((&[0x03], 3_600));
        let serial = (seed % 100_000_000) as u32;
        Self { address, serial, energy_vif, energy_joule, access: 0, last_read: None, last_data: None }
    }

    /// Steps of 1 L, 1 W, 1 L/h, 0.01 °C, 1 h.
    pub fn resolution(&self) -> Resolution {
        Resolution { energy: self.energy_joule, volume: 1000, power: 1000, flow: 1000, temperature: 10, time: 3600 }
    }

    /// What is said to a frame; `None` where it is for somebody else.
    pub fn ask(&mut self, frame: &Frame, alone: bool, body: &mut Body, now: Stamp) -> Option<Asked> {
        let (control, to) = match frame {
            Frame::Short { control, address } | Frame::Long { control, address, .. } => (*control, *address),
            Frame::Ack => return None,
        };
        if to != self.address && !(alone && to == ANYONE) {
            return None;
        }
        let fcb = (control & FCV != 0).then_some(control & control::FCB != 0);
        Some(match (frame, control & control::KIND) {
            (Frame::Short { .. }, control::SND_NKE) => self.reset(),
            (Frame::Short { .. }, REQ_UD2) => Asked::with("read", self.read(fcb, body, now)),
            (Frame::Long { ci: ci::SEND, data, .. }, SND_UD) => self.take_data(fcb, data, body, now),
            (Frame::Long { ci: ci::RESET, .. }, SND_UD) => Asked::with("other", ack()),
            _ => Asked::silence("other"),
        })
    }

    fn reset(&mut self) -> Asked {
        (self.last_read, self.last_data) = (None, None);
        Asked::with("reset", ack())
    }

    fn read(&mut self, fcb: Option<bool>, body: &mut Body, now: Stamp) -> Reply {
        if let (Some(fcb), Some((last, reply))) = (fcb, &self.last_read)
            && fcb == *last
        {
            return Reply { repeat: true, ..reply.clone() };
        }
        self.access = self.access.wrapping_add(1);
        let values = body.sample(now);
        let reply = Reply::reading(Dialect::Mbus, self.telegram(&values, now), values);
        self.last_read = fcb.map(|fcb| (fcb, reply.clone()));
        reply
    }

    fn take_data(&mut self, fcb: Option<bool>, data: &[u8], body: &mut Body, now: Stamp) -> Asked {
        let (kind, target) = match data.strip_prefix(&VALVE_RECORD) {
            Some([0]) => ("valve-close", ValveIs::Closed),
            Some([1]) => ("valve-open", ValveIs::Open),
            _ => return Asked::silence("other"),
        };
        let is_repeat = fcb.is_some() && fcb == self.last_data;
        self.last_data = fcb;
        // A repeat was heard already: acknowledged again, done once.
        let moves = if is_repeat { body.valve.as_ref().map(|_| false) } else { body.order(target, now) };
        match moves {
            Some(moves) => Asked::with(kind, Reply { valve_order: moves.then_some(ValveIs::Moving), ..ack() }),
            None => Asked::silence(kind),
        }
    }

    fn telegram(&self, values: &Values, now: Stamp) -> Vec<u8> {
        let mut data = bcd_encode(u64::from(self.serial), 4).unwrap_or_default();
        data.extend(MANUFACTURER);
        data.extend([VERSION, MEDIUM, self.access, 0, 0, 0]);
        self.put_records(&mut data, values);
        data.extend([0x04, 0x6D]);
        data.extend(type_f(Civil::of(now)));
        if let Some(state) = values.valve {
            data.extend(VALVE_RECORD);
            data.push(valve_code(state));
        }
        Frame::Long { control: control::RSP_UD, address: self.address, ci: ci::LONG_HEADER, data }.encode()
    }

    fn put_records(&self, data: &mut Vec<u8>, values: &Values) {
        let step = self.resolution();
        let mut put32 = |vif: &[u8], value: Option<i64>, step: i64| {
            let steps = i32::try_from(value.unwrap_or(0) / step).unwrap_or(i32::MAX);
            data.push(0x04);
            data.extend(vif);
            data.extend(steps.to_le_bytes());
        };
        put32(self.energy_vif, values.energy_joule, step.energy);
        put32(&[0x13], values.volume_millilitre, step.volume);
        put32(&[0x2B], values.power_milliwatt, step.power);
        put32(&[0x3B], values.flow_millilitre_per_hour, step.flow);
        put32(&[0x26], values.operating_seconds, step.time);
        let mut put16 = |vif: u8, value: Option<i64>| {
            let steps = i16::try_from(value.unwrap_or(0) / step.temperature).unwrap_or(i16::MAX);
            data.extend([0x02, vif]);
            data.extend(steps.to_le_bytes());
        };
        put16(0x59, values.supply_milli_celsius);
        put16(0x5D, values.return_milli_celsius);
        put16(0x61, values.difference_millikelvin);
    }
}

/// REQ_UD2 and SND_UD without the bits FCB and FCV.
const REQ_UD2: u8 = control::REQ_UD2 & control::KIND;
const SND_UD: u8 = control::SND_UD & control::KIND;

fn ack() -> Reply {
    Reply::acknowledge(Dialect::Mbus, Frame::Ack.encode())
}

fn valve_code(state: ValveIs) -> u8 {
    match state {
        ValveIs::Closed => 0,
        ValveIs::Open => 1,
        ValveIs::Fault => 2,
        ValveIs::Moving => 3,
    }
}

/// Date and time of type F (EN 13757-3 annex A), with the hundred-year bits of 20xx.
fn type_f(time: Civil) -> [u8; 4] {
    let year = (time.year % 100) as u8;
    [time.minute, 0x20 | time.hour, (year & 7) << 5 | time.day, (year >> 3) << 4 | time.month]
}
