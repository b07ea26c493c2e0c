//! One meter's plan: the slot it is in or waits for, what was tried, and how silent it has become.
//!
//! ```text
//!   slot begins        due        retries ..                 slot ends: the next begins, or nothing is open
//!   |--- spread -------|----------|------|--------------------|
//!                                                             `- closed: read, or missed with a reason
//! ```
//!
//! Promises: a slot ends once; an ended slot never opens again, wherever the wall clock is set; what freezes is not
//! passed over by the back-off of silent meters. Refuses: choosing between meters.

use std::cmp::Reverse;
use std::sync::Arc;

use protocol::meter::MeterId;
use raft_store::state::UnixMillis;
use raft_store::state::plant::schedule::Priority;

use super::slots::Slots;
use super::spread::Spread;
use super::{Due, Miss, PASSED_OVER, Rules, Thrift, Verdict};
use crate::polling::orders::Charge;
use crate::timetable::{Slot, Timetable};

/// A meter's place in time. All times are Unix ms.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    table: Arc<Timetable>,
    /// The slot it is in, or waits for; `None`: none comes.
    slot: Option<Slot>,
    /// What began before is over, or was never this plan's.
    opens_from: u64,
    done: bool,
    attempts: u32,
    /// Tries that ended without the meter's doing: the line failed under them.
    setbacks: u32,
    not_before: u64,
    fault: Option<(&'static str, String)>,
    answered: bool,
    lost: bool,
    /// Whether it ever answered.
    known: bool,
    /// Slots in a row that were tried and not answered.
    unanswered: u32,
    /// Slots still to be passed over before the next probe.
    skip: u32,
    /// Slots from probe to probe.
    period: u32,
    /// Counts slots, each meter from another number on: which are read while the spool fills up.
    turn: u64,
}

/// The reason of a slot that ended before its turn on the line, or before its dialogue.
const NO_TIME: &str = "no-time";
const CUT_SHORT: &str = "the slot ended between two questions";

/// Which of those that are due goes first: class, setbacks, priority, attempts, end of its time, beginning.
pub(super) type Rank = (u8, u32, Reverse<Priority>, u32, u64, u64);

impl Plan {
    pub(super) fn new(charge: &Charge, now: u64, slots: &mut Slots) -> Self {
        Self::from(charge, charge.since.0, now, slots)
    }

    fn from(charge: &Charge, opens_from: u64, now: u64, slots: &mut Slots) -> Self {
        Self {
            table: Arc::clone(&charge.table),
            slot: slots.open(&charge.table, opens_from, now),
            opens_from,
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
            turn: charge.meter.id.0,
        }
    }

    /// The plan by another timetable. A slot that both know stays what it was.
    pub(super) fn replaced(&self, charge: &Charge, now: u64, slots: &mut Slots) -> Self {
        let opens_from = self.opens_from.max(charge.since.0);
        let mut next = Self::from(charge, opens_from, now, slots);
        next.done = self.done && next.begin() == self.begin();
        next.turn = self.turn;
        next
    }

    pub(super) fn follows(&self, charge: &Charge) -> bool {
        self.opens_from >= charge.since.0 && (Arc::ptr_eq(&self.table, &charge.table) || self.table == charge.table)
    }

    /// When its slot begins, or began.
    pub(super) fn begin(&self) -> u64 {
        self.slot.map_or(u64::MAX, |slot| slot.begin)
    }

    pub(super) fn end(&self) -> u64 {
        self.slot.map_or(u64::MAX, |slot| slot.end)
    }

    /// Whether its slot has begun and is not read.
    pub(super) fn is_open(&self, now: u64) -> bool {
        !self.done && (self.begin() <= now || self.attempts + self.setbacks > 0)
    }

    pub(super) fn to_poll(&self, meter: MeterId) -> Due {
        let (slot, until) = (UnixMillis(self.begin()), UnixMillis(self.end()));
        Due { meter, slot, until, attempt: self.attempts + 1 }
    }

    pub(super) const fn is_silent(&self, rules: &Rules) -> bool {
        self.unanswered >= rules.silent_after
    }

    /// Whether this slot is passed over because the meter is silent.
    fn backs_off(&self, rules: &Rules) -> bool {
        let freezes = self.slot.is_some_and(|slot| slot.freeze.is_some());
        self.is_silent(rules) && self.skip > 0 && !freezes
    }

    /// Whether this slot is passed over because the spool fills up; what freezes is, only where nothing has room.
    fn is_spared(&self, rules: &Rules) -> Option<Thrift> {
        let freezes = self.slot.is_some_and(|slot| slot.freeze.is_some());
        let spared = |thrift: &Thrift| match u64::from(thrift.every) {
            0 => true,
            every => !freezes && !self.turn.is_multiple_of(every),
        };
        rules.thrift.filter(spared)
    }

    /// When the meter is asked next in this slot; `None`: not again.
    pub(super) fn due(&self, meter: MeterId, spread: Spread, rules: &Rules) -> Option<u64> {
        let limit = if self.is_silent(rules) { 1 } else { rules.attempts_per_slot };
        let over = self.done || self.attempts >= limit || self.backs_off(rules) || self.is_spared(rules).is_some();
        let slot = self.slot.filter(|_| !over)?;
        let due = spread.moment(&slot, meter, rules).max(self.not_before);
        (due < slot.end).then_some(due)
    }

    /// Which meters go first: those that answered last, then unknown ones, then those that owe an answer, then silent
    /// ones. Of each: those under which the line did not fail, lest one keeps the others from being read; the higher
    /// priority; the untried; those that are late first.
    pub(super) fn rank(&self, rules: &Rules) -> Rank {
        let class = match self.unanswered {
            _ if self.is_silent(rules) => 3,
            0 => u8::from(!self.known),
            _ => 2,
        };
        let (priority, late_from) = self.slot.map_or_else(Default::default, |slot| (slot.priority, slot.on_time_until));
        (class, self.setbacks, Reverse(priority), self.attempts, late_from, self.begin())
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
            Verdict::TooLate { asked } => {
                self.not_before = self.end();
                if asked {
                    self.attempts += 1;
                    self.answered = true;
                    self.fault.get_or_insert_with(|| (NO_TIME, CUT_SHORT.to_owned()));
                }
            }
        }
    }

    fn tried(&mut self, fault: (&'static str, String), now: u64, rules: &Rules) {
        self.attempts += 1;
        self.fault = Some(fault);
        let on_time = self.slot.map_or(0, |slot| slot.on_time_until.saturating_sub(slot.begin));
        let pause = on_time / u64::from(rules.attempts_per_slot.max(1) * 2);
        // A line's disturbance is often over at once: the first repeat waits only for meters not tried yet.
        self.not_before = if self.attempts == 1 { now } else { now + pause.min(rules.retry_pause_max_ms) };
    }

    /// Ends the present slot and enters the next: what is said about it if it was not read.
    pub(super) fn close(
        &mut self,
        meter: MeterId,
        hindrance: Option<&(&'static str, String)>,
        rules: &Rules,
        slots: &mut Slots,
    ) -> Option<Miss> {
        let slot = self.slot?;
        let miss = (!self.done).then(|| self.miss(meter, hindrance, rules));
        self.account_silence(rules);
        self.slot = slots.after(&self.table, slot.begin);
        self.opens_from = slot.end;
        self.not_before = 0;
        self.turn = self.turn.wrapping_add(1);
        (self.attempts, self.setbacks) = (0, 0);
        self.fault = None;
        (self.done, self.answered, self.lost) = (false, false, false);
        miss
    }

    pub(super) fn miss(&self, meter: MeterId, hindrance: Option<&(&'static str, String)>, rules: &Rules) -> Miss {
        let spared = self.is_spared(rules);
        let (reason, detail) = match (&self.fault, spared, hindrance) {
            (Some(fault), ..) => fault.clone(),
            (None, Some(thrift), _) => (PASSED_OVER, thrift.to_string()),
            (None, None, _) if self.backs_off(rules) => self.backing_off(),
            (None, None, Some(hindrance)) => hindrance.clone(),
            (None, None, None) if self.is_silent(rules) => self.backing_off(),
            (None, None, None) => (NO_TIME, String::new()),
        };
        Miss { meter, slot: UnixMillis(self.begin()), reason, detail, attempts: self.attempts }
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
