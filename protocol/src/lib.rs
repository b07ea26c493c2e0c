//! What a meter says and what a console says: bytes and words, no I/O.

pub mod amount;
pub mod api;
pub mod bytes;
pub mod cjt188;
pub mod dialin;
mod dialogue;
pub mod exchange;
mod gather;
pub mod mbus;
pub mod meter;
pub mod modbus;
mod named;
pub mod profile;
mod stream;
