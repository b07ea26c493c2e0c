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
//! Promises: a fault that is accepted can show itself. Refuses: faults a meter of that dialect, or on that kind of
//! line, cannot have.

use anyhow::{Result, ensure};
use protocol::meter::Dialect;
use serde::Deserialize;

use super::line::LineKind;
use super::meter::MeterConfig;

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

impl Fault {
    /// Refuses what cannot show itself in this meter on this kind of line.
    pub(super) fn check(&self, meter: &MeterConfig, dialect: Dialect, kind: LineKind) -> Result<()> {
        let name = &meter.name;
        let is_mbus = dialect == Dialect::Mbus;
        ensure!(is_mbus || !self.stuck_ack, "meter {name}: stuck_ack is for mbus, not {}: leave it out", meter.dialect);
        ensure!(
            !self.repeats_last || is_mbus && !meter.mbus.fixed,
            "meter {name}: repeats_last is for mbus telegrams of variable structure: leave it out"
        );
        ensure!(
            self.damaged_every == 0 || kind != LineKind::ModbusTcp,
            "meter {name}: damaged_every {} on a modbus-tcp line, which has no checksums: use garbled_every",
            self.damaged_every
        );
        let wants_valve = self.jammed_valve || self.slow_valve_ms > 0;
        ensure!(!wants_valve || meter.valve, "meter {name}: a valve fault without a valve: add valve = true");
        let has_clock = dialect != Dialect::Modbus && !meter.mbus.fixed;
        ensure!(
            self.clock_off_s == 0 || has_clock,
            "meter {name}: clock_off_s {} for a meter that tells no time: leave it out",
            self.clock_off_s
        );
        Ok(())
    }
}
