//! Wired M-Bus, EN 13757-2 and -3: frames, records, dialogues.
//!
//! ```text
//!   bytes -> frame (Scanner) -> payload (Header, Records) -> exchange (Dialogue) -> Answer
//!                                                     -> transaction (service, search) -> Outcome, Found
//!   bytes <- frame (encode)  <- reply (ReplyBuilder)                               the simulated meter's way
//! ```

pub mod compact;
pub mod exchange;
pub mod fault;
mod fixed;
pub mod frame;
pub mod header;
pub mod kind;
pub mod octets;
pub mod payload;
pub mod profile;
mod reading;
pub mod record;
pub mod reply;
pub mod search;
mod secret;
pub mod selection;
pub mod service;
mod telegram;
pub mod text;
pub mod time;
pub mod transaction;
pub mod value;
pub mod vif;
