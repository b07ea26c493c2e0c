//! A freeze that nobody read, asked for in time that nothing else needs.
//!
//! ```text
//!   |-- history: three questions, each as long as a read --|-- longest answer --| next poll, command, read-back
//!   now                             nothing is sent later than this             due
//! ```
//!
//! Promises: begun only where it would be over before anything is due, and cut off where that was wrong; by the share and
//! the attempts of the settings; kept as what the meter kept. Refuses: lines whose spool is pressed, and deciding what is
//! missing.

use std::time::Duration;

use protocol::exchange::{Answer, Exchange};
use protocol::meter::CivilTime;
use raft_store::state::UnixMillis;
use tokio::time::Instant;

use super::{LineTask, Work};
use crate::capacity::Ask;
use crate::clock::wall_now;
use crate::cluster::Missing;
use crate::polling::backfill::Came;
use crate::polling::dialogue::Ending;
use crate::polling::transport::longest_answer;
use crate::spool::Level;
use crate::trace::Asker;

/// Questions of the longest dialogue about the past: what it is now, when it settles, what it kept.
const QUESTIONS: u32 = 3;

/// A freeze, when the meter's clock showed it, and when its dialogue has to be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chore {
    missing: Missing,
    moment: CivilTime,
    over_by: UnixMillis,
}

impl LineTask {
    /// What of the past there is time for.
    pub(super) fn choose_past(&mut self) -> Option<Work> {
        self.chores.set(self.shared.wants.of(self.author.line));
        if self.chores.is_done() {
            return None;
        }
        self.sanity.stand_in(&self.shared.applied.borrow().state.plant.calendar.zone);
        let now = wall_now();
        let wants = |missing: &Missing| self.moment(missing, now).is_some();
        let missing = self.chores.next(Instant::now(), wants)?;
        if self.shared.spool.pressure().level > Level::Calm {
            return None;
        }
        let (moment, left) = (self.moment(&missing, now)?, self.until_next());
        // A command whose start is proposed may begin any moment.
        if self.desk.is_starting() || left < self.takes(&missing) {
            return None;
        }
        let left = left.min(self.shared.config.polling.exchange_limit);
        let left = left.saturating_sub(longest_answer(&self.timing));
        let over_by = now.plus(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        Some(Work::Past(Chore { missing, moment, over_by }))
    }

    /// When the meter's clock showed it; `None`: it is not asked for.
    fn moment(&self, missing: &Missing, now: UnixMillis) -> Option<CivilTime> {
        let charge = self.meters.get(&missing.meter)?;
        self.past.moment(charge, missing.slot, &self.sanity.zone, now)
    }

    /// How long a dialogue about the past takes, with the longest answer behind it.
    fn takes(&self, missing: &Missing) -> Duration {
        let longest = longest_answer(&self.timing);
        let measured = self.meters.get(&missing.meter).and_then(|charge| {
            self.shared.measured.read_ms(self.author.line, Ask::of(&charge.meter.address)).map(Duration::from_millis)
        });
        measured.unwrap_or(longest) * QUESTIONS + longest
    }

    /// Asks for it.
    pub(super) async fn ask_past(&mut self, chore: Chore) {
        let Chore { missing, moment, over_by } = chore;
        let Some(target) = self.target(missing.meter) else { return };
        let begun = Instant::now();
        let asker = Asker::History { meter: missing.meter, slot: missing.slot };
        let asked = self.asked(missing.meter, &target, Exchange::history(&target, moment), asker);
        let came = match self.exchange(asked, Some(over_by)).await.0 {
            Ending::Answered(Answer::Reading(reading)) => {
                self.look_back(missing.meter, &reading, usize::MAX).await;
                let is_stored = self.past.is_offered(missing.meter, missing.slot);
                if is_stored { Came::Stored } else { Came::Nothing }
            }
            Ending::Answered(Answer::Refused(refusal)) => {
                let (meter, slot, why) = (missing.meter, missing.slot.0, refusal.text);
                tracing::debug!(%meter, slot, why, "a meter tells nothing of a freeze");
                Came::Nothing
            }
            Ending::Answered(Answer::Lost(_) | Answer::Accepted { .. }) | Ending::LineDown(_) | Ending::Denied(..) => {
                Came::Nothing
            }
        };
        self.chores.ended(&missing, came, begun.elapsed(), Instant::now());
    }
}
