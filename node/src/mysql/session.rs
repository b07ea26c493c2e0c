//! One connection, with a limit on every await.
//!
//! Promises: times are UTC and the server refuses what does not fit (strict); a connection that did not answer in time,
//! or whose caller stopped waiting, is never used again: it would answer the previous question. A server that takes no
//! transactions now is passed over, whatever else it answers. Refuses: reconnecting.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, Value};
use tokio::time::timeout;

use super::writer::{Flavour, Writer};
use super::{DatabaseError, Fault, tls};
use crate::config;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Write,
    Read,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    // Absent once it is not to be used again.
    conn: Option<Conn>,
    endpoint: Arc<str>,
    flavour: Flavour,
    /// One of several servers that all take writes.
    galera: bool,
    writer: Writer,
    packet_bytes: usize,
    statement_timeout: Duration,
}

/// What the server says of a file it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Loaded {
    /// Lines it read.
    pub(super) records: u64,
    /// Rows that were there and are replaced.
    pub(super) deleted: u64,
    /// Lines that are no row.
    pub(super) skipped: u64,
    /// Values that are not what the line said.
    pub(super) warnings: u64,
}

impl Loaded {
    /// Of `Records: 1  Deleted: 0  Skipped: 0  Warnings: 0`; what is not told counts as a warning.
    fn parse(info: &str, warnings: u16) -> Self {
        let number = |name: &str| {
            let rest = info.split_once(name)?.1.trim_start();
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        Self {
            records: number("Records:").unwrap_or(0),
            deleted: number("Deleted:").unwrap_or(0),
            skipped: number("Skipped:").unwrap_or(0),
            warnings: number("Warnings:").unwrap_or(1).max(warnings.into()),
        }
    }
}

/// What a Galera node says while it may not be asked.
const UNPREPARED: u16 = 1047;
const UNPREPARED_TEXT: &str =
    "this Galera node is cut off from its cluster, joins it, or is closed (wsrep_ready, wsrep_reject_queries)";

/// Values a text column or a zone could silently change are refused instead.
const SQL_MODE: &str =
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

impl Session {
    /// The first endpoint, in their order, that answers and serves `purpose`; else the error most worth a person's time,
    /// with what the other endpoints said.
    pub(super) async fn open_any(config: &config::Mysql, purpose: Purpose) -> Result<Self, DatabaseError> {
        let mut errors = Vec::new();
        for url in &config.endpoints {
            match Self::open(url, config, purpose).await {
                Ok(session) => return Ok(session),
                Err(error) => errors.push(error),
            }
        }
        Err(worst(errors))
    }

    /// Another one to the endpoint `known` leads to.
    pub(super) async fn open_beside(known: &Self, config: &config::Mysql) -> Result<Self, DatabaseError> {
        Self::open_at(&known.endpoint, config, Purpose::Write).await
    }

    /// One to the endpoint that [`Self::endpoint`] names so.
    pub(super) async fn open_at(
        endpoint: &str,
        config: &config::Mysql,
        purpose: Purpose,
    ) -> Result<Self, DatabaseError> {
        let leads_there = |url: &&String| Self::options(url).is_ok_and(|opts| shown(&opts) == endpoint);
        let url = config.endpoints.iter().find(leads_there);
        Self::open(url.ok_or_else(|| worst(Vec::new()))?, config, purpose).await
    }

    /// What `url` says, or why it is no endpoint.
    pub(super) fn options(url: &str) -> Result<Opts, DatabaseError> {
        Opts::from_url(url).map_err(|error| DatabaseError::of(&Arc::from("mysql.endpoints"), error.into()))
    }

    async fn open(url: &str, config: &config::Mysql, purpose: Purpose) -> Result<Self, DatabaseError> {
        let opts = Self::options(url)?;
        let endpoint: Arc<str> = Arc::from(shown(&opts));
        let limit = config.connect_timeout;
        let mut opts = OptsBuilder::from_opts(opts).prefer_socket(false).tcp_nodelay(true);
        if let Some(tls) = tls::options(config) {
            opts = opts.ssl_opts(tls);
        }
        let conn = match timeout(limit, Conn::new(opts)).await {
            Ok(Ok(conn)) => conn,
            Ok(Err(error)) => return Err(unreachable(DatabaseError::of(&endpoint, error))),
            Err(_) => return Err(DatabaseError::timed_out(&endpoint, limit)),
        };
        let (flavour, writer, packet_bytes) = (Flavour::MySql, Writer::of(Flavour::MySql, false), 0);
        let statement_timeout = config.statement_timeout;
        let (conn, galera) = (Some(conn), false);
        let mut session = Self { conn, endpoint, flavour, galera, writer, packet_bytes, statement_timeout };
        session.prepare(purpose).await?;
        Ok(session)
    }

    async fn prepare(&mut self, purpose: Purpose) -> Result<(), DatabaseError> {
        let seconds = self.statement_timeout.as_secs().max(1);
        // The server gives a lock up first, so that the answer says why.
        let lock_seconds = (seconds / 2).max(1);
        self.execute(&format!(
            "SET SESSION time_zone = '+00:00', lc_messages = 'en_US', sql_mode = '{SQL_MODE}', innodb_lock_wait_timeout = {lock_seconds}, \
             lock_wait_timeout = {lock_seconds}"
        ))
        .await?;
        self.begin(purpose).await?;
        self.execute("SET NAMES utf8mb4 COLLATE utf8mb4_bin").await?;
        self.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        let ask = "SELECT VERSION(), @@max_allowed_packet, @@read_only, @@local_infile";
        let probe = self.query(ask, Params::Empty).await?;
        let probed =
            probe.into_iter().next().and_then(|row| mysql_async::from_row_opt::<(String, usize, u8, u8)>(row).ok());
        let Some((version, packet_bytes, read_only, local_infile)) = probed else {
            return Err(DatabaseError::Lost(self.fault("it does not say what it is")));
        };
        if purpose == Purpose::Write && read_only != 0 {
            return Err(DatabaseError::NextEndpoint(self.fault("it is read-only")));
        }
        self.flavour = if version.to_ascii_lowercase().contains("mariadb") { Flavour::MariaDb } else { Flavour::MySql };
        self.writer = Writer::of(self.flavour, local_infile != 0);
        self.packet_bytes = packet_bytes;
        let on = self.ask("SHOW VARIABLES LIKE 'wsrep_on'".to_owned()).await?;
        self.galera = on.first().and_then(|row| row.get::<String, _>(1)).is_some_and(|value| value == "ON");
        Ok(())
    }

    /// A Galera node that has lost its cluster still connects, is not read-only, and answers what is about no table.
    async fn begin(&mut self, purpose: Purpose) -> Result<(), DatabaseError> {
        let access = if purpose == Purpose::Write { "WRITE" } else { "ONLY" };
        match self.execute(&format!("START TRANSACTION READ {access}")).await {
            Ok(()) => self.execute("ROLLBACK").await,
            Err(DatabaseError::NextEndpoint(mut fault)) if fault.code == UNPREPARED => {
                fault.text = format!("{UNPREPARED_TEXT}: {}", fault.text);
                Err(DatabaseError::NextEndpoint(fault))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether other servers change the same tables, each with locks of its own.
    pub(super) const fn is_galera(&self) -> bool {
        self.galera
    }

    /// What the server calls this connection; `None` once it is not to be used again.
    pub(super) fn id(&self) -> Option<u32> {
        self.conn.as_ref().map(Conn::id)
    }

    pub(super) const fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// How rows go to it.
    pub(super) const fn writer(&self) -> Writer {
        self.writer
    }

    /// From here on rows go by `writer`, whatever the server said of itself.
    pub(super) const fn use_writer(&mut self, writer: Writer) {
        self.writer = writer;
    }

    /// What one command may carry, with room for what the protocol adds.
    pub(super) const fn packet_bytes(&self) -> usize {
        self.packet_bytes / 2
    }

    pub(super) fn fault(&self, text: impl Into<String>) -> Fault {
        Fault { endpoint: Arc::clone(&self.endpoint), code: 0, text: text.into() }
    }

    /// What stands in the `table` or `column` of this name is nothing that this release writes.
    pub(super) fn unexpected(&self, what: &str, name: &str) -> DatabaseError {
        DatabaseError::Refused {
            fault: self.fault(format!("{what} {name} is not as expected")),
            remedy: "the tables are not as this release made them: see the migrations",
        }
    }

    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.execute_within(self.statement_timeout, sql).await
    }

    pub(super) async fn execute_within(&mut self, limit: Duration, sql: &str) -> Result<(), DatabaseError> {
        let sql = sql.to_owned();
        self.guarded(limit, |conn| conn.query_drop(sql)).await
    }

    pub(super) async fn execute_with(&mut self, sql: &str, params: Vec<Value>) -> Result<(), DatabaseError> {
        let sql = sql.to_owned();
        self.guarded(self.statement_timeout, |conn| conn.exec_drop(sql, Params::Positional(params))).await
    }

    pub(super) async fn query(&mut self, sql: &str, params: Params) -> Result<Vec<Row>, DatabaseError> {
        self.query_within(self.statement_timeout, sql, params).await
    }

    pub(super) async fn query_within(
        &mut self,
        limit: Duration,
        sql: &str,
        params: Params,
    ) -> Result<Vec<Row>, DatabaseError> {
        let sql = sql.to_owned();
        self.guarded(limit, |conn| conn.exec(sql, params)).await
    }

    /// `sql` once for each of `rows`; they have to fit into one packet.
    pub(super) async fn bulk(&mut self, sql: &str, rows: Vec<Vec<Value>>) -> Result<(), DatabaseError> {
        let sql = sql.to_owned();
        let rows = rows.into_iter().map(Params::Positional);
        self.guarded(self.statement_timeout, |conn| conn.exec_batch(sql, rows)).await
    }

    #[cfg(test)]
    pub(super) async fn connection_id(&mut self) -> u64 {
        let rows = self.query("SELECT CONNECTION_ID()", Params::Empty).await;
        rows.ok().and_then(|rows| rows.first()?.get(0)).expect("an open connection")
    }

    /// Rows of a question in words, which is asked too seldom in the same words to be prepared.
    pub(super) async fn ask(&mut self, sql: String) -> Result<Vec<Row>, DatabaseError> {
        self.guarded(self.statement_timeout, |conn| conn.query(sql)).await
    }

    /// A statement in bytes.
    pub(super) async fn execute_bytes(&mut self, sql: Vec<u8>) -> Result<(), DatabaseError> {
        self.guarded(self.statement_timeout, |conn| conn.query_drop(sql)).await
    }

    /// A statement that takes a file, and the packets of the file.
    pub(super) async fn load(&mut self, sql: &str, packets: Vec<Bytes>) -> Result<Loaded, DatabaseError> {
        let sql = sql.to_owned();
        let packets = packets.into_iter().map(Ok);
        self.guarded(self.statement_timeout, |conn| {
            async move {
                conn.set_infile_handler(async move { Ok(stream::iter(packets).boxed()) });
                conn.query_drop(sql).await?;
                Ok(Loaded::parse(&conn.info(), conn.get_warnings()))
            }
            .boxed()
        })
        .await
    }

    /// What `START TRANSACTION` began: commits what went well, and takes back what did not.
    pub(super) async fn end_transaction(&mut self, done: Result<(), DatabaseError>) -> Result<(), DatabaseError> {
        match done {
            Ok(()) => self.execute("COMMIT").await,
            Err(error @ DatabaseError::Lost(_)) => Err(error),
            Err(error) => self.execute("ROLLBACK").await.and(Err(error)),
        }
    }

    async fn guarded<T>(
        &mut self,
        limit: Duration,
        ask: impl for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, mysql_async::Result<T>>,
    ) -> Result<T, DatabaseError> {
        // Taken out, so that it is dropped with this future wherever it stops.
        let mut conn =
            self.conn.take().ok_or_else(|| DatabaseError::Lost(self.fault("connection given up earlier")))?;
        let answer = timeout(limit, ask(&mut conn)).await;
        match answer {
            Ok(Ok(answer)) => {
                self.conn = Some(conn);
                Ok(answer)
            }
            Ok(Err(error)) => {
                if !error.is_fatal() {
                    self.conn = Some(conn);
                }
                Err(DatabaseError::of(&self.endpoint, error))
            }
            Err(_) => Err(DatabaseError::timed_out(&self.endpoint, limit)),
        }
    }
}

/// `host:port/database`, without user and password.
fn shown(opts: &Opts) -> String {
    format!("{}:{}/{}", opts.ip_or_hostname(), opts.tcp_port(), opts.db_name().unwrap_or(""))
}

fn unreachable(error: DatabaseError) -> DatabaseError {
    match error {
        DatabaseError::Lost(mut fault) => {
            fault.text = format!("cannot be reached: {}: check that it runs, and mysql.endpoints", fault.text);
            DatabaseError::Lost(fault)
        }
        other => other,
    }
}

fn worst(mut errors: Vec<DatabaseError>) -> DatabaseError {
    if errors.is_empty() {
        let fault = Fault { endpoint: Arc::from("none"), code: 0, text: "no endpoint is configured".to_owned() };
        return DatabaseError::Refused { fault, remedy: "name one in mysql.endpoints" };
    }
    let mut worst = errors.remove(errors.iter().position(DatabaseError::needs_person).unwrap_or(0));
    for other in errors {
        worst.fault_mut().text.push_str(&format!("; {other}"));
    }
    worst
}
