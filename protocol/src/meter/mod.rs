//! The vocabulary of metering: who a meter is, where it is reached, what it says and what may be asked of it.
//!
//! ```text
//!   id        NodeId LineId MeterId CommandId Epoch       quantity   Quantity Measurement
//!   dialect   Dialect        address    Address           reading    Reading ValveState
//!   word      WordError      civil      CivilTime         quality    Quality
//!   action    Action         shape      Shape             frozen     Frozen Kept SetDay
//! ```
//!
//! Promises: plain values, no I/O, no clock, no binary floating point. Refuses: knowing any wire format.

mod action;
mod address;
mod civil;
mod dialect;
mod frozen;
mod id;
mod quality;
mod quantity;
mod reading;
mod shape;
mod word;

pub use action::Action;
pub use address::Address;
pub use civil::CivilTime;
pub use dialect::Dialect;
pub use frozen::{Frozen, Kept, SetDay};
pub use id::{CommandId, Epoch, LineId, MeterId, NodeId};
pub use quality::Quality;
pub use quantity::{Measurement, Quantity};
pub use reading::{Reading, ValveState};
pub use shape::Shape;
pub use word::WordError;
