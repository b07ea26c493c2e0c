//! What is wrong with a meter, word by word.
//!
//! ```text
//!   silent            never answers                         late_ms            answers so much later than it should
//!   damaged_every     a wrong checksum                      garbled_every      every third byte is another
//!   truncated_every   the last third is missing             heartbeat_inside_every   a heartbeat amid the answer
//!   noise             a few bytes before and after          stuck_ack          E5 to everything (M-Bus)
//!   shares_address    another meter has its address too     repeats_last       its last telegram again, for ever (M-Bus)
//!   clock_off_s       its clock goes so far ahead           steps_back_every   its indexes fall back
//!   slow_valve_ms     the valve's own travel                jammed_valve       the valve travels, and reports a fault
//! ```
//!
//! `.._every = N` spoils each Nth answer with values: 1 all of them, so that no repeat helps; 0, the default, none.
//!
//! Promises: words only. Refuses: saying which meter can have which.

use serde::Deserialize;

/// What is wrong with a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// It never answers.
    pub silent: bool,
    /// Answers come this much later, ms.
    pub late_ms: u64,
    /// Every so many answers carry a wrong checksum; 0 none.
    pub damaged_every: u64,
    /// Every so many answers are other bytes than the meter meant; 0 none.
    pub garbled_every: u64,
    /// Every so many answers end too early; 0 none.
    pub truncated_every: u64,
    /// Into every so many answers falls a heartbeat; 0 none.
    pub heartbeat_inside_every: u64,
    /// Bytes of nobody before and after each answer.
    pub noise: bool,
    /// Every request is acknowledged, and nothing else.
    pub stuck_ack: bool,
    /// It may have the address of a meter named before it on the line.
    pub shares_address: bool,
    /// The last of its telegrams announces another, which is the same.
    pub repeats_last: bool,
    /// Its clock goes ahead by this, s.
    pub clock_off_s: i64,
    /// With every so many readings the indexes fall back; 0 never.
    pub steps_back_every: u64,
    /// Its valve travels this long instead of the field's `valve_travel_ms`; 0 as the field's.
    pub slow_valve_ms: u64,
    /// Its valve never arrives: it travels, then reports a fault.
    pub jammed_valve: bool,
}
