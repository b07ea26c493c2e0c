//! The words of a demo script: one step a line.
//!
//! Promises: a script is understood as a whole before its first step; an error names the line, its text and what would
//! be understood. Refuses: carrying anything out.

use std::time::Duration;

use humantime_serde::re::humantime::parse_duration;
use protocol::meter::Action;

/// The script's words for `hearth demo --help`.
pub(super) const HELP: &str = "\
Script, one step a line; empty lines and lines with # are passed over:
  await nodes N voters            N living nodes vote
  await readings N                N more rows are stored than before this step
  await lines-on NODE at-least N  the node holds at least N lines
  await polling                   every line had a reading taken and stored after this step began
  await settled                   no line orphaned or moving, nothing old left in any spool
  add                             add a node
  kill follower | leader          kill -9 of such a node
  kill node N                     kill -9 of node-N
  restart all                     start every killed node again
  stop database, start database
  valve METER close | open        and wait until the meter itself has done it; METER may be `any`
  pause DURATION                  15s, 2m ..
Each await has a time limit; a step that fails ends the demo with exit code 1.

On a terminal, without --script and --exit-after, there is a live screen instead; its keys are shown there.
Exit code 0: everything is as promised. 1: it is not, or a step failed. The data is removed unless --keep is given.";

/// Stands for a meter that has a valve.
pub(super) const ANY: &str = "any";

/// Something to be done to the cluster, by a script or by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// One node more.
    Add,
    /// `kill -9` of a node that does not lead.
    KillFollower,
    /// `kill -9` of the node that leads.
    KillLeader,
    /// `kill -9` of a node by name.
    KillNode(String),
    /// Every node that does not run is started again.
    RestartAll,
    /// The database goes away.
    StopDatabase,
    /// The database comes back.
    StartDatabase,
    /// A valve is moved.
    Valve {
        /// Of this meter, or of [`ANY`].
        meter: String,
        /// Where to.
        action: Action,
    },
}

/// Something to be waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait {
    /// So many more rows are stored.
    Readings(u64),
    /// So many living nodes vote.
    Voters(usize),
    /// A node holds so many lines.
    LinesOn(String, u32),
    /// Every line was polled.
    Polling,
    /// Nothing moves and nothing waits.
    Settled,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Do it.
    Act(Act),
    /// Wait for it.
    Await(Wait),
    /// Wait for nothing in particular.
    Pause(Duration),
}

/// A step with the words it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// Where; 1 is the first line.
    pub(super) line: usize,
    /// As written.
    pub(super) text: String,
    /// As understood.
    pub(super) step: Step,
}

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("script line {line}: \"{text}\" is no step: see `hearth demo --help`")]
pub(super) struct ScriptError {
    line: usize,
    text: String,
}

/// Understands a whole script.
pub(super) fn parse(script: &str) -> Result<Vec<Written>, ScriptError> {
    let lines = script.lines().map(str::trim).enumerate().map(|(index, text)| (index + 1, text));
    let lines = lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
    lines
        .map(|(line, text)| {
            let text = text.to_owned();
            match step(&text) {
                Some(step) => Ok(Written { line, text, step }),
                None => Err(ScriptError { line, text }),
            }
        })
        .collect()
}

fn step(text: &str) -> Option<Step> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["pause", span] => parse_duration(span).ok().map(Step::Pause),
        ["await", rest @ ..] => wait(rest).map(Step::Await),
        _ => act(&words).map(Step::Act),
    }
}

fn wait(words: &[&str]) -> Option<Wait> {
    match words {
        ["readings", count] => count.parse().ok().map(Wait::Readings),
        ["nodes", count, "voters"] => count.parse().ok().map(Wait::Voters),
        ["lines-on", node, "at-least", count] => Some(Wait::LinesOn(node_name(node)?, count.parse().ok()?)),
        ["polling"] => Some(Wait::Polling),
        ["settled"] => Some(Wait::Settled),
        _ => None,
    }
}

fn act(words: &[&str]) -> Option<Act> {
    match words {
        ["add"] => Some(Act::Add),
        ["kill", "follower"] => Some(Act::KillFollower),
        ["kill", "leader"] => Some(Act::KillLeader),
        ["kill", "node", node] => node_name(node).map(Act::KillNode),
        ["restart", "all"] => Some(Act::RestartAll),
        ["stop", "database"] => Some(Act::StopDatabase),
        ["start", "database"] => Some(Act::StartDatabase),
        ["valve", meter, "close"] => Some(Act::Valve { meter: (*meter).to_owned(), action: Action::ValveClose }),
        ["valve", meter, "open"] => Some(Act::Valve { meter: (*meter).to_owned(), action: Action::ValveOpen }),
        _ => None,
    }
}

/// `4` and `node-4` are the same node.
fn node_name(word: &str) -> Option<String> {
    let number = word.strip_prefix("node-").unwrap_or(word);
    number.parse::<u32>().ok().map(|number| format!("node-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Option<Step> {
        parse(text).ok()?.pop().map(|written| written.step)
    }

    #[test]
    fn every_step_of_the_help_is_understood() {
        let steps = [
            ("await nodes 3 voters", Step::Await(Wait::Voters(3))),
            ("await readings 100", Step::Await(Wait::Readings(100))),
            ("await lines-on node-4 at-least 5", Step::Await(Wait::LinesOn("node-4".to_owned(), 5))),
            ("await lines-on 4 at-least 5", Step::Await(Wait::LinesOn("node-4".to_owned(), 5))),
            ("await polling", Step::Await(Wait::Polling)),
            ("await settled", Step::Await(Wait::Settled)),
            ("add", Step::Act(Act::Add)),
            ("kill follower", Step::Act(Act::KillFollower)),
            ("kill leader", Step::Act(Act::KillLeader)),
            ("kill node 2", Step::Act(Act::KillNode("node-2".to_owned()))),
            ("restart all", Step::Act(Act::RestartAll)),
            ("stop database", Step::Act(Act::StopDatabase)),
            ("start database", Step::Act(Act::StartDatabase)),
            ("valve M1 close", Step::Act(Act::Valve { meter: "M1".to_owned(), action: Action::ValveClose })),
            ("valve M1 open", Step::Act(Act::Valve { meter: "M1".to_owned(), action: Action::ValveOpen })),
            ("pause 15s", Step::Pause(Duration::from_secs(15))),
        ];
        for (text, step) in steps {
            assert_eq!(only(text), Some(step), "{text}");
        }
    }

    #[test]
    fn comments_and_empty_lines_are_passed_over_and_lines_keep_their_numbers() {
        let script = parse("# a comment\n\n  add\nkill   leader\n").expect("a script");
        assert_eq!(script.iter().map(|written| written.line).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named_with_its_number() {
        for text in ["kill", "await readings many", "pause 15", "valve M1 shut", "add node"] {
            let error = parse(&format!("add\n{text}\n")).expect_err(text);
            assert_eq!(error, ScriptError { line: 2, text: text.to_owned() });
        }
    }
}
