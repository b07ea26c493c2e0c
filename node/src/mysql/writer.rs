//! How many rows go to a server at once: chosen by what the server is and allows.
//!
//! | writer | on | what is sent |
//! |---|---|---|
//! | bulk | MariaDB | one prepared upsert with all rows' values in one command |
//! | load-data | MySQL with `local_infile` on | a file that is only in memory, `LOAD DATA LOCAL INFILE .. REPLACE` |
//! | text | MySQL without it | one statement that has all rows in words |
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
pub enum Writer {
    /// One prepared command with many rows.
    Bulk,
    /// A file in memory.
    LoadData,
    /// One statement in words.
    Text,
}

impl Writer {
    /// What a server of this flavour is best written by.
    pub(super) const fn of(flavour: Flavour, takes_files: bool) -> Self {
        match (flavour, takes_files) {
            (Flavour::MariaDb, _) => Self::Bulk,
            (Flavour::MySql, true) => Self::LoadData,
            (Flavour::MySql, false) => Self::Text,
        }
    }

    /// Its name for people: `bulk`, `load-data` or `text`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::LoadData => "load-data",
            Self::Text => "text",
        }
    }
}
