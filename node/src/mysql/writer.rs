//! How many rows go to a server at once: chosen by what the server is and allows.
//!
//! | writer | on | rows that can meet no other | all others |
//! |---|---|---|---|
//! | load-data | a server with `local_infile` on | a file that is only in memory, `LOAD DATA LOCAL INFILE .. REPLACE` | as below |
//! | bulk | MariaDB | | one prepared upsert with all rows' values in one command |
//! | text | MySQL | | one statement that has all rows in words |
//!
//! Promises: what a server is asked by is seen by people, by name. Refuses: being set by a person: the server knows.

/// Whose server it is: they differ in how a value that came is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// `VALUES(column)`
    MariaDb,
    /// `new.column`
    MySql,
}

/// The way rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writer {
    /// Rows that can meet no other go as a file in memory.
    pub(super) files: bool,
    /// How the others go.
    pub(super) statement: Statement,
}

/// A statement of many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    /// One prepared command with many rows.
    Bulk,
    /// One statement in words.
    Text,
}

impl Writer {
    /// What a server of this flavour is best written by.
    pub(super) const fn of(flavour: Flavour, takes_files: bool) -> Self {
        let statement = match flavour {
            Flavour::MariaDb => Statement::Bulk,
            Flavour::MySql => Statement::Text,
        };
        Self { files: takes_files, statement }
    }

    /// The same, for a server that takes no files.
    pub(super) const fn without_files(self) -> Self {
        Self { files: false, ..self }
    }

    /// Its name for people: `load-data`, `bulk` or `text`.
    pub const fn name(self) -> &'static str {
        match (self.files, self.statement) {
            (true, _) => "load-data",
            (false, Statement::Bulk) => "bulk",
            (false, Statement::Text) => "text",
        }
    }
}
