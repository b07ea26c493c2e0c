//! Copies of the lines and meters, for people who ask the database.
//!
//! Promises: after a projection the tables say what it said; what is gone goes first, so that a name given again fits.
//! Refuses: being a source of anything.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::{Params, Value};
use raft_store::state::plant::Plant;
use raft_store::state::plant::detail::PLACES;
use raft_store::state::registry::{Line, Meter, Registry};

use super::statement::{Delete, Insert};
use super::{Database, DatabaseError};

/// What labels say of a line or a meter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whereabouts {
    /// By [`PLACES`]; empty where nothing is said.
    pub places: [String; PLACES.len()],
    /// The labels that have no column, a JSON object; `None` without any.
    pub labels: Option<String>,
}

/// A row of `line`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineRow {
    /// Its id.
    pub id: u64,
    /// The customer's name.
    pub name: String,
    /// The channel, as people write it.
    pub endpoint: String,
    /// bit/s.
    pub baud: u32,
    /// Of a serial port.
    pub parity: String,
    /// In words, of meters that have no other; empty: none.
    pub schedule: String,
    /// By its labels.
    pub whereabouts: Whereabouts,
}

/// A row of `meter`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterRow {
    /// Its id.
    pub id: u64,
    /// The customer's name.
    pub name: String,
    /// Its line's id.
    pub line: u64,
    /// What it speaks.
    pub dialect: String,
    /// Where on the line it is reached, as people write it.
    pub address: String,
    /// Seconds from slot to slot, of a schedule that is one interval all year; 0: of another.
    pub interval_s: u32,
    /// Seconds after the interval's boundary.
    pub offset_s: u32,
    /// Whether it is read.
    pub enabled: bool,
    /// By name; empty: recognised by its answer.
    pub profile: String,
    /// What it has to say it is; empty: anything.
    pub identity: String,
    /// By what it is read, in words, whoever said so.
    pub schedule: String,
    /// By its own labels and its line's.
    pub whereabouts: Whereabouts,
}

/// What changed in the registry, or all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    /// Whether this is everything: what is not named is gone.
    pub complete: bool,
    /// Lines that are new or changed.
    pub lines: Vec<LineRow>,
    /// Meters that are new or changed.
    pub meters: Vec<MeterRow>,
    /// Lines that are gone.
    pub lines_gone: BTreeSet<u64>,
    /// Meters that are gone.
    pub meters_gone: BTreeSet<u64>,
}

const LINES: Insert = Insert {
    table: "line",
    columns: &[
        "line_id",
        "name",
        "endpoint",
        "baud",
        "parity",
        "schedule",
        "region",
        "station",
        "community",
        "building",
        "unit",
        "household",
        "labels",
    ],
    on_duplicate: "name = {new:name}, endpoint = {new:endpoint}, baud = {new:baud}, parity = {new:parity}, \
                   schedule = {new:schedule}, region = {new:region}, station = {new:station}, community = \
                   {new:community}, building = {new:building}, unit = {new:unit}, household = {new:household}, \
                   labels = {new:labels}",
};
const METERS: Insert = Insert {
    table: "meter",
    columns: &[
        "meter_id",
        "name",
        "line_id",
        "dialect",
        "address",
        "interval_s",
        "offset_s",
        "enabled",
        "profile",
        "identity",
        "schedule",
        "region",
        "station",
        "community",
        "building",
        "unit",
        "household",
        "labels",
    ],
    on_duplicate: "name = {new:name}, line_id = {new:line_id}, dialect = {new:dialect}, address = {new:address}, \
                   interval_s = {new:interval_s}, offset_s = {new:offset_s}, enabled = {new:enabled}, profile = \
                   {new:profile}, identity = {new:identity}, schedule = {new:schedule}, region = {new:region}, \
                   station = {new:station}, community = {new:community}, building = {new:building}, unit = \
                   {new:unit}, household = {new:household}, labels = {new:labels}",
};
const LINES_GONE: Delete = Delete { table: "line", key: &["line_id"], and: "" };
const METERS_GONE: Delete = Delete { table: "meter", key: &["meter_id"], and: "" };

impl Database {
    /// Makes the tables say what `projection` says.
    pub async fn project(&mut self, projection: &Projection) -> Result<(), DatabaseError> {
        let (mut lines_gone, mut meters_gone) = (projection.lines_gone.clone(), projection.meters_gone.clone());
        if projection.complete {
            let lines = projection.lines.iter().map(|line| line.id).collect();
            let meters = projection.meters.iter().map(|meter| meter.id).collect();
            lines_gone.extend(self.ids("SELECT line_id FROM line").await?.difference(&lines));
            meters_gone.extend(self.ids("SELECT meter_id FROM meter").await?.difference(&meters));
        }
        self.session.execute("START TRANSACTION").await?;
        let written = self.put_projection(projection, &lines_gone, &meters_gone).await;
        self.end_transaction(written).await
    }

    async fn put_projection(
        &mut self,
        projection: &Projection,
        lines_gone: &BTreeSet<u64>,
        meters_gone: &BTreeSet<u64>,
    ) -> Result<(), DatabaseError> {
        let keys = |ids: &BTreeSet<u64>| ids.iter().map(|id| vec![Value::UInt(*id)]).collect();
        METERS_GONE.take(&mut self.session, keys(meters_gone)).await?;
        LINES_GONE.take(&mut self.session, keys(lines_gone)).await?;
        LINES.put(&mut self.session, projection.lines.iter().map(LineRow::values).collect()).await?;
        METERS.put(&mut self.session, projection.meters.iter().map(MeterRow::values).collect()).await
    }

    async fn ids(&mut self, sql: &str) -> Result<BTreeSet<u64>, DatabaseError> {
        let rows = self.session.query(sql, Params::Empty).await?;
        Ok(rows.into_iter().filter_map(|row| row.get(0)).collect())
    }
}

impl Whereabouts {
    /// Of what `place` says of each of [`PLACES`], and all labels; of several of one name the last counts.
    fn of<'a>(place: impl Fn(&str) -> Option<&'a str>, labels: impl Iterator<Item = (&'a String, &'a String)>) -> Self {
        let others: BTreeMap<_, _> = labels.filter(|(name, _)| !PLACES.contains(&name.as_str())).collect();
        let labels = if others.is_empty() { None } else { serde_json::to_string(&others).ok() };
        Self { places: PLACES.map(|name| place(name).unwrap_or_default().to_owned()), labels }
    }

    /// In the order of their columns, which are the last.
    fn values(&self) -> impl Iterator<Item = Value> {
        let places = self.places.iter().map(|place| Value::from(place.as_str()));
        places.chain([self.labels.as_deref().into()])
    }
}

impl LineRow {
    /// The row of `line`.
    pub fn of(plant: &Plant, line: &Line) -> Self {
        let detail = plant.lines.get(&line.id);
        let labels = detail.into_iter().flat_map(|detail| &detail.labels);
        let place = |name: &str| detail.and_then(|detail| detail.labels.get(name)).map(String::as_str);
        let schedule = detail.and_then(|detail| detail.schedule.as_ref());
        Self {
            id: line.id.0,
            name: line.spec.name.clone(),
            endpoint: line.spec.endpoint.to_string(),
            baud: line.spec.baud,
            parity: line.spec.parity.name().to_owned(),
            schedule: schedule.map(ToString::to_string).unwrap_or_default(),
            whereabouts: Whereabouts::of(place, labels),
        }
    }

    fn values(&self) -> Vec<Value> {
        let Self { id, name, endpoint, baud, parity, schedule, whereabouts } = self;
        let mut values = vec![Value::UInt(*id), name.as_str().into(), endpoint.as_str().into()];
        values.extend([Value::UInt(u64::from(*baud)), parity.as_str().into(), schedule.as_str().into()]);
        values.extend(whereabouts.values());
        values
    }
}

impl MeterRow {
    /// The row of `meter`.
    pub fn of(plant: &Plant, registry: &Registry, meter: &Meter) -> Self {
        let (schedule, _) = plant.schedule_of(registry, meter);
        let (interval_s, offset_s) = schedule.interval().unwrap_or((0, 0));
        let line = plant.lines.get(&meter.line).map(|line| &line.labels);
        let own = plant.meters.get(&meter.id).map(|meter| &meter.labels);
        Self {
            id: meter.id.0,
            name: meter.name.clone(),
            line: meter.line.0,
            dialect: meter.address.dialect().name().to_owned(),
            address: meter.address.to_string(),
            interval_s,
            offset_s,
            enabled: meter.enabled,
            profile: meter.profile.clone().unwrap_or_default(),
            identity: plant.identity(meter.id).unwrap_or_default().to_owned(),
            schedule: schedule.to_string(),
            whereabouts: Whereabouts::of(|place| plant.label(meter, place), line.into_iter().chain(own).flatten()),
        }
    }

    fn values(&self) -> Vec<Value> {
        let Self { id, name, line, dialect, address, interval_s, offset_s, enabled, .. } = self;
        let numbers = [u64::from(*interval_s), u64::from(*offset_s), u64::from(*enabled)].map(Value::UInt);
        let mut values = vec![Value::UInt(*id), name.as_str().into(), Value::UInt(*line)];
        values.extend([dialect.as_str().into(), address.as_str().into()]);
        values.extend(numbers);
        values.extend([&self.profile, &self.identity, &self.schedule].map(|text| Value::from(text.as_str())));
        values.extend(self.whereabouts.values());
        values
    }
}
