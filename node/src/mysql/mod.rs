//! The database: nothing else knows SQL.
//!
//! ```text
//!   Database   the leader's writer: a few connections, one transaction each for a batch
//!     session      a connection with its time limits     classify    what an error asks for
//!     asking       one that only reads, shared
//!     tls          encrypted, to a server that is it
//!     migrate      tables as this release wants them     partitions  days made ahead
//!     lock         one node at a time changes tables    leftover    of a server killed while it made one
//!     rollup       days, months, slots counted         retention   days dropped, frames emptied
//!     rows, write  records into rows, once               newest      the last reading of each meter
//!     writer, text how many rows go at once              project, history
//!   Reader     what the console lists: a connection of its own
//!   Ledger     what was due and what became of it, carried on by the leader: a connection of its own
//!   Accounts   what the console asks the ledger: a connection of its own
//!   Absences   which freezes nobody read: a connection of its own
//!   Export     everything of a span, page after page: a connection of its own
//! ```
//!
//! Promises: every await ends within a limit from the configuration; a write may be repeated and changes nothing the
//! second time; no value is ever clamped; passwords are never shown. Refuses: pools, and deciding when to try again.

mod absences;
mod accounts;
mod asking;
mod classify;
mod export;
mod file;
mod history;
mod ledger;
mod leftover;
mod lock;
mod migrate;
mod newest;
mod partitions;
mod project;
mod read;
mod retention;
mod rollup;
mod rows;
mod session;
mod statement;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod transaction;
mod write;
mod writer;

pub use absences::{Absences, MissedFreeze};
pub use accounts::{Accounts, Counts, GROUPS, Group, Span, UnreadRow};
pub use classify::{DatabaseError, Fault};
pub use export::{Export, ExportQuery, ExportedRow};
pub use history::CommandRow;
pub use ledger::{Book, Bounds, DutyRow, Ledger, LedgerError, Made, ScheduleRow, SlotRow};
pub use newest::Last;
pub use project::{LineRow, MeterRow, Projection};
pub use read::{Reader, ReadingQuery, ReadingRow};
pub use rollup::Plant;
pub use tls::TlsFileError;
pub use write::{Strange, Written};
pub use writer::Writer;

use crate::config;
use session::Session;

/// Settings by which no database can be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// An endpoint that is none.
    #[error(transparent)]
    Endpoint(#[from] DatabaseError),
    /// A file that is not what it has to be.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
}

/// Refuses settings by which no database can be reached, before anything is started.
pub fn check(config: &config::Mysql) -> Result<(), SettingsError> {
    config.endpoints.iter().try_for_each(|url| session::Session::options(url).map(drop))?;
    Ok(tls::check(config)?)
}

/// The connections that write.
#[derive(Debug)]
pub struct Database {
    session: Session,
    /// More to the same endpoint, for batches.
    beside: Vec<Session>,
    config: config::Mysql,
    plant: Plant,
    /// What it is called where it holds the lock of a Galera cluster.
    holder: lock::Holder,
}

impl Database {
    /// Connects to the first endpoint, in their order, that can be written to.
    pub async fn connect(config: &config::Mysql) -> Result<Self, DatabaseError> {
        let session = Session::open_any(config, session::Purpose::Write).await?;
        let mut beside = Vec::new();
        for _ in 1..config.connections {
            beside.push(Session::open_beside(&session, config).await?);
        }
        let (config, plant, holder) = (config.clone(), Plant::utc(), lock::Holder::by_chance());
        Ok(Self { session, beside, config, plant, holder })
    }

    /// Days of the plant begin at midnight in the zone of this IANA name.
    pub fn stand_in(&mut self, zone: &str) {
        if self.plant.name() != zone {
            self.plant = Plant::new(zone);
        }
    }

    /// Where the plant is.
    pub const fn plant(&self) -> &Plant {
        &self.plant
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
