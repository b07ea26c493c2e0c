//! The command queue: what is still to be done to meters, and what became of it.
//!
//! ```text
//!            Start{epoch}            Finish{epoch, outcome}
//!   Queued ----------------> Running ------------------------> Ended(outcome)
//!     |  ^                     |  Start{newer epoch}: the owner died; tried again where that is safe,
//!     |  |                     |  else Ended(Unknown)
//!     |  +---------------------+
//!     +-- Cancel --> Ended(Cancelled)         any open one -- Expire --> Ended(Expired | Unknown)
//! ```
//!
//! Promises: an ended command never runs again; a command not safe to repeat starts once; the same idempotency key
//! gives the same command. Refuses: knowing how a meter is asked.

use imbl::{OrdMap, OrdSet};
use protocol::meter::{Action, CommandId, Epoch, LineId, MeterId, NodeId};

use super::{Refused, Reply, UnixMillis};

/// How long an idempotency key is remembered, ms: one day.
pub const KEY_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

/// The command queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commands {
    /// Open commands, and ended ones that are not in the history table yet.
    pub commands: OrdMap<CommandId, Command>,
    /// The open commands of each line, oldest first.
    pub open: OrdMap<LineId, OrdSet<CommandId>>,
    /// What each idempotency key was used for.
    pub keys: OrdMap<String, KeyUse>,
    /// The next id to give.
    pub next_command: u64,
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The command it made.
    pub command: CommandId,
    /// Its meter.
    pub meter: MeterId,
    /// Its action.
    pub action: Action,
    /// When.
    pub at: UnixMillis,
}

/// What is asked of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The meter.
    pub meter: MeterId,
    /// What is asked.
    pub action: Action,
    /// Nothing runs later than this.
    pub deadline: UnixMillis,
    /// The idempotency key; never empty.
    pub key: String,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its id.
    pub id: CommandId,
    /// What is asked.
    pub request: Request,
    /// The meter's line when it was asked.
    pub line: LineId,
    /// When it was asked.
    pub requested_at: UnixMillis,
    /// Where it stands.
    pub phase: Phase,
    /// Every start so far, oldest first.
    pub starts: Vec<Start>,
}

/// Where a command stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Waits for the owner of its line.
    Queued,
    /// The owner is at it, or died at it.
    Running,
    /// Over.
    Ended {
        /// When.
        at: UnixMillis,
        /// What became of it.
        outcome: Outcome,
    },
}

/// One start of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// When.
    pub at: UnixMillis,
    /// By whom.
    pub node: NodeId,
    /// Under which ownership of the line.
    pub epoch: Epoch,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done, read back and seen; what was seen.
    Verified(String),
    /// The meter said yes, and there is nothing to read back.
    Acknowledged,
    /// The meter said no.
    Refused {
        /// The meter's own code.
        code: u16,
        /// The same in words.
        text: String,
    },
    /// It did not come about, and why.
    Failed(String),
    /// Its deadline passed before anything was sent.
    Expired,
    /// Called off before it started.
    Cancelled,
    /// It may or may not have happened, and it is not safe to try again; why.
    Unknown(String),
}

impl Commands {
    pub(super) fn submit(&mut self, at: UnixMillis, request: &Request, line: LineId) -> Result<Reply, Refused> {
        if let Some(used) = self.keys.get(&request.key) {
            return if (used.meter, used.action) == (request.meter, request.action) {
                Ok(Reply::Queued(used.command))
            } else {
                let text = format!("key {} was used for command {} already: use a new key", request.key, used.command);
                Err(Refused::Conflict(text))
            };
        }
        self.next_command += 1;
        let id = CommandId(self.next_command);
        let used = KeyUse { command: id, meter: request.meter, action: request.action, at };
        self.keys.insert(request.key.clone(), used);
        let phase = Phase::Queued;
        let fresh = Command { id, request: request.clone(), line, requested_at: at, phase, starts: Vec::new() };
        self.commands.insert(id, fresh);
        self.open.entry(line).or_default().insert(id);
        Ok(Reply::Queued(id))
    }

    /// The line of a command.
    pub fn line_of(&self, command: CommandId) -> Option<LineId> {
        self.commands.get(&command).map(|c| c.line)
    }

    /// An open command on `line`.
    pub(super) fn first_open_on(&self, line: LineId) -> Option<CommandId> {
        self.open.get(&line).and_then(OrdSet::get_min).copied()
    }

    /// An open command of `meter`.
    pub fn open_on_meter(&self, meter: MeterId) -> Option<CommandId> {
        self.commands.values().find(|c| c.is_open() && c.request.meter == meter).map(|c| c.id)
    }

    /// The open commands of `line`, oldest first.
    pub fn open_on_line(&self, line: LineId) -> impl Iterator<Item = &Command> {
        self.open.get(&line).into_iter().flatten().filter_map(|id| self.commands.get(id))
    }

    fn open_mut(&mut self, id: CommandId) -> Result<&mut Command, Refused> {
        let command = self.commands.get_mut(&id).ok_or_else(|| Refused::missing("command", id))?;
        if command.is_open() { Ok(command) } else { Err(Refused::Conflict(format!("command {id} has ended already"))) }
    }

    pub(super) fn start(
        &mut self,
        at: UnixMillis,
        id: CommandId,
        node: NodeId,
        epoch: Epoch,
    ) -> Result<Reply, Refused> {
        let command = self.open_mut(id)?;
        if at > command.request.deadline {
            return Err(Refused::Stale(format!("command {id}: its deadline")));
        }
        let started = command.phase == Phase::Running;
        if started && !command.request.action.is_safe_to_repeat() {
            self.end(at, id, Outcome::Unknown("its owner was lost while it ran".to_owned()));
            return Err(Refused::Conflict(format!("command {id} is not safe to repeat")));
        }
        command.phase = Phase::Running;
        command.starts.push(Start { at, node, epoch });
        Ok(Reply::Done)
    }

    pub(super) fn finish(
        &mut self,
        at: UnixMillis,
        id: CommandId,
        epoch: Epoch,
        outcome: &Outcome,
    ) -> Result<Reply, Refused> {
        let command = self.open_mut(id)?;
        match command.starts.last() {
            Some(start) if start.epoch == epoch => {
                self.end(at, id, outcome.clone());
                Ok(Reply::Done)
            }
            _ => Err(Refused::Stale(format!("command {id}: epoch {epoch}"))),
        }
    }

    pub(super) fn cancel(&mut self, at: UnixMillis, id: CommandId) -> Result<Reply, Refused> {
        if self.open_mut(id)?.phase != Phase::Queued {
            return Err(Refused::Conflict(format!("command {id} is running: only a queued command can be cancelled")));
        }
        self.end(at, id, Outcome::Cancelled);
        Ok(Reply::Done)
    }

    pub(super) fn expire(&mut self, at: UnixMillis) -> u32 {
        let due = self.commands.values().filter(|c| c.is_open() && c.request.deadline < at);
        let ended: Vec<_> = due.map(|c| (c.id, c.outcome_when_late())).collect();
        let count = u32::try_from(ended.len()).unwrap_or(u32::MAX);
        ended.into_iter().for_each(|(id, outcome)| self.end(at, id, outcome));
        count
    }

    fn end(&mut self, at: UnixMillis, id: CommandId, outcome: Outcome) {
        let Some(command) = self.commands.get_mut(&id) else { return };
        command.phase = Phase::Ended { at, outcome };
        let line = command.line;
        if let Some(open) = self.open.get_mut(&line) {
            open.remove(&id);
            if open.is_empty() {
                self.open.remove(&line);
            }
        }
    }

    pub(super) fn retire(&mut self, at: UnixMillis, ids: &[CommandId]) -> u32 {
        let ended = |id: &&CommandId| self.commands.get(*id).is_some_and(|c| !c.is_open());
        let gone: Vec<_> = ids.iter().filter(ended).copied().collect();
        for id in &gone {
            self.commands.remove(id);
        }
        let is_open = |id| self.commands.get(&id).is_some_and(Command::is_open);
        let forgotten = self.keys.iter().filter(|(_, used)| used.at.plus(KEY_WINDOW_MS) < at && !is_open(used.command));
        let forgotten: Vec<_> = forgotten.map(|(key, _)| key.clone()).collect();
        for key in &forgotten {
            self.keys.remove(key);
        }
        u32::try_from(gone.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let mut open: OrdMap<LineId, OrdSet<CommandId>> = OrdMap::new();
        for command in self.commands.values().filter(|command| command.is_open()) {
            open.entry(command.line).or_default().insert(command.id);
        }
        if open != self.open {
            return Err(format!("open by line are {:?}, yet listed are {:?}", open, self.open));
        }
        match self.commands.keys().next_back() {
            Some(last) if last.0 > self.next_command => Err(format!("command {last} exists, yet was not given out")),
            _ => Ok(()),
        }
    }
}

impl Command {
    /// Whether it has not ended.
    pub const fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Ended { .. })
    }

    /// What its deadline makes of it.
    fn outcome_when_late(&self) -> Outcome {
        match self.phase {
            Phase::Running => Outcome::Unknown("its deadline passed while it ran".to_owned()),
            Phase::Queued | Phase::Ended { .. } => Outcome::Expired,
        }
    }
}

impl Outcome {
    /// The name used in tables and on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Verified(_) => "verified",
            Self::Acknowledged => "acknowledged",
            Self::Refused { .. } => "refused",
            Self::Failed(_) => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What goes with the name: what was seen, the code, the reason.
    pub fn detail(&self) -> String {
        match self {
            Self::Verified(text) | Self::Failed(text) | Self::Unknown(text) => text.clone(),
            Self::Refused { code, text } => format!("{code}: {text}"),
            Self::Acknowledged | Self::Expired | Self::Cancelled => String::new(),
        }
    }
}
