//! The two cursors of one spool, so that a backlog never keeps fresh readings waiting.
//!
//! ```text
//!   sequence   acknowledged ..... after ........ fence ............ ahead ....... last
//!                     |  under way  |  backlog lane  |  fresh lane,    |  fresh lane
//!                     |             |  goes on ->    |  not to be      |  goes on ->
//!                     |                              |  acknowledged   |
//! ```
//!
//! A backlog is given by meter, a part of it at a time: the cursor stays before the part until all of it came, and so does
//! what may be forgotten.
//!
//! A spool that holds more behind its cursor than `lane_records` gets a fence at its last record: what comes after it is
//! fresh and pulled by a cursor of its own, at least every `fresh_every`; between two fresh pulls there is always one of
//! the backlog, as long as it has a place. When the backlog has reached the fence, both are one again; when what is fresh
//! has become a backlog itself, the fence moves to the last record.
//!
//! Promises: pure; every record is pulled by one of the cursors, in the order of each; an acknowledgement never passes a
//! record that is not committed, nor one of a part that was not given whole. Refuses: calls, clocks, records.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

/// Which cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// What just came.
    Fresh,
    /// The oldest.
    Backlog,
}

/// The bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Records of one pull.
    pub(super) records: u32,
    /// Pulls that are not acknowledged.
    pub(super) unacknowledged: usize,
    /// Records behind the cursor that are a backlog.
    pub(super) lane_records: u64,
    /// From fresh pull to fresh pull beside a backlog.
    pub(super) fresh_every: Duration,
}

/// What to pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) lane: Lane,
    pub(super) spool: u64,
    pub(super) after: u64,
    pub(super) records: u32,
    /// By meter, where the node can.
    pub(super) part: Option<Part>,
}

/// A part of a backlog that is given by meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Its last sequence, at most.
    pub(super) upto: u64,
    /// The last that came of it: meter, slot and sequence.
    pub(super) behind: Option<(u64, u64, u64)>,
}

/// What came.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) spool: u64,
    /// The last of the records that came; none came: 0.
    pub(super) upto: u64,
    pub(super) records: usize,
    /// The last that there is; 0: not told.
    pub(super) last: u64,
    pub(super) commit: Option<oneshot::Receiver<()>>,
    /// The part it is of, and whether more of it is left; none: by sequence.
    pub(super) part: Option<(Part, bool)>,
}

/// A pull that was handed over.
#[derive(Debug)]
struct UnderWay {
    upto: u64,
    // Absent once it is committed.
    commit: Option<oneshot::Receiver<()>>,
}

/// What is fresh, while there is a backlog.
#[derive(Debug)]
struct Fence {
    upto: u64,
    ahead: u64,
    under_way: VecDeque<UnderWay>,
    asked: Instant,
    // The backlog had no turn since the last fresh pull.
    is_turn_of_backlog: bool,
    was_full: bool,
}

/// The cursors.
#[derive(Debug)]
pub(super) struct Lanes {
    bounds: Bounds,
    spool: u64,
    after: u64,
    // What was begun of the part after `after`.
    part: Option<Part>,
    forgotten: u64,
    under_way: VecDeque<UnderWay>,
    fence: Option<Fence>,
}

/// The writing loop is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over;

impl Lanes {
    /// Of a spool nothing is known of.
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self { bounds, spool: 0, after: 0, part: None, forgotten: 0, under_way: VecDeque::new(), fence: None }
    }

    /// What to pull next; nothing while as much as may be is not acknowledged.
    pub(super) fn next(&self, now: Instant) -> Option<Ask> {
        let (fresh, backlog) = (self.fresh(now), self.backlog());
        let is_turn_of_backlog = self.fence.as_ref().is_some_and(|fence| fence.is_turn_of_backlog);
        if is_turn_of_backlog { backlog.or(fresh) } else { fresh.or(backlog) }
    }

    /// What is fresh, where there is a backlog and it is time to look.
    pub(super) fn fresh(&self, now: Instant) -> Option<Ask> {
        let (fence, at) = (self.fence.as_ref()?, self.fresh_at()?);
        let ask = Ask { lane: Lane::Fresh, after: fence.ahead, ..self.cursor() };
        (fence.was_full || at <= now).then_some(ask)
    }

    fn backlog(&self) -> Option<Ask> {
        let left = self.fence.as_ref().map_or(u64::MAX, |fence| fence.upto.saturating_sub(self.after));
        let records = u32::try_from(left).unwrap_or(u32::MAX).min(self.bounds.records);
        let part = self.fence.as_ref().map(|fence| self.part.unwrap_or(Part { upto: fence.upto, behind: None }));
        (self.under_way.len() < self.bounds.unacknowledged).then_some(Ask { records, part, ..self.cursor() })
    }

    /// Where the older cursor stands.
    pub(super) const fn cursor(&self) -> Ask {
        Ask { lane: Lane::Backlog, spool: self.spool, after: self.after, records: self.bounds.records, part: None }
    }

    /// When what is fresh has to be looked for beside a backlog; none where there is no backlog.
    pub(super) fn fresh_at(&self) -> Option<Instant> {
        let fence = self.fence.as_ref().filter(|fence| fence.under_way.len() < self.bounds.unacknowledged)?;
        Some(fence.asked + self.bounds.fresh_every)
    }

    /// `ask` was answered at `now`.
    pub(super) fn got(&mut self, ask: Ask, got: Got, now: Instant) {
        let known = ask.part.map_or(ask.after, |part| part.upto);
        let is_rolled_back = got.last > 0 && got.last.max(got.upto) < known;
        let is_another = got.spool != self.spool || is_rolled_back;
        if is_another {
            // Another spool answered, or an older copy of it, from its beginning.
            let fresh = Self { spool: got.spool, ..Self::new(self.bounds) };
            *self = fresh;
        }
        let Got { mut upto, records, last, commit, mut part, .. } = got;
        if is_another && part.take().is_some() {
            // What came is of a part that is none any more.
            upto = 0;
        }
        let mut came = records > 0;
        if ask.lane == Lane::Backlog {
            self.part = None;
            match part {
                // None of it may be forgotten before all of it came.
                Some((part, true)) => (self.part, upto) = (Some(part), self.after),
                // Nobody else would say that it may be.
                Some((part, false)) => (came, upto) = (true, part.upto),
                None => {}
            }
        }
        let came = came.then_some(UnderWay { upto, commit });
        match (&mut self.fence, ask.lane) {
            (Some(fence), Lane::Fresh) => {
                fence.asked = now;
                fence.is_turn_of_backlog = true;
                fence.was_full = records >= ask.records as usize;
                fence.ahead = fence.ahead.max(upto);
                fence.under_way.extend(came);
                if last.saturating_sub(fence.ahead) > self.bounds.lane_records {
                    // What was fresh is a backlog, too: what was pulled of it is pulled once more.
                    *fence = Fence { is_turn_of_backlog: true, ..Fence::at(last, now) };
                }
            }
            (fence, _) => {
                fence.iter_mut().for_each(|fence| fence.is_turn_of_backlog = false);
                // Nothing came though there was something: who led before had it forgotten.
                let gone = fence.as_ref().filter(|_| records == 0 && part.is_none()).map_or(0, |fence| fence.upto);
                self.after = self.after.max(upto).max(gone);
                self.under_way.extend(came);
                self.open_or_close(last, now);
            }
        }
    }

    /// `ask` was not answered: what is fresh has its turn, whatever keeps a backlog.
    pub(super) const fn failed(&mut self, ask: Ask) {
        if let (Lane::Backlog, Some(fence)) = (ask.lane, &mut self.fence) {
            fence.is_turn_of_backlog = false;
        }
    }

    fn open_or_close(&mut self, last: u64, now: Instant) {
        let reached = self.fence.take_if(|fence| self.after >= fence.upto);
        if let Some(Fence { ahead, under_way, .. }) = reached {
            self.after = self.after.max(ahead);
            self.under_way.extend(under_way);
        }
        if self.fence.is_none() && last.saturating_sub(self.after) > self.bounds.lane_records {
            self.fence = Some(Fence::at(last, now));
        }
    }

    /// The last record before which all is committed: the spool may forget it. Nothing where none is new.
    pub(super) fn committed(&mut self) -> Result<Option<(u64, u64)>, Over> {
        if let Some(fence) = &mut self.fence {
            fence.fold();
        }
        let mut upto = None;
        for pull in &mut self.under_way {
            if !pull.is_committed()? {
                break;
            }
            upto = upto.max(Some(pull.upto));
        }
        // Of a part that is not whole.
        if upto.is_some_and(|upto| upto <= self.forgotten) {
            self.forgotten(self.spool, self.forgotten);
            return Ok(None);
        }
        Ok(upto.map(|upto| (self.spool, upto)))
    }

    /// The spool has forgotten everything up to `upto`, or is not that spool any more.
    pub(super) fn forgotten(&mut self, spool: u64, upto: u64) {
        if spool != self.spool {
            return;
        }
        self.forgotten = self.forgotten.max(upto);
        while self.under_way.front().is_some_and(|oldest| oldest.commit.is_none() && oldest.upto <= upto) {
            self.under_way.pop_front();
        }
    }

    /// Whether any pull waits to be acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.fence.is_none()
    }

    /// Waits until the oldest pull is committed; for ever where there is none.
    pub(super) async fn until_committed(&mut self) -> Result<(), Over> {
        match self.under_way.front_mut() {
            None => std::future::pending().await,
            Some(UnderWay { commit: None, .. }) => Ok(()),
            Some(oldest) => {
                if let Some(commit) = &mut oldest.commit {
                    commit.await.map_err(|_| Over)?;
                }
                oldest.commit = None;
                Ok(())
            }
        }
    }
}

impl UnderWay {
    fn is_committed(&mut self) -> Result<bool, Over> {
        match self.commit.as_mut().map(oneshot::Receiver::try_recv) {
            None => {}
            Some(Ok(())) => self.commit = None,
            Some(Err(TryRecvError::Empty)) => return Ok(false),
            Some(Err(TryRecvError::Closed)) => return Err(Over),
        }
        Ok(true)
    }
}

impl Fence {
    const fn at(upto: u64, now: Instant) -> Self {
        let under_way = VecDeque::new();
        Self { upto, ahead: upto, under_way, asked: now, is_turn_of_backlog: false, was_full: false }
    }

    /// What is committed at its head is one.
    fn fold(&mut self) {
        let is_done = |pull: Option<&mut UnderWay>| pull.is_some_and(|pull| pull.is_committed() == Ok(true));
        while self.under_way.len() > 1 && is_done(self.under_way.get_mut(0)) && is_done(self.under_way.get_mut(1)) {
            self.under_way.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
