//! The cluster on one screen.
//!
//! Promises: pure; the same status gives the same text. What is wrong stands last, where the eye ends, with its remedy.
//! Refuses: leaving out a problem for want of room.

use protocol::api::admin as api;

use super::format::{count, moment, span, word};
use super::output::table;

/// Events shown, at most.
const EVENTS: usize = 5;

/// The screen of `status`.
pub fn render(status: &api::StatusReply) -> String {
    let parts = [header(status), nodes(status), counts(status), events(status), problems(status)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn header(status: &api::StatusReply) -> String {
    let leader = match status.leader {
        0 => "no leader".to_owned(),
        id => format!("leader {id} ({})", name_of(status, id)),
    };
    let (name, id) = (&status.cluster_name, &status.cluster_id);
    format!(
        "hearth  cluster {name} ({id}), {leader}, term {}, entry {}\n        {} UTC, said by node {}",
        status.term,
        status.applied_index,
        moment(status.at),
        status.answered_by
    )
}

fn name_of(status: &api::StatusReply, id: u64) -> &str {
    status.nodes.iter().find(|node| node.id == id).map_or("?", |node| node.name.as_str())
}

fn nodes(status: &api::StatusReply) -> String {
    nodes_table(&status.nodes, status.at)
}

/// The nodes as a table, at the moment `at`.
pub fn nodes_table(nodes: &[api::Node], at: u64) -> String {
    let header = ["ID", "NAME", "ROLE", "HEALTH", "LINES", "POLLS", "READINGS", "SPOOL", "OFFSET"];
    let right = ["ID", "LINES", "POLLS", "READINGS", "OFFSET"];
    table(header, &right, nodes.iter().map(|node| row(node, at)))
}

fn row(node: &api::Node, at: u64) -> [String; 9] {
    let report = node.report.clone();
    let said = |show: fn(&api::NodeReport) -> String| report.as_ref().map_or_else(|| "-".to_owned(), show);
    [
        node.id.to_string(),
        node.name.clone(),
        word(node.role().as_str_name(), "NODE_ROLE_").replace("unspecified", "-"),
        health(node),
        node.lines_held.to_string(),
        said(|report| count(report.exchanges)),
        said(|report| count(report.readings_accepted)),
        report.as_ref().map_or_else(|| "-".to_owned(), |report| spool(report, at)),
        said(|report| format!("{:+} ms", report.clock_offset_ms)),
    ]
}

fn health(node: &api::Node) -> String {
    let word = word(node.health().as_str_name(), "NODE_HEALTH_").replace("unspecified", "-");
    if node.draining { format!("{word}, draining") } else { word }
}

fn spool(report: &api::NodeReport, at: u64) -> String {
    match (report.spool_records, report.oldest_spooled_at) {
        (0, _) => "empty".to_owned(),
        (records, 0) => count(records),
        (records, oldest) => format!("{} ({})", count(records), span(at.saturating_sub(oldest))),
    }
}

fn counts(status: &api::StatusReply) -> String {
    let lines = status.lines.unwrap_or_default();
    let commands = status.commands.unwrap_or_default();
    let api::LineCounts { total, held, moving, orphaned } = lines;
    let api::CommandCounts { queued, running, ended } = commands;
    [
        format!("lines     {}: {held} held, {moving} moving, {orphaned} without an owner", count(total)),
        format!("meters    {}", count(status.meters)),
        format!("commands  {queued} queued, {running} running, {ended} ended"),
        format!("database  {}", database(&status.database.clone().unwrap_or_default(), status.at)),
        format!("ledger    {}", ledger(&status.ledger.clone().unwrap_or_default(), status.at)),
    ]
    .join("\n")
}

fn database(database: &api::DatabaseStatus, at: u64) -> String {
    let state = match database.state() {
        api::database_status::State::Unspecified => return "not told: only the leader knows".to_owned(),
        api::database_status::State::None => return "none".to_owned(),
        state => word(state.as_str_name(), "STATE_"),
    };
    let last = match database.last_commit_at {
        0 => "no commit yet".to_owned(),
        moment => format!("last commit {} ago", span(at.saturating_sub(moment))),
    };
    let rejected = match database.rows_rejected {
        0 => String::new(),
        rows => format!(", {} rows set aside", count(rows)),
    };
    let writer = if database.writer.is_empty() { String::new() } else { format!(" by {}", database.writer) };
    let rows = count(database.rows_written);
    format!("{state}  {}  {rows} rows written{writer}, {last}{rejected}", database.endpoint)
}

fn ledger(ledger: &api::LedgerStatus, at: u64) -> String {
    let marked = count(ledger.marked);
    match (ledger.horizon, ledger.held_by) {
        (0, _) => "nothing is accounted for yet".to_owned(),
        (horizon, 0) => format!("accounted for up to {} ago, {marked} marked", span(at.saturating_sub(horizon))),
        (horizon, node) => {
            format!(
                "accounted for up to {} ago, held by node {node}, {marked} marked",
                span(at.saturating_sub(horizon))
            )
        }
    }
}

fn events(status: &api::StatusReply) -> String {
    let line = |event: &api::Event| format!("  {}  {}", moment(event.at), event.text);
    let lines: Vec<_> = status.events.iter().take(EVENTS).map(line).collect();
    if lines.is_empty() { String::new() } else { format!("EVENTS\n{}", lines.join("\n")) }
}

fn problems(status: &api::StatusReply) -> String {
    if status.problems.is_empty() {
        return "nothing is wrong".to_owned();
    }
    let lines: Vec<_> = status.problems.iter().map(problem).collect();
    format!("PROBLEMS\n{}", lines.join("\n"))
}

fn problem(problem: &api::Problem) -> String {
    let severity = word(problem.severity().as_str_name(), "SEVERITY_").to_ascii_uppercase();
    format!("  {severity:<8}  {}\n            -> {}", problem.what, problem.remedy)
}

/// Whether something is critical.
pub fn is_critical(status: &api::StatusReply) -> bool {
    status.problems.iter().any(|problem| problem.severity() == api::problem::Severity::Critical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;

    #[test]
    fn the_screen_of_a_cluster_in_trouble_is_as_it_was_drawn() {
        assert_eq!(render(&testing::status()).trim_end(), include_str!("golden/status.txt").trim_end());
    }

    #[test]
    fn a_sound_cluster_says_that_nothing_is_wrong() {
        let sound = api::StatusReply { problems: Vec::new(), ..testing::status() };
        assert!(render(&sound).ends_with("nothing is wrong"));
        assert!(!is_critical(&sound));
        assert!(is_critical(&testing::status()));
    }

    #[test]
    fn no_leader_and_a_silent_view_are_said() {
        let mut status = api::StatusReply { leader: 0, database: None, ..testing::status() };
        status.nodes.iter_mut().for_each(|node| node.report = None);
        let text = render(&status);
        assert!(text.contains("no leader, term 3"), "{text}");
        assert!(text.contains("database  not told"), "{text}");
    }
}
