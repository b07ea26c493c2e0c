//! What a meter says and what a console says: bytes and words, no I/O.

pub mod amount;
#[cfg(feature = "api")]
pub mod api;
pub mod bytes;
pub mod check;
pub mod choice;
pub mod cjt188;
pub mod dialin;
mod dialogue;
pub mod exchange;
mod gather;
pub mod golden;
pub mod mbus;
pub mod meter;
pub mod modbus;
mod named;
mod probe;
pub mod profile;
pub mod scale;
pub mod scan;
mod stream;
