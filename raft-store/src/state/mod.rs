//! The replicated state: what every node of the cluster agrees on, and the one function that changes it.
//!
//! ```text
//!   Entry --> apply(&mut State, LogPosition, &Entry) --> Reply
//!                  |
//!                  +-- membership   who the nodes are
//!                  +-- registry     lines and meters
//!                  +-- assignment   who owns which line, by epoch
//!                  +-- command      what is still to be done to meters
//!                  +-- presence     where dial-in units are connected
//!                  +-- plant        where things stand, when they are read, and since when that is due
//! ```
//!
//! Promises: pure and total. The same entries in the same order give the same state, byte for byte, on every
//! replica and every release; an entry that cannot be carried out is a [`Reply::Refused`] and changes nothing.
//! Refuses: async, clocks, dice, I/O and unordered maps. Time is a field of the entry, set by its proposer.

pub mod assignment;
pub mod command;
mod inventory;
pub mod membership;
pub mod plant;
pub mod presence;
pub mod registry;

use std::fmt;

use protocol::meter::{CommandId, Epoch, LineId, NodeId};

use assignment::{Assignment, Move, Revocation};
use command::{Commands, Outcome, Request};
use inventory::{Inventory, Rule};
use membership::{Membership, Newcomer};
use plant::Plant;
use plant::calendar::Calendar;
use plant::detail::{LineDetail, MeterDetail};
use plant::policy::Policy;
use presence::{Presence, Sighting};
use registry::{LineSpec, MeterSpec, Registry, RowFault};

/// A moment of the proposer's wall clock, Unix milliseconds. Names moments; guards nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This moment and `millis` more.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where in the log an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogPosition {
    /// The leader's term.
    pub term: u64,
    /// The entry's index.
    pub index: u64,
}

/// Everything the cluster agrees on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The nodes.
    pub membership: Membership,
    /// The lines and meters.
    pub registry: Registry,
    /// Who owns which line.
    pub assignment: Assignment,
    /// The command queue.
    pub commands: Commands,
    /// Where dial-in units are connected.
    pub presence: Presence,
    /// Where things stand, when they are read, and since when that is due.
    pub plant: Plant,
}

/// A change, as proposed. Durable and replicated: see the codec for its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Names the cluster; the first entry of its log.
    Found {
        /// The proposer's moment.
        at: UnixMillis,
        /// A random id that no other cluster has.
        cluster_id: String,
        /// The cluster's name for people.
        cluster_name: String,
        /// The first node; it gets id 1.
        first: Newcomer,
    },
    /// Gives a newcomer a node id. The same `key` gives the same id.
    Admit {
        /// The proposer's moment.
        at: UnixMillis,
        /// Who comes.
        newcomer: Newcomer,
        /// Idempotency key of the join.
        key: String,
    },
    /// A node says where it is reached from now on.
    Announce {
        /// The node.
        node: NodeId,
        /// Its address, `host:port`.
        address: String,
    },
    /// A node shall hold no lines (true), or may again (false).
    SetDraining {
        /// The node.
        node: NodeId,
        /// Whether it drains.
        draining: bool,
    },
    /// Forgets a node; it must hold no line.
    RemoveNode {
        /// The node.
        node: NodeId,
    },
    /// Creates or updates lines: all rows or none.
    ImportLines {
        /// The proposer's moment.
        at: UnixMillis,
        /// The rows.
        lines: Vec<LineSpec>,
    },
    /// Creates or updates meters: all rows or none.
    ImportMeters {
        /// The rows.
        meters: Vec<MeterSpec>,
    },
    /// Forgets a line; it must have no meters and no owner speaking on it.
    RemoveLine {
        /// The line's name.
        name: String,
    },
    /// Forgets a meter.
    RemoveMeter {
        /// The meter's name.
        name: String,
    },
    /// Stops or starts a meter's schedule.
    SetMeterEnabled {
        /// The meter's name.
        name: String,
        /// Whether it is read.
        enabled: bool,
    },
    /// Gives lines without an owner, or of a dead owner, to nodes. Decided in `term`; refused in any other.
    Assign {
        /// The proposer's moment.
        at: UnixMillis,
        /// The term in which the leader decided this.
        term: u64,
        /// The moves, of one cause.
        moves: Vec<Move>,
        /// Why, for people.
        cause: String,
    },
    /// Asks owners to let go of lines, so that they can be moved without waiting.
    Revoke {
        /// The proposer's moment.
        at: UnixMillis,
        /// The lines and where they shall go.
        lines: Vec<Revocation>,
        /// Why, for people.
        cause: String,
    },
    /// The owner has finished its exchange and lets go.
    Release {
        /// The proposer's moment.
        at: UnixMillis,
        /// The owner.
        node: NodeId,
        /// Each line with the epoch that ends.
        lines: Vec<(LineId, Epoch)>,
    },
    /// Queues a command.
    Submit {
        /// The proposer's moment.
        at: UnixMillis,
        /// What is asked.
        request: Request,
    },
    /// The owner is about to carry a command out.
    Start {
        /// The proposer's moment.
        at: UnixMillis,
        /// The command.
        command: CommandId,
        /// The owner.
        node: NodeId,
        /// Its ownership of the command's line.
        epoch: Epoch,
    },
    /// The owner tells what became of a command.
    Finish {
        /// The proposer's moment.
        at: UnixMillis,
        /// The command.
        command: CommandId,
        /// The ownership under which it ran.
        epoch: Epoch,
        /// What became of it.
        outcome: Outcome,
    },
    /// A person calls a command off; only while it is queued.
    Cancel {
        /// The proposer's moment.
        at: UnixMillis,
        /// The command.
        command: CommandId,
    },
    /// Ends every open command whose deadline has passed at `at`.
    Expire {
        /// The proposer's moment.
        at: UnixMillis,
    },
    /// Ended commands are in the history table: forget them, but for their idempotency keys.
    Retire {
        /// The proposer's moment; keys older than the window are forgotten too.
        at: UnixMillis,
        /// The commands.
        commands: Vec<CommandId>,
    },
    /// A node tells which dial-in units are connected to it, as far as the state does not show it yet. What it said in
    /// another life is void.
    UnitsSeen {
        /// The proposer's moment.
        at: UnixMillis,
        /// The node.
        node: NodeId,
        /// Its life: a number by chance that each start of the node has anew.
        life: u64,
        /// The lines whose units are connected, with the number of the connection.
        came: Vec<(LineId, u64)>,
        /// The lines whose units are not any more, with the number of the connection that ended.
        gone: Vec<(LineId, u64)>,
    },
    /// Creates or updates lines with what else is known of them: all rows or none.
    RegisterLines {
        /// The proposer's moment.
        at: UnixMillis,
        /// The rows.
        lines: Vec<(LineSpec, LineDetail)>,
    },
    /// Creates or updates meters with what else is known of them: all rows or none. What is due changes at `at`.
    RegisterMeters {
        /// The proposer's moment.
        at: UnixMillis,
        /// The rows.
        meters: Vec<(MeterSpec, MeterDetail)>,
    },
    /// Stops or starts a meter's schedule.
    SwitchMeter {
        /// The proposer's moment.
        at: UnixMillis,
        /// The meter's name.
        name: String,
        /// Whether it is read.
        enabled: bool,
    },
    /// Forgets a meter.
    ForgetMeter {
        /// The proposer's moment.
        at: UnixMillis,
        /// The meter's name.
        name: String,
    },
    /// The plant's zone and seasons.
    SetCalendar {
        /// The proposer's moment.
        at: UnixMillis,
        /// From now on.
        calendar: Calendar,
    },
    /// A schedule for all meters of a selector; one of the same name is replaced.
    SetPolicy {
        /// The proposer's moment.
        at: UnixMillis,
        /// The schedule and for whom.
        policy: Policy,
    },
    /// Its meters follow the next policy, their line, or the default.
    RemovePolicy {
        /// The proposer's moment.
        at: UnixMillis,
        /// The policy's name.
        name: String,
    },
    /// Ended duties up to and including this one are in the ledger: forget them.
    SettleDuties {
        /// The last one.
        upto: u64,
    },
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Carried out; nothing more to say.
    Done,
    /// A node was admitted.
    Admitted(NodeId),
    /// An import was carried out.
    Imported {
        /// Rows that made something new.
        created: u32,
        /// Rows that changed something.
        updated: u32,
        /// Rows that found things as they said.
        unchanged: u32,
    },
    /// An import was refused as a whole, and why; nothing was applied.
    Rows(Vec<RowFault>),
    /// A command was queued (or had been, by the same key).
    Queued(CommandId),
    /// How many of the parts of the entry were carried out; the others were out of date.
    Applied(u32),
    /// Not carried out, and why: a fragment naming the thing and its value.
    Refused(Refused),
}

/// Why an entry was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something named does not exist.
    #[error("{thing} {value} does not exist")]
    Missing {
        /// The noun.
        thing: String,
        /// Its name.
        value: String,
    },
    /// Something is in the way.
    #[error("{0}")]
    Conflict(String),
    /// Decided under an ownership or term that has ended.
    #[error("{0} is out of date")]
    Stale(String),
}

impl Refused {
    /// `thing` called `value` does not exist.
    pub fn missing(thing: &str, value: impl fmt::Display) -> Self {
        Self::Missing { thing: thing.to_owned(), value: value.to_string() }
    }
}

impl From<Result<Reply, Refused>> for Reply {
    fn from(result: Result<Reply, Refused>) -> Self {
        result.unwrap_or_else(Reply::Refused)
    }
}

/// The moment of entries that do not say theirs.
const UNSAID: UnixMillis = UnixMillis(0);

/// Carries out one entry.
pub fn apply(state: &mut State, position: LogPosition, entry: &Entry) -> Reply {
    let State { membership, registry, assignment, commands, presence, plant } = state;
    match entry {
        Entry::Found { at, cluster_id, cluster_name, first } => {
            membership.found(*at, cluster_id, cluster_name, first).into()
        }
        Entry::Admit { at, newcomer, key } => membership.admit(*at, newcomer, key).into(),
        Entry::Announce { node, address } => membership.announce(*node, address).into(),
        Entry::SetDraining { node, draining } => membership.set_draining(*node, *draining).into(),
        Entry::RemoveNode { node } => match assignment.held_by(*node) {
            0 => {
                presence.forget_node(*node);
                membership.remove(*node).into()
            }
            held => Reply::Refused(Refused::Conflict(format!("node {node} still holds {held} lines: drain it first"))),
        },
        Entry::ImportLines { at, lines } => {
            let details = vec![LineDetail::default(); lines.len()];
            Inventory { registry, plant, assignment, commands, presence }.register_lines(*at, lines, &details)
        }
        Entry::RegisterLines { at, lines } => {
            let (specs, details): (Vec<_>, Vec<_>) = lines.iter().cloned().unzip();
            Inventory { registry, plant, assignment, commands, presence }.register_lines(*at, &specs, &details)
        }
        Entry::ImportMeters { meters } => {
            let details = vec![MeterDetail::default(); meters.len()];
            Inventory { registry, plant, assignment, commands, presence }.register_meters(UNSAID, meters, &details)
        }
        Entry::RegisterMeters { at, meters } => {
            let (specs, details): (Vec<_>, Vec<_>) = meters.iter().cloned().unzip();
            Inventory { registry, plant, assignment, commands, presence }.register_meters(*at, &specs, &details)
        }
        Entry::RemoveLine { name } => {
            Inventory { registry, plant, assignment, commands, presence }.remove_line(name).into()
        }
        Entry::RemoveMeter { name } => {
            Inventory { registry, plant, assignment, commands, presence }.forget_meter(UNSAID, name).into()
        }
        Entry::ForgetMeter { at, name } => {
            Inventory { registry, plant, assignment, commands, presence }.forget_meter(*at, name).into()
        }
        Entry::SetMeterEnabled { name, enabled } => {
            Inventory { registry, plant, assignment, commands, presence }.switch_meter(UNSAID, name, *enabled).into()
        }
        Entry::SwitchMeter { at, name, enabled } => {
            Inventory { registry, plant, assignment, commands, presence }.switch_meter(*at, name, *enabled).into()
        }
        Entry::SetCalendar { at, calendar } => inventory::rule(plant, registry, *at, &Rule::Calendar(calendar)).into(),
        Entry::SetPolicy { at, policy } => inventory::rule(plant, registry, *at, &Rule::Policy(policy)).into(),
        Entry::RemovePolicy { at, name } => inventory::rule(plant, registry, *at, &Rule::NoPolicy(name)).into(),
        Entry::SettleDuties { upto } => Reply::Applied(plant.settle(*upto)),
        Entry::Assign { term, .. } if *term != position.term => {
            Reply::Refused(Refused::Stale(format!("assignment decided in term {term}")))
        }
        Entry::Assign { at, moves, cause, .. } => {
            Reply::Applied(assignment.assign(*at, moves, cause, |node| membership.may_hold(node)))
        }
        Entry::Revoke { at, lines, cause } => Reply::Applied(assignment.revoke(*at, lines, cause)),
        Entry::Release { at, node, lines } => {
            Reply::Applied(assignment.release(*at, *node, lines, |node| membership.may_hold(node)))
        }
        Entry::Submit { at, request } => submit(registry, commands, *at, request).into(),
        Entry::Start { at, command, node, epoch } => match commands.line_of(*command) {
            Some(line) if !assignment.is_held(line, *node, *epoch) => {
                Reply::Refused(Refused::Stale(format!("epoch {epoch} of line {line}")))
            }
            _ => commands.start(*at, *command, *node, *epoch).into(),
        },
        Entry::Finish { at, command, epoch, outcome } => commands.finish(*at, *command, *epoch, outcome).into(),
        Entry::Cancel { at, command } => commands.cancel(*at, *command).into(),
        Entry::Expire { at } => Reply::Applied(commands.expire(*at)),
        Entry::Retire { at, commands: ids } => Reply::Applied(commands.retire(*at, ids)),
        Entry::UnitsSeen { node, .. } if !membership.members.contains_key(node) => {
            Reply::Refused(Refused::missing("node", node))
        }
        Entry::UnitsSeen { at, node, life, came, gone } => {
            Reply::Applied(presence.see(Sighting { at: *at, node: *node, life: *life, came, gone }, registry))
        }
    }
}

fn submit(registry: &Registry, commands: &mut Commands, at: UnixMillis, request: &Request) -> Result<Reply, Refused> {
    let meter = registry.meters.get(&request.meter).ok_or_else(|| Refused::missing("meter", request.meter))?;
    commands.submit(at, request, meter.line)
}

impl State {
    /// The invariants that hold between and within the nouns; the first broken one in words.
    pub fn check(&self) -> Result<(), String> {
        self.membership.check()?;
        self.registry.check()?;
        self.assignment.check()?;
        self.commands.check()?;
        self.presence.check(&self.registry, |node| self.membership.members.contains_key(&node))?;
        self.plant.check(&self.registry)?;
        let registered: Vec<_> = self.registry.lines.keys().collect();
        let assigned: Vec<_> = self.assignment.lines.keys().collect();
        if registered != assigned {
            return Err("the registered lines and the assigned lines differ".to_owned());
        }
        match self.commands.open.keys().find(|line| !self.registry.lines.contains_key(*line)) {
            Some(line) => Err(format!("commands are open on line {line}, which does not exist")),
            None => Ok(()),
        }
    }
}
