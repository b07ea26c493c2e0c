//! What people asked of the meters of one line, and how far each of them is.
//!
//! ```text
//!   seen in the state --> Propose --Start--> Ready ---act---> Travelling --read back--> Report --Finish--> over
//!                            ^  no leader      ^ |  ReadNow, refusal, out of attempts     ^
//!                            +-----------------+ +----------------------------------------+
//!                                  lost: again after a pause, where that is safe
//! ```
//!
//! Promises: the line is never blocked: every stage waits beside it; nothing is sent before its start was accepted, nor
//! after its deadline; the outcome is proposed until it is accepted or out of date. Refuses: speaking on the line.

mod job;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use protocol::exchange::Answer;
use protocol::meter::{Action, CommandId, MeterId};
use raft_store::state::command::Outcome;
use raft_store::state::{Entry, State, UnixMillis};
use tokio::time::Instant;

use crate::clock::wall_now;
use crate::cluster::ProposeError;
use crate::config;
use crate::metrics::Metrics;

use super::outlet::{Answered, Outlet};
use super::records::Author;
use super::schedule::millis;
use job::{Job, Stage};

/// Something to do on the line now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) command: CommandId,
    pub(super) meter: MeterId,
    pub(super) action: Action,
    pub(super) requested_at: UnixMillis,
    pub(super) deadline: UnixMillis,
    /// 1 is the first.
    pub(super) attempt: u32,
}

/// How a task ended, if its meter did not end it.
#[derive(Debug)]
pub(super) enum Setback {
    /// The channel failed; something may have been sent.
    LineDown,
    /// The line might not speak (any more).
    Denied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Start,
    Finish,
}

/// An answer to one of the desk's proposals.
pub(super) type Reply = (CommandId, Purposed);

/// What a reply is about.
#[derive(Debug)]
pub(super) struct Purposed(Purpose, Answered);

/// The commands of one line under one ownership.
pub(super) struct Desk {
    author: Author,
    outlet: Outlet,
    rules: config::Commands,
    room: usize,
    metrics: Metrics,
    jobs: BTreeMap<CommandId, Job>,
    /// Done with here, and still open in the copy of the state this node has.
    over: BTreeSet<CommandId>,
    replies: FuturesUnordered<BoxFuture<'static, Reply>>,
}

impl Desk {
    pub(super) fn new(author: Author, outlet: Outlet, config: &config::Config, metrics: Metrics) -> Self {
        let (jobs, over, replies) = (BTreeMap::new(), BTreeSet::new(), FuturesUnordered::new());
        let room = config.polling.commands_per_line;
        Self { author, outlet, rules: config.commands.clone(), room, metrics, jobs, over, replies }
    }

    /// Takes up what the state has for this line, and drops what is over there.
    pub(super) fn refresh(&mut self, state: &State) {
        let open: BTreeSet<_> = state.commands.open_on_line(self.author.line).map(|c| c.id).collect();
        self.jobs.retain(|id, _| open.contains(id));
        self.over.retain(|id| open.contains(id));
        for command in state.commands.open_on_line(self.author.line) {
            if self.jobs.len() >= self.room {
                return;
            }
            let known = self.jobs.contains_key(&command.id) || self.over.contains(&command.id);
            let busy = self.jobs.values().any(|job| job.meter == command.request.meter);
            if !known && !busy {
                self.jobs.insert(command.id, Job::new(command));
            }
        }
    }

    /// Proposes what is to be proposed. `able`: the line can be spoken on; nothing is started before. `needs`: what an
    /// exchange takes; where the deadline leaves less, nothing is sent any more.
    pub(super) fn push(&mut self, able: bool, needs: Duration) {
        let (now, at) = (Instant::now(), wall_now());
        for (id, job) in &mut self.jobs {
            job.give_up_late(now, at.plus(millis(needs)));
            if let Some((purpose, entry)) = job.proposal(*id, self.author, now, at, able) {
                let (outlet, id) = (self.outlet.clone(), *id);
                let proposed = async move { (id, Purposed(purpose, outlet.propose(entry).await)) };
                self.replies.push(proposed.boxed());
            }
        }
        while let Some(Some(reply)) = self.replies.next().now_or_never() {
            self.heard(reply);
        }
    }

    /// Ends the reads that were not sent yet: there is no room for what they would give.
    pub(super) fn end_reads(&mut self, why: impl Fn() -> String) {
        let waits = |job: &&mut Job| job.action == Action::ReadNow && matches!(job.stage, Stage::Ready { .. });
        for job in self.jobs.values_mut().filter(waits) {
            job.report(Outcome::Failed(why()));
        }
    }

    /// The next answer to a proposal; never, if none is under way.
    pub(super) async fn next_reply(&mut self) -> Reply {
        match self.replies.next().await {
            Some(reply) => reply,
            None => std::future::pending().await,
        }
    }

    /// A proposal was answered.
    pub(super) fn heard(&mut self, (id, Purposed(purpose, answered)): Reply) {
        if purpose == Purpose::Finish && answered.is_ok() {
            self.metrics.command_ended();
        }
        let again = Instant::now() + self.rules.attempt_pause;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let keep = match (purpose, answered) {
            (Purpose::Start, Ok(_)) => job.enter(Stage::Ready { not_before: Instant::now() }),
            (Purpose::Finish, Ok(_)) => false,
            (_, Err(ProposeError::Refused(why))) => {
                tracing::debug!(command = %id, %why, "proposal refused");
                false
            }
            // It may have been started by this proposal: a second one would count as a second owner's.
            (Purpose::Start, Err(ProposeError::Unknown(_))) if !job.action.is_safe_to_repeat() => false,
            (Purpose::Start, Err(_)) => job.enter(Stage::Propose { not_before: again }),
            (Purpose::Finish, Err(_)) => job.report_again(again),
        };
        if !keep {
            self.jobs.remove(&id);
            self.over.insert(id);
        }
    }

    /// The oldest command to be carried out now.
    pub(super) fn due_action(&self) -> Option<Task> {
        let now = Instant::now();
        let ready = |job: &&Job| matches!(job.stage, Stage::Ready { not_before } if not_before <= now);
        self.jobs.iter().find(|(_, job)| ready(job)).map(|(id, job)| job.task(*id))
    }

    /// The valve to be looked at now.
    pub(super) fn due_read_back(&self) -> Option<Task> {
        let now = Instant::now();
        let due = self.jobs.iter().filter_map(|(id, job)| match job.stage {
            Stage::Travelling { next, .. } if next <= now => Some((next, *id, job)),
            _ => None,
        });
        due.min_by_key(|(next, id, _)| (*next, *id)).map(|(_, id, job)| job.task(id))
    }

    /// Whether the start of any is proposed.
    pub(super) fn is_starting(&self) -> bool {
        self.jobs.values().any(|job| matches!(job.stage, Stage::Starting))
    }

    /// When there is something to do next.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.jobs.values().filter_map(Job::next_at).min()
    }

    /// The meter answered the action, or its silence did.
    pub(super) fn acted(&mut self, id: CommandId, answer: Answer) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.acted(answer, &self.rules);
        }
    }

    /// The action ended without the meter.
    pub(super) fn set_back(&mut self, id: CommandId, setback: &Setback) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.set_back(setback, &self.rules);
        }
    }

    /// A read-back was answered; `None`: it came to nothing.
    pub(super) fn read_back(&mut self, id: CommandId, answer: Option<Answer>) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.read_back(answer, &self.rules);
        }
    }

    /// A command has ended so.
    pub(super) fn report(&mut self, id: CommandId, outcome: Outcome) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.report(outcome);
        }
    }

    /// Waits for the answers to what is under way, within `limit`: an outcome should reach the log before the line
    /// is let go.
    pub(super) async fn settle(&mut self, limit: Duration) {
        let all = async {
            while let Some(reply) = self.replies.next().await {
                self.heard(reply);
            }
        };
        // Whatever is not answered by then is started again by the next owner.
        let _ = tokio::time::timeout(limit, all).await;
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("jobs", &self.jobs).field("over", &self.over).finish_non_exhaustive()
    }
}

fn start_entry(id: CommandId, author: Author, at: UnixMillis) -> Entry {
    Entry::Start { at, command: id, node: author.node, epoch: author.epoch }
}

fn finish_entry(id: CommandId, author: Author, at: UnixMillis, outcome: Outcome) -> Entry {
    Entry::Finish { at, command: id, epoch: author.epoch, outcome }
}
