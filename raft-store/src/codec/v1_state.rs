//! Version 1 of a whole state. Frozen.
//!
//! Promises: canonical. Maps are lists in strictly rising order of their keys, so equal states give equal bytes.
//! What follows from the rest (names, addresses, the open commands of a line) is not stored but made anew.

use bincode::{Decode, Encode};
use imbl::{OrdMap, OrdSet};
use protocol::meter::{CommandId, LineId, MeterId};

use super::CodecError;
use super::mirror::{Mirror, mirror_enum, mirror_struct, unique};
use super::seq::Seq;
use super::v1_entry::{Action, Address, LineSpec, Outcome, Request, Schedule};
use crate::state::plant::Plant;
use crate::state::presence::Presence;
use crate::state::{self, assignment, command, membership, registry};

/// A state. Where its dial-in units are connected came with version 2, its plant with version 3.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct State {
    membership: Membership,
    registry: Registry,
    assignment: Assignment,
    commands: Commands,
}

impl Mirror for state::State {
    type Stored = State;

    fn store(&self) -> State {
        let Self { membership, registry, assignment, commands, presence: _, plant: _ } = self;
        State {
            membership: membership.store(),
            registry: registry.store(),
            assignment: assignment.store(),
            commands: commands.store(),
        }
    }

    fn restore(stored: State) -> Result<Self, CodecError> {
        let State { membership, registry, assignment, commands } = stored;
        let registry = Mirror::restore(registry)?;
        Ok(Self {
            membership: Mirror::restore(membership)?,
            plant: Plant::of(&registry),
            registry,
            assignment: Mirror::restore(assignment)?,
            commands: Mirror::restore(commands)?,
            presence: Presence::default(),
        })
    }
}

/// A map is the list of its pairs, by key.
impl<K: Mirror + Ord + Clone + std::fmt::Debug, V: Mirror + Clone> Mirror for OrdMap<K, V> {
    type Stored = Seq<(K::Stored, V::Stored)>;

    fn store(&self) -> Self::Stored {
        Seq(self.iter().map(|(key, value)| (key.store(), value.store())).collect())
    }

    fn restore(stored: Self::Stored) -> Result<Self, CodecError> {
        let pairs: Vec<(K, V)> = Mirror::restore(stored)?;
        unique("key", pairs, |key| format!("{key:?}"))
    }
}

mirror_struct!(Membership = membership::Membership {
    cluster_id: String,
    cluster_name: String,
    founded_at: u64,
    members: Seq<(u64, Member)>,
    next_node: u64,
    join_keys: Seq<(String, u64)>,
});

mirror_struct!(Member = membership::Member {
    name: String,
    address: String,
    labels: Seq<(String, String)>,
    draining: bool,
    admitted_at: u64,
});

/// The lines and meters, by id; their indexes are made anew.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Registry {
    lines: Seq<Line>,
    meters: Seq<Meter>,
    next_line: u64,
    next_meter: u64,
}

mirror_struct!(Line = registry::Line { id: u64, spec: LineSpec });

mirror_struct!(Meter = registry::Meter {
    id: u64,
    name: String,
    line: u64,
    address: Address,
    profile: Option<String>,
    schedule: Schedule,
    enabled: bool,
});

impl Mirror for registry::Registry {
    type Stored = Registry;

    fn store(&self) -> Registry {
        let Self { lines, meters, line_names: _, meter_names: _, addresses: _, next_line, next_meter } = self;
        Registry { lines: values(lines), meters: values(meters), next_line: *next_line, next_meter: *next_meter }
    }

    fn restore(stored: Registry) -> Result<Self, CodecError> {
        let Registry { lines, meters, next_line, next_meter } = stored;
        let lines: OrdMap<LineId, registry::Line> = by_key("line", lines, |line: &registry::Line| line.id)?;
        let meters: OrdMap<MeterId, registry::Meter> = by_key("meter", meters, |meter: &registry::Meter| meter.id)?;
        let line_names = index("line name", lines.values().map(|line| (line.spec.name.clone(), line.id)))?;
        let meter_names = index("meter name", meters.values().map(|meter| (meter.name.clone(), meter.id)))?;
        let addresses = meters.values().map(|meter| ((meter.line, meter.address), meter.id));
        let addresses = index("meter address", addresses)?;
        Ok(Self { lines, meters, line_names, meter_names, addresses, next_line, next_meter })
    }
}

mirror_struct!(Assignment = assignment::Assignment { lines: Seq<(u64, Ownership)> });

mirror_struct!(
    Ownership = assignment::Ownership { epoch: u64, phase: Owner, acknowledged: bool, since: u64, cause: String }
);

mirror_enum!(#[derive(Debug, Clone, PartialEq, Encode, Decode)] Owner = assignment::Phase {
    Orphan,
    Held { node: u64 },
    Revoking { node: u64, to: Option<u64> },
});

/// The command queue; the open commands of each line are made anew.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Commands {
    commands: Seq<Command>,
    keys: Seq<(String, KeyUse)>,
    next_command: u64,
}

mirror_struct!(Command = command::Command {
    id: u64,
    request: Request,
    line: u64,
    requested_at: u64,
    phase: Phase,
    starts: Seq<Start>,
});

mirror_enum!(#[derive(Debug, Clone, PartialEq, Encode, Decode)] Phase = command::Phase { Queued, Running, Ended { at: u64, outcome: Outcome } });

mirror_struct!(Start = command::Start { at: u64, node: u64, epoch: u64 });

mirror_struct!(KeyUse = command::KeyUse { command: u64, meter: u64, action: Action, at: u64 });

impl Mirror for command::Commands {
    type Stored = Commands;

    fn store(&self) -> Commands {
        let Self { commands, open: _, keys, next_command } = self;
        Commands { commands: values(commands), keys: keys.store(), next_command: *next_command }
    }

    fn restore(stored: Commands) -> Result<Self, CodecError> {
        let Commands { commands, keys, next_command } = stored;
        let commands: OrdMap<CommandId, command::Command> =
            by_key("command", commands, |command: &command::Command| command.id)?;
        let mut open: OrdMap<LineId, OrdSet<CommandId>> = OrdMap::new();
        for command in commands.values().filter(|command| command.is_open()) {
            open.entry(command.line).or_default().insert(command.id);
        }
        Ok(Self { commands, open, keys: Mirror::restore(keys)?, next_command })
    }
}

fn values<K, V: Mirror>(map: &OrdMap<K, V>) -> Seq<V::Stored>
where
    K: Ord,
{
    Seq(map.values().map(Mirror::store).collect())
}

/// A map of values that carry their own key, which must rise strictly.
fn by_key<K: Ord + Clone + ToString, V: Mirror + Clone>(
    thing: &'static str,
    stored: Seq<V::Stored>,
    key: impl Fn(&V) -> K,
) -> Result<OrdMap<K, V>, CodecError> {
    let values: Vec<V> = Mirror::restore(stored)?;
    unique(thing, values.into_iter().map(|value| (key(&value), value)).collect(), K::to_string)
}

/// An index made from values; no two may claim the same place in it.
fn index<K: Ord + Clone + std::fmt::Debug, V: Clone>(
    thing: &'static str,
    pairs: impl Iterator<Item = (K, V)>,
) -> Result<OrdMap<K, V>, CodecError> {
    let mut index = OrdMap::new();
    for (key, value) in pairs {
        if index.insert(key.clone(), value).is_some() {
            return Err(CodecError::impossible(thing, format!("{key:?} twice")));
        }
    }
    Ok(index)
}
