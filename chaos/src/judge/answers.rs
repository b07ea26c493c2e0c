//! Which readings did the product accept?
//!
//! The rule in words. The product makes a reading durable before it speaks again on the line. So a reading is
//! *accepted* when the connection (on a terminal: every process that held it) that asked for it asked for anything else
//! on that line afterwards, or was still there when the field ended, at least [`SETTLED`] after the answer. Otherwise
//! the speaker went, or was cut off, with this answer the last thing it got: *in flight*, and both outcomes are fine.
//! A telegram sent again because the master asked for it again is the same reading; it is accepted if any of its
//! sendings was. A reading that came *late*, after the line's answer time, is nobody's debt. One whose every sending
//! was damaged (a wrong checksum, garbled, cut short, another meter's bytes in it) or disturbed (a heartbeat inside),
//! or reached nobody, is *spoiled*: a row that holds a damaged one is wrong, one that holds a disturbed one is not.
//! Telegrams that announce more are no readings: the last one carries the values of all.
//!
//! Promises: a pure function of the ledger. Refuses: looking at the tables.

use std::collections::HashMap;
use std::time::Duration;

use super::facts::Facts;
use crate::clock::{Stamp, micros};
use crate::ledger::{Answer, AnswerKind, Event, Request, Values};

/// A speaker that had an answer for so long when the field ended has accepted it.
pub const SETTLED: Duration = Duration::from_secs(2);

/// What became of a reading, as far as the line can tell. Ordered: the best sending counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Nobody got it soundly.
    Spoiled,
    /// It came after the answer time.
    Late,
    /// The last thing a speaker got.
    InFlight,
    /// The speaker went on.
    Accepted,
}

/// One reading a meter gave, however often it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The meter.
    pub meter: String,
    /// Its values.
    pub values: Values,
    /// When it was asked for, Unix ms, in order.
    pub asked_ms: Vec<i64>,
    /// When it was sent, Unix ms, in order.
    pub sent_ms: Vec<i64>,
    /// What became of it.
    pub fate: Fate,
    /// Whether some sending was sound: else a row cannot rightly hold it.
    pub sound: bool,
    /// The last request that asked for it.
    pub request: u64,
}

/// All readings of the ledger.
pub fn collect(events: &[Event], facts: &Facts) -> Vec<Given> {
    let talk = Talk::of(events);
    let mut all: Vec<Given> = Vec::new();
    let mut known: HashMap<(String, Values), usize> = HashMap::new();
    for answer in events.iter().filter_map(reading) {
        let Some(values) = answer.values.clone() else { continue };
        let (fate, asked) = (talk.fate(answer, facts), talk.asked_ms(answer));
        let place = *known.entry((answer.meter.clone(), values)).or_insert(all.len());
        match all.get_mut(place) {
            Some(given) => given.add(answer, asked, fate),
            None => all.push(Given::new(answer, asked, fate)),
        }
    }
    all
}

fn reading(event: &Event) -> Option<&Answer> {
    match event {
        Event::Answer(answer) if answer.kind == AnswerKind::Reading => Some(answer),
        _ => None,
    }
}

impl Given {
    fn new(answer: &Answer, asked: i64, fate: Fate) -> Self {
        Self {
            meter: answer.meter.clone(),
            values: answer.values.clone().unwrap_or_default(),
            asked_ms: vec![asked],
            sent_ms: vec![answer.at.wall / 1000],
            fate,
            sound: !answer.damaged,
            request: answer.request,
        }
    }

    fn add(&mut self, answer: &Answer, asked: i64, fate: Fate) {
        self.asked_ms.push(asked);
        self.sent_ms.push(answer.at.wall / 1000);
        self.fate = self.fate.max(fate);
        self.sound |= !answer.damaged;
        self.request = answer.request;
    }
}

/// Who asked when.
struct Talk<'a> {
    requests: HashMap<u64, &'a Request>,
    /// The last request through each connection.
    last: HashMap<u64, Stamp>,
}

impl<'a> Talk<'a> {
    fn of(events: &'a [Event]) -> Self {
        let mut talk = Self { requests: HashMap::new(), last: HashMap::new() };
        for event in events {
            if let Event::Request(request) = event {
                talk.requests.insert(request.id, request);
                for connection in request.speaker.connections() {
                    let last = talk.last.entry(connection).or_insert(request.first);
                    *last = (*last).max(request.first);
                }
            }
        }
        talk
    }

    /// When the question began, Unix ms; of an answer to nothing, when it was sent.
    fn asked_ms(&self, answer: &Answer) -> i64 {
        self.requests.get(&answer.request).map_or(answer.at.wall, |request| request.first.wall) / 1000
    }

    fn fate(&self, answer: &Answer, facts: &Facts) -> Fate {
        let connections = self.requests.get(&answer.request).map(|request| request.speaker.connections());
        let connections = connections.unwrap_or_default();
        let went_on = |connection: &u64| self.went_on(*connection, answer.at, facts);
        match () {
            () if answer.damaged || answer.disturbed || answer.undelivered => Fate::Spoiled,
            () if answer.late => Fate::Late,
            () if !connections.is_empty() && connections.iter().all(went_on) => Fate::Accepted,
            () => Fate::InFlight,
        }
    }

    fn went_on(&self, connection: u64, after: Stamp, facts: &Facts) -> bool {
        let spoke_again = self.last.get(&connection).is_some_and(|last| last.mono > after.mono);
        let stayed = !facts.closed.contains_key(&connection);
        spoke_again || stayed && facts.end.mono - after.mono >= micros(SETTLED)
    }
}
