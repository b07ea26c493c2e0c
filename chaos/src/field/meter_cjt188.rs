//! A CJ/T 188 heat meter, layout A: values least significant byte first, each before its unit.
//!
//! Promises: the fields are put together here, byte by byte from the standard's table, and not by the code under test;
//! SER and the order of the DI bytes are echoed. Refuses: months, prices, addresses, clocks.

use protocol::bytes::bcd_encode;
use protocol::cjt188::frame::{ANYONE, Frame, control};
use protocol::meter::Dialect;

use super::body::Body;
use super::calendar::Civil;
use super::physics::Resolution;
use super::reply::{Asked, Reply};
use crate::clock::Stamp;
use crate::ledger::{Values, ValveIs};

/// Heat meter.
const METER_TYPE: u8 = 0x20;
const UNIT_KWH: u8 = 0x05;
const UNIT_KW: u8 = 0x17;
const UNIT_M3H: u8 = 0x35;
const UNIT_M3: u8 = 0x2C;
const OPEN: u8 = 0x55;
const CLOSE: u8 = 0x99;

/// One meter's end of the dialogue.
#[derive(Debug)]
pub struct Cjt188Slave {
    address: [u8; 7],
}

impl Cjt188Slave {
    /// A meter with this address, as printed on it.
    pub fn new(address: [u8; 7]) -> Self {
        Self { address }
    }

    /// Steps of 0.01 kWh, 0.01 m3, 0.01 kW, 0.0001 m3/h, 0.01 °C, 1 h.
    pub fn resolution(&self) -> Resolution {
        Resolution { energy: 36_000, volume: 10_000, power: 10_000, flow: 100, temperature: 10, time: 3600 }
    }

    /// What is said to a frame; `None` where it is for somebody else.
    pub fn ask(&mut self, frame: &Frame, alone: bool, body: &mut Body, now: Stamp) -> Option<Asked> {
        if frame.address != self.address && !(alone && frame.address == ANYONE) {
            return None;
        }
        Some(match (frame.control, frame.data.as_slice()) {
            (control::READ, [di0, di1, ser]) if is_di(0x90, 0x1F, *di0, *di1) => {
                // The layout has no place for the difference.
                let values = Values { difference_millikelvin: None, ..body.sample(now) };
                let data = [&[*di0, *di1, *ser], current_data(&values, now).as_slice()].concat();
                Asked::with("read", Reply::reading(Dialect::Cjt188, self.reply(frame, data), values))
            }
            (control::READ_ADDRESS, [_, _, _]) => {
                Asked::with("other", Reply::acknowledge(Dialect::Cjt188, self.reply(frame, frame.data.clone())))
            }
            (control::WRITE, [di0, di1, ser, order]) if is_di(0xA0, 0x17, *di0, *di1) => {
                self.order_valve(frame, [*di0, *di1, *ser], *order, body, now)
            }
            _ => Asked::silence("other"),
        })
    }

    fn order_valve(&self, frame: &Frame, echo: [u8; 3], order: u8, body: &mut Body, now: Stamp) -> Asked {
        let (kind, target) = match order {
            OPEN => ("valve-open", ValveIs::Open),
            CLOSE => ("valve-close", ValveIs::Closed),
            _ => return Asked::silence("other"),
        };
        let Some(moves) = body.order(target, now) else { return Asked::silence(kind) };
        let state = body.valve.as_ref().map(|valve| valve.state(now));
        let data = [echo.as_slice(), &status(state)].concat();
        let reply = Reply::acknowledge(Dialect::Cjt188, self.reply(frame, data));
        Asked::with(kind, Reply { valve_order: moves.then_some(ValveIs::Moving), ..reply })
    }

    fn reply(&self, asked: &Frame, data: Vec<u8>) -> Vec<u8> {
        let control = asked.control | control::FROM_METER;
        Frame { meter_type: METER_TYPE, address: self.address, control, data }.encode()
    }
}

/// The order of the two DI bytes varies by maker: both are understood.
fn is_di(high: u8, low: u8, first: u8, second: u8) -> bool {
    (first, second) == (high, low) || (first, second) == (low, high)
}

/// The 43 bytes of DI 901F.
fn current_data(values: &Values, now: Stamp) -> Vec<u8> {
    let mut data = Vec::with_capacity(43);
    let mut put = |value: Option<i64>, step: i64, len: usize, unit: &[u8]| {
        let steps = u64::try_from(value.unwrap_or(0) / step).unwrap_or(0);
        // An index that outgrew its digits is shown as invalid.
        data.extend(bcd_encode(steps, len).unwrap_or_else(|| vec![0xFF; len]));
        data.extend(unit);
    };
    put(None, 36_000, 4, &[UNIT_KWH]);
    put(values.energy_joule, 36_000, 4, &[UNIT_KWH]);
    put(values.power_milliwatt, 10_000, 4, &[UNIT_KW]);
    put(values.flow_millilitre_per_hour, 100, 4, &[UNIT_M3H]);
    put(values.volume_millilitre, 10_000, 4, &[UNIT_M3]);
    put(values.supply_milli_celsius, 10, 3, &[]);
    put(values.return_milli_celsius, 10, 3, &[]);
    put(values.operating_seconds, 3_600, 3, &[]);
    let Civil { year, month, day, hour, minute, second } = Civil::of(now);
    let century = [i64::from(second), i64::from(minute), i64::from(hour), i64::from(day), i64::from(month)];
    century.iter().chain(&[year % 100, year / 100]).for_each(|part| put(Some(*part), 1, 1, &[]));
    data.extend(status(values.valve));
    data
}

/// Status byte 1: bits 0-1 valve 00 open, 01 closed, 11 fault; 10, which the standard leaves free, while it moves.
fn status(valve: Option<ValveIs>) -> [u8; 2] {
    let bits = match valve {
        None | Some(ValveIs::Open) => 0b00,
        Some(ValveIs::Closed) => 0b01,
        Some(ValveIs::Moving) => 0b10,
        Some(ValveIs::Fault) => 0b11,
    };
    [bits, 0]
}
