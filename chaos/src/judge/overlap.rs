//! Did two ever speak on one line?
//!
//! ```text
//!   A  |request=====answer|
//!   B              |request=====answer|      overlap: B began before A's speech was over
//! ```
//!
//! The rule in words. A speech runs from the first byte of a request to the end of its answer, at most twice the line's
//! answer time; where no answer came, for twice the answer time or until the speaker closed the connection. Two
//! speeches of speakers that share no name overlap when they share a moment of the monotonic clock. On a terminal, a
//! request with more than one running holder is an overlap by itself. Bytes whose speaker was gone before it could be
//! seen accuse nobody.
//!
//! Promises: a pure function of the ledger; each pair is reported once. Refuses: the microseconds by which the stamps
//! of a request are later, and those of an answer earlier, than the truth.

use std::collections::{BTreeSet, HashMap};

use super::Finding;
use super::facts::Facts;
use crate::clock::{Stamp, micros};
use crate::ledger::{Event, Request};

/// Speech without an answer lasts this many answer times.
const ANSWER_TIMES: i64 = 2;
/// The answer time of a line the ledger does not describe, µs.
const DEFAULT_ANSWER_US: i64 = 1_000_000;

struct Speech<'a> {
    request: &'a Request,
    names: BTreeSet<String>,
    from: i64,
    to: i64,
}

/// All overlaps of the ledger.
pub fn check(events: &[Event], facts: &Facts) -> Vec<Finding> {
    let ends = answer_ends(events);
    let mut lines: HashMap<&str, Vec<Speech<'_>>> = HashMap::new();
    for event in events {
        if let Event::Request(request) = event {
            let speech = Speech::of(request, ends.get(&request.id).copied(), facts);
            lines.entry(&request.line).or_default().push(speech);
        }
    }
    let mut found: Vec<_> = lines.into_values().flat_map(check_line).collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, finding)| finding).collect()
}

fn answer_ends(events: &[Event]) -> HashMap<u64, Stamp> {
    let answers = events.iter().filter_map(|event| match event {
        Event::Answer(answer) => Some((answer.request, answer.at)),
        _ => None,
    });
    answers.collect()
}

fn check_line(mut speeches: Vec<Speech<'_>>) -> Vec<(i64, Finding)> {
    speeches.sort_by_key(|speech| speech.from);
    let mut found = Vec::new();
    let mut going: Vec<Speech<'_>> = Vec::new();
    for speech in speeches {
        going.retain(|other| other.to > speech.from);
        if speech.names.len() > 1 {
            found.push((speech.from, speech.accuse("several processes held the terminal")));
        }
        for other in going.iter().filter(|other| other.is_stranger_to(&speech)) {
            found.push((speech.from, speech.accuse(&format!("while {} spoke: {}", other.who(), other.when()))));
        }
        going.push(speech);
    }
    found
}

impl<'a> Speech<'a> {
    fn of(request: &'a Request, answered: Option<Stamp>, facts: &Facts) -> Self {
        let answer_time = facts.lines.get(&request.line).map_or(DEFAULT_ANSWER_US, |line| line.answer_timeout_us);
        let longest = request.first.mono + ANSWER_TIMES * answer_time.max(micros(std::time::Duration::from_millis(1)));
        let to = match answered {
            Some(end) => end.mono.min(longest),
            None => closed(request, facts).map_or(longest, |closed| closed.min(longest)),
        };
        Self { request, names: request.speaker.names(), from: request.first.mono, to: to.max(request.at.mono) }
    }

    fn is_stranger_to(&self, other: &Self) -> bool {
        !self.names.is_empty() && !other.names.is_empty() && self.names.is_disjoint(&other.names)
    }

    fn who(&self) -> String {
        self.names.iter().cloned().collect::<Vec<_>>().join(" and ")
    }

    fn when(&self) -> String {
        let Self { request, from, to, .. } = self;
        format!("request {} from {from} to {to} us (wall {} us)", request.id, request.first.wall)
    }

    fn accuse(&self, why: &str) -> Finding {
        let text = format!("{} spoke, {}, {why}", self.who(), self.when());
        Finding { kind: "overlap", subject: self.request.line.clone(), text }
    }
}

/// When the last of the speaker's connections was closed, if all were.
fn closed(request: &Request, facts: &Facts) -> Option<i64> {
    let connections = request.speaker.connections();
    let closes: Option<Vec<_>> = connections.iter().map(|number| Some(facts.closed.get(number)?.mono)).collect();
    closes?.into_iter().max()
}
