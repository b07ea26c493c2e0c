//! What a simulated meter says: the answer frame to a request, with the order of DI and the SER of the request.
//!
//! ```text
//!   request   C    DI0 DI1 SER ..        reply   C+80   DI0 DI1 SER ..
//!                                        refusal C+C0   SER ST1 ST2
//! ```
//!
//! Promises: what is built here the master's dialogue reads back equal. Refuses: deciding what the meter does.

use super::body::{self, Body};
use super::control;
use super::frame::Frame;
use super::layout::{Layout, veil};
use super::status::Status;

pub use super::identifier::{Lead, di};

/// The data byte that opens a valve.
pub const OPEN: u8 = 0x55;
/// The data byte that closes a valve.
pub const CLOSE: u8 = 0x99;

/// The answer of the meter at `address` to a read, in standard order.
pub fn current<B: Body>(request: &Frame, address: [u8; 7], body: &B) -> Option<Frame> {
    answer(request, address, &body.encode())
}

/// The answer of the meter at `address` to a read, in any layout but D; in E the identifier and SER are veiled too.
pub fn laid_out<B: Body>(request: &Frame, address: [u8; 7], body: &B, layout: Layout) -> Option<Frame> {
    let bytes = body::write(body, layout)?;
    let plain = answer(request, address, &[])?;
    let lead = if layout == Layout::E { veil(&plain.data) } else { plain.data };
    Some(Frame { data: [lead, bytes].concat(), ..plain })
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
