//! When a meter is read: a union of rules, as people write it.
//!
//! ```text
//!   every 15m in season; daily 00:00; monthly 1 00:00 within 2h priority high
//!   `-- rule ---------'  `-- rule -'  `-- rule ---------------------------'
//!
//!   slot begins     on time until          slot ends: the next one begins, or the rule's length is over
//!   |---------------|----------------------|
//! ```
//!
//! Promises: a schedule that was read shows itself so that it is read back as the same; rules are in the order they were
//! written. Refuses: knowing any time zone or date: which moments a rule names is worked out by whoever has them.

mod cron;
mod words;

pub use cron::Cron;
pub use words::ScheduleError;

/// Rules of one schedule, at most.
pub const RULES: usize = 8;

/// Seconds of a day of 24 hours.
const DAY_S: u32 = 86_400;

/// Where a rule does not say: answered this long after its slot began is late.
const WITHIN_S: u32 = 3_600;

/// When a meter is read: at every moment that one of the rules names, once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schedule {
    rules: Vec<Rule>,
}

/// Moments of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The moments.
    pub times: Times,
    /// The part of the year in which they count.
    pub season: Season,
    /// Seconds after a slot's beginning until which its reading is on time; `None`: [`Rule::within_s`] decides.
    pub within_s: Option<u32>,
    /// Which slots go first where a line has not the time for all.
    pub priority: Priority,
}

/// Moments at which slots begin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Times {
    /// Every multiple of the interval since the Unix epoch, plus the offset.
    Every {
        /// Seconds from slot to slot, at least 1.
        interval_s: u32,
        /// Seconds after the multiple, less than the interval.
        offset_s: u32,
    },
    /// Once a day in the plant's zone: the freeze of a day.
    Daily {
        /// Minutes after midnight, less than 1440.
        minute: u16,
    },
    /// Once a month in the plant's zone: the freeze of a bill.
    Monthly {
        /// Day of the month, 1 to 28; `None`: its last.
        day: Option<u8>,
        /// Minutes after midnight, less than 1440.
        minute: u16,
    },
    /// As in a table of cron, in the plant's zone.
    Cron(Cron),
}

/// A part of the year, by the plant's heating season.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Season {
    /// All year.
    #[default]
    Always,
    /// While it is heated.
    Heating,
    /// While it is not.
    Idle,
}

/// Which slots go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// After all others.
    Low,
    /// In between.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// Which register values a slot is asked for, beside the moment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Freeze {
    /// Of a day.
    Day,
    /// Of a month: what bills are made from.
    Month,
}

impl Schedule {
    /// A schedule of `rules`; `None` where there is none of them, more than [`RULES`], or one that names no moment.
    pub fn new(rules: Vec<Rule>) -> Option<Self> {
        let possible = (1..=RULES).contains(&rules.len()) && rules.iter().all(Rule::is_possible);
        possible.then_some(Self { rules })
    }

    /// Every `interval_s` seconds, all year; `None` for an interval of 0 or an offset not less than it.
    pub fn every(interval_s: u32, offset_s: u32) -> Option<Self> {
        Self::new(vec![Rule::of(Times::Every { interval_s, offset_s })])
    }

    /// The rules, in the order they were written.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether the plant's zone or seasons decide about its moments.
    pub fn needs_calendar(&self) -> bool {
        let is_plain = |rule: &Rule| rule.season == Season::Always && matches!(rule.times, Times::Every { .. });
        !self.rules.iter().all(is_plain)
    }

    /// Interval and offset in seconds, of a schedule that is one interval all year and nothing else.
    pub fn interval(&self) -> Option<(u32, u32)> {
        match self.rules.as_slice() {
            [rule] if *rule == Rule::of(rule.times.clone()) => match rule.times {
                Times::Every { interval_s, offset_s } => Some((interval_s, offset_s)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Default for Schedule {
    /// Every 15 minutes.
    fn default() -> Self {
        Self { rules: vec![Rule::of(Times::Every { interval_s: 900, offset_s: 0 })] }
    }
}

impl Rule {
    /// These moments all year, with nothing else said.
    pub fn of(times: Times) -> Self {
        Self { times, season: Season::Always, within_s: None, priority: Priority::Normal }
    }

    fn is_possible(&self) -> bool {
        let times = match &self.times {
            Times::Every { interval_s, offset_s } => offset_s < interval_s,
            Times::Daily { minute } => *minute < 1_440,
            Times::Monthly { day, minute } => *minute < 1_440 && day.is_none_or(|day| (1..=28).contains(&day)),
            Times::Cron(cron) => cron.is_possible(),
        };
        times && self.within_s != Some(0)
    }

    /// Seconds after its beginning that a slot ends, unless the next one begins before.
    pub fn length_s(&self) -> u32 {
        match self.times {
            Times::Every { interval_s, .. } => interval_s,
            Times::Daily { .. } | Times::Monthly { .. } | Times::Cron(_) => DAY_S,
        }
    }

    /// Seconds after a slot's beginning until which its reading is on time: an hour at most, where nothing is said.
    pub fn within_s(&self) -> u32 {
        self.within_s.unwrap_or(WITHIN_S).min(self.length_s())
    }

    /// What the slots freeze.
    pub const fn freeze(&self) -> Option<Freeze> {
        match self.times {
            Times::Daily { .. } => Some(Freeze::Day),
            Times::Monthly { .. } => Some(Freeze::Month),
            Times::Every { .. } | Times::Cron(_) => None,
        }
    }
}
