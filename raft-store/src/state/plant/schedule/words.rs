//! Schedules in words.
//!
//! ```text
//!   schedule   rule ; rule ..
//!   rule       every SPAN [offset SPAN] | daily HH:MM | monthly DAY|last HH:MM | cron M H D M W
//!              then, in any order: [in season | off season] [within SPAN] [priority low|high]
//!   SPAN       90s  15m  1h  1h30m  1d
//! ```
//!
//! Promises: every word that is not understood is named, with what would be. Refuses: guessing.

use std::fmt;
use std::str::{FromStr, SplitWhitespace};

use super::{Cron, Priority, RULES, Rule, Schedule, Season, Times};

const FORM: &str = "every 15m, daily 00:00, monthly 1 00:00 or cron 0 6 * * 1-5, several joined by ;";
const SPANS: [(char, u32); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Words that are no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule \"{value}\" is not understood: expected {remedy}")]
pub struct ScheduleError {
    /// The words at fault.
    pub value: String,
    /// What may stand there.
    pub remedy: String,
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let rules = text.split(';').map(rule).collect::<Result<Vec<_>, _>>()?;
        let count = rules.len();
        Self::new(rules)
            .ok_or_else(|| wrong(text, format!("at most {RULES} rules, not {count}, each of moments there are")))
    }
}

fn wrong(value: &str, remedy: impl Into<String>) -> ScheduleError {
    ScheduleError { value: value.to_owned(), remedy: remedy.into() }
}

fn rule(text: &str) -> Result<Rule, ScheduleError> {
    let mut words = text.split_whitespace();
    let mut rule = Rule::of(times(text.trim(), &mut words)?);
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("offset", Some(span)) => rule.times = shifted(&rule.times, span)?,
            ("in", Some("season")) => rule.season = Season::Heating,
            ("off", Some("season")) => rule.season = Season::Idle,
            ("within", Some(text)) => rule.within_s = Some(span(text).filter(|s| *s > 0).ok_or_else(|| no_span(text))?),
            ("priority", Some("low")) => rule.priority = Priority::Low,
            ("priority", Some("normal")) => rule.priority = Priority::Normal,
            ("priority", Some("high")) => rule.priority = Priority::High,
            _ => {
                let remedy = "in season, off season, within 2h, offset 5m (of every), priority low or priority high";
                return Err(wrong(text.trim(), format!("after the times only {remedy}, not {word}")));
            }
        }
    }
    Ok(rule)
}

fn times(rule: &str, words: &mut SplitWhitespace<'_>) -> Result<Times, ScheduleError> {
    let mut next = || words.next().unwrap_or_default();
    match next() {
        "every" => {
            let text = next();
            let interval_s = span(text).filter(|span| *span > 0).ok_or_else(|| no_span(text))?;
            Ok(Times::Every { interval_s, offset_s: 0 })
        }
        "daily" => Ok(Times::Daily { minute: minute(next())? }),
        "monthly" => {
            let day = match next() {
                "last" => None,
                text => match text.parse() {
                    Ok(day @ 1..=28) => Some(day),
                    _ => return Err(wrong(text, "a day from 1 to 28, which every month has, or last")),
                },
            };
            Ok(Times::Monthly { day, minute: minute(next())? })
        }
        "cron" => {
            let cron = Cron::parse([next(), next(), next(), next(), next()]);
            cron.map(Times::Cron).map_err(|text| wrong(rule, text))
        }
        _ => Err(wrong(rule, FORM)),
    }
}

fn shifted(times: &Times, text: &str) -> Result<Times, ScheduleError> {
    match (times, span(text)) {
        (Times::Every { interval_s, .. }, Some(offset_s)) if offset_s < *interval_s => {
            Ok(Times::Every { interval_s: *interval_s, offset_s })
        }
        (Times::Every { interval_s, .. }, _) => Err(wrong(
            &format!("offset {text}"),
            format!("a span less than the interval of {interval_s} s, such as 5m"),
        )),
        _ => Err(wrong(&format!("offset {text}"), "only every has an offset")),
    }
}

fn no_span(text: &str) -> ScheduleError {
    wrong(text, "a span such as 90s, 15m, 1h30m or 1d")
}

/// Seconds.
fn span(text: &str) -> Option<u32> {
    let mut left = text;
    let mut seconds = 0_u32;
    for (unit, length) in SPANS {
        let Some((number, rest)) = left.split_once(unit) else { continue };
        let number: u32 = number.bytes().all(|c| c.is_ascii_digit()).then(|| number.parse().ok())??;
        seconds = seconds.checked_add(number.checked_mul(length)?)?;
        left = rest;
    }
    (left.is_empty() && !text.is_empty()).then_some(seconds)
}

/// Minutes after midnight.
fn minute(text: &str) -> Result<u16, ScheduleError> {
    let part = |text: &str, limit: u16| {
        let digits = text.len() == 2 && text.bytes().all(|c| c.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|value: &u16| *value < limit)
    };
    let parsed = text.split_once(':').and_then(|(hour, minute)| Some(part(hour, 24)? * 60 + part(minute, 60)?));
    parsed.ok_or_else(|| wrong(text, "a time of the day from 00:00 to 23:59"))
}

struct Span(u32);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (unit, length) in SPANS {
            if left >= length {
                write!(f, "{}{unit}", left / length)?;
                left %= length;
            }
        }
        Ok(())
    }
}

struct Minute(u16);

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { interval_s, offset_s: 0 } => write!(f, "every {}", Span(*interval_s)),
            Self::Every { interval_s, offset_s } => write!(f, "every {} offset {}", Span(*interval_s), Span(*offset_s)),
            Self::Daily { minute } => write!(f, "daily {}", Minute(*minute)),
            Self::Monthly { day: Some(day), minute } => write!(f, "monthly {day} {}", Minute(*minute)),
            Self::Monthly { day: None, minute } => write!(f, "monthly last {}", Minute(*minute)),
            Self::Cron(cron) => write!(f, "cron {cron}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.times.fmt(f)?;
        f.write_str(match self.season {
            Season::Always => "",
            Season::Heating => " in season",
            Season::Idle => " off season",
        })?;
        if let Some(within_s) = self.within_s {
            write!(f, " within {}", Span(within_s))?;
        }
        f.write_str(match self.priority {
            Priority::Normal => "",
            Priority::Low => " priority low",
            Priority::High => " priority high",
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, rule) in self.rules().iter().enumerate() {
            write!(f, "{}{rule}", if place == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
