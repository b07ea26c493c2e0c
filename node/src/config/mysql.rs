//! The database the readings go to.
//!
//! Promises: each number has its unit in its name or text; files without use, and spans that contradict each other, are
//! refused by name. Refuses: connecting.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::days;

settings!(
    /// The database the readings go to.
    Mysql {
        /// `mysql://user:password@host:port/database`, tried in this order; empty: readings stay in the spools.
        endpoints: Vec<String> = Vec::new(),
        /// Whether connections are encrypted and the server has to show a certificate for the name in its endpoint.
        tls: bool = false,
        /// Who may have signed it: a PEM file; absent: the public authorities.
        tls_ca: Option<PathBuf> = None,
        /// What this node shows to a server that asks: a PEM file with a certificate and those between it and its authority.
        tls_certificate: Option<PathBuf> = None,
        /// The private key of that certificate: a PEM file.
        tls_key: Option<PathBuf> = None,
        /// For a connection to be made and greeted.
        #[serde(with = "humantime_serde")]
        connect_timeout: Duration = Duration::from_secs(5),
        /// For any one statement or batch.
        #[serde(with = "humantime_serde")]
        statement_timeout: Duration = Duration::from_secs(30),
        /// Rows in one transaction, at most.
        batch_rows: usize = 5_000,
        /// Connections that write at once, each its part of a batch.
        connections: usize = 2,
        /// How long the newest reading of each meter waits to be told to `reading_latest` while batches wait; the spools
        /// keep what was not told.
        #[serde(with = "humantime_serde")]
        latest_every: Duration = Duration::from_secs(1),
        /// How long the writer waits for a node's spool to have something.
        #[serde(with = "humantime_serde")]
        pull_wait: Duration = Duration::from_millis(500),
        /// First pause after a failed write.
        #[serde(with = "humantime_serde")]
        retry_min: Duration = Duration::from_millis(200),
        /// Longest pause after failed writes.
        #[serde(with = "humantime_serde")]
        retry_max: Duration = Duration::from_secs(5),
        /// Daily partitions made ahead.
        partitions_ahead: u32 = 14,
        /// For one statement that changes tables, and for another node that changes them to finish.
        #[serde(with = "humantime_serde")]
        migrate_timeout: Duration = Duration::from_secs(10 * 60),
        /// For a call to a node's spool, beyond the time it was asked to wait.
        #[serde(with = "humantime_serde")]
        pull_timeout: Duration = Duration::from_secs(10),
        /// Rows that are sorted before they are written, at most, some 400 bytes each: rows of one meter side by side are less
        /// work for the server.
        gather_rows: usize = 240_000,
        /// How long a write of what waits is to take, about: as many rows are sorted and written at once as the server takes in
        /// that time. What is fresh waits as long for what is written of a backlog.
        #[serde(with = "humantime_serde")]
        gather_time: Duration = Duration::from_secs(2),
        /// Pulls of one node that wait to be written, at most.
        pulls_ahead: usize = 20,
        /// Pulls of fresh readings of one node that wait to be written beside a backlog, at most; it has places of its own.
        fresh_pulls: usize = 2,
        /// Pulls of one node that are written or wait to be, and that its spool still keeps, at most.
        pulls_unacknowledged: usize = 256,
        /// Pulls of all nodes between the pullers and the writing loop, at most: of fresh readings, and of a backlog.
        hand_over: usize = 60,
        /// A spool that holds so many records more than were pulled has a backlog: what comes after them is pulled beside it.
        lane_records: u64 = 20_000,
        /// How often fresh readings are pulled beside a backlog, at least.
        #[serde(with = "humantime_serde")]
        fresh_every: Duration = Duration::from_millis(500),
        /// Writes tried again on the same connection before it is given up.
        retries: u32 = 5,
        /// Commands waiting to be stored in the history, at most; more wait in turn.
        history_queue: usize = 16,
        /// How often the writer looks whether partitions have to be made.
        #[serde(with = "humantime_serde")]
        partitions_every: Duration = Duration::from_secs(3600),
        /// Readings are kept this long, in whole days; 0: for ever.
        #[serde(with = "humantime_serde")]
        retention: Duration = days(1096),
        /// Missed marks are kept this long, in whole days; 0: for ever.
        #[serde(with = "humantime_serde")]
        missed_retention: Duration = days(400),
        /// Raw frames of readings are kept this long, in whole days; 0: as long as their reading.
        #[serde(with = "humantime_serde")]
        raw_retention: Duration = Duration::ZERO,
        /// The keeper looks this often whether days and months have to be rolled up.
        #[serde(with = "humantime_serde")]
        keeper_every: Duration = Duration::from_secs(10),
        /// The keeper waits this long for a lock on a table before it gives way; nobody else gets in while it waits.
        #[serde(with = "humantime_serde")]
        keeper_lock_wait: Duration = Duration::from_secs(2),
        /// Chunks of the keeper in one look, at most.
        keeper_chunks: usize = 2_000,
        /// Days dropped in one look, at most.
        retention_drops: usize = 16,
        /// A day is rolled up for all meters this long after its end: longer than any transaction and any clock's error.
        #[serde(with = "humantime_serde")]
        rollup_grace: Duration = Duration::from_secs(15 * 60),
        /// A day that late readings came for is rolled up again when none came for this long.
        #[serde(with = "humantime_serde")]
        rollup_settle: Duration = Duration::from_secs(60),
        /// Meters rolled up in one transaction, at most.
        rollup_meters: usize = 500,
        /// Rows that an export asks for at once.
        export_page_rows: usize = 5_000,
        /// Meters that an export of some names in one question, at most.
        export_meters: usize = 1_000,
    }
);

/// Above this a clock is so wrong that its node gets no lines; two nodes may be wrong in either direction.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// Statements of one transaction, each as long as it may be, with room.
const STATEMENTS: u32 = 10;

impl Mysql {
    pub(super) fn contradiction(&self) -> Option<(&'static str, String, String)> {
        let kept = [
            ("mysql.retention", self.retention),
            ("mysql.missed_retention", self.missed_retention),
            ("mysql.raw_retention", self.raw_retention),
        ];
        if let Some((key, span)) = kept.into_iter().find(|(_, span)| span.as_secs() % days(1).as_secs() != 0) {
            return Some((key, format!("{span:?}"), "has to be whole days".to_owned()));
        }
        if let Some((key, path)) = self.tls_file_without_use() {
            let remedy = "needs mysql.tls = true, and certificate and key need each other".to_owned();
            return Some((key, path, remedy));
        }
        if self.keeper_every.is_zero() {
            return Some(("mysql.keeper_every", "0".to_owned(), "has to be longer".to_owned()));
        }
        let longest = self.statement_timeout * STATEMENTS + CLOCKS_APART;
        let remedy = format!("has to be at least ten times mysql.statement_timeout and a minute = {longest:?}");
        (self.rollup_grace < longest).then(|| ("mysql.rollup_grace", format!("{:?}", self.rollup_grace), remedy))
    }

    /// The first file that is named and would not be used.
    fn tls_file_without_use(&self) -> Option<(&'static str, String)> {
        let files = [
            ("mysql.tls_ca", &self.tls_ca, self.tls),
            ("mysql.tls_certificate", &self.tls_certificate, self.tls && self.tls_key.is_some()),
            ("mysql.tls_key", &self.tls_key, self.tls && self.tls_certificate.is_some()),
        ];
        files
            .into_iter()
            .filter(|(_, _, used)| !used)
            .find_map(|(key, path, _)| Some((key, path.as_ref()?.display().to_string())))
    }
}
