//! What a simulated meter says: the answer frame to a request, with the order of DI and the SER of the request.
//!
//! ```text
//!   request   C    DI0 DI1 SER ..        reply   C+80   DI0 DI1 SER ..
//!                                        refusal C+C0   SER ST1 ST2
//! ```
//!
//! Promises: what is built here the master's dialogue reads back equal. Refuses: deciding what the meter does.

use super::frame::{Frame, control};
use super::heat::{Heat, Status};
use crate::bytes::Cursor;

/// Data identifiers, as the standard writes them; makers differ in the order of the two bytes on the wire.
pub mod di {
    /// Current data.
    pub const CURRENT: u16 = 0x901F;
    /// Valve.
    pub const VALVE: u16 = 0xA017;
    /// Address.
    pub const ADDRESS: u16 = 0x810A;
}

/// The data byte that opens a valve.
pub const OPEN: u8 = 0x55;
/// The data byte that closes a valve.
pub const CLOSE: u8 = 0x99;

/// What the data of a frame begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// The two DI bytes as on the wire.
    pub di: [u8; 2],
    /// SER.
    pub ser: u8,
}

impl Lead {
    /// The lead of `frame`, and the data after it.
    pub fn of(frame: &Frame) -> Option<(Self, &[u8])> {
        let mut cursor = Cursor::new(&frame.data);
        let di = cursor.array()?;
        let ser = cursor.byte()?;
        Some((Self { di, ser }, cursor.rest()))
    }

    /// Whether the DI is `wanted` in either order.
    pub fn asks(&self, wanted: u16) -> bool {
        let bytes = wanted.to_be_bytes();
        self.di == bytes || self.di == wanted.to_le_bytes()
    }
}

/// The answer of the meter at `address` to a read of current data.
pub fn current(request: &Frame, address: [u8; 7], heat: &Heat) -> Option<Frame> {
    answer(request, address, &heat.encode())
}

/// The answer to a valve command: heard, with the status as it is now.
pub fn valve(request: &Frame, address: [u8; 7], status: Status) -> Option<Frame> {
    answer(request, address, &status.0)
}

/// The answer with any data after DI and SER.
pub fn answer(request: &Frame, address: [u8; 7], rest: &[u8]) -> Option<Frame> {
    let (lead, _) = Lead::of(request)?;
    let mut data = vec![];
    data.extend(lead.di);
    data.push(lead.ser);
    data.extend(rest);
    let control = request.control | control::FROM_METER;
    Some(Frame { meter_type: request.meter_type, address, control, data })
}

/// The refusal of `request` with a status.
pub fn refusal(request: &Frame, address: [u8; 7], status: Status) -> Option<Frame> {
    let (lead, _) = Lead::of(request)?;
    let [first, second] = status.0;
    let control = request.control | control::FROM_METER | control::ERROR;
    Some(Frame { meter_type: request.meter_type, address, control, data: vec![lead.ser, first, second] })
}
