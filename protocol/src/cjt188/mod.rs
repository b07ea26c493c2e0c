//! CJ/T 188-2004 and -2018: frames, what they say in five layouts, dialogues.
//!
//! ```text
//!   bytes -> frame -> payload: recognise (layout) -> heat | water | binary | total -> reading
//!   bytes <- frame <- reply, slave                                the simulated meter's way
//!                     transaction <- exchange (Dialogue) -> Answer
//!                                 <- service (ServiceDialogue) -> Outcome
//!                                 <- past (Dialogue), months -> Answer
//! ```

pub(crate) mod alone;
pub mod binary;
pub mod body;
pub mod control;
pub mod digits;
pub mod exchange;
pub mod fault;
pub mod field;
pub mod frame;
pub mod heat;
pub mod identifier;
pub mod layout;
pub mod months;
pub mod past;
mod patience;
pub mod payload;
pub mod prices;
pub mod profile;
mod reading;
mod recognise;
pub mod reply;
pub mod service;
pub mod slave;
pub mod status;
#[cfg(test)]
mod testing;
pub mod total;
pub mod transaction;
pub mod unit;
pub mod water;
