//! Statements that carry many rows, in the shape the server takes best.
//!
//! Promises: rows go in chunks that fit into one packet: split by the driver instead, a second packet would be read with
//! the types of the first. Refuses: knowing any table.

use mysql_async::Value;

use super::DatabaseError;
use super::session::{Flavour, Session};

/// Bytes of one command; more makes it no faster.
const CHUNK_BYTES: usize = 4 << 20;

/// An INSERT of one row of values, and what happens to a row that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Insert {
    pub(super) table: &'static str,
    pub(super) columns: &'static [&'static str],
    /// Assignments for a row that is there; `{new:column}` is the value that came.
    pub(super) on_duplicate: &'static str,
}

/// A DELETE by key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delete {
    pub(super) table: &'static str,
    pub(super) key: &'static [&'static str],
    /// A further condition, or nothing.
    pub(super) and: &'static str,
}

impl Insert {
    pub(super) async fn put(&self, session: &mut Session, rows: Vec<Vec<Value>>) -> Result<(), DatabaseError> {
        let flavour = session.flavour();
        let head = format!("INSERT INTO {} ({}) VALUES ", self.table, self.columns.join(", "));
        let tail = format!(" ON DUPLICATE KEY UPDATE {}", self.on_duplicate(flavour));
        for chunk in chunks(rows, session.packet_bytes()) {
            match flavour {
                Flavour::MariaDb => session.bulk(&format!("{head}{}{tail}", marks(self.columns.len())), chunk).await?,
                Flavour::MySql => session.execute(&format!("{head}{} AS new{tail}", text(&chunk))).await?,
            }
        }
        Ok(())
    }

    /// The only difference of dialect: how a value that came is named.
    fn on_duplicate(&self, flavour: Flavour) -> String {
        let (open, close) = match flavour {
            Flavour::MariaDb => ("VALUES(", ")"),
            Flavour::MySql => ("new.", ""),
        };
        self.on_duplicate.replace("{new:", open).replace('}', close)
    }
}

impl Delete {
    pub(super) async fn take(&self, session: &mut Session, keys: Vec<Vec<Value>>) -> Result<(), DatabaseError> {
        let Self { table, and, .. } = self;
        for chunk in chunks(keys, session.packet_bytes()) {
            match session.flavour() {
                Flavour::MariaDb => {
                    let condition = self.key.iter().map(|column| format!("{table}.{column} = ?"));
                    let condition = condition.collect::<Vec<_>>().join(" AND ");
                    session.bulk(&format!("DELETE FROM {table} WHERE {condition}{and}"), chunk).await?;
                }
                Flavour::MySql => {
                    let columns = self.key.join(", ");
                    let sql = format!("DELETE FROM {table} WHERE ({columns}) IN ({}){and}", text(&chunk));
                    session.execute(&sql).await?;
                }
            }
        }
        Ok(())
    }
}

/// `(?, ?)`
fn marks(count: usize) -> String {
    format!("({})", vec!["?"; count].join(", "))
}

/// `(1, 'a'), (2, 'b')`
fn text(rows: &[Vec<Value>]) -> String {
    let row =
        |row: &Vec<Value>| format!("({})", row.iter().map(|value| value.as_sql(false)).collect::<Vec<_>>().join(", "));
    rows.iter().map(row).collect::<Vec<_>>().join(", ")
}

/// `rows` in order, in chunks that fit; a row larger than that is a chunk of its own.
fn chunks(rows: Vec<Vec<Value>>, packet_bytes: usize) -> Vec<Vec<Vec<Value>>> {
    let limit = packet_bytes.min(CHUNK_BYTES);
    let mut chunks: Vec<Vec<Vec<Value>>> = Vec::new();
    let mut size = usize::MAX;
    for row in rows {
        let bytes = row.iter().map(value_bytes).sum::<usize>();
        size = size.saturating_add(bytes);
        match chunks.last_mut() {
            Some(chunk) if size <= limit => chunk.push(row),
            _ => {
                size = bytes;
                chunks.push(vec![row]);
            }
        }
    }
    chunks
}

/// What a value takes in a command, at most; in a text every byte may become two digits.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) => bytes.len().saturating_mul(2).saturating_add(9),
        _ => 32,
    }
}

#[cfg(test)]
impl Insert {
    /// What is sent to a server that takes text.
    pub(super) fn as_text(&self, rows: &[Vec<Value>]) -> String {
        let tail = self.on_duplicate(Flavour::MySql);
        format!(
            "INSERT INTO {} ({}) VALUES {} AS new ON DUPLICATE KEY UPDATE {tail}",
            self.table,
            self.columns.join(", "),
            text(rows)
        )
    }
}
