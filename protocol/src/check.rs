//! Golden telegrams replayed: whether a profile makes of them what it says.
//!
//! ```text
//!   Golden --> Exchange by the profile's name     the same requests, the same values, valve and clock
//!          --> Exchange without a name            recognised as this profile, where it says how
//! ```
//!
//! Promises: the same dialogue as on a line; every difference is told, with what was expected and what came. Refuses:
//! calling a profile sound that no telegram was ever held against, unless it is a generic one.

use std::fmt;
use std::time::Duration;

use crate::exchange::{Answer, Exchange, Step, Target, Timing};
use crate::golden::Golden;
use crate::meter::{Action, Address, Reading, ValveState};
use crate::profile::{Catalogue, Entry};

/// The most steps of one dialogue.
const MOST_STEPS: usize = 10_000;

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What: a quantity, `valve`, `meter_time`, `request 2`, `recognised as`, `answer`.
    pub what: String,
    /// What the profile says.
    pub expected: String,
    /// What came of the telegrams.
    pub got: String,
}

impl Difference {
    fn new(what: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into(), got: got.into() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.what, self.expected, self.got)
    }
}

/// What differs in each golden dialogue of `entry`, which stands in `catalogue`, in their order.
pub fn check(catalogue: &Catalogue, entry: &Entry) -> Vec<Vec<Difference>> {
    entry.about.golden.iter().map(|golden| differences(catalogue, entry, golden)).collect()
}

/// Whether `entry` has golden telegrams, or needs none.
pub fn is_covered(entry: &Entry) -> bool {
    entry.is_generic() || !entry.about.golden.is_empty()
}

fn differences(catalogue: &Catalogue, entry: &Entry, golden: &Golden) -> Vec<Difference> {
    let about = &entry.about;
    let address = match Address::parse(about.dialect, &golden.address) {
        Ok(address) => address,
        Err(error) => return vec![Difference::new("address", error.remedy, golden.address.as_str())],
    };
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };
    let target = Target { address, timing, profile: Some(about.name.clone()), catalogue: catalogue.clone() };
    let (answer, mut differences) = replay(&target, golden);
    differences.extend(judge(&answer, golden));
    if golden.action == Action::ReadNow && entry.recognised_by().is_some() {
        let (answer, _) = replay(&Target { profile: None, ..target }, golden);
        let known_as = match answer {
            Answer::Reading(reading) => reading.profile,
            other => words(&other),
        };
        differences.extend(differs("recognised as", &about.name, &known_as));
    }
    differences
}

/// Carries the dialogue through with the replies of the telegrams.
fn replay(target: &Target, golden: &Golden) -> (Answer, Vec<Difference>) {
    let mut exchange = Exchange::perform(target, golden.action);
    let (mut telegrams, mut differences, mut pending) = ((1..).zip(&golden.telegrams), Vec::new(), None);
    for _ in 0..MOST_STEPS {
        match exchange.poll() {
            Step::Send(request) => match telegrams.next() {
                Some((nth, [wanted, reply])) => {
                    differences.extend(differs(&format!("request {nth}"), &hex(&wanted.0), &hex(&request)));
                    pending = Some(reply);
                }
                None => differences.push(Difference::new("request", "no more", hex(&request))),
            },
            Step::Await(_) => match pending.take() {
                Some(reply) => exchange.handle_bytes(&reply.0),
                None => exchange.handle_timeout(),
            },
            Step::Done(answer) => {
                let unasked = telegrams.map(|(nth, [wanted, _])| {
                    Difference::new(format!("request {nth}"), hex(&wanted.0), "nothing more was asked")
                });
                differences.extend(unasked);
                return (answer, differences);
            }
        }
    }
    (Answer::Lost(crate::exchange::LineFault::Garbled), differences)
}

fn judge(answer: &Answer, golden: &Golden) -> Vec<Difference> {
    match (answer, golden.action) {
        (Answer::Reading(reading), Action::ReadNow) => judge_reading(reading, golden),
        (Answer::Accepted { valve }, Action::ValveOpen | Action::ValveClose) => judge_valve(*valve, golden),
        (other, Action::ReadNow) => vec![Difference::new("answer", "a reading", words(other))],
        (other, _) => vec![Difference::new("answer", "accepted", words(other))],
    }
}

fn judge_reading(reading: &Reading, golden: &Golden) -> Vec<Difference> {
    let number = |value: Option<i64>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    let mut differences = Vec::new();
    for quantity in crate::meter::Quantity::ALL {
        let expected = golden.values.get(&crate::golden::Column(quantity)).copied();
        differences.extend(differs(quantity.name(), &number(expected), &number(reading.value(quantity))));
    }
    differences.extend(judge_valve(reading.valve, golden));
    if let Some(expected) = &golden.meter_time {
        let got = reading.meter_time.map_or_else(|| "nothing".to_owned(), |time| time.to_string());
        differences.extend(differs("meter_time", expected, &got));
    }
    differences
}

fn judge_valve(got: Option<ValveState>, golden: &Golden) -> Vec<Difference> {
    let name = |valve: Option<ValveState>| valve.map_or("nothing", ValveState::name);
    differs("valve", name(golden.valve), name(got)).into_iter().collect()
}

fn differs(what: &str, expected: &str, got: &str) -> Option<Difference> {
    (expected != got).then(|| Difference::new(what, expected, got))
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Reading(_) => "a reading".to_owned(),
        Answer::Accepted { .. } => "accepted".to_owned(),
        Answer::Refused(refusal) => format!("refused: {}", refusal.text),
        Answer::Lost(fault) => format!("lost: {}", fault.name()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
