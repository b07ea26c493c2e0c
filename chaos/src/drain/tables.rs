//! The table that is measured: all SQL of this room.
//!
//! Promises: a file is written as LOAD DATA reads it. Refuses: judging what is in the table.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value, WhiteListFsHandler};
use tokio::time::sleep;

/// The database's name.
pub const NAME: &str = "hearth_bench";
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// `reading` as it was when this was written; a column that came later is not part of the sum.
const COLUMNS: &str = "meter_id, slot, kind, read_at, node_id, line_id, epoch, energy_joule, cooling_energy_joule, \
    volume_millilitre, power_milliwatt, flow_millilitre_per_hour, supply_milli_celsius, return_milli_celsius, \
    difference_millikelvin, operating_seconds, on_seconds, error_flags, meter_time, valve, quality, attempts, command_id, \
    identity, raw, extra";

/// In which order a file has its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// One slot of all meters, then the next: as nodes read them.
    OfSpools,
    /// All slots of one meter of a day, then the next meter: as the table lies.
    OfKey,
}

impl Order {
    const fn columns(self) -> &'static str {
        match self {
            Self::OfSpools => "slot, meter_id, kind",
            Self::OfKey => "DATE(slot), meter_id, slot, kind",
        }
    }
}

/// A connection to the database.
pub struct Tables {
    url: String,
    conn: Conn,
}

impl Tables {
    /// An empty database on the server of this URL.
    pub async fn create(server: &str) -> Result<Self> {
        let mut conn = Conn::new(Opts::from_url(server)?).await.context("the database server")?;
        conn.query_drop(format!("DROP DATABASE IF EXISTS {NAME}")).await?;
        conn.query_drop(format!("CREATE DATABASE {NAME}")).await?;
        conn.query_drop(format!("USE {NAME}")).await?;
        Ok(Self { url: format!("{server}/{NAME}"), conn })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the product has made its table and the days ahead.
    pub async fn until_made(&mut self, limit: Duration) -> Result<()> {
        let ask = format!(
            "SELECT COUNT(*) FROM information_schema.partitions WHERE table_schema = '{NAME}' AND table_name = 'missed'"
        );
        let began = Instant::now();
        while self.conn.query_first::<u64, _>(&ask).await?.unwrap_or(0) < 2 {
            ensure!(began.elapsed() < limit, "the product makes no tables within {limit:?}: see its log");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    pub async fn count(&mut self) -> Result<u64> {
        Ok(self.conn.query_first("SELECT COUNT(*) FROM reading").await?.unwrap_or(0))
    }

    /// Of all rows, whatever their order.
    pub async fn checksum(&mut self) -> Result<u64> {
        let columns = COLUMNS.split(", ").map(|column| format!("COALESCE(HEX({column}), '-')"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let ask = format!("SELECT CAST(COALESCE(SUM(CRC32(CONCAT_WS(',', {columns}))), 0) AS UNSIGNED) FROM reading");
        Ok(self.conn.query_first(ask).await?.unwrap_or(0))
    }

    pub async fn empty(&mut self) -> Result<()> {
        self.conn.query_drop("TRUNCATE TABLE reading").await?;
        Ok(self.conn.query_drop("TRUNCATE TABLE reading_latest").await?)
    }

    pub async fn drop_all(&mut self) -> Result<()> {
        Ok(self.conn.query_drop(format!("DROP DATABASE {NAME}")).await?)
    }

    /// Writes all rows into `file`.
    pub async fn export(&mut self, order: Order, file: &Path) -> Result<()> {
        let mut out = std::io::BufWriter::new(std::fs::File::create(file).context("the file of rows")?);
        let ask = format!("SELECT {COLUMNS} FROM reading ORDER BY {}", order.columns());
        let mut rows = self.conn.query_stream::<Row, _>(ask).await?;
        while let Some(row) = rows.try_next().await? {
            let mut between: &[u8] = b"";
            for value in row.unwrap() {
                out.write_all(std::mem::replace(&mut between, b"\t"))?;
                out.write_all(&field(&value))?;
            }
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Has a file loaded that `sql` names.
    pub async fn load(&mut self, sql: &str) -> Result<()> {
        let file = sql.split('\'').nth(1).context("a file's name")?.to_owned();
        let handler = WhiteListFsHandler::new([file]);
        let opts = OptsBuilder::from_opts(Opts::from_url(&self.url)?).local_infile_handler(Some(handler));
        let mut conn = Conn::new(opts).await?;
        conn.query_drop(sql).await?;
        Ok(conn.disconnect().await?)
    }
}

/// The ordinary way to load a file.
pub fn load_statement(file: &Path) -> String {
    let file = file.display();
    format!("LOAD DATA LOCAL INFILE '{file}' INTO TABLE reading CHARACTER SET binary ({COLUMNS})")
}

fn field(value: &Value) -> Vec<u8> {
    let Value::Bytes(bytes) = value else { return b"\\N".to_vec() };
    let escape = |byte: &u8| match byte {
        b'\\' | b'\t' | b'\n' => vec![b'\\', *byte],
        0 => b"\\0".to_vec(),
        byte => vec![*byte],
    };
    bytes.iter().flat_map(escape).collect()
}
