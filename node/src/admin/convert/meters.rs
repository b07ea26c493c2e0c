//! Meters as messages.

use protocol::api::admin as api;
use protocol::meter::{Address, Dialect};
use protocol::profile::Catalogue;
use raft_store::state::State;
use raft_store::state::plant::detail::{MeterDetail, Own};
use raft_store::state::plant::schedule::{self, Times};
use raft_store::state::registry::{Meter, MeterSpec, Schedule};

use super::{Faults, RowFaultAt, plant, words};

/// Longest interval between slots, seconds.
const INTERVAL_MAX_S: u32 = 31 * DAY_S;
/// Seconds of a day of 24 hours.
const DAY_S: u32 = 24 * 60 * 60;

/// A row of an import; its profile has to be one of `catalogue`.
pub fn meter_row(row: api::MeterSpec, catalogue: &Catalogue) -> Result<(MeterSpec, MeterDetail), Vec<RowFaultAt>> {
    let mut faults = Faults::default();
    let (own, schedule) = own(&mut faults, &row);
    let spec = MeterSpec {
        name: faults.note("name", words::name(row.name)),
        line: faults.note("line", words::name(row.line)),
        address: address(&mut faults, &row.dialect, &row.address),
        profile: faults.note("profile", profile(row.profile, &row.dialect, catalogue)),
        schedule,
        enabled: !row.disabled,
    };
    let detail = MeterDetail {
        labels: faults.note("labels", plant::labels(row.labels)),
        identity: faults.note("identity", plant::identity(&row.identity)),
        schedule: own,
    };
    faults.done((spec, detail))
}

/// Whose word the schedule is, and its interval.
fn own(faults: &mut Faults, row: &api::MeterSpec) -> (Own, Schedule) {
    match (row.schedule.as_str(), row.interval_s) {
        ("", 0) => {
            faults.note("offset_s", offset_alone(row.offset_s));
            (Own::Inherited, interval_of(&schedule::Schedule::default()))
        }
        ("", asked) => {
            let interval_s = faults.note_or("interval_s", interval(asked), INTERVAL_MAX_S);
            let offset_s = faults.note("offset_s", offset(row.offset_s, interval_s));
            (Own::Interval, Schedule { interval_s, offset_s })
        }
        (words, _) => {
            faults.note("schedule", alone(row));
            let schedule = faults.note("schedule", plant::schedule(words));
            let interval = interval_of(&schedule);
            (Own::Words(schedule), interval)
        }
    }
}

fn alone(row: &api::MeterSpec) -> Result<(), String> {
    let api::MeterSpec { schedule, interval_s, offset_s, .. } = row;
    if (*interval_s, *offset_s) == (0, 0) {
        return Ok(());
    }
    let both = format!("\"{schedule}\" stands beside an interval of {interval_s} s with offset {offset_s} s");
    Err(format!("{both}: write one of both, as every {} offset {} in words", secs(*interval_s), secs(*offset_s)))
}

fn secs(seconds: u32) -> String {
    format!("{seconds}s")
}

fn offset_alone(asked: u32) -> Result<(), String> {
    match asked {
        0 => Ok(()),
        _ => Err(format!("{asked} s of no interval: write interval_s, too, or a schedule such as every 15m offset 5m")),
    }
}

/// The interval that stands beside a schedule for whoever knows intervals only: that of its first rule that has one,
/// else a day.
fn interval_of(schedule: &schedule::Schedule) -> Schedule {
    let every = |rule: &schedule::Rule| match rule.times {
        Times::Every { interval_s, offset_s } => Some(Schedule { interval_s, offset_s }),
        Times::Daily { .. } | Times::Monthly { .. } | Times::Cron(_) => None,
    };
    schedule.rules().iter().find_map(every).unwrap_or(Schedule { interval_s: DAY_S, offset_s: 0 })
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
        ..=INTERVAL_MAX_S => Ok(asked),
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

/// A meter with its line, the line's owner, and what counts for it of all that was said.
pub fn meter(state: &State, meter: &Meter) -> api::Meter {
    let line = state.registry.lines.get(&meter.line).map(|line| line.spec.name.clone()).unwrap_or_default();
    let (schedule, whose) = state.plant.schedule_of(&state.registry, meter);
    api::Meter {
        id: meter.id.0,
        spec: Some(spec_message(meter, line, state.plant.meters.get(&meter.id))),
        line_id: meter.line.0,
        node: state.assignment.owner(meter.line).map_or(0, |node| node.0),
        schedule: schedule.to_string(),
        schedule_by: plant::schedule_by(whose),
        labels: plant::labels_of(state, meter),
    }
}

/// As [`meter_row`] reads it.
fn spec_message(meter: &Meter, line: String, detail: Option<&MeterDetail>) -> api::MeterSpec {
    let MeterDetail { labels, identity, schedule } = detail.cloned().unwrap_or_default();
    let (words, interval_s, offset_s) = match schedule {
        Own::Interval => (String::new(), meter.schedule.interval_s, meter.schedule.offset_s),
        Own::Words(schedule) => (schedule.to_string(), 0, 0),
        Own::Inherited => (String::new(), 0, 0),
    };
    api::MeterSpec {
        name: meter.name.clone(),
        line,
        dialect: meter.address.dialect().name().to_owned(),
        address: meter.address.to_string(),
        profile: meter.profile.clone().unwrap_or_default(),
        interval_s,
        offset_s,
        disabled: !meter.enabled,
        schedule: words,
        labels: labels.into_iter().collect(),
        identity: identity.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;

    fn spec(row: api::MeterSpec) -> Result<MeterSpec, Vec<RowFaultAt>> {
        meter_row(row, &Catalogue::builtin()).map(|(spec, _)| spec)
    }

    fn detail(row: api::MeterSpec) -> MeterDetail {
        meter_row(row, &Catalogue::builtin()).expect("a sound row").1
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
    fn a_row_without_a_schedule_inherits_one_and_is_read_every_quarter_of_an_hour_where_nobody_says() {
        assert_eq!(detail(row("mbus", "7")).schedule, Own::Inherited);
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
    fn a_schedule_is_words_or_an_interval_and_never_both() {
        let with = |words: &str, interval_s, offset_s| api::MeterSpec {
            schedule: words.to_owned(),
            interval_s,
            offset_s,
            ..row("mbus", "7")
        };
        assert_eq!(detail(with("", 60, 5)).schedule, Own::Interval);
        let Own::Words(schedule) = detail(with("daily 00:00; every 15m offset 5m", 0, 0)).schedule else {
            unreachable!("words were given")
        };
        assert_eq!(schedule.to_string(), "daily 00:00; every 15m offset 5m");
        assert_eq!(columns(with("daily 00:00", 60, 0)), ["schedule"]);
        assert_eq!(columns(with("daily 00:00", 0, 5)), ["schedule"]);
        assert_eq!(columns(with("hourly", 0, 0)), ["schedule"]);
        let beside = spec(with("every 1h; every 15m offset 5m", 0, 0)).expect("a sound row").schedule;
        assert_eq!(beside, Schedule { interval_s: 3_600, offset_s: 0 });
        assert_eq!(spec(with("daily 00:00", 0, 0)).expect("a sound row").schedule.interval_s, DAY_S);
    }

    #[test]
    fn places_words_and_identity_are_shown_as_they_were_imported() {
        let row = api::MeterSpec {
            schedule: "every 15m in season; daily 00:00".to_owned(),
            labels: [("building".to_owned(), "3号楼".to_owned())].into(),
            identity: "12345678".to_owned(),
            ..row("mbus", "7")
        };
        let (spec, detail) = meter_row(row, &Catalogue::builtin()).expect("a sound row");
        let meter = Meter {
            id: protocol::meter::MeterId(1),
            name: spec.name.clone(),
            line: protocol::meter::LineId(1),
            address: spec.address,
            profile: spec.profile.clone(),
            schedule: spec.schedule,
            enabled: spec.enabled,
        };
        let shown = spec_message(&meter, spec.line.clone(), Some(&detail));
        assert_eq!(meter_row(shown, &Catalogue::builtin()), Ok((spec, detail)));
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
