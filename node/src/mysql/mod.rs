//! The database: nothing else knows SQL.
//!
//! ```text
//!   Database   the leader's writer: a few connections, one transaction each for a batch
//!     session      a connection with its time limits     classify    what an error asks for
//!     migrate      tables as this release wants them     partitions  days made ahead
//!     rows, write  records into rows, once               newest      the last reading of each meter
//!     writer, text how many rows go at once              project, history
//!   Reader     what the console lists: a connection of its own
//! ```
//!
//! Promises: every await ends within a limit from the configuration; a write may be repeated and changes nothing the
//! second time; no value is ever clamped; passwords are never shown. Refuses: pools, and deciding when to try again.

mod classify;
mod history;
mod migrate;
mod newest;
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
mod text;
mod transaction;
mod write;
mod writer;

pub use classify::{DatabaseError, Fault};
pub use history::CommandRow;
pub use newest::Last;
pub use project::Projection;
pub use read::{Reader, ReadingQuery, ReadingRow};
pub use write::Written;
pub use writer::Writer;

use crate::config;
use session::Session;

/// Refuses endpoints that are none, before anything is started.
pub fn check_endpoints(config: &config::Mysql) -> Result<(), DatabaseError> {
    config.endpoints.iter().try_for_each(|url| session::Session::options(url).map(drop))
}

/// The connections that write.
#[derive(Debug)]
pub struct Database {
    session: Session,
    /// More to the same endpoint, for batches.
    beside: Vec<Session>,
    config: config::Mysql,
}

impl Database {
    /// Connects to the first endpoint, in their order, that can be written to.
    pub async fn connect(config: &config::Mysql) -> Result<Self, DatabaseError> {
        let session = Session::open_any(config, session::Purpose::Write).await?;
        let mut beside = Vec::new();
        for _ in 1..config.connections {
            beside.push(Session::open_beside(&session, config).await?);
        }
        Ok(Self { session, beside, config: config.clone() })
    }

    /// Where it is connected: `host:port/database`.
    pub fn endpoint(&self) -> &str {
        self.session.endpoint()
    }

    /// How rows go to the server.
    pub const fn writer(&self) -> Writer {
        self.session.writer()
    }

    /// From here on rows go by `writer`, whatever the server said of itself.
    #[cfg(test)]
    pub(crate) fn use_writer(&mut self, writer: Writer) {
        std::iter::once(&mut self.session).chain(&mut self.beside).for_each(|session| session.use_writer(writer));
    }
}
