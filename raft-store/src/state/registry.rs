//! The lines and meters: what they are called, how they are reached, when they are read.
//!
//! Promises: names are unique, an address stands once on its line, an import is all or nothing and its faults name
//! row and column. Refuses: knowing who owns a line.

mod channel;

use std::collections::BTreeMap;

use imbl::{OrdMap, OrdSet};
use protocol::meter::{Address, LineId, MeterId};

use super::membership::Labels;
use super::{Refused, Reply};
use channel::Physical;
pub use channel::{Endpoint, Parity};

/// The lines and meters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    /// Lines by id.
    pub lines: OrdMap<LineId, Line>,
    /// Meters by id.
    pub meters: OrdMap<MeterId, Meter>,
    /// Lines by name.
    pub line_names: OrdMap<String, LineId>,
    /// Meters by name.
    pub meter_names: OrdMap<String, MeterId>,
    /// Who has which address on which line; also the meters of a line, in order.
    pub addresses: OrdMap<(LineId, Address), MeterId>,
    /// The next line id to give.
    pub next_line: u64,
    /// The next meter id to give.
    pub next_meter: u64,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// What was imported.
    pub spec: LineSpec,
}

/// How a line is reached and how it behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSpec {
    /// The customer's name; unique.
    pub name: String,
    /// The channel.
    pub endpoint: Endpoint,
    /// bit/s.
    pub baud: u32,
    /// Of a serial port.
    pub parity: Parity,
    /// Added to the standard's answer time, ms.
    pub extra_answer_ms: u32,
    /// Repeats of an unanswered request, at most.
    pub repeats: u8,
    /// A node must carry these labels to hold the line.
    pub requires: Labels,
}

/// A meter as imported; its line is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterSpec {
    /// The customer's name; unique.
    pub name: String,
    /// The line's name.
    pub line: String,
    /// Where on the line it is reached.
    pub address: Address,
    /// A profile by name; `None`: recognised by its answer.
    pub profile: Option<String>,
    /// When it is read.
    pub schedule: Schedule,
    /// Whether it is read.
    pub enabled: bool,
}

/// A meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// Its id.
    pub id: MeterId,
    /// The customer's name; unique.
    pub name: String,
    /// Its line.
    pub line: LineId,
    /// Where on the line it is reached.
    pub address: Address,
    /// A profile by name; `None`: recognised by its answer.
    pub profile: Option<String>,
    /// When it is read.
    pub schedule: Schedule,
    /// Whether it is read.
    pub enabled: bool,
}

/// A slot begins at every multiple of the interval since the Unix epoch, plus the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Seconds from slot to slot, at least 1.
    pub interval_s: u32,
    /// Seconds after the multiple, less than the interval.
    pub offset_s: u32,
}

/// A row of an import that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// 1 is the first row.
    pub row: u32,
    /// The column at fault.
    pub column: String,
    /// A fragment naming the value and the remedy.
    pub message: String,
}

impl RowFault {
    fn new(row: usize, column: &str, message: String) -> Self {
        Self { row: u32::try_from(row + 1).unwrap_or(u32::MAX), column: column.to_owned(), message }
    }
}

/// What an import did.
#[derive(Debug)]
pub(super) struct Imported<Id> {
    /// What each row named, in their order, and what it did to it.
    pub(super) rows: Vec<(Id, Change)>,
    /// Lines that have another channel now.
    pub(super) rechannelled: Vec<Id>,
}

/// What a row of an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Updated,
    Unchanged,
}

impl<Id: Copy> Imported<Id> {
    const fn new() -> Self {
        Self { rows: Vec::new(), rechannelled: Vec::new() }
    }

    fn note(&mut self, id: Id, change: Change) {
        self.rows.push((id, change));
    }

    /// The things that are new.
    pub(super) fn created(&self) -> impl Iterator<Item = Id> + '_ {
        self.rows.iter().filter(|(_, change)| *change == Change::Created).map(|(id, _)| *id)
    }

    pub(super) fn reply(&self) -> Reply {
        let count = |wanted| self.rows.iter().filter(|(_, change)| *change == wanted).count();
        let [created, updated, unchanged] = [Change::Created, Change::Updated, Change::Unchanged]
            .map(|wanted| u32::try_from(count(wanted)).unwrap_or(u32::MAX));
        Reply::Imported { created, updated, unchanged }
    }
}

/// The first row of each name, and a fault for every row that repeats one.
fn refuse_repeated<'a>(names: impl Iterator<Item = &'a str>) -> Vec<RowFault> {
    let mut first = BTreeMap::new();
    let mut faults = Vec::new();
    for (row, name) in names.enumerate() {
        match first.get(name) {
            Some(earlier) => {
                let text = format!("{name} stands in row {earlier} already: keep one of them");
                faults.push(RowFault::new(row, "name", text));
            }
            None => drop(first.insert(name, row + 1)),
        }
    }
    faults
}

impl Registry {
    /// The line called `name`.
    pub fn line_named(&self, name: &str) -> Option<&Line> {
        self.lines.get(self.line_names.get(name)?)
    }

    /// The meter called `name`.
    pub fn meter_named(&self, name: &str) -> Option<&Meter> {
        self.meters.get(self.meter_names.get(name)?)
    }

    /// The meters of `line`, by address.
    pub fn meters_of(&self, line: LineId) -> impl Iterator<Item = &Meter> {
        self.addresses
            .range((line, FIRST_ADDRESS)..)
            .take_while(move |((on, _), _)| *on == line)
            .filter_map(|(_, meter)| self.meters.get(meter))
    }

    pub(super) fn import_lines(&mut self, rows: &[LineSpec]) -> Result<Imported<LineId>, Vec<RowFault>> {
        let faults = self.line_faults(rows);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut done = Imported::new();
        for spec in rows {
            match self.line_names.get(&spec.name).copied() {
                None => done.note(self.create_line(spec), Change::Created),
                Some(id) if self.lines.get(&id).is_some_and(|line| line.spec == *spec) => {
                    done.note(id, Change::Unchanged);
                }
                Some(id) => {
                    let before = self.lines.insert(id, Line { id, spec: spec.clone() });
                    done.rechannelled.extend(before.filter(|line| line.spec.endpoint != spec.endpoint).map(|_| id));
                    done.note(id, Change::Updated);
                }
            }
        }
        Ok(done)
    }

    fn line_faults(&self, rows: &[LineSpec]) -> Vec<RowFault> {
        let mut faults = refuse_repeated(rows.iter().map(|row| row.name.as_str()));
        let renamed: OrdSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let mut channels: BTreeMap<Physical, Vec<&LineSpec>> = BTreeMap::new();
        for line in self.lines.values().filter(|line| !renamed.contains(line.spec.name.as_str())) {
            channels.entry((&line.spec.endpoint).into()).or_default().push(&line.spec);
        }
        for (row, spec) in rows.iter().enumerate() {
            let same_endpoint = channels.entry((&spec.endpoint).into()).or_default();
            if let Some(other) =
                same_endpoint.iter().find(|other| other.name != spec.name && channel::is_shared(spec, other))
            {
                let text =
                    format!("{} is the channel of line {} already: a channel is one line", spec.endpoint, other.name);
                faults.push(RowFault::new(row, "endpoint", text));
            }
            same_endpoint.push(spec);
            if let Some(meter) = self.meter_unfit_for(spec) {
                let text = format!("{} carries Modbus only, and meter {meter} is no Modbus unit", spec.endpoint);
                faults.push(RowFault::new(row, "endpoint", text));
            }
        }
        faults
    }

    /// A meter that is on the line already and could not be reached any more.
    fn meter_unfit_for(&self, spec: &LineSpec) -> Option<&str> {
        let Endpoint::ModbusTcp { .. } = spec.endpoint else { return None };
        let line = self.line_named(&spec.name)?;
        let unfit = self.meters_of(line.id).find(|meter| !matches!(meter.address, Address::ModbusUnit(_)))?;
        Some(&unfit.name)
    }

    fn create_line(&mut self, spec: &LineSpec) -> LineId {
        self.next_line += 1;
        let id = LineId(self.next_line);
        self.line_names.insert(spec.name.clone(), id);
        self.lines.insert(id, Line { id, spec: spec.clone() });
        id
    }

    pub(super) fn import_meters(&mut self, rows: &[MeterSpec]) -> Result<Imported<MeterId>, Vec<RowFault>> {
        let mut faults = refuse_repeated(rows.iter().map(|row| row.name.as_str()));
        let mut next = self.clone();
        let mut done = Imported::new();
        next.vacate(rows);
        for (row, spec) in rows.iter().enumerate() {
            if let Err(fault) = next.import_meter(row, spec, &mut done) {
                faults.push(fault);
            }
        }
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.row);
            return Err(faults);
        }
        *self = next;
        Ok(done)
    }

    /// Frees the addresses of all meters that `rows` name, so that rows may exchange addresses.
    fn vacate(&mut self, rows: &[MeterSpec]) {
        for spec in rows {
            if let Some((line, address)) = self.meter_named(&spec.name).map(|m| (m.line, m.address)) {
                self.addresses.remove(&(line, address));
            }
        }
    }

    fn import_meter(&mut self, row: usize, spec: &MeterSpec, done: &mut Imported<MeterId>) -> Result<(), RowFault> {
        let Schedule { interval_s, offset_s } = spec.schedule;
        if offset_s >= interval_s {
            let text = format!("an offset of {offset_s} s is not less than the interval of {interval_s} s");
            return Err(RowFault::new(row, "schedule", text));
        }
        let line = self.line_named(&spec.line).map(|line| line.id).ok_or_else(|| {
            RowFault::new(row, "line", format!("line {} does not exist: import lines first", spec.line))
        })?;
        let is_modbus = matches!(spec.address, Address::ModbusUnit(_));
        let endpoint = self.lines.get(&line).map(|line| &line.spec.endpoint);
        if !is_modbus && matches!(endpoint, Some(Endpoint::ModbusTcp { .. })) {
            let text = format!("{} is no Modbus unit, and line {} carries nothing else", spec.address, spec.line);
            return Err(RowFault::new(row, "address", text));
        }
        if let Some(other) = self.addresses.get(&(line, spec.address)).and_then(|id| self.meters.get(id)) {
            let text = format!("{} belongs to meter {} on line {} already", spec.address, other.name, spec.line);
            return Err(RowFault::new(row, "address", text));
        }
        let known = self.meter_names.get(&spec.name).copied();
        let id = known.unwrap_or_else(|| {
            self.next_meter += 1;
            MeterId(self.next_meter)
        });
        let meter = spec.clone().into_meter(id, line);
        match known.and_then(|id| self.meters.get(&id)) {
            None => done.note(id, Change::Created),
            Some(before) if *before == meter => done.note(id, Change::Unchanged),
            Some(_) => done.note(id, Change::Updated),
        }
        self.put_meter(meter);
        Ok(())
    }

    fn put_meter(&mut self, meter: Meter) {
        self.addresses.insert((meter.line, meter.address), meter.id);
        self.meter_names.insert(meter.name.clone(), meter.id);
        self.meters.insert(meter.id, meter);
    }

    pub(super) fn remove_line(&mut self, id: LineId) -> Result<(), Refused> {
        let count = self.meters_of(id).count();
        let name = self.lines.get(&id).map(|line| line.spec.name.clone()).unwrap_or_default();
        if count > 0 {
            return Err(Refused::Conflict(format!("line {name} has {count} meters: remove or move them first")));
        }
        self.lines.remove(&id);
        self.line_names.remove(&name);
        Ok(())
    }

    pub(super) fn remove_meter(&mut self, id: MeterId) {
        if let Some(meter) = self.meters.remove(&id) {
            self.meter_names.remove(&meter.name);
            self.addresses.remove(&(meter.line, meter.address));
        }
    }

    pub(super) fn set_meter_enabled(&mut self, name: &str, enabled: bool) -> Result<Reply, Refused> {
        let id = self.meter_named(name).ok_or_else(|| Refused::missing("meter", name))?.id;
        if let Some(meter) = self.meters.get_mut(&id) {
            meter.enabled = enabled;
        }
        Ok(Reply::Done)
    }

    fn is_indexed(&self, meter: &Meter) -> bool {
        let by_name = self.meter_names.get(&meter.name);
        by_name == Some(&meter.id) && self.addresses.get(&(meter.line, meter.address)) == Some(&meter.id)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.line_names.len() != self.lines.len() || self.meter_names.len() != self.meters.len() {
            return Err("names and things differ in number".to_owned());
        }
        if self.addresses.len() != self.meters.len() {
            return Err(format!("{} addresses for {} meters", self.addresses.len(), self.meters.len()));
        }
        if let Some(line) = self.lines.values().find(|line| self.line_names.get(&line.spec.name) != Some(&line.id)) {
            return Err(format!("line {} is not found by its name {}", line.id, line.spec.name));
        }
        if let Some(meter) = self.meters.values().find(|meter| !self.is_indexed(meter)) {
            return Err(format!("meter {} is not found by its name {} or address", meter.id, meter.name));
        }
        match self.meters.values().find(|m| !self.lines.contains_key(&m.line)) {
            Some(meter) => Err(format!("meter {} is on line {}, which does not exist", meter.id, meter.line)),
            None => Ok(()),
        }
    }
}

/// Sorts before every address.
const FIRST_ADDRESS: Address = Address::MbusPrimary(0);

impl MeterSpec {
    fn into_meter(self, id: MeterId, line: LineId) -> Meter {
        let Self { name, address, profile, schedule, enabled, .. } = self;
        Meter { id, name, line, address, profile, schedule, enabled }
    }
}
