//! Wired M-Bus, EN 13757-2 and -3: frames, records, dialogues.
//!
//! ```text
//!   bytes -> frame (Scanner) -> payload (Header, Records) -> exchange (Dialogue) -> Answer
//!                                                     -> transaction (service, search) -> Outcome, Found
//!   bytes <- frame (encode)  <- reply (ReplyBuilder)                               the simulated meter's way
//! ```
//!
//! A checksum here is a sum of eight bits. It tells every single changed byte; two changes that cancel, or bytes that
//! change places, it cannot tell. What is checked besides: both lengths and both start bytes, the stop byte, the control
//! field, the address or identity asked, that the records end where the data end, and that every byte between belongs
//! to this frame: one that was injected or lost moves the stop byte away. Two changes that cancel inside one value pass
//! all of these; only the values before and behind it can tell.

mod asked;
pub mod compact;
pub mod exchange;
pub mod fault;
mod fixed;
pub mod frame;
pub mod header;
pub mod history;
pub mod kind;
pub mod octets;
mod patience;
pub mod payload;
pub(crate) mod primary;
pub mod profile;
mod quiet;
mod reading;
pub mod record;
pub mod reply;
pub mod search;
pub(crate) mod secondary;
mod secret;
pub mod selection;
pub mod service;
mod telegram;
pub mod text;
pub mod time;
pub mod transaction;
pub mod value;
pub mod vif;
