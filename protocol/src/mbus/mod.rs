//! Wired M-Bus, EN 13757-2 and -3: frames, records, dialogues.
//!
//! ```text
//!   bytes -> frame (Scanner) -> payload (Header, Records) -> exchange (Dialogue) -> Answer
//!                                                     -> transaction (service, search) -> Outcome, Found
//!   bytes <- frame (encode)  <- reply (ReplyBuilder)                               the simulated meter's way
//! ```

pub mod exchange;
pub mod fault;
mod fixed;
pub mod frame;
pub mod header;
pub mod payload;
pub(crate) mod primary;
pub mod profile;
mod reading;
pub mod record;
pub mod reply;
pub mod search;
pub(crate) mod secondary;
pub mod selection;
pub mod service;
pub mod time;
pub mod transaction;
pub mod value;
pub mod vif;
