//! Rows as a file that is only in memory, taken by `LOAD DATA LOCAL INFILE .. REPLACE`.
//!
//! Promises: what the server replaced, skipped or understood as something else is never committed. Refuses: choosing this way.

use super::rows::RecordRow;
use super::session::{Loaded, Session};
use super::statement::Insert;
use super::writer::Writer;
use super::{DatabaseError, text};

/// Bytes of one packet of a file; more makes it no faster.
const PACKET_BYTES: usize = 256 << 10;
/// Error numbers of a server that takes no file from its client.
const NO_FILES: [u16; 3] = [1148, 3948, 4166];

impl Insert {
    /// Sends `rows` as a file, in the transaction that is open; whether each is a row of the table now that met no other
    /// and was taken as it is. Else the transaction has to be taken back: what was met is replaced, and what was
    /// not understood is something else.
    pub(super) async fn load(&self, session: &mut Session, rows: &[&RecordRow<'_>]) -> Result<bool, DatabaseError> {
        if rows.is_empty() {
            return Ok(true);
        }
        let loaded = session.load(&self.load_statement(), file(rows)).await;
        match loaded {
            Ok(loaded) => Ok(loaded == Loaded { records: rows.len() as u64, ..Loaded::default() }),
            Err(error) if NO_FILES.contains(&error.fault().code) => {
                session.use_writer(Writer::Text);
                Err(DatabaseError::Retry(error.fault().clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// JSON has to come in a character set of its own; everything else is bytes.
    fn load_statement(&self) -> String {
        let Self { table, columns, .. } = self;
        let columns: Vec<_> = columns.iter().map(|name| if *name == "extra" { "@extra" } else { *name }).collect();
        let columns = columns.join(", ");
        let extra = if columns.ends_with("@extra") { " SET extra = CONVERT(@extra USING utf8mb4)" } else { "" };
        format!(
            "LOAD DATA LOCAL INFILE 'rows' REPLACE INTO TABLE {table} CHARACTER SET binary \
             FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({columns}){extra}"
        )
    }
}

/// `rows` as packets of a file.
fn file(rows: &[&RecordRow<'_>]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut open = Vec::with_capacity(PACKET_BYTES);
    for row in rows {
        row.each_cell(|cell| {
            text::push_field(&mut open, cell);
            open.push(b'\t');
        });
        open.pop();
        open.push(b'\n');
        if open.len() >= PACKET_BYTES {
            packets.push(std::mem::replace(&mut open, Vec::with_capacity(PACKET_BYTES)));
        }
    }
    packets.push(open);
    packets
}
