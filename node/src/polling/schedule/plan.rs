//! One meter's plan: the slot it is in, what was tried, and how silent it has become.
//!
//! ```text
//!   slot begins        due        retries ..                 slot ends = the next begins
//!   |--- spread -------|----------|------|--------------------|
//!                                                             `- closed: read, or missed with a reason
//! ```
//!
//! Promises: a slot ends once; an ended slot never opens again, wherever the wall clock is set. Refuses: choosing
//! between meters.

use protocol::meter::MeterId;
use raft_store::state::registry::Schedule;

use super::{Miss, Rules, Verdict};
use raft_store::state::UnixMillis;

/// A meter's place in time. All times are Unix ms.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) schedule: Schedule,
    /// When the present slot began.
    pub(super) slot: u64,
    pub(super) done: bool,
    pub(super) attempts: u32,
    /// Tries that ended without the meter's doing: the line failed under them.
    pub(super) setbacks: u32,
    not_before: u64,
    fault: Option<(&'static str, String)>,
    answered: bool,
    lost: bool,
    /// Whether it ever answered.
    known: bool,
    /// Slots in a row that were tried and not answered.
    pub(super) unanswered: u32,
    /// Slots still to be passed over before the next probe.
    skip: u32,
    /// Slots from probe to probe.
    period: u32,
}

/// Milliseconds from slot to slot.
pub(super) fn interval_ms(schedule: &Schedule) -> u64 {
    u64::from(schedule.interval_s.max(1)) * 1_000
}

/// The slot that `now` lies in; the first one if `now` lies before it.
pub(super) fn slot_at(schedule: &Schedule, now: u64) -> u64 {
    let offset = u64::from(schedule.offset_s) * 1_000;
    let interval = interval_ms(schedule);
    now.saturating_sub(offset) / interval * interval + offset
}

/// A number that looks random and is the same on every node.
fn scatter(meter: MeterId) -> u64 {
    let mixed = meter.0.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 31)
}

impl Plan {
    pub(super) fn new(schedule: Schedule, now: u64) -> Self {
        Self {
            schedule,
            slot: slot_at(&schedule, now),
            done: false,
            attempts: 0,
            setbacks: 0,
            not_before: 0,
            fault: None,
            answered: false,
            lost: false,
            known: false,
            unanswered: 0,
            skip: 0,
            period: 1,
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.slot + interval_ms(&self.schedule)
    }

    pub(super) const fn is_silent(&self, rules: &Rules) -> bool {
        self.unanswered >= rules.silent_after
    }

    /// When the meter is asked next in this slot; `None`: not again.
    pub(super) fn due(&self, meter: MeterId, rules: &Rules) -> Option<u64> {
        let limit = if self.is_silent(rules) { 1 } else { rules.attempts_per_slot };
        let over = self.done || self.attempts >= limit || (self.is_silent(rules) && self.skip > 0);
        let spread = (interval_ms(&self.schedule) * u64::from(rules.spread_percent) / 100).min(rules.spread_max_ms);
        let begin = self.slot + scatter(meter) % (spread + 1);
        (!over).then(|| begin.max(self.not_before)).filter(|due| *due < self.end())
    }

    /// Which meters go first: those that answered last, then unknown ones, then those that owe an answer, then silent
    /// ones; of each the untried ones first, then those whose slot ends first.
    pub(super) fn rank(&self, rules: &Rules) -> (u8, u32, u64, u64) {
        let class = match self.unanswered {
            _ if self.is_silent(rules) => 3,
            0 => u8::from(!self.known),
            _ => 2,
        };
        (class, self.attempts + self.setbacks, self.end(), self.slot)
    }

    pub(super) fn record(&mut self, verdict: Verdict, now: u64, rules: &Rules) {
        match verdict {
            Verdict::Read => {
                self.attempts += 1;
                (self.done, self.answered) = (true, true);
            }
            Verdict::Refused(detail) => {
                self.tried(("refused", detail), now, rules);
                self.answered = true;
            }
            Verdict::Lost(fault) => {
                self.tried((fault.name(), String::new()), now, rules);
                self.lost = true;
            }
            Verdict::Setback(detail) => {
                self.setbacks += 1;
                self.fault = Some((protocol::exchange::LineFault::LineDown.name(), detail));
            }
        }
    }

    fn tried(&mut self, fault: (&'static str, String), now: u64, rules: &Rules) {
        self.attempts += 1;
        self.fault = Some(fault);
        let pause = interval_ms(&self.schedule) / u64::from(rules.attempts_per_slot.max(1) * 2);
        // A line's disturbance is often over at once: the first repeat waits only for meters not tried yet.
        self.not_before = if self.attempts == 1 { now } else { now + pause.min(rules.retry_pause_max_ms) };
    }

    /// Ends the present slot and enters the next: what is said about it if it was not read.
    pub(super) fn close(
        &mut self,
        meter: MeterId,
        hindrance: Option<&(&'static str, String)>,
        rules: &Rules,
    ) -> Option<Miss> {
        let miss = (!self.done).then(|| self.miss(meter, hindrance, rules));
        self.account_silence(rules);
        self.slot = self.end();
        self.not_before = 0;
        (self.attempts, self.setbacks) = (0, 0);
        self.fault = None;
        (self.done, self.answered, self.lost) = (false, false, false);
        miss
    }

    pub(super) fn miss(&self, meter: MeterId, hindrance: Option<&(&'static str, String)>, rules: &Rules) -> Miss {
        let (reason, detail) = match (&self.fault, hindrance) {
            (Some(fault), _) => fault.clone(),
            (None, _) if self.is_silent(rules) && self.skip > 0 => self.backing_off(),
            (None, Some(hindrance)) => hindrance.clone(),
            (None, None) if self.is_silent(rules) => self.backing_off(),
            (None, None) => ("no-time", String::new()),
        };
        Miss { meter, slot: UnixMillis(self.slot), reason, detail, attempts: self.attempts }
    }

    fn backing_off(&self) -> (&'static str, String) {
        ("silent-backoff", format!("{} slots without an answer", self.unanswered))
    }

    fn account_silence(&mut self, rules: &Rules) {
        if self.answered {
            (self.known, self.unanswered, self.skip, self.period) = (true, 0, 0, 1);
        } else if self.lost {
            self.unanswered = self.unanswered.saturating_add(1);
            if self.is_silent(rules) {
                self.period = self.period.saturating_mul(2).clamp(1, rules.silent_probe_slots.max(1));
                self.skip = self.period - 1;
            }
        } else {
            self.skip = self.skip.saturating_sub(1);
        }
    }
}
