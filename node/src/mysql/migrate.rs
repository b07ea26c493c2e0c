//! The tables as this release wants them.
//!
//! ```text
//!   hearth_migration     one row per migration: its checksum, how many statements it has, how many are done
//!   lock -> for each migration in order: statement -> done + 1 -> statement -> done + 1 ...
//! ```
//!
//! Promises: one node at a time changes tables; a run that was interrupted goes on where it stopped; migrations only add,
//! so that the release before this one can still write. Refuses: a migration whose text was changed after it was applied,
//! and undoing anything.

use mysql_async::{Params, Row};
use raft_store::state::UnixMillis;

use super::session::Session;
use super::{Database, DatabaseError, Fault};
use crate::clock::wall_now;

/// The migrations, in order. A name is durable; a text is never changed once it was released.
pub(super) const MIGRATIONS: &[(u32, &str, &str)] = &[
    (1, "readings", include_str!("../../../migrations/0001_readings.sql")),
    (2, "projections", include_str!("../../../migrations/0002_projections.sql")),
    (3, "views", include_str!("../../../migrations/0003_views.sql")),
    (4, "rollups", include_str!("../../../migrations/0004_rollups.sql")),
    (5, "sanity", include_str!("../../../migrations/0005_sanity.sql")),
    (6, "ledger", include_str!("../../../migrations/0006_ledger.sql")),
    (7, "places", include_str!("../../../migrations/0007_places.sql")),
    (8, "tallies", include_str!("../../../migrations/0008_tallies.sql")),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS hearth_migration (
  version INT UNSIGNED NOT NULL,
  name VARCHAR(64) NOT NULL,
  checksum CHAR(16) NOT NULL,
  statements INT UNSIGNED NOT NULL,
  done INT UNSIGNED NOT NULL,
  changed_at DATETIME(3) NOT NULL,
  PRIMARY KEY (version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

const EDITED: &str = "its text differs from the one applied here: run the release that applied it, or a later one";

impl Database {
    /// Brings the tables to what this release wants, and makes the days ahead.
    pub async fn migrate(&mut self) -> Result<(), DatabaseError> {
        self.migrate_at(wall_now()).await
    }

    pub(super) async fn migrate_at(&mut self, now: UnixMillis) -> Result<(), DatabaseError> {
        self.migrate_to(MIGRATIONS).await?;
        match self.make_partitions(now).await {
            // Whoever holds the tables up makes the days, or the keeper does, and tells what keeps it from that: until
            // then every slot has its place in the last.
            Err(error) if !error.ends_connection() => {
                tracing::info!(why = %error, "days ahead are made later");
                Ok(())
            }
            made => made,
        }
    }

    pub(super) async fn migrate_to(&mut self, migrations: &[(u32, &str, &str)]) -> Result<(), DatabaseError> {
        if self.is_migrated(migrations).await? {
            return Ok(());
        }
        self.lock_schema().await?;
        let done = self.apply_all(migrations).await;
        self.unlock_schema(done).await
    }

    /// Whether nothing is left to do: then nobody has to wait for who holds the lock.
    async fn is_migrated(&mut self, migrations: &[(u32, &str, &str)]) -> Result<bool, DatabaseError> {
        if !self.has_migration_table().await? {
            return Ok(false);
        }
        let list = migrations.iter().map(|(version, _, text)| format!("({version},'{}')", checksum(text)));
        let list = list.collect::<Vec<_>>().join(",");
        let ask = format!(
            "SELECT COUNT(*) FROM hearth_migration WHERE (version, checksum) IN ({list}) AND done = statements"
        );
        Ok(number(&self.session.ask(ask).await?) == Some(migrations.len() as u64))
    }

    async fn has_migration_table(&mut self) -> Result<bool, DatabaseError> {
        let ask = "SELECT COUNT(*) FROM information_schema.tables \
                   WHERE table_schema = DATABASE() AND table_name = 'hearth_migration'";
        Ok(number(&self.session.ask(ask.to_owned()).await?) == Some(1))
    }

    /// What marks of migrations, and the lock of a Galera cluster, stand in.
    pub(super) async fn make_migration_table(&mut self) -> Result<(), DatabaseError> {
        if self.has_migration_table().await? { Ok(()) } else { self.session.execute(TABLE).await }
    }

    async fn apply_all(&mut self, migrations: &[(u32, &str, &str)]) -> Result<(), DatabaseError> {
        self.make_migration_table().await?;
        for (version, name, text) in migrations {
            self.apply(*version, name, text).await?;
        }
        Ok(())
    }

    async fn apply(&mut self, version: u32, name: &str, text: &str) -> Result<(), DatabaseError> {
        let statements = statements(text);
        let checksum = checksum(text);
        let start = "INSERT INTO hearth_migration (version, name, checksum, statements, done, changed_at) \
             VALUES (?, ?, ?, ?, 0, UTC_TIMESTAMP(3)) ON DUPLICATE KEY UPDATE version = hearth_migration.version";
        let row = vec![version.into(), name.into(), checksum.as_str().into(), statements.len().into()];
        self.session.execute_with(start, row).await?;
        let (known, done) = progress(&mut self.session, version).await?;
        if known != checksum {
            return Err(refused(&self.session, format!("migration {version} {name} was edited"), EDITED));
        }
        for (number, statement) in statements.iter().enumerate().skip(done) {
            self.renew_schema_lock().await?;
            // A crash between a statement and its mark repeats just that statement.
            let repeated = number == done;
            self.run(statement, repeated).await?;
            let mark =
                "UPDATE hearth_migration SET done = ?, changed_at = UTC_TIMESTAMP(3) WHERE version = ? AND done < ?";
            self.session.execute_with(mark, vec![(number + 1).into(), version.into(), (number + 1).into()]).await?;
        }
        Ok(())
    }

    async fn run(&mut self, statement: &str, repeated: bool) -> Result<(), DatabaseError> {
        match self.session.execute_within(self.config.migrate_timeout, statement).await {
            Err(error) if repeated && is_there_already(error.fault()) => Ok(()),
            Err(error) if repeated => self.create_over_leftovers(statement, error).await,
            answer => answer,
        }
    }
}

fn number(rows: &[Row]) -> Option<u64> {
    rows.first().and_then(|row| row.get_opt::<u64, _>(0)?.ok())
}

async fn progress(session: &mut Session, version: u32) -> Result<(String, usize), DatabaseError> {
    let ask = "SELECT checksum, done FROM hearth_migration WHERE version = ?";
    let rows = session.query(ask, Params::Positional(vec![version.into()])).await?;
    let row = rows.into_iter().next().and_then(|row| mysql_async::from_row_opt::<(String, usize)>(row).ok());
    row.ok_or_else(|| refused(session, format!("migration {version} left no mark"), "see hearth_migration"))
}

fn refused(session: &Session, text: String, remedy: &'static str) -> DatabaseError {
    DatabaseError::Refused { fault: session.fault(text), remedy }
}

/// Column or key exists; or what was to be dropped does not. Tables are made "if not exists", and so are never in the way.
fn is_there_already(fault: &Fault) -> bool {
    matches!(fault.code, 1060 | 1061 | 1091)
}

/// The statements of a migration: each ends with a semicolon at the end of a line.
fn statements(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut open = String::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("--")) {
        open.push_str(line);
        open.push('\n');
        if line.trim_end().ends_with(';') {
            let statement = std::mem::take(&mut open);
            statements.push(statement.trim().trim_end_matches(';').to_owned());
        }
    }
    statements
}

/// FNV-1a: tells an edited text, not a forged one.
fn checksum(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
