//! Statements that carry many rows, in the shape the server takes best.
//!
//! Promises: rows go in chunks that fit into one packet: split by the driver instead, a second packet would be read with
//! the types of the first. Refuses: knowing any table.

use mysql_async::Value;

use super::DatabaseError;
use super::rows::RecordRow;
use super::session::Session;
use super::text::push_literal;
use super::writer::{Flavour, Statement};

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
        let (flavour, statement) = (session.flavour(), session.writer().statement);
        for chunk in chunks(rows, session.packet_bytes(), |row| row.iter().map(value_bytes).sum()) {
            match statement {
                Statement::Bulk => session.bulk(&self.bulk_statement(flavour), chunk).await?,
                Statement::Text => {
                    let rows = text(&chunk);
                    let (head, tail) = (self.head(), self.tail(flavour));
                    session.execute(&format!("{head}{rows}{tail}")).await?;
                }
            }
        }
        Ok(())
    }

    /// The same, of rows of records.
    pub(super) async fn put_rows(&self, session: &mut Session, rows: &[&RecordRow<'_>]) -> Result<(), DatabaseError> {
        let (flavour, statement) = (session.flavour(), session.writer().statement);
        for chunk in chunks(rows.to_vec(), session.packet_bytes(), |row| row.bytes()) {
            match statement {
                Statement::Bulk => {
                    let values = chunk.iter().map(|row| row.values()).collect();
                    session.bulk(&self.bulk_statement(flavour), values).await?;
                }
                Statement::Text => {
                    session.execute_bytes(self.text_statement(flavour, &chunk)).await?;
                }
            }
        }
        Ok(())
    }

    fn head(&self) -> String {
        format!("INSERT INTO {} ({}) VALUES ", self.table, self.columns.join(", "))
    }

    fn tail(&self, flavour: Flavour) -> String {
        let alias = match flavour {
            Flavour::MariaDb => "",
            Flavour::MySql => " AS new",
        };
        format!("{alias} ON DUPLICATE KEY UPDATE {}", self.on_duplicate(flavour))
    }

    fn bulk_statement(&self, flavour: Flavour) -> String {
        format!("{}{}{}", self.head(), marks(self.columns.len()), self.tail(flavour))
    }

    fn text_statement(&self, flavour: Flavour, rows: &[&RecordRow<'_>]) -> Vec<u8> {
        let mut sql = self.head().into_bytes();
        for row in rows {
            let mut before = b'(';
            row.each_cell(|cell| {
                sql.push(std::mem::replace(&mut before, b','));
                push_literal(&mut sql, cell);
            });
            sql.extend_from_slice(b"),");
        }
        sql.pop();
        sql.extend_from_slice(self.tail(flavour).as_bytes());
        sql
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
        for chunk in chunks(keys, session.packet_bytes(), |key| key.iter().map(value_bytes).sum()) {
            match session.writer().statement {
                Statement::Bulk => {
                    let condition = self.key.iter().map(|column| format!("{table}.{column} = ?"));
                    let condition = condition.collect::<Vec<_>>().join(" AND ");
                    session.bulk(&format!("DELETE FROM {table} WHERE {condition}{and}"), chunk).await?;
                }
                Statement::Text => {
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
fn chunks<T>(rows: Vec<T>, packet_bytes: usize, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let limit = packet_bytes.min(CHUNK_BYTES);
    let mut chunks: Vec<Vec<T>> = Vec::new();
    let mut size = usize::MAX;
    for row in rows {
        let bytes = bytes(&row);
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
