//! The import file of a scan.
//!
//! ```text
//!   name,line,dialect,address,profile,interval_s,offset_s,disabled
//!   L1-17,L1,mbus,17,,900,0,false
//! ```
//!
//! Promises: `hearth meter import` takes it as it is, and creates meters only: a name that is taken gets a number behind
//! it. Refuses: meters that are registered, have no address, or cannot be read alone.

use std::collections::BTreeSet;
use std::path::Path;

use protocol::api::admin::{Meter, MeterSpec};
use protocol::meter::Dialect;

use super::found::Finding;

/// What a scan knows, of the columns there are.
const COLUMNS: [&str; 8] = ["name", "line", "dialect", "address", "profile", "interval_s", "offset_s", "disabled"];

/// The meters to be registered, each with a name nobody has.
pub(super) fn rows(findings: &[Finding], line: &str, interval_s: u32, taken: &[Meter]) -> Vec<MeterSpec> {
    let mut names: BTreeSet<String> =
        taken.iter().filter_map(|meter| meter.spec.as_ref()).map(|spec| spec.name.clone()).collect();
    let unknown = findings.iter().filter(|finding| finding.known.is_none());
    let rows = unknown.filter_map(|finding| {
        let address = finding.address()?;
        let name = free_name(&wanted_name(line, address), &names);
        names.insert(name.clone());
        Some(MeterSpec {
            name,
            line: line.to_owned(),
            dialect: finding.dialect.clone(),
            address: address.to_owned(),
            profile: finding.profile.clone(),
            interval_s,
            offset_s: 0,
            disabled: finding.dialect == Dialect::Modbus.name() && finding.profile.is_empty(),
            ..MeterSpec::default()
        })
    });
    rows.collect()
}

/// The line, and what is printed on the meter.
fn wanted_name(line: &str, address: &str) -> String {
    let printed = match address.len() {
        16.. => address.get(..8).unwrap_or(address),
        _ => address,
    };
    let number = address.split_once('-').map(|(_, number)| format!("-{number}")).unwrap_or_default();
    format!("{line}-{printed}{number}")
}

fn free_name(wanted: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{wanted}-{number}"));
    let mut candidates = std::iter::once(wanted.to_owned()).chain(numbered);
    candidates.find(|name| !taken.contains(name)).unwrap_or_else(|| wanted.to_owned())
}

pub(super) fn write(path: &Path, rows: &[MeterSpec]) -> csv::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(COLUMNS)?;
    for MeterSpec { name, line, dialect, address, profile, interval_s, offset_s, disabled, .. } in rows {
        let (interval, offset, disabled) = (interval_s.to_string(), offset_s.to_string(), disabled.to_string());
        writer.write_record([name, line, dialect, address, profile, &interval, &offset, &disabled])?;
    }
    Ok(writer.flush()?)
}
