//! Modbus on serial lines and over TCP: frames, registers, dialogues.
//!
//! ```text
//!   bytes -> frame | mbap (Scanner) -> payload (Request, Reply) -> register (Amount) -> exchange (Dialogue) -> Answer
//!   bytes <- frame | mbap (encode)  <- slave (Bank)                                    the simulated slave's way
//!                                        profile: which register is which quantity, what moves the valve
//! ```

pub mod exchange;
pub mod frame;
mod link;
pub mod mbap;
pub mod payload;
mod plan;
pub mod profile;
mod reading;
pub mod register;
pub mod slave;
pub(crate) mod units;

pub use link::Framing;
