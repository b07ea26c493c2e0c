//! Answers as JSON for programs.
//!
//! Promises: names and shapes are stable: the fields of admin.proto in snake_case, always present, in one place each;
//! enums are lower-case words, times Unix milliseconds, bytes hex digits; what is absent is null. Refuses: prose.

use protocol::api::admin as api;
use serde_json::{Value, json};

use super::format::{hex, word};

fn list<T>(items: &[T], show: impl Fn(&T) -> Value) -> Value {
    items.iter().map(show).collect()
}

/// The cluster's status.
pub fn status(status: &api::StatusReply) -> Value {
    let lines = status.lines.unwrap_or_default();
    let commands = status.commands.unwrap_or_default();
    json!({
        "cluster_id": status.cluster_id,
        "cluster_name": status.cluster_name,
        "answered_by": status.answered_by,
        "leader": status.leader,
        "term": status.term,
        "applied_index": status.applied_index,
        "at": status.at,
        "nodes": list(&status.nodes, node),
        "lines": {
            "total": lines.total, "held": lines.held, "moving": lines.moving, "orphaned": lines.orphaned,
        },
        "meters": status.meters,
        "database": database(&status.database.clone().unwrap_or_default()),
        "commands": { "queued": commands.queued, "running": commands.running, "ended": commands.ended },
        "ledger": status.ledger.as_ref().map(|ledger| json!({
            "horizon": ledger.horizon, "unaccounted": ledger.unaccounted, "held_by": ledger.held_by,
            "error": ledger.error, "marked": ledger.marked,
        })),
        "problems": list(&status.problems, problem),
        "events": list(&status.events, |event| json!({ "at": event.at, "text": event.text })),
    })
}

fn database(database: &api::DatabaseStatus) -> Value {
    json!({
        "state": word(database.state().as_str_name(), "STATE_"),
        "endpoint": database.endpoint,
        "error": database.error,
        "rows_written": database.rows_written,
        "last_commit_at": database.last_commit_at,
        "rows_rejected": database.rows_rejected,
        "writer": database.writer,
    })
}

fn problem(problem: &api::Problem) -> Value {
    json!({
        "severity": word(problem.severity().as_str_name(), "SEVERITY_"),
        "what": problem.what,
        "remedy": problem.remedy,
    })
}

/// A node.
pub fn node(node: &api::Node) -> Value {
    json!({
        "id": node.id,
        "name": node.name,
        "address": node.address,
        "role": word(node.role().as_str_name(), "NODE_ROLE_"),
        "health": word(node.health().as_str_name(), "NODE_HEALTH_"),
        "draining": node.draining,
        "lines_held": node.lines_held,
        "heard_ms_ago": node.heard_ms_ago,
        "labels": node.labels,
        "report": node.report.as_ref().map(report),
    })
}

fn report(report: &api::NodeReport) -> Value {
    json!({
        "exchanges": report.exchanges,
        "readings_accepted": report.readings_accepted,
        "readings_missed": report.readings_missed,
        "spool_records": report.spool_records,
        "spool_bytes": report.spool_bytes,
        "oldest_spooled_at": report.oldest_spooled_at,
        "lines_open": report.lines_open,
        "lines_down": report.lines_down,
        "units_connected": report.units_connected,
        "clock_offset_ms": report.clock_offset_ms,
        "version": report.version,
        "resident_bytes": report.resident_bytes,
        "started_at": report.started_at,
    })
}

/// The nodes.
pub fn nodes(nodes: &[api::Node]) -> Value {
    json!({ "nodes": list(nodes, node) })
}

/// A line.
pub fn line(line: &api::Line) -> Value {
    let spec = line.spec.clone().unwrap_or_default();
    json!({
        "id": line.id,
        "name": spec.name,
        "endpoint": spec.endpoint,
        "baud": spec.baud,
        "parity": spec.parity,
        "extra_answer_ms": spec.extra_answer_ms,
        "repeats": spec.repeats,
        "requires": spec.requires,
        "schedule": spec.schedule,
        "labels": spec.labels,
        "epoch": line.epoch,
        "phase": word(line.phase().as_str_name(), "PHASE_"),
        "node": line.node,
        "to": line.to,
        "since": line.since,
        "why": line.why,
        "meters": line.meters,
        "load_permille": line.load_permille,
    })
}

/// The lines.
pub fn lines(lines: &[api::Line]) -> Value {
    json!({ "lines": list(lines, line) })
}

/// A meter.
pub fn meter(meter: &api::Meter) -> Value {
    let spec = meter.spec.clone().unwrap_or_default();
    json!({
        "id": meter.id,
        "name": spec.name,
        "line": spec.line,
        "line_id": meter.line_id,
        "node": meter.node,
        "dialect": spec.dialect,
        "address": spec.address,
        "profile": spec.profile,
        "interval_s": spec.interval_s,
        "offset_s": spec.offset_s,
        "disabled": spec.disabled,
        "schedule": meter.schedule,
        "schedule_by": meter.schedule_by,
        "labels": meter.labels,
        "identity": spec.identity,
    })
}

/// The meters.
pub fn meters(meters: &[api::Meter]) -> Value {
    json!({ "meters": list(meters, meter) })
}

/// The plant's calendar.
pub fn calendar(calendar: &api::Calendar) -> Value {
    json!({
        "zone": calendar.zone,
        "season": calendar.season,
        "seasons": list(&calendar.seasons, |season| json!({ "year": season.year, "days": season.days })),
    })
}

/// A schedule for all meters of a selector.
pub fn policy(policy: &api::SchedulePolicy) -> Value {
    json!({
        "name": policy.name,
        "rank": policy.rank,
        "selector": policy.selector,
        "schedule": policy.schedule,
        "selected": policy.selected,
        "following": policy.following,
    })
}

/// The policies.
pub fn policies(policies: &[api::SchedulePolicy]) -> Value {
    json!({ "policies": list(policies, policy) })
}

/// What a change of schedules does.
pub fn schedule_effect(effect: &api::ScheduleEffect) -> Value {
    json!({ "meters_changed": effect.meters_changed, "meters": effect.meters })
}

/// The next slots of a meter, or of a schedule.
pub fn upcoming(upcoming: &api::UpcomingReply) -> Value {
    json!({
        "schedule": upcoming.schedule,
        "schedule_by": upcoming.schedule_by,
        "zone": upcoming.zone,
        "disabled": upcoming.disabled,
        "slots": list(&upcoming.slots, |slot| {
            json!({
                "begin": slot.begin, "end": slot.end, "on_time_until": slot.on_time_until,
                "priority": slot.priority, "freeze": slot.freeze,
            })
        }),
    })
}

/// What an import did.
pub fn imported(reply: &api::ImportReply) -> Value {
    json!({
        "created": reply.created,
        "updated": reply.updated,
        "unchanged": reply.unchanged,
        "errors": list(&reply.errors, |error| {
            json!({ "row": error.row, "column": error.column, "message": error.message })
        }),
        "warnings": list(&reply.warnings, |warning| json!({ "row": warning.row, "message": warning.message })),
    })
}

/// A reading.
pub fn reading(reading: &api::Reading) -> Value {
    json!({
        "meter_id": reading.meter_id,
        "meter": reading.meter,
        "slot": reading.slot,
        "kind": reading.kind,
        "read_at": reading.read_at,
        "node": reading.node,
        "values": list(&reading.values, value),
        "meter_time": reading.meter_time,
        "valve": reading.valve,
        "quality": reading.quality,
        "doubts": reading.doubts,
        "identity": reading.identity,
        "raw": hex(&reading.raw),
        "missed": reading.missed,
    })
}

/// A value.
pub fn value(value: &api::Value) -> Value {
    json!({ "quantity": value.quantity, "value": value.value, "unit": value.unit })
}

/// The readings.
pub fn readings(readings: &[api::Reading]) -> Value {
    json!({ "readings": list(readings, reading) })
}

/// Due slots by outcome; `by` names what they are grouped by.
pub fn ledger(by: &[String], reply: &api::LedgerSummaryReply) -> Value {
    json!({
        "by": by,
        "groups": list(&reply.groups, ledger_group),
        "total": ledger_group(&reply.total.clone().unwrap_or_default()),
        "begins": reply.begins,
        "horizon": reply.horizon,
        "zone": reply.zone,
    })
}

fn ledger_group(group: &api::LedgerGroup) -> Value {
    json!({
        "names": group.names,
        "due": group.due,
        "on_time": group.on_time,
        "late": group.late,
        "backfilled": group.backfilled,
        "missed": group.missed,
        "waiting": group.waiting,
        "open": group.open,
        "unaccounted": group.unaccounted,
    })
}

/// Meters that were not read.
pub fn unread(rows: &[api::Unread]) -> Value {
    json!({ "rows": list(rows, unread_row) })
}

/// A meter that was not read for one reason.
pub fn unread_row(row: &api::Unread) -> Value {
    json!({
        "meter_id": row.meter_id,
        "meter": row.meter,
        "line": row.line,
        "reason": row.reason,
        "slots": row.slots,
        "first": row.first,
        "last": row.last,
        "last_read": row.last_read,
    })
}

/// A command.
pub fn command(command: &api::Command) -> Value {
    json!({
        "id": command.id,
        "meter": command.meter,
        "line_id": command.line_id,
        "action": command.action,
        "requested_at": command.requested_at,
        "deadline": command.deadline,
        "key": command.key,
        "state": command.state,
        "detail": command.detail,
        "history": list(&command.history, |step| {
            json!({
                "at": step.at, "state": step.state, "detail": step.detail, "node": step.node, "epoch": step.epoch,
            })
        }),
    })
}

/// The commands.
pub fn commands(commands: &[api::Command]) -> Value {
    json!({ "commands": list(commands, command) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;

    #[test]
    fn the_json_of_a_status_is_as_documented() {
        let golden: Value = serde_json::from_str(include_str!("golden/status.json")).expect("sound JSON");
        let shown = status(&testing::status());
        assert_eq!(format!("{shown:#}"), format!("{golden:#}"));
    }

    #[test]
    fn absent_things_are_null_and_never_left_out() {
        let shown = node(&api::Node::default());
        assert!(shown.get("heard_ms_ago").is_some_and(Value::is_null));
        assert!(shown.get("report").is_some_and(Value::is_null));
    }

    #[test]
    fn enums_are_lower_case_words() {
        let held = api::Line { phase: api::line::Phase::Held.into(), ..api::Line::default() };
        assert_eq!(line(&held).get("phase"), Some(&json!("held")));
    }
}
