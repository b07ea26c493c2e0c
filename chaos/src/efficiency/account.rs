//! What a line's time went to, from its ledger.
//!
//! ```text
//!   request ..... turnaround answer | gap | request .. (nobody answers: the standard's answer time) | gap | ..
//!   |<---------- physics ---------->|     |<------------------- physics ------------------------->|
//!   |<------------------------------------- passed ------------------------------------------------- ... -->|
//! ```
//!
//! An answer of a simulated meter takes a little longer than physics says, because a machine's timers are coarse: that lag is
//! no doing of the product, and is told apart.
//!
//! Promises: a pure function; a request's own bytes and the pause before an answer count as the speed of the line says.
//! Refuses: counting a wait for a silent meter as anything but what the standard makes a master wait.

use std::collections::HashMap;
use std::time::Duration;

use protocol::meter::Dialect;
use serde::Serialize;

use crate::field::pace::Pace;
use crate::ledger::{Answer, AnswerKind, Event, Request};

/// The time of one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Account {
    /// Questions heard.
    pub requests: u32,
    /// Readings answered.
    pub readings: u32,
    /// What the bytes and the standards' pauses take, s.
    pub physics_s: f64,
    /// From the first byte to the last, s.
    pub passed_s: f64,
    /// What the simulated meters took beyond physics, s.
    pub lag_s: f64,
}

impl Account {
    /// The account of `line`, on which everything went at `pace`.
    pub fn of(events: &[Event], line: &str, pace: Pace) -> Self {
        let answers = answers(events, line);
        let (mut account, mut physics, mut lag, mut span) = (Self::default(), Duration::ZERO, Duration::ZERO, None);
        for request in requests(events, line) {
            let answer = answers.get(&request.id);
            let ended = answer.map_or(request.at, |answer| answer.at).mono;
            let (first, last) = span.unwrap_or((request.first.mono, ended));
            span = Some((first, ended.max(last)));
            account.requests += 1;
            account.readings += u32::from(answer.is_some_and(|answer| answer.kind == AnswerKind::Reading));
            let ideal = took(request, answer.copied(), pace);
            physics += ideal;
            lag += duration(ended - request.first.mono).saturating_sub(ideal);
        }
        account.physics_s = physics.as_secs_f64();
        account.passed_s = span.map_or(Duration::ZERO, |(first, last)| duration(last - first)).as_secs_f64();
        account.lag_s = lag.as_secs_f64();
        account
    }

    /// Time by physics as a share of the time that passed, without the meters' lag.
    pub fn efficiency(&self) -> f64 {
        let passed = self.passed_s - self.lag_s;
        if passed > 0.0 { self.physics_s / passed } else { 0.0 }
    }
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn requests<'a>(events: &'a [Event], line: &'a str) -> impl Iterator<Item = &'a Request> {
    events.iter().filter_map(move |event| match event {
        Event::Request(request) if request.line == line => Some(request),
        _ => None,
    })
}

fn answers<'a>(events: &'a [Event], line: &str) -> HashMap<u64, &'a Answer> {
    let answers = events.iter().filter_map(|event| match event {
        Event::Answer(answer) if answer.line == line => Some((answer.request, &**answer)),
        _ => None,
    });
    answers.collect()
}

fn took(request: &Request, answer: Option<&Answer>, pace: Pace) -> Duration {
    let asking = pace.characters(request.hex.len() / 2);
    match answer {
        Some(answer) => asking + pace.turnaround() + pace.characters(answer.hex.len() / 2),
        None => asking + pace.answer_time(if is_cjt188(&request.hex) { Dialect::Cjt188 } else { Dialect::Mbus }),
    }
}

/// A request of CJ/T 188 begins with its preamble.
fn is_cjt188(hex: &str) -> bool {
    hex.get(..2).is_some_and(|first| first.eq_ignore_ascii_case("fe"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;
    use crate::ledger::Speaker;

    fn request(id: u64, first: i64, hex: &str) -> Event {
        let at = |mono| Stamp { mono, wall: mono };
        let speaker = Speaker::Pty { holders: Vec::new() };
        let (line, kind, meter) = ("a".to_owned(), "read".to_owned(), None);
        Event::Request(Request { at: at(first), first: at(first), id, line, speaker, hex: hex.to_owned(), kind, meter })
    }

    fn answer(request: u64, at: i64, hex: &str) -> Event {
        Event::Answer(Box::new(Answer {
            at: Stamp { mono: at, wall: at },
            id: request + 100,
            request,
            line: "a".to_owned(),
            meter: "m".to_owned(),
            kind: AnswerKind::Reading,
            hex: hex.to_owned(),
            values: None,
            repeat: false,
            late: false,
            damaged: false,
            undelivered: false,
            disturbed: false,
            fault: None,
            meter_time: None,
        }))
    }

    fn pace() -> Pace {
        // One bit is 1 ms, one character 11 ms, the turnaround 33 ms.
        Pace::new(1000, Duration::ZERO)
    }

    #[test]
    fn a_line_that_never_rests_is_used_whole() {
        // 5 characters, turnaround, 10 characters: 198 ms, twice.
        let events = [
            request(1, 0, "107b017c16"),
            answer(1, 198_000, &"00".repeat(10)),
            request(2, 198_000, "107b017c16"),
            answer(2, 396_000, &"00".repeat(10)),
        ];
        let account = Account::of(&events, "a", pace());
        assert_eq!((account.requests, account.readings), (2, 2));
        assert!((account.efficiency() - 1.0).abs() < 1e-9, "{account:?}");
    }

    #[test]
    fn a_gap_between_two_exchanges_is_lost_time() {
        let events = [
            request(1, 0, "107b017c16"),
            answer(1, 198_000, &"00".repeat(10)),
            request(2, 396_000, "107b017c16"),
            answer(2, 594_000, &"00".repeat(10)),
        ];
        assert!((Account::of(&events, "a", pace()).efficiency() - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_meter_that_lags_behind_physics_is_not_the_masters_loss() {
        let events = [request(1, 0, "107b017c16"), answer(1, 200_000, &"00".repeat(10))];
        let account = Account::of(&events, "a", pace());
        assert!((account.lag_s - 0.002).abs() < 1e-9 && (account.efficiency() - 1.0).abs() < 1e-9, "{account:?}");
    }

    #[test]
    fn a_silent_meter_costs_the_answer_time_of_its_standard_and_other_lines_cost_nothing() {
        // 5 characters, then 330 bit times and 50 ms.
        let events = [request(1, 0, "107b017c16")];
        let account = Account::of(&events, "a", pace());
        assert!((account.physics_s - 0.435).abs() < 1e-9, "{account:?}");
        // 18 characters, then 500 ms and 30 characters.
        let events = [request(1, 0, "FEFE68207856341200111101031F90017216")];
        assert!((Account::of(&events, "a", pace()).physics_s - 1.028).abs() < 1e-9);
        assert_eq!(Account::of(&events, "b", pace()), Account::default());
    }
}
