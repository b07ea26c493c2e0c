//! Lines as messages.

use protocol::api::admin as api;
use protocol::meter::NodeId;
use raft_store::state::State;
use raft_store::state::assignment::{Ownership, Phase};
use raft_store::state::membership::Labels;
use raft_store::state::plant::detail::LineDetail;
use raft_store::state::registry::{Endpoint, Line, LineSpec, Parity};

use super::{Faults, RowFaultAt, plant, words};
use crate::admin::orphans;

/// Repeats of an unanswered request where none are asked for, and at most.
const REPEATS: (u32, u8) = (2, 5);
/// Longest addition to the standard's answer time, ms: no gateway is slower, and one exchange has to end.
const EXTRA_ANSWER_MS: u32 = 60_000;

/// A row of an import.
pub fn line_row(row: api::LineSpec) -> Result<(LineSpec, LineDetail), Vec<RowFaultAt>> {
    let mut faults = Faults::default();
    let nowhere = Endpoint::Serial { path: String::new() };
    let name = faults.note("name", words::name(row.name));
    let endpoint = faults.note_or("endpoint", words::endpoint(&row.endpoint), nowhere);
    let spec = LineSpec {
        name,
        baud: faults.note("baud", words::baud(row.baud)),
        parity: faults.note_or("parity", words::parity(&row.parity), Parity::Even),
        extra_answer_ms: faults.note("extra_answer_ms", extra_answer(row.extra_answer_ms)),
        repeats: faults.note("repeats", repeats(row.repeats)),
        requires: faults.note("requires", words::labels(row.requires).and_then(|labels| elsewhere(&endpoint, labels))),
        endpoint,
    };
    let schedule = if row.schedule.is_empty() { Ok(None) } else { plant::schedule(&row.schedule).map(Some) };
    let schedule = faults.note("schedule", schedule);
    let detail = LineDetail { labels: faults.note("labels", plant::labels(row.labels)), schedule };
    faults.done((spec, detail))
}

/// A unit that calls in chooses its node itself.
fn elsewhere(endpoint: &Endpoint, labels: Labels) -> Result<Labels, String> {
    if labels.is_empty() || endpoint.unit().is_none() {
        return Ok(labels);
    }
    Err("a dial-in line lives where its unit is connected: leave the labels out".to_owned())
}

fn extra_answer(ms: u32) -> Result<u32, String> {
    if ms <= EXTRA_ANSWER_MS { Ok(ms) } else { Err(format!("{ms} ms is too long: write at most {EXTRA_ANSWER_MS}")) }
}

fn repeats(asked: Option<u32>) -> Result<u8, String> {
    let (default, most) = REPEATS;
    let asked = asked.unwrap_or(default);
    u8::try_from(asked)
        .ok()
        .filter(|n| *n <= most)
        .ok_or_else(|| format!("{asked} repeats are too many: write at most {most}"))
}

/// A line with its ownership and why it is where it is.
pub fn line(state: &State, line: &Line) -> api::Line {
    let ownership = state.assignment.lines.get(&line.id);
    let phase = ownership.map_or(Phase::Orphan, |o| o.phase);
    let to = match phase {
        Phase::Revoking { to, .. } => to,
        Phase::Orphan | Phase::Held { .. } => None,
    };
    api::Line {
        id: line.id.0,
        spec: Some(spec_message(&line.spec, state.plant.lines.get(&line.id))),
        epoch: ownership.map_or(0, |o| o.epoch.0),
        phase: phase_message(phase).into(),
        node: id(phase.owner()),
        to: id(to),
        since: ownership.map_or(0, |o| o.since.0),
        why: why(state, line, ownership),
        meters: u32::try_from(state.registry.meters_of(line.id).count()).unwrap_or(u32::MAX),
        load_permille: None,
    }
}

fn id(node: Option<NodeId>) -> u64 {
    node.map_or(0, |node| node.0)
}

fn why(state: &State, line: &Line, ownership: Option<&Ownership>) -> String {
    let cause = ownership.map(|o| o.cause.clone()).unwrap_or_default();
    match ownership {
        Some(Ownership { phase: Phase::Orphan, .. }) => {
            let obstacle = orphans::obstacle(&state.membership, &line.spec.requires, |_| None);
            obstacle.map_or_else(|| format!("{cause}: waits to be given to a node"), |text| format!("{cause}: {text}"))
        }
        _ => with_unit(state, line, cause),
    }
}

/// A line whose unit calls in is where its unit is, if that is anywhere.
fn with_unit(state: &State, line: &Line, cause: String) -> String {
    let Some(unit) = line.spec.endpoint.unit() else { return cause };
    match state.presence.of(line.id) {
        None => format!("unit {unit} is not connected to any node; given here: {cause}"),
        Some(present) => format!("its unit is connected to node {}", present.node),
    }
}

const fn phase_message(phase: Phase) -> api::line::Phase {
    match phase {
        Phase::Orphan => api::line::Phase::Orphan,
        Phase::Held { .. } => api::line::Phase::Held,
        Phase::Revoking { .. } => api::line::Phase::Revoking,
    }
}

fn spec_message(spec: &LineSpec, detail: Option<&LineDetail>) -> api::LineSpec {
    let LineDetail { labels, schedule } = detail.cloned().unwrap_or_default();
    api::LineSpec {
        name: spec.name.clone(),
        endpoint: words::endpoint_text(&spec.endpoint),
        baud: spec.baud,
        parity: spec.parity.name().to_owned(),
        extra_answer_ms: spec.extra_answer_ms,
        repeats: Some(spec.repeats.into()),
        requires: spec.requires.clone().into_iter().collect(),
        schedule: schedule.map(|schedule| schedule.to_string()).unwrap_or_default(),
        labels: labels.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::meter::Epoch;
    use raft_store::state::assignment::Move;
    use raft_store::state::{Entry, UnixMillis};

    use super::*;
    use crate::admin::testing;

    fn line_spec(row: api::LineSpec) -> Result<LineSpec, Vec<RowFaultAt>> {
        line_row(row).map(|(spec, _)| spec)
    }

    fn row() -> api::LineSpec {
        api::LineSpec { name: "l".to_owned(), endpoint: "tcp://gw:4001".to_owned(), ..api::LineSpec::default() }
    }

    #[test]
    fn a_row_with_only_name_and_endpoint_gets_the_documented_defaults() {
        let spec = line_spec(row()).expect("a sound row");
        assert_eq!((spec.baud, spec.parity, spec.repeats, spec.extra_answer_ms), (2400, Parity::Even, 2, 0));
    }

    #[test]
    fn every_fault_of_a_row_is_told_at_once() {
        let bad = api::LineSpec {
            name: " x".to_owned(),
            endpoint: "gw".to_owned(),
            baud: 7,
            parity: "m".to_owned(),
            repeats: Some(6),
            extra_answer_ms: 60_001,
            requires: [(String::new(), "v".to_owned())].into(),
            schedule: "hourly".to_owned(),
            labels: [("line".to_owned(), "v".to_owned())].into(),
        };
        let columns: Vec<_> = line_spec(bad).expect_err("a bad row").iter().map(|fault| fault.column).collect();
        let wanted =
            ["name", "endpoint", "baud", "parity", "extra_answer_ms", "repeats", "requires", "schedule", "labels"];
        assert_eq!(columns, wanted);
    }

    #[test]
    fn a_line_whose_unit_calls_in_cannot_be_pinned_to_a_label() {
        let requires = [("site".to_owned(), "n".to_owned())].into();
        let row = api::LineSpec { endpoint: "dialin://00012345".to_owned(), requires, ..row() };
        let faults = line_spec(row).expect_err("a bad row");
        assert_eq!(faults.iter().map(|fault| fault.column).collect::<Vec<_>>(), ["requires"]);
    }

    #[test]
    fn a_line_whose_unit_calls_in_says_where_that_is() {
        let mut state = testing::cluster_of_three();
        let dial_in = line_spec(api::LineSpec { endpoint: "dialin://00012345".to_owned(), ..row() });
        let at = UnixMillis(1_700_000_000_000);
        let lines = vec![dial_in.expect("a sound row")];
        testing::applied(&mut state, vec![Entry::ImportLines { at, lines }]);
        let id = state.registry.line_named("l").expect("it was imported").id;
        let moves = vec![Move { line: id, from: Epoch(0), to: NodeId(1) }];
        testing::applied(&mut state, vec![Entry::Assign { at, term: 1, moves, cause: "new line".to_owned() }]);
        let why = |state: &State| line(state, state.registry.line_named("l").expect("it was imported")).why;
        assert_eq!(why(&state), "unit 00012345 is not connected to any node; given here: new line");
        let seen = Entry::UnitsSeen { at, node: NodeId(1), life: 5, came: vec![(id, 1)], gone: vec![] };
        testing::applied(&mut state, vec![seen]);
        assert_eq!(why(&state), "its unit is connected to node 1");
    }

    #[test]
    fn no_repeats_at_all_may_be_asked_for() {
        let spec = line_spec(api::LineSpec { repeats: Some(0), ..row() }).expect("a sound row");
        assert_eq!(spec.repeats, 0);
    }

    #[test]
    fn what_is_shown_can_be_imported_again_unchanged() {
        let row = api::LineSpec {
            requires: [("site".to_owned(), "n".to_owned())].into(),
            labels: [("station".to_owned(), "S1".to_owned())].into(),
            schedule: "every 15m in season; daily 00:00".to_owned(),
            ..row()
        };
        let (spec, detail) = line_row(row).expect("a sound row");
        assert_eq!(line_row(spec_message(&spec, Some(&detail))), Ok((spec, detail)));
    }

    #[test]
    fn a_line_says_who_owns_it_where_it_goes_and_why() {
        let state = testing::cluster_of_three();
        let shown = |name: &str| line(&state, state.registry.line_named(name).expect("it was imported"));
        let held = shown("l1");
        assert_eq!((held.phase(), held.node, held.to, held.epoch), (api::line::Phase::Held, 1, 0, 1));
        assert_eq!((held.why.as_str(), held.meters), ("least loaded", 2));
        let moving = shown("l2");
        assert_eq!((moving.phase(), moving.node, moving.to), (api::line::Phase::Revoking, 2, 3));
        let orphan = shown("l3");
        assert_eq!((orphan.phase(), orphan.node), (api::line::Phase::Orphan, 0));
        assert_eq!(orphan.why, "new line: no node carries the label site=nowhere");
    }
}
