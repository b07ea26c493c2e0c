//! What an error of the database asks for: another connection, another endpoint, patience, or a person.
//!
//! Promises: every error has exactly one class; an unknown one is never taken for a fault of the data, so that no row is
//! set aside because the server is ill. Refuses: acting on any of them.

use std::fmt;
use std::sync::Arc;

use mysql_async::{DriverError, Error, IoError, ServerError};

/// What went wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `host:port/database`.
    pub endpoint: Arc<str>,
    /// The server's error number; 0 where the server did not speak.
    pub code: u16,
    /// The same in words.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, code, text } = self;
        if *code == 0 {
            write!(f, "database {endpoint}: {text}")
        } else {
            write!(f, "database {endpoint}: {text} (error {code})")
        }
    }
}

/// Why the database did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// No answer came: it may or may not have happened. The connection is gone; connect and ask again.
    #[error("{0}")]
    Lost(Fault),
    /// It did not happen, and may when asked again a little later.
    #[error("{0}")]
    Retry(Fault),
    /// This server does not take writes (now): another endpoint may.
    #[error("{0}: mysql.endpoints has to name a server that takes writes")]
    NextEndpoint(Fault),
    /// It will not happen before a person acts.
    #[error("{fault}: {remedy}")]
    Refused {
        /// What was refused.
        fault: Fault,
        /// What the person has to do.
        remedy: &'static str,
    },
    /// The server has no room left.
    #[error("{0}: make room on the database server")]
    DiskFull(Fault),
    /// One message, or one transaction, was too large for the server: send less at once.
    #[error("{0}: raise max_allowed_packet, or in a Galera cluster wsrep_max_ws_rows and wsrep_max_ws_size")]
    TooBig(Fault),
    /// The data itself is refused; which row it is has to be found out.
    #[error("{0}")]
    Poison(Fault),
}

impl DatabaseError {
    /// What went wrong, and where.
    pub const fn fault(&self) -> &Fault {
        match self {
            Self::Lost(fault) | Self::Retry(fault) | Self::NextEndpoint(fault) | Self::DiskFull(fault) => fault,
            Self::TooBig(fault) | Self::Poison(fault) | Self::Refused { fault, .. } => fault,
        }
    }

    pub(super) const fn fault_mut(&mut self) -> &mut Fault {
        match self {
            Self::Lost(fault) | Self::Retry(fault) | Self::NextEndpoint(fault) | Self::DiskFull(fault) => fault,
            Self::TooBig(fault) | Self::Poison(fault) | Self::Refused { fault, .. } => fault,
        }
    }

    /// Whether the database can be reached, and not used until a person acts.
    pub const fn needs_person(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::DiskFull(_))
    }

    /// Whether another connection may be answered where this one is not.
    pub(super) const fn ends_connection(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::NextEndpoint(_))
    }

    /// The class of `error`, which came from `endpoint`.
    pub(super) fn of(endpoint: &Arc<str>, error: Error) -> Self {
        let fault = |code, text| Fault { endpoint: Arc::clone(endpoint), code, text };
        match error {
            Error::Server(error) => of_server(&error, fault(error.code, error.message.clone())),
            Error::Driver(DriverError::PacketTooLarge | DriverError::BulkExecute(_)) => {
                Self::TooBig(fault(0, "a row does not fit into one packet".to_owned()))
            }
            Error::Driver(error @ (DriverError::UnknownAuthPlugin { .. } | DriverError::MysqlOldPasswordDisabled)) => {
                Self::Refused { fault: fault(0, error.to_string()), remedy: LOGIN }
            }
            Error::Driver(error @ DriverError::NoClientSslFlagFromServer) => {
                Self::Refused { fault: fault(0, error.to_string()), remedy: ENCRYPTION }
            }
            Error::Io(IoError::Tls(error)) => Self::Refused { fault: fault(0, error.to_string()), remedy: CERTIFICATE },
            // What a handshake does not accept.
            Error::Io(IoError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                Self::Refused { fault: fault(0, error.to_string()), remedy: CERTIFICATE }
            }
            Error::Url(error) => Self::Refused { fault: fault(0, error.to_string()), remedy: ENDPOINT },
            Error::Io(error) => Self::Lost(fault(0, error.to_string())),
            Error::Driver(error) => Self::Lost(fault(0, error.to_string())),
            Error::Other(error) => Self::Lost(fault(0, error.to_string())),
        }
    }

    pub(super) fn timed_out(endpoint: &Arc<str>, limit: std::time::Duration) -> Self {
        Self::Lost(Fault { endpoint: Arc::clone(endpoint), code: 0, text: format!("no answer within {limit:?}") })
    }
}

const LOGIN: &str = "correct user and password in mysql.endpoints, let this host in on the server, or set mysql.tls = true \
                     where it takes encrypted connections only";
const ENCRYPTION: &str = "give the server a certificate, or set mysql.tls = false";
const SECURE: &str = "the server takes encrypted connections only: set mysql.tls = true";
const CERTIFICATE: &str =
    "mysql.tls_ca has to name who signed the server's certificate, and that the name in mysql.endpoints";
const RIGHTS: &str = "grant the user all privileges on the database";
const ENDPOINT: &str = "mysql.endpoints has to be mysql://user:password@host:port/database";
const NAME: &str = "create the database, or correct its name in mysql.endpoints";
const SCHEMA: &str = "the tables are not as this release made them: see the migrations";
const UNKNOWN: &str = "see the database server's own log";

/// How Galera says that a transaction is too large, by numbers that say other things as well.
const WRITE_SET: [&str; 2] = ["wsrep_max_ws_rows exceeded", "Maximum writeset size exceeded"];

fn of_server(error: &ServerError, fault: Fault) -> DatabaseError {
    let refused = |fault, remedy| DatabaseError::Refused { fault, remedy };
    match error.code {
        1053 | 1077 | 1079 | 1927 | 2006 | 2013 | 4031 => DatabaseError::Lost(fault),
        1037
        | 1038
        | 1040
        | 1041
        | 1135
        | 1158..=1161
        | 1203
        | 1205
        | 1213
        | 1226
        | 1317
        | 1412
        | 1615
        | 1969
        | 3024 => DatabaseError::Retry(fault),
        1047 | 1290 | 1792 | 1836 | 3100 => DatabaseError::NextEndpoint(fault),
        1021 | 1114 => DatabaseError::DiskFull(fault),
        3 | 1026 | 1030 if error.message.contains("28") => DatabaseError::DiskFull(fault),
        1153 | 1301 => DatabaseError::TooBig(fault),
        1105 | 1180 if WRITE_SET.iter().any(|words| error.message.contains(words)) => DatabaseError::TooBig(fault),
        1048 | 1062 | 1264 | 1292 | 1365 | 1366 | 1406 | 1411 | 1441 | 1525 | 1526 | 3140 | 3819 | 4025 => {
            DatabaseError::Poison(fault)
        }
        1045 | 1129 | 1130 | 1251 | 1698 | 1820 | 4151 => refused(fault, LOGIN),
        3159 => refused(fault, SECURE),
        1044 | 1142 | 1143 | 1227 | 1370 => refused(fault, RIGHTS),
        1049 => refused(fault, NAME),
        1054 | 1064 | 1146 | 3948 => refused(fault, SCHEMA),
        _ => of_state(&error.state, fault),
    }
}

/// The class of an error number nobody listed, by its SQLSTATE.
fn of_state(state: &str, fault: Fault) -> DatabaseError {
    match state.get(..2) {
        Some("08") => DatabaseError::Lost(fault),
        Some("40") => DatabaseError::Retry(fault),
        Some("22" | "23") => DatabaseError::Poison(fault),
        Some("28") => DatabaseError::Refused { fault, remedy: LOGIN },
        Some("42") => DatabaseError::Refused { fault, remedy: SCHEMA },
        _ => DatabaseError::Refused { fault, remedy: UNKNOWN },
    }
}
