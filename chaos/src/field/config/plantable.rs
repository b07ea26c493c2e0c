//! Which faults can be planted in which meters.
//!
//! Promises: a fault that is accepted can show itself. Refuses: faults a meter of that dialect, or on that kind of
//! line, cannot have.

use anyhow::{Result, ensure};
use protocol::meter::Dialect;

use super::kind::LineKind;
use super::meter::MeterConfig;

/// Refuses what cannot show itself in this meter on this kind of line.
pub(super) fn check(meter: &MeterConfig, kind: LineKind) -> Result<()> {
    let name = &meter.name;
    let fault = &meter.fault;
    let dialect = meter.parsed_address()?.dialect();
    let is_mbus = dialect == Dialect::Mbus;
    ensure!(is_mbus || !fault.stuck_ack, "meter {name}: stuck_ack is for mbus, not {}: leave it out", meter.dialect);
    ensure!(
        !fault.repeats_last || is_mbus && !meter.mbus.fixed,
        "meter {name}: repeats_last is for mbus telegrams of variable structure: leave it out"
    );
    ensure!(
        fault.damaged_every == 0 || kind != LineKind::ModbusTcp,
        "meter {name}: damaged_every {} on a modbus-tcp line, which has no checksums: use garbled_every",
        fault.damaged_every
    );
    let wants_valve = fault.jammed_valve || fault.slow_valve_ms > 0;
    ensure!(!wants_valve || meter.valve, "meter {name}: a valve fault without a valve: add valve = true");
    let has_clock = dialect != Dialect::Modbus && !meter.mbus.fixed;
    ensure!(
        fault.clock_off_s == 0 || has_clock,
        "meter {name}: clock_off_s {} for a meter that tells no time: leave it out",
        fault.clock_off_s
    );
    Ok(())
}
