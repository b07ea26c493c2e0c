//! The database: nothing else knows SQL.
//!
//! ```text
//!   Database   the leader's writer: one connection, one transaction a batch
//!     session      a connection with its time limits     classify    what an error asks for
//!     migrate      tables as this release wants them     partitions  days made ahead
//!     rows, write  records into rows, once               project, history
//!   Reader     what the console lists: a connection of its own
//!   Export     everything of a span, page after page: a connection of its own
//! ```
//!
//! Promises: every await ends within a limit from the configuration; a write may be repeated and changes nothing the
//! second time; no value is ever clamped; passwords are never shown. Refuses: pools, and deciding when to try again.

mod classify;
mod export;
mod history;
mod migrate;
mod partitions;
mod project;
mod read;
mod rows;
mod session;
mod statement;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod write;

pub use classify::{DatabaseError, Fault};
pub use export::{Export, ExportQuery, ExportedRow};
pub use history::CommandRow;
pub use project::Projection;
pub use read::{Reader, ReadingQuery, ReadingRow};
pub use write::Written;

use crate::config;
use session::Session;

/// Refuses endpoints that are none, before anything is started.
pub fn check_endpoints(config: &config::Mysql) -> Result<(), DatabaseError> {
    config.endpoints.iter().try_for_each(|url| session::Session::options(url).map(drop))
}

/// A connection that writes.
#[derive(Debug)]
pub struct Database {
    session: Session,
    config: config::Mysql,
}

impl Database {
    /// Connects to the first endpoint, in their order, that can be written to.
    pub async fn connect(config: &config::Mysql) -> Result<Self, DatabaseError> {
        Ok(Self { session: Session::open_any(config, session::Purpose::Write).await?, config: config.clone() })
    }

    /// Where it is connected: `host:port/database`.
    pub fn endpoint(&self) -> &str {
        self.session.endpoint()
    }
}
