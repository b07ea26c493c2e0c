//! Commands as messages.

use protocol::api::admin as api;
use protocol::meter::{CommandId, MeterId};
use raft_store::state::State;
use raft_store::state::command::{Command, Phase, Request, Start};
use tonic::Status;

/// A command with all that happened to it.
pub fn command(state: &State, command: &Command) -> api::Command {
    let (name, detail) = standing(&command.phase);
    let request = &command.request;
    api::Command {
        id: command.id.0,
        meter: meter_name(state, request.meter),
        line_id: command.line.0,
        action: request.action.name().to_owned(),
        requested_at: command.requested_at.0,
        deadline: request.deadline.0,
        key: request.key.clone(),
        state: name.to_owned(),
        detail,
        history: history(command),
    }
}

/// A command that was just queued and cannot be looked up.
pub fn queued(id: CommandId, meter: &str, line_id: u64, requested_at: u64, request: &Request) -> api::Command {
    let word = standing(&Phase::Queued).0.to_owned();
    api::Command {
        id: id.0,
        meter: meter.to_owned(),
        line_id,
        action: request.action.name().to_owned(),
        requested_at,
        deadline: request.deadline.0,
        key: request.key.clone(),
        state: word.clone(),
        detail: String::new(),
        history: vec![api::Transition { at: requested_at, state: word, ..api::Transition::default() }],
    }
}

/// Why a command cannot be shown: it never was, or it is in the history by now.
pub fn gone(state: &State, id: u64) -> Status {
    if (1..=state.commands.next_command).contains(&id) {
        let text = format!("command {id} has ended and left the cluster's memory: see it in the table command");
        return Status::not_found(text);
    }
    super::missing("command", &id.to_string())
}

fn meter_name(state: &State, meter: MeterId) -> String {
    state.registry.meters.get(&meter).map_or_else(|| format!("#{meter}"), |meter| meter.name.clone())
}

fn standing(phase: &Phase) -> (&'static str, String) {
    match phase {
        Phase::Queued => ("queued", String::new()),
        Phase::Running => ("running", String::new()),
        Phase::Ended { outcome, .. } => (outcome.name(), outcome.detail()),
    }
}

fn history(command: &Command) -> Vec<api::Transition> {
    let asked = api::Transition { at: command.requested_at.0, state: "queued".to_owned(), ..Default::default() };
    let starts = command.starts.iter().map(started);
    let end = match &command.phase {
        Phase::Ended { at, outcome } => {
            let last = command.starts.last();
            Some(api::Transition {
                at: at.0,
                state: outcome.name().to_owned(),
                detail: outcome.detail(),
                node: last.map_or(0, |start| start.node.0),
                epoch: last.map_or(0, |start| start.epoch.0),
            })
        }
        Phase::Queued | Phase::Running => None,
    };
    std::iter::once(asked).chain(starts).chain(end).collect()
}

fn started(start: &Start) -> api::Transition {
    api::Transition {
        at: start.at.0,
        state: "running".to_owned(),
        detail: String::new(),
        node: start.node.0,
        epoch: start.epoch.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;

    #[test]
    fn a_command_tells_its_whole_story() {
        let state = testing::cluster_of_three();
        let ended = command(&state, state.commands.commands.get(&CommandId(1)).expect("it was submitted"));
        assert_eq!((ended.meter.as_str(), ended.state.as_str(), ended.detail.as_str()), ("m1", "verified", "closed"));
        let story: Vec<_> = ended.history.iter().map(|t| (t.at, t.state.as_str(), t.node, t.epoch)).collect();
        assert_eq!(story, [(2_000, "queued", 0, 0), (2_100, "running", 1, 1), (2_900, "verified", 1, 1)]);
    }

    #[test]
    fn a_command_that_left_is_told_from_one_that_never_was() {
        let state = testing::cluster_of_three();
        assert!(gone(&state, 1).message().contains("table command"));
        assert_eq!(gone(&state, 99).message(), "command 99 does not exist");
        assert_eq!(gone(&state, 0).message(), "command 0 does not exist");
    }

    #[test]
    fn a_command_of_a_removed_meter_is_shown_by_the_meters_id() {
        let mut state = testing::cluster_of_three();
        let ended = state.commands.commands.get(&CommandId(1)).expect("it was submitted").clone();
        state.registry.meters.remove(&ended.request.meter);
        assert_eq!(command(&state, &ended).meter, "#1");
    }
}
