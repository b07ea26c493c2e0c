//! What is wrong with the cluster and what to do next.
//!
//! Promises: pure; every problem names the thing, its value and a remedy; the worst come first. Refuses: calling
//! something a problem that nobody has to do anything about.

use std::collections::{BTreeMap, BTreeSet};

use protocol::api::admin::database_status::State as Database;
use protocol::api::admin::problem::Severity;
use protocol::api::admin::{DatabaseStatus, Node, NodeHealth, NodeReport, NodeRole, Problem, StatusReply};
use protocol::meter::NodeId;
use raft_store::state::assignment::Phase;
use raft_store::state::membership::Labels;

use super::orphans;
use super::sight::Sight;

/// Open commands are near their limit at this share of it, percent.
const COMMANDS_NEAR_PERCENT: u64 = 80;

/// What is wrong, worst first.
pub fn find(sight: &Sight<'_>, reply: &StatusReply) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(no_leader(reply));
    problems.extend(quorum(reply));
    problems.extend(database(reply));
    problems.extend(rejected(reply));
    problems.extend(unaccounted(reply));
    problems.extend(accounts_behind(sight, reply));
    problems.extend(orphaned(sight, reply));
    problems.extend(overloaded(sight));
    for node in &reply.nodes {
        problems.extend(silence(node));
        problems.extend(clock(sight, node));
        problems.extend(lines_down(node));
        problems.extend(unknown_units(node));
        problems.extend(pressure(sight, reply, node));
        problems.extend(backlog(sight, reply, node));
        problems.extend(draining(node));
    }
    problems.extend(versions(reply));
    problems.extend(commands(sight, reply));
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    problems
}

fn critical(what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    Problem { severity: Severity::Critical.into(), what: what.into(), remedy: remedy.into() }
}

fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    Problem { severity: Severity::Warning.into(), what: what.into(), remedy: remedy.into() }
}

fn called(node: &Node) -> String {
    format!("node {} ({})", node.id, node.name)
}

fn lines(number: u32) -> String {
    if number == 1 { "1 line".to_owned() } else { format!("{number} lines") }
}

fn report(node: &Node) -> NodeReport {
    node.report.clone().unwrap_or_default()
}

fn no_leader(reply: &StatusReply) -> Option<Problem> {
    let remedy = "start the nodes that are down and mend the network between them: a majority of the voters elects a \
                  leader within a second";
    let what = format!("node {} knows no leader: nothing can be changed", reply.answered_by);
    (reply.leader == 0).then(|| critical(what, remedy))
}

/// Whether one more voter may fail.
fn quorum(reply: &StatusReply) -> Option<Problem> {
    let votes = |node: &&Node| matches!(node.role(), NodeRole::Leader | NodeRole::Voter);
    let voters: Vec<_> = reply.nodes.iter().filter(votes).collect();
    let known = voters.iter().all(|node| node.health() != NodeHealth::Unspecified);
    if voters.is_empty() || !known {
        return None;
    }
    let alive = voters.iter().filter(|node| node.health() == NodeHealth::Alive).count();
    let (all, needed) = (voters.len(), voters.len() / 2 + 1);
    if all == 1 {
        let remedy = "add two nodes with `hearth join`: three voters survive the loss of one";
        return (alive == 1).then(|| warning("one voter: the cluster stops with it", remedy));
    }
    let what = format!("{alive} of {all} voters are alive, {needed} are needed: ");
    match alive.cmp(&needed) {
        std::cmp::Ordering::Greater => None,
        std::cmp::Ordering::Equal => {
            Some(warning(what + "none may fail any more", "start the voters that are down, or add nodes"))
        }
        std::cmp::Ordering::Less => {
            Some(critical(what + "the cluster is about to stop", "start the voters that are down now"))
        }
    }
}

fn database(reply: &StatusReply) -> Option<Problem> {
    let status = reply.database.clone().unwrap_or_default();
    let why = if status.error.is_empty() { String::new() } else { format!(": {}", status.error) };
    let kept = "readings stay in the spools until then";
    match status.state() {
        Database::None => Some(warning(
            "no database is configured: readings stay in the spools",
            "set mysql.endpoints in the configuration of every node and restart them one by one",
        )),
        Database::Unreachable => Some(critical(
            format!("the database {} cannot be reached{why}", status.endpoint),
            format!("start it or mend the way to it; {kept}"),
        )),
        Database::Refused => Some(critical(
            format!("the database {} refuses{why}", status.endpoint),
            format!("mend its password, schema or disk as the error says; {kept}"),
        )),
        Database::Unspecified | Database::Ok | Database::Connecting => None,
    }
}

fn rejected(reply: &StatusReply) -> Option<Problem> {
    let rows = reply.database.as_ref().map_or(0, |database| database.rows_rejected);
    let remedy = "look at the table rejected: each row carries its error";
    (rows > 0).then(|| warning(format!("the database took {rows} rows not as they were: they are set aside"), remedy))
}

fn unaccounted(reply: &StatusReply) -> Option<Problem> {
    let slots = reply.ledger.as_ref().map_or(0, |ledger| ledger.unaccounted);
    let remedy = "find out who took rows out of reading or missed; see docs/ledger.md for the query that names them";
    (slots > 0).then(|| critical(format!("{slots} closed slots have neither a reading nor a mark"), remedy))
}

/// Accounts that are not carried on, unless the database already explains it.
fn accounts_behind(sight: &Sight<'_>, reply: &StatusReply) -> Option<Problem> {
    let ledger = reply.ledger.clone().unwrap_or_default();
    let is_ok = reply.database.as_ref().is_some_and(|database| database.state() == Database::Ok);
    if !is_ok {
        return None;
    }
    if !ledger.error.is_empty() {
        let remedy = "do as the error says; slots wait, and are closed then";
        return Some(warning(format!("due slots are not accounted for: {}", ledger.error), remedy));
    }
    let lag_ms = sight.at.0.saturating_sub(ledger.horizon);
    let behind = ledger.horizon > 0 && u128::from(lag_ms) > sight.config.ledger.lag_warning.as_millis();
    let (why, remedy) = match ledger.held_by {
        0 => (
            String::new(),
            "wait while the number falls; if it grows, the database is too slow: see its load".to_owned(),
        ),
        node => (
            format!(": node {node} may hold records of them"),
            format!(
                "start node {node} again or let its spool drain; a silent node is waited for at most {:?} \
                     (ledger.silent_node_limit)",
                sight.config.ledger.silent_node_limit
            ),
        ),
    };
    behind.then(|| warning(format!("due slots are accounted for only up to {} s ago{why}", lag_ms / 1000), remedy))
}

/// Lines without an owner, one problem for all that require the same.
fn orphaned(sight: &Sight<'_>, reply: &StatusReply) -> Vec<Problem> {
    let state = &sight.applied.state;
    let mut groups = BTreeMap::<&Labels, Vec<&str>>::new();
    for (id, ownership) in &state.assignment.lines {
        if let (Phase::Orphan, Some(line)) = (ownership.phase, state.registry.lines.get(id)) {
            groups.entry(&line.spec.requires).or_default().push(&line.spec.name);
        }
    }
    let trouble = |id: NodeId| trouble_of(sight, reply.nodes.iter().find(|node| node.id == id.0)?);
    let show = |(requires, names): (&Labels, Vec<&str>)| {
        let what = format!("{} without an owner", lines_called(&names));
        match orphans::obstacle(&state.membership, requires, trouble) {
            Some(why) => critical(
                format!("{what}: {why}"),
                "give a node the labels it requires, resume or start a node that has them, or import it with others",
            ),
            None => warning(
                format!("{what}, and a node could hold it"),
                "wait: the leader gives it away within seconds; if this stays, look at the events",
            ),
        }
    };
    groups.into_iter().map(show).collect()
}

/// Lines that are asked too much, the worst first, a bounded number by name.
fn overloaded(sight: &Sight<'_>) -> Vec<Problem> {
    let (over, shown) = (sight.loads.over(), sight.config.admin.overloaded_shown);
    let more = over.len().saturating_sub(shown);
    let rest = warning(
        format!("{} more cannot meet their schedules", lines(u32::try_from(more).unwrap_or(u32::MAX))),
        "look at the column LOAD of `hearth line list`",
    );
    let named = over.take(shown).map(|(line, load)| warning(load.what(line), load.remedy()));
    named.chain((more > 0).then_some(rest)).collect()
}

fn lines_called(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("line {one} is"),
        [first, rest @ ..] => format!("line {first} and {} more are", rest.len()),
    }
}

/// What keeps a node from holding lines.
fn trouble_of(sight: &Sight<'_>, node: &Node) -> Option<String> {
    let offset = report(node).clock_offset_ms;
    match node.health() {
        NodeHealth::Dead => Some("is dead".to_owned()),
        _ if exceeds(offset, sight.config.lease.clock_limit) => Some(format!("has its clock off by {offset} ms")),
        _ => None,
    }
}

fn silence(node: &Node) -> Option<Problem> {
    let name = called(node);
    let since = node.heard_ms_ago.map(|ms| format!(" (last heard of {})", ago(ms))).unwrap_or_default();
    match (node.health(), node.lines_held) {
        (NodeHealth::Dead, 0) => Some(warning(
            format!("{name} is dead{since}; its lines were moved"),
            format!("start it again, or forget it: `hearth node remove {}`", node.id),
        )),
        (NodeHealth::Dead, held) => Some(critical(
            format!("{name} is dead{since} and still holds {}", lines(held)),
            "start it again; lines that other nodes may hold move within seconds by themselves",
        )),
        (NodeHealth::Suspect, _) => Some(warning(
            format!("{name} does not answer{since}"),
            "wait for its lease to end; if it stays silent, start it again",
        )),
        _ => None,
    }
}

fn ago(ms: u64) -> String {
    format!("{}.{} s ago", ms / 1000, ms % 1000 / 100)
}

fn exceeds(offset_ms: i64, limit: std::time::Duration) -> bool {
    u128::from(offset_ms.unsigned_abs()) > limit.as_millis()
}

fn clock(sight: &Sight<'_>, node: &Node) -> Option<Problem> {
    let offset = report(node).clock_offset_ms;
    let what = format!("the clock of {} is off by {offset:+} ms", called(node));
    let remedy = "mend its time synchronisation (chrony, ntp)";
    if exceeds(offset, sight.config.lease.clock_limit) {
        Some(critical(what + ": it gets no lines", remedy))
    } else {
        exceeds(offset, sight.config.lease.clock_warning).then(|| warning(what, remedy))
    }
}

fn lines_down(node: &Node) -> Option<Problem> {
    let down = report(node).lines_down;
    let what = format!("{} cannot open {down} of its {} lines", called(node), node.lines_held);
    let remedy = format!("check gateways and ports: `hearth line list --node {}`, and the node's log", node.id);
    (down > 0).then(|| warning(what, remedy))
}

fn unknown_units(node: &Node) -> Option<Problem> {
    let units = report(node).unknown_units;
    let newest = units.first()?;
    let more = match units.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!("unit {}{more} called {} and has no line", newest.unit, called(node));
    let remedy = format!("import a line with endpoint dialin://{}; `hearth line unregistered` lists all", newest.unit);
    Some(warning(what, remedy))
}

/// A spool that fills up, and what is not accepted because of that.
fn pressure(sight: &Sight<'_>, reply: &StatusReply, node: &Node) -> Option<Problem> {
    let NodeReport { spool_level: level, spool_percent: percent, spool_bytes: bytes, .. } = report(node);
    let what = format!("the spool of {} is {percent} % full ({bytes} bytes)", called(node));
    let state = reply.database.as_ref().map_or(Database::Unspecified, DatabaseStatus::state);
    let first = match state {
        Database::Ok => "the database is too slow: see its load",
        Database::None => "set mysql.endpoints in the configuration of every node",
        _ => "bring the database back",
    };
    let remedy = format!("{first}; or raise spool.max_bytes and spool.max_age where the disk has room");
    match level {
        0 => None,
        1 => Some(warning(what + ": reads that people ask for are not done", remedy)),
        2 => {
            let every = sight.config.spool.slow_every;
            Some(critical(format!("{what}: its meters are read in one of {every} slots"), remedy))
        }
        _ => Some(critical(what + ": it accepts no readings", remedy)),
    }
}

/// Old records in a spool, unless the database already explains them.
fn backlog(sight: &Sight<'_>, reply: &StatusReply, node: &Node) -> Option<Problem> {
    let state = reply.database.as_ref().map_or(Database::Unspecified, DatabaseStatus::state);
    let NodeReport { oldest_spooled_at: oldest, spool_records: records, .. } = report(node);
    let age_ms = sight.at.0.saturating_sub(oldest);
    let old = oldest > 0 && u128::from(age_ms) > sight.config.admin.spool_age_warning.as_millis();
    let what = format!("{records} records wait in the spool of {}, the oldest for {} s", called(node), age_ms / 1000);
    let remedy = match state {
        Database::Unreachable | Database::Refused => "mend the database: the spool drains by itself",
        _ => "wait while the number falls; if it grows, the database is too slow: see its load",
    };
    (old && state != Database::None).then(|| warning(what, remedy))
}

fn draining(node: &Node) -> Option<Problem> {
    let name = called(node);
    let remedy = match node.lines_held {
        0 => format!("stop it, or let it hold lines again: `hearth node resume {}`", node.id),
        _ => format!("wait for its lines to move, or call it off: `hearth node resume {}`", node.id),
    };
    node.draining.then(|| warning(format!("{name} is draining: {} left", lines(node.lines_held)), remedy))
}

fn versions(reply: &StatusReply) -> Option<Problem> {
    let mut nodes = BTreeMap::<String, BTreeSet<u64>>::new();
    for node in &reply.nodes {
        let version = report(node).version;
        if !version.is_empty() {
            nodes.entry(version).or_default().insert(node.id);
        }
    }
    if nodes.len() < 2 {
        return None;
    }
    let one = |(version, ids): (&String, &BTreeSet<u64>)| {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        format!("{version} on node {}", ids.join(", "))
    };
    let list: Vec<_> = nodes.iter().map(one).collect();
    Some(warning(
        format!("nodes run different versions: {}", list.join("; ")),
        "finish the upgrade: drain, upgrade and resume the older nodes one by one",
    ))
}

fn commands(sight: &Sight<'_>, reply: &StatusReply) -> Option<Problem> {
    let open = reply.commands.map_or(0, |counts| counts.queued + counts.running);
    let most = sight.config.commands.open_max as u64;
    let what = format!("{open} commands are open, at most {most} may be (commands.open_max)");
    let remedy = "cancel what is not needed any more: `hearth command list --open`";
    if open >= most {
        Some(critical(what + ": new ones are refused", remedy))
    } else {
        (open * 100 >= most * COMMANDS_NEAR_PERCENT).then(|| warning(what, remedy))
    }
}

#[cfg(test)]
#[path = "problems_test.rs"]
mod tests;
