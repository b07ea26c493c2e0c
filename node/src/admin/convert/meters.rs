//! Meters as messages.

use protocol::api::admin as api;
use protocol::meter::{Address, Dialect};
use protocol::profile::Catalogue;
use raft_store::state::State;
use raft_store::state::registry::{Meter, MeterSpec, Schedule};

use super::{Faults, RowFaultAt, words};

/// Seconds between slots where none are asked for.
const DEFAULT_INTERVAL_S: u32 = 900;
/// Longest interval between slots, seconds.
const INTERVAL_MAX_S: u32 = 31 * 24 * 60 * 60;

/// A row of an import; its profile has to be one of `catalogue`.
pub fn meter_spec(row: api::MeterSpec, catalogue: &Catalogue) -> Result<MeterSpec, Vec<RowFaultAt>> {
    let mut faults = Faults::default();
    let interval_s = faults.note_or("interval_s", interval(row.interval_s), INTERVAL_MAX_S);
    let spec = MeterSpec {
        name: faults.note("name", words::name(row.name)),
        line: faults.note("line", words::name(row.line)),
        address: address(&mut faults, &row.dialect, &row.address),
        profile: faults.note("profile", profile(row.profile, &row.dialect, catalogue)),
        schedule: Schedule { interval_s, offset_s: faults.note("offset_s", offset(row.offset_s, interval_s)) },
        enabled: !row.disabled,
    };
    faults.done(spec)
}

fn address(faults: &mut Faults, dialect: &str, text: &str) -> Address {
    let nowhere = Address::MbusPrimary(0);
    match dialect.parse::<Dialect>() {
        Ok(dialect) => {
            let address = Address::parse(dialect, text).map_err(|error| error.to_string());
            faults.note_or("address", address, nowhere)
        }
        Err(error) => faults.note_or("dialect", Err(error.to_string()), nowhere),
    }
}

fn interval(asked: u32) -> Result<u32, String> {
    match asked {
        0 => Ok(DEFAULT_INTERVAL_S),
        1..=INTERVAL_MAX_S => Ok(asked),
        _ => Err(format!("{asked} s is too long: write at most {INTERVAL_MAX_S} (31 days)")),
    }
}

fn offset(asked: u32, interval_s: u32) -> Result<u32, String> {
    if asked < interval_s {
        Ok(asked)
    } else {
        Err(format!("{asked} s is not less than the interval of {interval_s} s: write at most {}", interval_s - 1))
    }
}

/// A profile of the dialect; none for a meter that is recognised by its answer.
fn profile(name: String, dialect: &str, catalogue: &Catalogue) -> Result<Option<String>, String> {
    // A dialect that is none has its own fault.
    let Ok(dialect) = dialect.parse::<Dialect>() else { return Ok(None) };
    match catalogue.named(&name) {
        Some(entry) if entry.about.dialect == dialect => Ok(Some(name)),
        None if name.is_empty() && dialect != Dialect::Modbus => Ok(None),
        _ => Err(catalogue.unknown(&name, dialect)),
    }
}

/// A meter with its line and the line's owner.
pub fn meter(state: &State, meter: &Meter) -> api::Meter {
    let line = state.registry.lines.get(&meter.line).map(|line| line.spec.name.clone()).unwrap_or_default();
    api::Meter {
        id: meter.id.0,
        spec: Some(api::MeterSpec {
            name: meter.name.clone(),
            line,
            dialect: meter.address.dialect().name().to_owned(),
            address: meter.address.to_string(),
            profile: meter.profile.clone().unwrap_or_default(),
            interval_s: meter.schedule.interval_s,
            offset_s: meter.schedule.offset_s,
            disabled: !meter.enabled,
        }),
        line_id: meter.line.0,
        node: state.assignment.owner(meter.line).map_or(0, |node| node.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;

    fn spec(row: api::MeterSpec) -> Result<MeterSpec, Vec<RowFaultAt>> {
        meter_spec(row, &Catalogue::builtin())
    }

    fn row(dialect: &str, address: &str) -> api::MeterSpec {
        api::MeterSpec {
            name: "m".to_owned(),
            line: "l".to_owned(),
            dialect: dialect.to_owned(),
            address: address.to_owned(),
            profile: if dialect == "modbus" { "modbus-tuf-2000m".to_owned() } else { String::new() },
            ..api::MeterSpec::default()
        }
    }

    fn columns(row: api::MeterSpec) -> Vec<&'static str> {
        spec(row).expect_err("a bad row").iter().map(|fault| fault.column).collect()
    }

    #[test]
    fn a_row_without_a_schedule_is_read_every_quarter_of_an_hour_on_the_boundary() {
        let spec = spec(row("mbus", "7")).expect("a sound row");
        assert_eq!(spec.schedule, Schedule { interval_s: 900, offset_s: 0 });
        assert!(spec.enabled && spec.profile.is_none());
    }

    #[test]
    fn an_address_has_to_be_one_of_its_dialect() {
        for (dialect, good) in [("mbus", "250"), ("mbus", "123456782D2C0104"), ("cjt188", "1"), ("modbus", "247")] {
            assert!(spec(row(dialect, good)).is_ok(), "{dialect} {good} was refused");
        }
        for (dialect, bad) in [("mbus", "251"), ("mbus", "0"), ("cjt188", "x"), ("modbus", "248"), ("mbus", "")] {
            assert_eq!(columns(row(dialect, bad)), ["address"], "{dialect} {bad}");
        }
        assert_eq!(columns(row("knx", "1")), ["dialect"]);
    }

    #[test]
    fn the_offset_lies_within_the_interval_and_the_interval_within_a_month() {
        let with = |interval_s, offset_s| api::MeterSpec { interval_s, offset_s, ..row("mbus", "7") };
        assert!(spec(with(1, 0)).is_ok() && spec(with(INTERVAL_MAX_S, INTERVAL_MAX_S - 1)).is_ok());
        assert_eq!(columns(with(60, 60)), ["offset_s"]);
        assert_eq!(columns(with(0, 900)), ["offset_s"]);
        assert_eq!(columns(with(INTERVAL_MAX_S + 1, 0)), ["interval_s"]);
    }

    #[test]
    fn what_is_shown_can_be_imported_again_unchanged() {
        let state = testing::cluster_of_three();
        let shown = meter(&state, state.registry.meter_named("m1").expect("it was imported"));
        assert_eq!((shown.node, shown.line_id), (1, 1));
        let again = spec(shown.spec.expect("a spec")).expect("a sound row");
        assert_eq!((again.name.as_str(), again.line.as_str(), again.address), ("m1", "l1", Address::MbusPrimary(1)));
    }

    #[test]
    fn a_profile_nobody_knows_is_refused_with_those_of_the_dialect() {
        let with = |dialect: &str, profile: &str| api::MeterSpec { profile: profile.to_owned(), ..row(dialect, "7") };
        let told = |row: api::MeterSpec| match spec(row).expect_err("a bad row").as_slice() {
            [RowFaultAt { column: "profile", message }] => message.clone(),
            other => unreachable!("{other:?}"),
        };
        assert!(spec(with("mbus", "mbus-generic")).is_ok_and(|spec| spec.profile.as_deref() == Some("mbus-generic")));
        let nobody = told(with("mbus", "mbus-nobody"));
        assert!(nobody.contains("\"mbus-nobody\"") && nobody.contains("mbus-generic"), "{nobody}");
        assert!(!nobody.contains("cjt188-generic") && told(with("mbus", "cjt188-generic")).contains("one of cjt188"));
        assert!(told(with("modbus", "")).contains("modbus-tuf-2000m"));
    }
}
