//! What a line does with its turn: a poll, an action, a look at a valve.
//!
//! Promises: a reading is durable before its slot counts as read or its command as verified; while an exchange runs,
//! the desk's proposals go on beside it. Refuses: choosing.

use futures::future::join_all;
use protocol::dialin::Sifted;
use protocol::exchange::{Answer, Exchange, LineFault, Target, Timing};
use protocol::meter::{Address, MeterId, Reading};
use protocol::modbus::Framing;
use raft_store::state::UnixMillis;
use raft_store::state::command::Outcome;
use raft_store::state::registry::Meter;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::capacity::Ask;
use crate::clock::wall_now;
use crate::trace::Asker;

use super::{LineTask, Work, serve_desk};
use crate::polling::Shared;
use crate::polling::commands::{Desk, Setback, Task};
use crate::polling::dialogue::{Ending, Talk, Terms, converse};
use crate::polling::evidence::Evidence;
use crate::polling::orders::Orders;
use crate::polling::outbox::Stored;
use crate::polling::permit::Denied;
use crate::polling::recorded::Recorded;
use crate::polling::records::{OnDemand, in_words};
use crate::polling::sanity::check;
use crate::polling::schedule::{Due, Verdict};
use crate::polling::transport::longest_answer;

/// What is asked of one meter.
pub(super) struct Asked {
    exchange: Exchange,
    address: Address,
    /// Who has to answer.
    expected: Option<String>,
    asker: Asker,
}

/// Requests of one dialogue over Modbus TCP, at most: so far apart are the numbers of two dialogues' first requests.
const TRANSACTIONS: u16 = 1_024;

impl LineTask {
    /// Does one thing on a line that may be spoken on.
    pub(super) async fn carry_out(&mut self, work: Work) {
        self.poll_has_turn = matches!(work, Work::ReadBack(_));
        match work {
            Work::Poll(due) => self.poll(due).await,
            Work::Act(task) => self.act(task).await,
            Work::ReadBack(task) => self.read_back(task).await,
            Work::Survey => self.survey().await,
            Work::Past(chore) => self.ask_past(chore).await,
        }
    }

    pub(super) fn target(&self, meter: MeterId) -> Option<Target> {
        let Meter { address, profile, .. } = &self.meters.get(&meter)?.meter;
        let catalogue = self.shared.catalogue.clone();
        Some(Target { address: *address, timing: self.timing, profile: profile.clone(), catalogue })
    }

    pub(super) fn asked(&self, meter: MeterId, target: &Target, exchange: Exchange, asker: Asker) -> Asked {
        let expected = self.meters.get(&meter).and_then(|charge| charge.identity.clone());
        Asked { exchange, address: target.address, expected, asker }
    }

    /// In the frames of the line's channel.
    fn framed(&mut self, exchange: Exchange) -> Exchange {
        if self.framing == Framing::Rtu {
            return exchange;
        }
        self.transaction = self.transaction.wrapping_add(TRANSACTIONS);
        exchange.over_modbus_tcp(self.transaction)
    }

    /// Reads a meter, or performs an action at it; beside how it ended, what was heard last if it ended without an answer.
    pub(super) async fn exchange(&mut self, asked: Asked, deadline: Option<UnixMillis>) -> (Ending, Evidence) {
        let Asked { exchange, address, asker, .. } = asked;
        let mut exchange = Recorded::new(Sifted::new(self.framed(exchange), Vec::new()));
        let ending = self.converse(&mut exchange, deadline, asker).await;
        if !matches!(ending, Ending::Denied(_, false)) {
            self.shared.metrics.exchange_ended();
        }
        if matches!(&ending, Ending::Answered(answer) if !matches!(answer, Answer::Lost(_))) {
            self.link.worked();
        }
        match ending {
            Ending::Answered(Answer::Reading(reading)) => {
                self.sanity.stand_in(&self.shared.applied.borrow().state.plant.calendar.zone);
                match check(asked.expected.as_deref(), &address, reading, wall_now(), &self.sanity) {
                    Ok(reading) => (Ending::Answered(Answer::Reading(reading)), Evidence::default()),
                    Err(evidence) => (Ending::Answered(Answer::Lost(LineFault::WrongMeter)), evidence),
                }
            }
            Ending::Answered(Answer::Lost(fault)) => {
                let evidence = Evidence::of(fault, address.dialect(), exchange.into_heard());
                (Ending::Answered(Answer::Lost(fault)), evidence)
            }
            ending => (ending, Evidence::default()),
        }
    }

    pub(super) async fn converse<T: Talk>(
        &mut self,
        talk: &mut T,
        deadline: Option<UnixMillis>,
        asker: Asker,
    ) -> Ending<T::Answer> {
        let limit = self.shared.config.polling.exchange_limit;
        let Self { link, permit, timing, desk, orders, shared, author, .. } = self;
        let voice = shared.traces.voice(author.line, asker);
        let terms = Terms { permit, timing: *timing, deadline, limit, voice };
        let ending = match link.open().await {
            Ok(channel) => beside(converse(channel, talk, &terms), desk, orders, shared, timing).await,
            Err(down) => Ending::LineDown(std::io::Error::other(down.why)),
        };
        match &ending {
            Ending::Answered(_) => {}
            Ending::LineDown(error) => self.link.failed(error),
            // As after any other dialogue: the time for an answer to what was asked is over.
            Ending::Denied(Denied::TooLate, _) => {}
            // What was asked may still be answered: nothing else is asked before that is over.
            Ending::Denied(_, true) => self.quiet = Some(longest_answer(&self.timing)),
            // The lease lasts for a shorter transmission than this: asked again at once, it would be denied again.
            Ending::Denied(Denied::NoLease, false) => {
                tokio::time::sleep(self.shared.config.polling.lease_look).await;
            }
            Ending::Denied(Denied::NotMine, false) => {}
        }
        ending
    }

    async fn poll(&mut self, due: Due) {
        let Some(target) = self.target(due.meter) else { return };
        let begun = Instant::now();
        // An answer asked for after its slot's end would be another moment's value; one asked for before is the slot's.
        let asker = Asker::Poll { meter: due.meter, slot: due.slot };
        let asked = self.asked(due.meter, &target, Exchange::read(&target), asker);
        let (ending, evidence) = self.exchange(asked, Some(due.until)).await;
        let spent = begun.elapsed();
        if let Some(verdict) = self.judge(due, ending).await {
            match &verdict {
                Verdict::Lost(fault) => self.drawer.put(due, *fault, evidence),
                Verdict::Read => {
                    self.drawer.clear(due.meter);
                    self.shared.measured.note(self.author.line, Ask::of(&target.address), spent);
                }
                Verdict::Refused(_) | Verdict::Setback(_) | Verdict::TooLate { .. } => {}
            }
            self.schedule.ended(due, verdict, spent, wall_now());
        }
    }

    /// What a poll's end means for its slot; `None`: nothing.
    async fn judge(&mut self, due: Due, ending: Ending) -> Option<Verdict> {
        match ending {
            Ending::Answered(Answer::Reading(reading)) => {
                let stored = self.outbox.clone().store(self.author.scheduled(due, &reading, wall_now())).await;
                if stored != Stored::Durable {
                    return None;
                }
                self.shared.metrics.reading_accepted();
                let most = self.shared.config.backfill.per_answer as usize;
                self.look_back(due.meter, &reading, most).await;
                Some(Verdict::Read)
            }
            Ending::Answered(Answer::Refused(refusal)) => {
                Some(Verdict::Refused(format!("{}: {}", refusal.code, refusal.text)))
            }
            Ending::Answered(Answer::Lost(LineFault::LineDown)) => Some(Verdict::Setback(String::new())),
            Ending::Answered(Answer::Lost(fault)) => Some(Verdict::Lost(fault)),
            Ending::Answered(Answer::Accepted { .. }) => Some(Verdict::Lost(LineFault::Undecodable)),
            Ending::LineDown(error) => Some(Verdict::Setback(error.to_string())),
            Ending::Denied(Denied::TooLate, asked) => Some(Verdict::TooLate { asked }),
            Ending::Denied(..) => None,
        }
    }

    /// Keeps what an answer says of earlier freezes, at most so many. What a line's end overtakes is offered by the next
    /// owner.
    pub(super) async fn look_back(&mut self, meter: MeterId, reading: &Reading, most: usize) {
        let Some(charge) = self.meters.get(&meter).filter(|_| !reading.history.is_empty()) else { return };
        let now = wall_now();
        let fills = self.past.fills(charge, reading, &self.sanity.zone, now, most);
        let records =
            fills.iter().map(|earlier| self.outbox.clone().store(self.author.backfilled(meter, earlier, now)));
        for (earlier, stored) in fills.iter().zip(join_all(records).await) {
            if stored == Stored::Durable {
                self.shared.metrics.reading_backfilled();
                self.past.offered(meter, earlier.slot, now);
            }
        }
    }

    async fn act(&mut self, task: Task) {
        let Some(target) = self.target(task.meter) else {
            let text = "its meter is not on this line any more: ask again".to_owned();
            return self.desk.report(task.command, Outcome::Failed(text));
        };
        let asker = Asker::Command { command: task.command, meter: task.meter };
        let asked = self.asked(task.meter, &target, Exchange::perform(&target, task.action), asker);
        match self.exchange(asked, Some(task.deadline)).await.0 {
            Ending::Answered(Answer::Reading(reading)) if task.action.wanted_valve().is_none() => {
                let Task { meter, command, requested_at, attempt: attempts, .. } = task;
                let asked = OnDemand { meter, command, requested_at, attempts };
                match self.outbox.clone().store(self.author.on_demand(&asked, &reading, wall_now())).await {
                    Stored::Durable => {
                        self.shared.metrics.reading_accepted();
                        self.desk.report(command, Outcome::Verified(in_words(&reading)));
                    }
                    Stored::NoRoom(why) => self.desk.report(command, Outcome::Failed(why.to_string())),
                    Stored::Overtaken => {}
                }
            }
            Ending::Answered(answer) => self.desk.acted(task.command, answer),
            Ending::LineDown(_) => self.desk.set_back(task.command, &Setback::LineDown),
            Ending::Denied(..) => self.desk.set_back(task.command, &Setback::Denied),
        }
    }

    async fn read_back(&mut self, task: Task) {
        let Some(target) = self.target(task.meter) else {
            let text = "its meter left the line before it was read back: read it".to_owned();
            return self.desk.report(task.command, Outcome::Unknown(text));
        };
        let asker = Asker::ReadBack { command: task.command, meter: task.meter };
        let asked = self.asked(task.meter, &target, Exchange::read(&target), asker);
        match self.exchange(asked, None).await.0 {
            Ending::Answered(answer) => self.desk.read_back(task.command, Some(answer)),
            Ending::LineDown(_) | Ending::Denied(..) => self.desk.read_back(task.command, None),
        }
    }
}

/// Carries `talk` through while the desk goes on, so that a command is started by the time the line is free for it.
async fn beside<A>(
    talk: impl Future<Output = Ending<A>>,
    desk: &mut Desk,
    orders: &mut watch::Receiver<Orders>,
    shared: &Shared,
    timing: &Timing,
) -> Ending<A> {
    tokio::pin!(talk);
    let mut follows = true;
    loop {
        tokio::select! {
            ending = &mut talk => return ending,
            changed = orders.changed(), if follows => {
                follows = changed.is_ok();
                let goes_on = follows && !orders.borrow().ending;
                serve_desk(desk, shared, timing, goes_on);
            }
            reply = desk.next_reply() => desk.heard(reply),
        }
    }
}
