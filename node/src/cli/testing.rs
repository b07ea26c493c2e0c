//! A status for tests of what is shown: three nodes, one of them dead with lines.

use protocol::api::admin as api;

const NOW: u64 = 1_767_225_600_000;

pub fn status() -> api::StatusReply {
    let database = api::DatabaseStatus {
        state: api::database_status::State::Unreachable.into(),
        endpoint: "db:3306/hearth".to_owned(),
        error: "connection refused".to_owned(),
        rows_written: 123_456,
        last_commit_at: NOW - 75_000,
        rows_rejected: 0,
        writer: "bulk".to_owned(),
    };
    api::StatusReply {
        state_digest: String::new(),
        cluster_id: "6f2a".to_owned(),
        cluster_name: "demo".to_owned(),
        answered_by: 1,
        leader: 1,
        term: 3,
        applied_index: 1234,
        nodes: nodes(),
        lines: Some(api::LineCounts { total: 100, held: 98, moving: 1, orphaned: 1 }),
        meters: 2_000,
        database: Some(database),
        commands: Some(api::CommandCounts { queued: 1, running: 2, ended: 3 }),
        problems: problems(),
        ledger: Some(api::LedgerStatus { horizon: NOW - 135_000, held_by: 3, marked: 7, ..Default::default() }),
        at: NOW,
        events: vec![api::Event { at: NOW - 6_000, text: "node 3 (c) is dead: 33 lines move".to_owned() }],
    }
}

fn nodes() -> Vec<api::Node> {
    use api::{NodeHealth as Health, NodeRole as Role};
    let mut first = node(1, "a", Role::Leader, Health::Alive, 34);
    first.labels = [("site".to_owned(), "north".to_owned())].into();
    let mut third = node(3, "c", Role::Voter, Health::Dead, 31);
    (third.heard_ms_ago, third.report) = (Some(6_200), None);
    vec![first, node(2, "b", Role::Voter, Health::Alive, 33), third]
}

fn node(id: u64, name: &str, role: api::NodeRole, health: api::NodeHealth, lines_held: u32) -> api::Node {
    let report = api::NodeReport {
        units_connected: 1,
        unknown_units: vec![api::UnknownUnit {
            unit: "00012345".to_owned(),
            peer: "10.0.0.9:40000".to_owned(),
            at: 1_700_000_000_000,
            calls: 3,
        }],
        stopping: false,
        exchanges: 12_000 + id,
        readings_accepted: 11_000 + id,
        readings_missed: 4,
        spool_records: 40 * id,
        spool_bytes: 8_000,
        oldest_spooled_at: NOW - 75_000,
        lines_open: u64::from(lines_held),
        lines_down: 0,
        clock_offset_ms: 3 - 5 * i64::from(id == 2),
        version: "0.1.0".to_owned(),
        resident_bytes: 50_000_000,
        started_at: NOW - 3_600_000,
        spool_level: 0,
        spool_percent: 0,
        spool_max_bytes: 1 << 36,
        slots_passed_over: 0,
    };
    api::Node {
        id,
        name: name.to_owned(),
        address: format!("{name}:7400"),
        role: role.into(),
        health: health.into(),
        draining: false,
        lines_held,
        heard_ms_ago: Some(120),
        report: Some(report),
        labels: Default::default(),
    }
}

fn problems() -> Vec<api::Problem> {
    let problem = |severity: api::problem::Severity, what: &str, remedy: &str| api::Problem {
        severity: severity.into(),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    };
    vec![
        problem(
            api::problem::Severity::Critical,
            "the database db:3306/hearth cannot be reached: connection refused",
            "start it or mend the way to it; readings stay in the spools until then",
        ),
        problem(
            api::problem::Severity::Warning,
            "2 of 3 voters are alive, 2 are needed: none may fail any more",
            "start the voters that are down, or add nodes",
        ),
    ]
}
