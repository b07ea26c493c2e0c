//! Rows as a file that is only in memory, taken by `LOAD DATA LOCAL INFILE .. REPLACE`.
//!
//! Promises: what the server replaced, skipped or understood as something else is never committed. Refuses: choosing this way.

use super::rows::RecordRow;
use super::session::{Loaded, Session};
use super::statement::Insert;
use super::writer::Flavour;
use super::{DatabaseError, text};

/// Bytes of one packet of a file, at most; more makes it no faster.
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
        let loaded = session.load(&self.load_statement(session.flavour()), file(rows, session.packet_bytes())).await;
        match loaded {
            Ok(loaded) => Ok(loaded == Loaded { records: rows.len() as u64, ..Loaded::default() }),
            Err(error) if NO_FILES.contains(&error.fault().code) => {
                session.use_writer(session.writer().without_files());
                Err(DatabaseError::Retry(error.fault().clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// Everything is bytes; but of MySQL, JSON has to come in a character set of its own.
    fn load_statement(&self, flavour: Flavour) -> String {
        let Self { table, columns, .. } = self;
        let named = |name: &&'static str| match (flavour, *name) {
            (Flavour::MySql, "extra") => "@extra",
            (_, name) => name,
        };
        let columns = columns.iter().map(named).collect::<Vec<_>>().join(", ");
        let extra = if columns.ends_with("@extra") { " SET extra = CONVERT(@extra USING utf8mb4)" } else { "" };
        format!(
            "LOAD DATA LOCAL INFILE 'rows' REPLACE INTO TABLE {table} CHARACTER SET binary \
             FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({columns}){extra}"
        )
    }
}

/// `rows` as packets of a file, of which none is larger than `packet_bytes`; a row may begin in one and end in the next.
fn file(rows: &[&RecordRow<'_>], packet_bytes: usize) -> Vec<Vec<u8>> {
    let limit = packet_bytes.clamp(1, PACKET_BYTES);
    let mut packets = Vec::new();
    let mut open = Vec::with_capacity(limit);
    for row in rows {
        row.each_cell(|cell| {
            text::push_field(&mut open, cell);
            open.push(b'\t');
        });
        open.pop();
        open.push(b'\n');
        while open.len() >= limit {
            let rest = open.split_off(limit);
            packets.push(std::mem::replace(&mut open, rest));
        }
    }
    packets.push(open);
    packets
}
