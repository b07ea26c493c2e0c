//! CJ/T 188-2004 and -2018: frames, current data, dialogues.
//!
//! ```text
//!   bytes -> frame (Scanner) -> payload (layout, Heat) -> exchange (Dialogue) -> Answer
//!   bytes <- frame (encode)  <- reply                                           the simulated meter's way
//! ```

pub(crate) mod alone;
pub mod exchange;
pub mod frame;
pub mod heat;
pub mod payload;
pub mod profile;
mod reading;
pub mod reply;
pub mod unit;
