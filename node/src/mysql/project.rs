//! Copies of the lines and meters, for people who ask the database.
//!
//! Promises: after a projection the tables say what it said; what is gone goes first, so that a name given again fits.
//! Refuses: being a source of anything.

use std::collections::BTreeSet;

use mysql_async::{Params, Value};
use raft_store::state::registry::{Line, Meter};

use super::statement::{Delete, Insert};
use super::{Database, DatabaseError};

/// A row of `line`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRow {
    /// Its id.
    pub id: u64,
    /// The customer's name.
    pub name: String,
    /// The channel, as people write it.
    pub endpoint: String,
}

/// A row of `meter`.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Seconds from slot to slot.
    pub interval_s: u32,
    /// Seconds after the interval's boundary.
    pub offset_s: u32,
    /// Whether it is read.
    pub enabled: bool,
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
    columns: &["line_id", "name", "endpoint"],
    on_duplicate: "name = {new:name}, endpoint = {new:endpoint}",
};
const METERS: Insert = Insert {
    table: "meter",
    columns: &["meter_id", "name", "line_id", "dialect", "address", "interval_s", "offset_s", "enabled"],
    on_duplicate: "name = {new:name}, line_id = {new:line_id}, dialect = {new:dialect}, address = {new:address}, \
                   interval_s = {new:interval_s}, offset_s = {new:offset_s}, enabled = {new:enabled}",
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

impl LineRow {
    fn values(&self) -> Vec<Value> {
        vec![self.id.into(), self.name.as_str().into(), self.endpoint.as_str().into()]
    }
}

impl MeterRow {
    fn values(&self) -> Vec<Value> {
        let Self { id, name, line, dialect, address, interval_s, offset_s, enabled } = self;
        let numbers = [u64::from(*interval_s), u64::from(*offset_s), u64::from(*enabled)].map(Value::UInt);
        let mut values = vec![Value::UInt(*id), name.as_str().into(), Value::UInt(*line)];
        values.extend([dialect.as_str().into(), address.as_str().into()]);
        values.extend(numbers);
        values
    }
}

impl From<&Line> for LineRow {
    fn from(line: &Line) -> Self {
        Self { id: line.id.0, name: line.spec.name.clone(), endpoint: line.spec.endpoint.to_string() }
    }
}

impl From<&Meter> for MeterRow {
    fn from(meter: &Meter) -> Self {
        Self {
            id: meter.id.0,
            name: meter.name.clone(),
            line: meter.line.0,
            dialect: meter.address.dialect().name().to_owned(),
            address: meter.address.to_string(),
            interval_s: meter.schedule.interval_s,
            offset_s: meter.schedule.offset_s,
            enabled: meter.enabled,
        }
    }
}
