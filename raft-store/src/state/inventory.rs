//! Changes of lines and meters, which touch several nouns at once.
//!
//! Promises: all rows of an import or none; whatever changes what is due says so to the duties. Refuses: rules of one
//! noun: those stand with it.

use protocol::meter::{LineId, MeterId};

use super::assignment::Assignment;
use super::command::Commands;
use super::plant::Plant;
use super::plant::calendar::Calendar;
use super::plant::detail::{LineDetail, MeterDetail};
use super::plant::policy::Policy;
use super::presence::Presence;
use super::registry::{Change, LineSpec, MeterSpec, Registry};
use super::{Refused, Reply, UnixMillis};

/// The nouns that lines and meters touch.
pub(super) struct Inventory<'a> {
    pub(super) registry: &'a mut Registry,
    pub(super) plant: &'a mut Plant,
    pub(super) assignment: &'a mut Assignment,
    pub(super) commands: &'a Commands,
    pub(super) presence: &'a mut Presence,
}

impl Inventory<'_> {
    pub(super) fn register_lines(self, at: UnixMillis, specs: &[LineSpec], details: &[LineDetail]) -> Reply {
        let before = (self.registry.clone(), self.plant.clone());
        let mut done = match self.registry.import_lines(specs) {
            Ok(done) => done,
            Err(faults) => return Reply::Rows(faults),
        };
        done.created().for_each(|line| self.assignment.add_line(at, line));
        done.rechannelled.iter().for_each(|line| self.presence.forget_line(*line));
        for ((line, change), detail) in done.rows.iter_mut().zip(details) {
            if self.plant.set_line(*line, detail) && *change == Change::Unchanged {
                *change = Change::Updated;
            }
        }
        let meters = done.rows.iter().flat_map(|(line, _)| self.registry.meters_of(*line)).map(|meter| meter.id);
        let meters: Vec<MeterId> = meters.collect();
        self.plant.follow(at, (&before.0, &before.1), self.registry, meters.into_iter());
        done.reply()
    }

    pub(super) fn register_meters(self, at: UnixMillis, specs: &[MeterSpec], details: &[MeterDetail]) -> Reply {
        let before = (self.registry.clone(), self.plant.clone());
        let mut done = match self.registry.import_meters(specs) {
            Ok(done) => done,
            Err(faults) => return Reply::Rows(faults),
        };
        for ((meter, change), detail) in done.rows.iter_mut().zip(details) {
            if self.plant.set_meter(*meter, detail) && *change == Change::Unchanged {
                *change = Change::Updated;
            }
        }
        self.plant.follow(at, (&before.0, &before.1), self.registry, done.rows.iter().map(|(meter, _)| *meter));
        done.reply()
    }

    pub(super) fn switch_meter(self, at: UnixMillis, name: &str, enabled: bool) -> Result<Reply, Refused> {
        let before = (self.registry.clone(), self.plant.clone());
        let reply = self.registry.set_meter_enabled(name, enabled)?;
        let meter = self.registry.meter_named(name).map(|meter| meter.id);
        self.plant.follow(at, (&before.0, &before.1), self.registry, meter.into_iter());
        Ok(reply)
    }

    pub(super) fn forget_meter(self, at: UnixMillis, name: &str) -> Result<Reply, Refused> {
        let meter = self.registry.meter_named(name).ok_or_else(|| Refused::missing("meter", name))?.id;
        if let Some(command) = self.commands.open_on_meter(meter) {
            let text = format!("meter {name} has an open command {command}: cancel it or let it end first");
            return Err(Refused::Conflict(text));
        }
        let before = (self.registry.clone(), self.plant.clone());
        self.registry.remove_meter(meter);
        self.plant.forget_meter(meter);
        self.plant.follow(at, (&before.0, &before.1), self.registry, std::iter::once(meter));
        Ok(Reply::Done)
    }

    pub(super) fn remove_line(self, name: &str) -> Result<Reply, Refused> {
        let line = self.registry.line_named(name).ok_or_else(|| Refused::missing("line", name))?.id;
        if let Some(node) = self.assignment.owner(line) {
            let text = format!("line {name} is held by node {node}: it has to be released first");
            return Err(Refused::Conflict(text));
        }
        if let Some(command) = self.commands.first_open_on(line) {
            let text = format!("line {name} has an open command {command}: cancel it or let it end first");
            return Err(Refused::Conflict(text));
        }
        self.registry.remove_line(line)?;
        self.forget_line(line);
        Ok(Reply::Done)
    }

    fn forget_line(self, line: LineId) {
        self.assignment.remove_line(line);
        self.presence.forget_line(line);
        self.plant.forget_line(line);
    }
}

/// A change of the whole plant.
pub(super) enum Rule<'a> {
    Calendar(&'a Calendar),
    Policy(&'a Policy),
    NoPolicy(&'a str),
}

/// Carries it out, for every meter there is.
pub(super) fn rule(plant: &mut Plant, registry: &Registry, at: UnixMillis, rule: &Rule<'_>) -> Result<Reply, Refused> {
    let before = plant.clone();
    match rule {
        Rule::Calendar(calendar) => plant.calendar = (*calendar).clone(),
        Rule::Policy(policy) => plant.set_policy(policy),
        Rule::NoPolicy(name) => plant.remove_policy(name)?,
    }
    plant.follow(at, (registry, &before), registry, registry.meters.keys().copied());
    Ok(Reply::Done)
}
