//! A CJ/T 188 meter: heat, water or gas, in any of the five layouts.
//!
//! ```text
//!   01 901F -> 81 current data          01 D120..D12B -> 81 index at the settlements before, the latest first
//!   01 8103 -> 81 settlement day
//!   03 810A -> 83 its address           04 A017 55|99 -> 84 status      04 A015 clock -> 84
//! ```
//!
//! Promises: the order of the DI bytes is echoed, and SER too unless it always says the same; everyone answers AA..
//! Refuses, by silence: everything else, and a DI in the order it does not understand.

pub mod layout;

use protocol::bytes::{bcd_decode, bcd_encode};
use protocol::cjt188::frame::{ANYONE, Frame, control};
use protocol::meter::Dialect;

use super::body::Body;
use super::calendar::Civil;
use super::config::{CjtOptions, DiOrder, Measures, Ser};
use super::physics::Resolution;
use super::reply::{Asked, Reply};
use crate::clock::Stamp;
use crate::ledger::{Values, ValveIs};

const OPEN: u8 = 0x55;
const CLOSE: u8 = 0x99;
const CURRENT: u16 = 0x901F;
const SETTLEMENT_DAY: u16 = 0x8103;
const FIRST_MONTH: u16 = 0xD120;
const LAST_MONTH: u16 = 0xD12B;
const VALVE: u16 = 0xA017;
const CLOCK: u16 = 0xA015;

/// One meter's end of the dialogue.
#[derive(Debug)]
pub struct Cjt188Slave {
    address: [u8; 7],
    options: CjtOptions,
}

impl Cjt188Slave {
    /// A meter with this address, as printed on it.
    pub fn new(address: [u8; 7], options: CjtOptions) -> Self {
        Self { address, options }
    }

    /// Steps of 0.01 kWh, 0.01 m3, 0.01 kW, 0.0001 m3/h, 0.01 °C, 1 h.
    pub fn resolution(&self) -> Resolution {
        Resolution { energy: 36_000, volume: 10_000, power: 10_000, flow: 100, temperature: 10, time: 3600 }
    }

    /// What is said to a frame; `None` where it is for somebody else.
    pub fn ask(&mut self, frame: &Frame, body: &mut Body, now: Stamp) -> Option<Asked> {
        if frame.address != self.address && frame.address != ANYONE {
            return None;
        }
        let Some(([di0, di1, ser], rest)) = frame.data.split_first_chunk() else {
            return Some(Asked::silence("other"));
        };
        let lead = Lead { di: [*di0, *di1], ser: *ser };
        let Some(di) = self.understood(lead.di) else { return Some(Asked::silence("other")) };
        Some(match (frame.control, di, rest) {
            (control::READ, CURRENT, []) => self.current(frame, lead, body, now),
            (control::READ, FIRST_MONTH..=LAST_MONTH, []) => self.month(frame, lead, di, body, now),
            (control::READ, SETTLEMENT_DAY, []) => {
                let day = bcd_encode(self.settlement_day().into(), 1).unwrap_or_default();
                Asked::with("other", Reply::acknowledge(Dialect::Cjt188, self.reply(frame, lead, &day)))
            }
            (control::READ_ADDRESS, _, []) => {
                Asked::with("other", Reply::acknowledge(Dialect::Cjt188, self.reply(frame, lead, &[])))
            }
            (control::WRITE, VALVE, [order]) => self.order_valve(frame, lead, *order, body, now),
            (control::WRITE, CLOCK, time) => self.set_clock(frame, lead, time, body, now),
            _ => Asked::silence("other"),
        })
    }

    /// The DI as the standard writes it, if this meter takes it in this order of bytes.
    fn understood(&self, di: [u8; 2]) -> Option<u16> {
        let known =
            |di: &u16| matches!(*di, 0x901F | 0x810A | SETTLEMENT_DAY | 0xA015 | 0xA017 | FIRST_MONTH..=LAST_MONTH);
        let high_first = Some(u16::from_be_bytes(di)).filter(known);
        let low_first = Some(u16::from_le_bytes(di)).filter(known);
        match self.options.di {
            DiOrder::Both => high_first.or(low_first),
            DiOrder::HighFirst => high_first,
            DiOrder::LowFirst => low_first,
        }
    }

    fn current(&self, frame: &Frame, lead: Lead, body: &mut Body, now: Stamp) -> Asked {
        let sample = body.sample(now);
        let values = match self.options.measures {
            // The layout has no place for the difference.
            Measures::Heat => Values { difference_millikelvin: None, ..sample },
            Measures::Water | Measures::Gas => {
                Values { volume_millilitre: sample.volume_millilitre, valve: sample.valve, ..Values::default() }
            }
        };
        let clock = body.clock(now);
        let data = layout::current(self.options.layout, self.options.measures, &values, clock);
        let reply = Reply::reading(Dialect::Cjt188, self.reply(frame, lead, &data), values);
        Asked::with("read", Reply { meter_time: Some(clock.to_string()), ..reply })
    }

    fn month(&self, frame: &Frame, lead: Lead, di: u16, body: &mut Body, now: Stamp) -> Asked {
        let (energy, volume) = body.indexes(self.settled(body.clock(now), di - FIRST_MONTH));
        let data = layout::total(self.options.layout, self.options.measures, energy, volume);
        Asked::with("other", Reply::acknowledge(Dialect::Cjt188, self.reply(frame, lead, &data)))
    }

    fn settlement_day(&self) -> u8 {
        self.options.settlement_day.max(1)
    }

    /// The settlement so many before the latest one.
    fn settled(&self, clock: Civil, before: u16) -> Civil {
        let day = self.settlement_day();
        let is_over = clock.day >= day;
        let months = clock.year * 12 + i64::from(clock.month) - 1 - i64::from(!is_over) - i64::from(before);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u8 + 1);
        Civil { year, month, day, hour: 0, minute: 0, second: 0 }
    }

    fn order_valve(&self, frame: &Frame, lead: Lead, order: u8, body: &mut Body, now: Stamp) -> Asked {
        let (kind, target) = match order {
            OPEN => ("valve-open", ValveIs::Open),
            CLOSE => ("valve-close", ValveIs::Closed),
            _ => return Asked::silence("other"),
        };
        let Some(moves) = body.order(target, now) else { return Asked::silence(kind) };
        let state = body.valve.as_ref().map(|valve| valve.state(now));
        let reply = Reply::acknowledge(Dialect::Cjt188, self.reply(frame, lead, &layout::status(state)));
        Asked::with(kind, Reply { valve_order: moves.then_some(ValveIs::Moving), ..reply })
    }

    fn set_clock(&self, frame: &Frame, lead: Lead, time: &[u8], body: &mut Body, now: Stamp) -> Asked {
        let Some(time) = clock(time) else { return Asked::silence("other") };
        body.set_clock(now, time.unix_s());
        Asked::with("other", Reply::acknowledge(Dialect::Cjt188, self.reply(frame, lead, &[])))
    }

    fn reply(&self, asked: &Frame, lead: Lead, rest: &[u8]) -> Vec<u8> {
        let ser = match self.options.ser {
            Ser::Echo => lead.ser,
            Ser::Twelve => 0x12,
            Ser::Zero => 0x00,
        };
        let meter_type = match self.options.measures {
            Measures::Heat => 0x20,
            Measures::Water => 0x10,
            Measures::Gas => 0x30,
        };
        let data = layout::veil(self.options.layout, [&lead.di[..], &[ser], rest].concat());
        let control = asked.control | control::FROM_METER;
        Frame { meter_type, address: self.address, control, data }.encode()
    }
}

/// What the data of a request begin with.
#[derive(Debug, Clone, Copy)]
struct Lead {
    di: [u8; 2],
    ser: u8,
}

/// The time in seven bytes, the seconds first.
fn clock(bytes: &[u8]) -> Option<Civil> {
    let digits: Vec<u8> = bytes.iter().map(|byte| bcd_decode(&[*byte]).map(|two| two as u8)).collect::<Option<_>>()?;
    let [second, minute, hour, day, month, year, century] = digits.try_into().ok()?;
    Some(Civil { year: i64::from(century) * 100 + i64::from(year), month, day, hour, minute, second })
}
