//! Rows as a file that is only in memory, taken by `LOAD DATA LOCAL INFILE .. REPLACE`.
//!
//! ```text
//!   rows      7 | 18:00 | .. | NULL | .. | NULL          columns   meter_id, slot, ..     those in which some row has a value
//!             8 | 18:00 | .. | 7    | .. | NULL   -->    packets   "7 TAB 20261123180000 TAB .. LF 8 TAB 2026" "1123180000 .."
//! ```
//!
//! Promises: what the server replaced, skipped or understood as something else is never committed. Refuses: choosing this way.

use bytes::Bytes;

use super::rows::{Cell, RecordRow};
use super::session::{Loaded, Session};
use super::statement::Insert;
use super::writer::Flavour;
use super::{DatabaseError, text};

/// Bytes of one packet of a file, at most; more makes it no faster.
const PACKET_BYTES: usize = 256 << 10;
/// Bytes a file is believed to become after its first row, at most.
const EXPECTED_BYTES: usize = 8 << 20;
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
        let sent = self.sent(rows);
        let packets = file(rows, &sent, session.packet_bytes());
        let loaded = session.load(&self.load_statement(session.flavour(), &sent), packets).await;
        match loaded {
            Ok(loaded) => Ok(loaded == Loaded { records: rows.len() as u64, ..Loaded::default() }),
            Err(error) if NO_FILES.contains(&error.fault().code) => {
                session.use_writer(session.writer().without_files());
                Err(DatabaseError::Retry(error.fault().clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// Of each column, whether some row has a value in it. The others become their default without being read by the server:
    /// of a column that may have no value that is NULL.
    fn sent(&self, rows: &[&RecordRow<'_>]) -> Vec<bool> {
        let mut sent = vec![false; self.columns.len()];
        for row in rows {
            let mut columns = sent.iter_mut();
            row.each_cell(|cell| {
                if let Some(sent) = columns.next() {
                    *sent |= cell != Cell::Null;
                }
            });
        }
        sent
    }

    /// Everything is bytes; but of MySQL, JSON has to come in a character set of its own.
    fn load_statement(&self, flavour: Flavour, sent: &[bool]) -> String {
        let Self { table, columns, .. } = self;
        let named = |name: &'static str| match (flavour, name) {
            (Flavour::MySql, "extra") => "@extra",
            (_, name) => name,
        };
        let columns = columns.iter().zip(sent).filter(|(_, sent)| **sent).map(|(name, _)| named(name));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let extra = if columns.ends_with("@extra") { " SET extra = CONVERT(@extra USING utf8mb4)" } else { "" };
        format!(
            "LOAD DATA LOCAL INFILE 'rows' REPLACE INTO TABLE {table} CHARACTER SET binary \
             FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({columns}){extra}"
        )
    }
}

/// The cells of `rows` that are `sent` as packets of a file, of which none is larger than `packet_bytes`; a row may begin in
/// one and end in the next.
fn file(rows: &[&RecordRow<'_>], sent: &[bool], packet_bytes: usize) -> Vec<Bytes> {
    let mut file = Vec::new();
    for (row, left) in rows.iter().zip((0..rows.len()).rev()) {
        let (mut sent, from) = (sent.iter(), file.len());
        row.each_cell(|cell| {
            if sent.next() == Some(&true) {
                text::push_field(&mut file, cell);
                file.push(b'\t');
            }
        });
        file.pop();
        file.push(b'\n');
        // The others are about as long.
        if from == 0 {
            file.reserve((file.len() + file.len() / 8).saturating_mul(left).min(EXPECTED_BYTES));
        }
    }
    let (mut rest, mut packets) = (Bytes::from(file), Vec::new());
    let limit = packet_bytes.clamp(1, PACKET_BYTES);
    while rest.len() > limit {
        packets.push(rest.split_to(limit));
    }
    packets.push(rest);
    packets
}

#[cfg(test)]
mod tests {
    use protocol::api::peer::spool_record::{Content, Kind};
    use protocol::api::peer::{SpoolRecord, SpooledReading, SpooledValue};

    use super::*;
    use crate::mysql::rows;

    const READINGS: Insert = Insert { table: "reading", columns: rows::READING, on_duplicate: "" };

    fn record(meter: u64, quantity: u32) -> SpoolRecord {
        let values = vec![SpooledValue { quantity, value: 5 }];
        let reading = SpooledReading { values, raw: vec![b'a', b'\t'], ..SpooledReading::default() };
        let content = Some(Content::Reading(reading));
        SpoolRecord { meter, kind: Kind::Scheduled.into(), content, ..SpoolRecord::default() }
    }

    #[test]
    fn a_column_is_sent_where_a_row_has_a_value_in_it_and_packets_together_are_the_file() {
        let records = [record(1, 1), record(2, 3)];
        let rows: Vec<_> = records.iter().map(|record| RecordRow::new(0, record).expect("a row")).collect();
        let rows: Vec<_> = rows.iter().collect();
        let sent = READINGS.sent(&rows);
        let columns = rows::READING.iter().zip(&sent).filter(|(_, sent)| **sent).map(|(name, _)| *name);
        let named = "meter_id, slot, kind, read_at, node_id, line_id, epoch, energy_joule, volume_millilitre, quality, \
                     attempts, identity, raw, shape";
        assert_eq!(columns.collect::<Vec<_>>().join(", "), named);
        for flavour in [Flavour::MariaDb, Flavour::MySql] {
            assert!(READINGS.load_statement(flavour, &sent).ends_with(&format!("({named})")), "no word of `extra`");
        }
        let with_extra: Vec<_> = rows::READING.iter().map(|column| ["meter_id", "extra"].contains(column)).collect();
        let load = |flavour| READINGS.load_statement(flavour, &with_extra);
        assert!(load(Flavour::MariaDb).ends_with("(meter_id, extra)"));
        assert!(load(Flavour::MySql).ends_with("(meter_id, @extra) SET extra = CONVERT(@extra USING utf8mb4)"));
        let whole = b"1\t19700101000000\t1\t19700101000000\t0\t0\t0\t5\t\\N\t0\t0\t\ta\\\t\t0\n\
                      2\t19700101000000\t1\t19700101000000\t0\t0\t0\t\\N\t5\t0\t0\t\ta\\\t\t0\n";
        for limit in [1, 7, whole.len() - 1, whole.len(), usize::MAX] {
            let packets = file(&rows, &sent, limit);
            assert!(packets.iter().all(|packet| !packet.is_empty() && packet.len() <= limit), "{limit}");
            assert_eq!(packets.concat(), whole, "{limit}");
        }
    }
}
