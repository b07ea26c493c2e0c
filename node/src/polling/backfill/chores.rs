//! Which freeze a line asks for next, and when again.
//!
//! ```text
//!   lacks:  month 11-01   month 10-01   day 11-20        asked, took 0.9 s  -->  rests 8.1 s   (a share of 10 %)
//!             '- stored: no more wanted
//!                nothing came: once more when the leader has said again what is lacked, backfill.attempts times
//! ```
//!
//! Promises: pure: moments are arguments; months before days, the newest first, each once for each word of the leader:
//! whatever keeps a meter from telling may be over by then; bounded by what is lacked. Refuses: knowing whether the line
//! has time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::meter::MeterId;
use tokio::time::Instant;

use super::wants::Lacks;
use crate::cluster::Missing;
use crate::config::Backfill;

/// What a dialogue about a freeze came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::polling) enum Came {
    /// To a value that is durable.
    Stored,
    /// To none that can be used, or to no end: a line that fails at every such question is not asked for ever, either.
    Nothing,
}

/// What a line asks for of the past.
#[derive(Debug)]
pub(in crate::polling) struct Chores {
    attempts: u32,
    share: u32,
    lacks: Lacks,
    /// How often what is lacked was asked for in vain.
    tried: BTreeMap<(MeterId, u64), u32>,
    /// What was asked for since it was last said what is lacked.
    asked: BTreeSet<(MeterId, u64)>,
    rests_until: Option<Instant>,
}

impl Chores {
    pub(in crate::polling) fn new(settings: &Backfill) -> Self {
        let share = settings.share_percent.clamp(1, 100);
        let attempts = settings.attempts;
        let (lacks, tried, asked) = (Lacks::default(), BTreeMap::new(), BTreeSet::new());
        Self { attempts, share, lacks, tried, asked, rests_until: None }
    }

    /// This is lacked from now on.
    pub(in crate::polling) fn set(&mut self, lacks: Lacks) {
        if std::sync::Arc::ptr_eq(&self.lacks, &lacks) {
            return;
        }
        let was = std::mem::take(&mut self.tried);
        let keys = lacks.iter().map(key);
        self.tried = keys.filter_map(|key| was.get(&key).map(|tries| (key, *tries))).collect();
        self.lacks = lacks;
        self.asked.clear();
    }

    /// Whether nothing is lacked.
    pub(in crate::polling) fn is_done(&self) -> bool {
        self.lacks.is_empty()
    }

    /// What is asked for next of what `may_be`; nothing while the line rests from the last time.
    pub(in crate::polling) fn next(&self, now: Instant, may_be: impl Fn(&Missing) -> bool) -> Option<Missing> {
        if self.rests_until.is_some_and(|until| now < until) {
            return None;
        }
        let is_open = |missing: &&Missing| {
            let is_over = self.asked.contains(&key(missing)) || self.tries(missing) >= self.attempts;
            !is_over && may_be(missing)
        };
        let rank = |missing: &&Missing| (Reverse(missing.freeze), Reverse(missing.slot), missing.meter);
        self.lacks.iter().filter(is_open).min_by_key(rank).copied()
    }

    /// It was asked for, which took `spent` of the line up to `now`.
    pub(in crate::polling) fn ended(&mut self, missing: &Missing, came: Came, spent: Duration, now: Instant) {
        let pause = spent * (100 - self.share) / self.share;
        self.rests_until = now.checked_add(pause);
        let tries = self.tried.entry(key(missing)).or_default();
        match came {
            Came::Stored => *tries = u32::MAX,
            Came::Nothing => *tries = tries.saturating_add(1),
        }
        self.asked.insert(key(missing));
    }

    fn tries(&self, missing: &Missing) -> u32 {
        self.tried.get(&key(missing)).copied().unwrap_or_default()
    }
}

const fn key(missing: &Missing) -> (MeterId, u64) {
    (missing.meter, missing.slot.0)
}

#[cfg(test)]
mod tests {
    use raft_store::state::UnixMillis;
    use raft_store::state::plant::schedule::Freeze;

    use super::*;

    const fn missing(meter: u64, slot: u64, freeze: Freeze) -> Missing {
        Missing { meter: MeterId(meter), slot: UnixMillis(slot), freeze }
    }

    const OLD: Missing = missing(1, 10, Freeze::Month);
    const NEW: Missing = missing(1, 20, Freeze::Month);
    const DAY: Missing = missing(1, 30, Freeze::Day);

    fn chores(lacks: &[Missing]) -> Chores {
        let mut chores = Chores::new(&Backfill { attempts: 2, share_percent: 25, ..Backfill::default() });
        chores.set(lacks.into());
        chores
    }

    /// The order in which things are asked for that all come to this.
    fn order(chores: &mut Chores, came: Came) -> Vec<Missing> {
        let now = Instant::now();
        let mut asked = Vec::new();
        while let Some(next) = chores.next(now, |_| true) {
            chores.ended(&next, came, Duration::ZERO, now);
            asked.push(next);
            assert!(asked.len() < 100, "it ends");
        }
        asked
    }

    #[test]
    fn months_go_before_days_the_newest_first_each_once_for_each_word_until_it_is_given_up() {
        let mut chores = chores(&[DAY, OLD, NEW]);
        for _ in 0..2 {
            assert_eq!(order(&mut chores, Came::Nothing), [NEW, OLD, DAY]);
            chores.set([DAY, OLD, NEW].as_slice().into());
        }
        assert_eq!(order(&mut chores, Came::Nothing), []);
    }

    #[test]
    fn what_is_stored_or_given_up_stays_so_while_it_is_lacked() {
        let mut chores = chores(&[OLD, NEW]);
        assert_eq!(order(&mut chores, Came::Stored), [NEW, OLD]);
        chores.set([OLD, DAY].as_slice().into());
        assert_eq!(order(&mut chores, Came::Stored), [DAY]);
        chores.set([DAY].as_slice().into());
        chores.set([OLD].as_slice().into());
        assert_eq!(order(&mut chores, Came::Stored), [OLD], "it was not lacked meanwhile");
    }

    #[test]
    fn a_line_rests_from_history_by_its_share_and_is_not_taken_by_it_for_ever() {
        let (mut chores, now) = (chores(&[NEW]), Instant::now());
        let told_again = |chores: &mut Chores| chores.set([NEW].as_slice().into());
        chores.ended(&NEW, Came::Nothing, Duration::from_secs(1), now);
        assert_eq!(chores.next(now + Duration::from_secs(60), |_| true), None, "not before it is told again");
        told_again(&mut chores);
        assert_eq!(chores.next(now + Duration::from_millis(2_999), |_| true), None);
        assert_eq!(chores.next(now + Duration::from_secs(3), |_| true), Some(NEW));
        chores.ended(&NEW, Came::Nothing, Duration::ZERO, now);
        told_again(&mut chores);
        assert_eq!(chores.next(now, |_| true), None, "given up");
    }

    #[test]
    fn what_may_not_be_is_passed_over() {
        assert_eq!(chores(&[OLD, NEW]).next(Instant::now(), |missing| *missing != NEW), Some(OLD));
        assert_eq!(chores(&[]).next(Instant::now(), |_| true), None);
    }
}
