//! Rows of an export as messages.
//!
//! Promises: what is absent in the table is absent in the message, and never 0. Refuses: names the registry does not know:
//! whoever is no more is told by id.

use protocol::api::admin as api;
use protocol::meter::{LineId, MeterId};
use raft_store::state::State;

use super::readings::{kind, named, valve};
use crate::mysql::ExportedRow;

/// A row, with the names that are known.
pub fn exported(state: &State, row: ExportedRow) -> api::ExportRow {
    let meter = state.registry.meters.get(&MeterId(row.meter_id)).map(|meter| meter.name.clone());
    let line = state.registry.lines.get(&LineId(row.line_id)).map(|line| line.spec.name.clone());
    // In the order of `Quantity::ALL`.
    let [energy, cooling, volume, power, flow, supply, back, difference, operating, on, flags] = row.values;
    api::ExportRow {
        meter_id: row.meter_id,
        meter: named(meter.unwrap_or_default(), row.meter_id),
        line: named(line.unwrap_or_default(), row.line_id),
        slot: row.slot,
        kind: kind(row.kind.into()).to_owned(),
        read_at: row.at,
        energy_joule: energy,
        cooling_energy_joule: cooling,
        volume_millilitre: volume,
        power_milliwatt: power,
        flow_millilitre_per_hour: flow,
        supply_milli_celsius: supply,
        return_milli_celsius: back,
        difference_millikelvin: difference,
        operating_seconds: operating,
        on_seconds: on,
        error_flags: flags,
        meter_time: row.meter_time,
        valve: valve(row.valve.into()).to_owned(),
        quality: row.quality,
        missed: row.missed.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::meter::Quantity;

    use super::*;
    use crate::admin::testing;

    #[test]
    fn every_quantity_has_its_own_field_and_names_come_from_the_registry() {
        let values = Quantity::ALL.map(|quantity| Some(quantity as i64 + 100));
        let row = ExportedRow { meter_id: 2, line_id: 1, kind: 2, valve: 1, values, ..ExportedRow::default() };
        let shown = exported(&testing::cluster_of_three(), row);
        assert_eq!((shown.meter.as_str(), shown.line.as_str(), shown.kind.as_str()), ("m2", "l1", "on-demand"));
        assert_eq!((shown.energy_joule, shown.error_flags), (Some(100), Some(110)));
        assert_eq!((shown.flow_millilitre_per_hour, shown.difference_millikelvin), (Some(104), Some(107)));
        assert_eq!(shown.valve, "open");
    }

    #[test]
    fn a_meter_and_a_line_that_are_no_more_are_told_by_id_and_absent_values_stay_absent() {
        let row = ExportedRow { meter_id: 70, line_id: 80, kind: 1, ..ExportedRow::default() };
        let shown = exported(&testing::cluster_of_three(), row);
        assert_eq!((shown.meter.as_str(), shown.line.as_str()), ("#70", "#80"));
        assert_eq!((shown.energy_joule, shown.quality, shown.valve.as_str()), (None, None, ""));
    }
}
