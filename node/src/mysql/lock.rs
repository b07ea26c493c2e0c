//! Who may change tables: one node at a time.
//!
//! | server | the lock |
//! |---|---|
//! | one that takes all writes | `GET_LOCK`: it ends with its connection |
//! | a Galera node | row 0 of `hearth_migration`: whose it is, until when. Rows are agreed on by all, a lock is one server's |
//!
//! Promises: two leaders, each connected to another server of a Galera cluster, never change tables at once: one view
//! replaced through two servers at once can make all of them stand still. A holder that died keeps others waiting for
//! `mysql.migrate_timeout`. Refuses: waiting for a row.

use std::hash::{BuildHasher, Hasher, RandomState};

use mysql_async::Params;

use super::{Database, DatabaseError};

/// The name of one connection to itself.
#[derive(Debug)]
pub(super) struct Holder(String);

const GET: &str = "SELECT GET_LOCK(LEFT(CONCAT('hearth.', DATABASE()), 64), ?)";
const RELEASE: &str = "DO RELEASE_LOCK(LEFT(CONCAT('hearth.', DATABASE()), 64))";
const ROW: &str = "INSERT INTO hearth_migration (version, name, checksum, statements, done, changed_at) \
    VALUES (0, '', '', 0, 0, '2000-01-01') ON DUPLICATE KEY UPDATE version = hearth_migration.version";
const TAKE: &str = "UPDATE hearth_migration SET name = ?, changed_at = UTC_TIMESTAMP(3) + INTERVAL ? SECOND \
    WHERE version = 0 AND (name = ? OR changed_at < UTC_TIMESTAMP(3))";
const GIVE_BACK: &str =
    "UPDATE hearth_migration SET name = '', changed_at = '2000-01-01' WHERE version = 0 AND name = ?";

impl Holder {
    /// One that nobody else has: the keys of a hasher are by chance.
    pub(super) fn by_chance() -> Self {
        Self(format!("lock {:016x}", RandomState::new().build_hasher().finish()))
    }
}

impl Database {
    /// Keeps every other node from changing tables until the lock is given back, or its holder is gone.
    pub(super) async fn lock_schema(&mut self) -> Result<(), DatabaseError> {
        if self.session.is_galera() {
            self.make_migration_table().await?;
            self.session.execute(ROW).await?;
            return self.take_row().await;
        }
        let limit = self.config.migrate_timeout;
        let seconds = (limit / 2).as_secs().max(1);
        let answer = self.session.query_within(limit, GET, Params::Positional(vec![seconds.into()])).await?;
        let got = answer.into_iter().next().and_then(|row| row.get::<Option<i64>, _>(0)).flatten();
        if got == Some(1) { Ok(()) } else { Err(self.is_held()) }
    }

    /// Before a statement that may take `mysql.migrate_timeout`.
    pub(super) async fn renew_schema_lock(&mut self) -> Result<(), DatabaseError> {
        if self.session.is_galera() { self.take_row().await } else { Ok(()) }
    }

    pub(super) async fn unlock_schema(&mut self, done: Result<(), DatabaseError>) -> Result<(), DatabaseError> {
        if matches!(done, Err(DatabaseError::Lost(_))) {
            return done;
        }
        let released = if self.session.is_galera() {
            self.session.execute_with(GIVE_BACK, vec![self.holder.0.as_str().into()]).await
        } else {
            self.session.execute(RELEASE).await
        };
        released.and(done)
    }

    async fn take_row(&mut self) -> Result<(), DatabaseError> {
        let seconds = self.config.migrate_timeout.as_secs().max(1);
        let holder = self.holder.0.as_str();
        self.session.execute_with(TAKE, vec![holder.into(), seconds.into(), holder.into()]).await?;
        let rows = self.session.ask("SELECT name FROM hearth_migration WHERE version = 0".to_owned()).await?;
        let name = rows.first().and_then(|row| row.get::<String, _>(0));
        if name.as_ref() == Some(&self.holder.0) { Ok(()) } else { Err(self.is_held()) }
    }

    fn is_held(&self) -> DatabaseError {
        DatabaseError::Retry(self.session.fault("another node is changing the tables"))
    }
}
