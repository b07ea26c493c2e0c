//! One command on its way: stages and what leads from one to the next.
//!
//! Promises: an action that is not safe to repeat is tried once, and a lost answer to it is Unknown; a valve is only
//! Verified once it was seen in the wanted state. Refuses: knowing how proposals and bytes travel.

use std::time::Duration;

use protocol::exchange::{Answer, LineFault};
use protocol::meter::{Action, CommandId, MeterId, ValveState};
use raft_store::state::command::{Command, Outcome};
use raft_store::state::{Entry, UnixMillis};
use tokio::time::Instant;

use crate::config;

use super::{Author, Purpose, Setback, Task, finish_entry, start_entry};

/// How far a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its start is to be proposed.
    Propose { not_before: Instant },
    /// Its start is proposed.
    Starting,
    /// To be sent to the meter.
    Ready { not_before: Instant },
    /// The meter said yes; the valve is watched.
    Travelling { until: Instant, next: Instant, seen: Seen },
    /// Its outcome is to be proposed.
    Report { outcome: Outcome, not_before: Instant },
    /// Its outcome is proposed.
    Reporting { outcome: Outcome },
}

/// What the read-backs showed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// No answer; the last fault.
    Nothing(LineFault),
    /// Answers that name no valve.
    NoValve,
    /// A valve in this state.
    Valve(ValveState),
}

/// A command on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) meter: MeterId,
    pub(super) action: Action,
    pub(super) stage: Stage,
    deadline: UnixMillis,
    requested_at: UnixMillis,
    attempts: u32,
}

impl Job {
    pub(super) fn new(command: &Command) -> Self {
        Self {
            meter: command.request.meter,
            action: command.request.action,
            stage: Stage::Propose { not_before: Instant::now() },
            deadline: command.request.deadline,
            requested_at: command.requested_at,
            attempts: 0,
        }
    }

    pub(super) const fn task(&self, command: CommandId) -> Task {
        let Self { meter, action, requested_at, deadline, attempts, .. } = *self;
        Task { command, meter, action, requested_at, deadline, attempt: attempts + 1 }
    }

    /// Enters `stage`; the job goes on.
    pub(super) fn enter(&mut self, stage: Stage) -> bool {
        self.stage = stage;
        true
    }

    pub(super) fn report(&mut self, outcome: Outcome) {
        self.stage = Stage::Report { outcome, not_before: Instant::now() };
    }

    /// The outcome did not reach the log: once more.
    pub(super) fn report_again(&mut self, not_before: Instant) -> bool {
        if let Stage::Reporting { outcome } = &self.stage {
            self.stage = Stage::Report { outcome: outcome.clone(), not_before };
        }
        true
    }

    /// Ends what its deadline (an exchange before which is `latest`) leaves no time for.
    pub(super) fn give_up_late(&mut self, now: Instant, latest: UnixMillis) {
        let outcome = match &self.stage {
            Stage::Ready { .. } if latest > self.deadline => Outcome::Failed(match self.attempts {
                0 => "its deadline came before the line could be used".to_owned(),
                n => format!("no answer before its deadline, {n} attempts"),
            }),
            Stage::Travelling { seen, .. } if latest > self.deadline => {
                Outcome::Unknown(format!("accepted; at its deadline {}", seen.in_words()))
            }
            _ => return,
        };
        self.stage = Stage::Report { outcome, not_before: now };
    }

    pub(super) fn proposal(
        &mut self,
        id: CommandId,
        author: Author,
        now: Instant,
        at: UnixMillis,
        able: bool,
    ) -> Option<(Purpose, Entry)> {
        match &self.stage {
            // A late one is left to its expiry: it ends as never started, which is true.
            Stage::Propose { not_before } if *not_before <= now && able && at < self.deadline => {
                self.stage = Stage::Starting;
                Some((Purpose::Start, start_entry(id, author, at)))
            }
            Stage::Report { outcome, not_before } if *not_before <= now => {
                let outcome = outcome.clone();
                let entry = finish_entry(id, author, at, outcome.clone());
                self.stage = Stage::Reporting { outcome };
                Some((Purpose::Finish, entry))
            }
            _ => None,
        }
    }

    pub(super) const fn next_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Propose { not_before } | Stage::Ready { not_before } | Stage::Report { not_before, .. } => {
                Some(*not_before)
            }
            Stage::Travelling { next, .. } => Some(*next),
            Stage::Starting | Stage::Reporting { .. } => None,
        }
    }

    pub(super) fn acted(&mut self, answer: Answer, rules: &config::Commands) {
        let now = Instant::now();
        match answer {
            Answer::Accepted { .. } if self.action.wanted_valve().is_none() => self.report(Outcome::Acknowledged),
            Answer::Accepted { .. } | Answer::Reading(_) => {
                let seen = Seen::Nothing(LineFault::Silent);
                self.stage = Stage::Travelling { until: now + rules.valve_travel, next: now, seen };
            }
            Answer::Refused(refusal) => {
                self.report(Outcome::Refused { code: refusal.code, text: refusal.text });
            }
            Answer::Lost(fault) => self.lost(fault, rules),
        }
    }

    fn lost(&mut self, fault: LineFault, rules: &config::Commands) {
        self.attempts += 1;
        if !self.action.is_safe_to_repeat() {
            self.report(Outcome::Unknown(format!("{}; it is not safe to repeat", fault.name())));
        } else if self.attempts >= rules.attempts {
            self.report(Outcome::Failed(format!("{} after {} attempts", fault.name(), self.attempts)));
        } else {
            self.stage = Stage::Ready { not_before: Instant::now() + rules.attempt_pause };
        }
    }

    pub(super) fn set_back(&mut self, setback: &Setback, rules: &config::Commands) {
        match setback {
            Setback::LineDown if !self.action.is_safe_to_repeat() => self.lost(LineFault::LineDown, rules),
            Setback::LineDown => self.stage = Stage::Ready { not_before: Instant::now() + rules.attempt_pause },
            Setback::Denied => self.stage = Stage::Ready { not_before: Instant::now() },
        }
    }

    pub(super) fn read_back(&mut self, answer: Option<Answer>, rules: &config::Commands) {
        let Stage::Travelling { until, seen, .. } = self.stage else { return };
        let seen = match answer {
            Some(Answer::Reading(reading)) => reading.valve.map_or(seen.or_no_valve(), Seen::Valve),
            Some(Answer::Accepted { valve }) => valve.map_or(seen, Seen::Valve),
            Some(Answer::Lost(fault)) => seen.or_fault(fault),
            Some(Answer::Refused(_)) | None => seen,
        };
        let now = Instant::now();
        match seen {
            Seen::Valve(valve) if Some(valve) == self.action.wanted_valve() => {
                self.report(Outcome::Verified(valve.name().to_owned()));
            }
            _ if now >= until => self.report(seen.after(rules.valve_travel)),
            _ => self.stage = Stage::Travelling { until, next: now + rules.read_back_every, seen },
        }
    }
}

impl Seen {
    /// A fault adds nothing to what was seen already.
    const fn or_fault(self, fault: LineFault) -> Self {
        match self {
            Self::Nothing(_) => Self::Nothing(fault),
            seen => seen,
        }
    }

    /// A valve on its way may name no state.
    const fn or_no_valve(self) -> Self {
        match self {
            Self::Nothing(_) => Self::NoValve,
            seen => seen,
        }
    }

    fn in_words(self) -> String {
        match self {
            Self::Nothing(fault) => format!("not seen: {}", fault.name()),
            Self::NoValve => "its answers name no valve".to_owned(),
            Self::Valve(valve) => format!("still {}", valve.name()),
        }
    }

    /// What the end of the valve's travel makes of it.
    fn after(self, travel: Duration) -> Outcome {
        match self {
            Self::NoValve => Outcome::Acknowledged,
            seen => Outcome::Failed(format!("{} after {} s", seen.in_words(), travel.as_secs())),
        }
    }
}
