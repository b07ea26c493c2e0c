//! Messages of the console <-> the domain: the only place that knows both.
//!
//! Promises: what a message says is either taken whole or refused by row, column, value and remedy; defaults are
//! those the messages' own comments name. Refuses: asking the cluster anything.

mod commands;
mod exports;
mod lines;
mod meters;
mod plant;
mod readings;
mod words;

use protocol::api::admin::{ImportReply, RowError};
use raft_store::state::registry::RowFault;
use raft_store::state::{Refused, Reply};
use tonic::{Code, Status};

use crate::cluster::ProposeError;
use crate::config;

pub use commands::{command, gone, queued};
pub use exports::exported;
pub use lines::{line, line_row};
pub use meters::{meter, meter_row};
pub use plant::{calendar, calendar_message, policy, policy_message, schedule_by, selector, slot};
pub use readings::{committed, stored};
pub use words::idempotency_key;

/// Why a proposal or a read came to nothing, in the codes of gRPC.
pub fn refusal(error: ProposeError) -> Status {
    let text = error.to_string();
    match error {
        ProposeError::Refused(refused) => Status::new(refused_code(&refused), text),
        ProposeError::NoLeader(_) => Status::unavailable(format!("{text}: nothing was changed, try again")),
        ProposeError::Unknown(_) => {
            Status::unknown(format!("{text}: the change may or may not be carried out, look before trying again"))
        }
    }
}

const fn refused_code(refused: &Refused) -> Code {
    match refused {
        Refused::Missing { .. } => Code::NotFound,
        Refused::Conflict(_) => Code::FailedPrecondition,
        Refused::Stale(_) => Code::Aborted,
    }
}

/// `thing` called `name` does not exist.
pub fn missing(thing: &str, name: &str) -> Status {
    Status::not_found(format!("{thing} {name} does not exist"))
}

/// A reply that no entry of this kind has.
pub fn unexpected(reply: &Reply) -> Status {
    Status::internal(format!("the cluster answered {reply:?}, which is no answer to this"))
}

/// What an import did.
pub fn imported(reply: Reply) -> Result<ImportReply, Status> {
    match reply {
        Reply::Imported { created, updated, unchanged } => {
            Ok(ImportReply { created, updated, unchanged, ..ImportReply::default() })
        }
        Reply::Rows(faults) => Ok(refused_rows(faults.into_iter().map(row_error).collect())),
        other => Err(unexpected(&other)),
    }
}

/// An import of which nothing was applied.
pub fn refused_rows(errors: Vec<RowError>) -> ImportReply {
    ImportReply { errors, ..ImportReply::default() }
}

fn row_error(fault: RowFault) -> RowError {
    RowError { row: fault.row, column: fault.column, message: fault.message }
}

/// Every row through `convert`: all of them, or every fault.
pub fn rows<M, T>(
    messages: Vec<M>,
    settings: &config::Admin,
    convert: impl Fn(M) -> Result<T, Vec<RowFaultAt>>,
) -> Result<Result<Vec<T>, Vec<RowError>>, Status> {
    let (count, most) = (messages.len(), settings.import_rows);
    if count > most {
        let text = format!("{count} rows in one import, at most {most} (admin.import_rows): split the file");
        return Err(Status::invalid_argument(text));
    }
    let (mut taken, mut errors) = (Vec::with_capacity(count), Vec::new());
    for (row, message) in (1..).zip(messages) {
        match convert(message) {
            Ok(spec) => taken.push(spec),
            Err(faults) => errors.extend(faults.into_iter().map(|fault| fault.in_row(row))),
        }
    }
    Ok(if errors.is_empty() { Ok(taken) } else { Err(errors) })
}

/// A fault of one row: where, and a fragment naming value and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFaultAt {
    column: &'static str,
    message: String,
}

impl RowFaultAt {
    fn in_row(self, row: u32) -> RowError {
        RowError { row, column: self.column.to_owned(), message: self.message }
    }
}

/// Collects the faults of one row, so that all of them are told at once.
#[derive(Debug, Default)]
struct Faults(Vec<RowFaultAt>);

impl Faults {
    /// The value, or the default with its fault noted.
    fn note<T: Default>(&mut self, column: &'static str, value: Result<T, String>) -> T {
        self.note_or(column, value, T::default())
    }

    /// The value, or `instead` with its fault noted.
    fn note_or<T>(&mut self, column: &'static str, value: Result<T, String>, instead: T) -> T {
        value.unwrap_or_else(|message| {
            self.0.push(RowFaultAt { column, message });
            instead
        })
    }

    /// `row`, unless something was noted.
    fn done<T>(self, row: T) -> Result<T, Vec<RowFaultAt>> {
        if self.0.is_empty() { Ok(row) } else { Err(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_code() {
        let code = |error: ProposeError| refusal(error).code();
        assert_eq!(code(Refused::missing("line", "a").into()), tonic::Code::NotFound);
        assert_eq!(code(Refused::Conflict("x".to_owned()).into()), tonic::Code::FailedPrecondition);
        assert_eq!(code(Refused::Stale("x".to_owned()).into()), tonic::Code::Aborted);
        assert_eq!(code(ProposeError::NoLeader("x".to_owned())), tonic::Code::Unavailable);
        assert_eq!(code(ProposeError::Unknown("x".to_owned())), tonic::Code::Unknown);
    }

    #[test]
    fn an_unknown_outcome_says_so_in_words() {
        let status = refusal(ProposeError::Unknown("no answer within 10s".to_owned()));
        assert!(status.message().contains("may or may not"), "{}", status.message());
    }

    #[test]
    fn an_import_over_the_limit_is_refused_by_its_name_before_any_row() {
        let settings = config::Admin { import_rows: 2, ..config::Admin::default() };
        let status = rows(vec![1, 2, 3], &settings, |_| -> Result<(), _> { Err(Vec::new()) }).expect_err("too many");
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.message().contains("3 rows") && status.message().contains("admin.import_rows"));
    }

    #[test]
    fn one_bad_row_takes_all_rows_with_it_and_is_named_by_its_number() {
        let convert = |n: u32| {
            let mut faults = Faults::default();
            let value = faults.note("name", if n == 7 { Err("7 is taken".to_owned()) } else { Ok(n) });
            faults.done(value)
        };
        let errors =
            rows(vec![5, 6, 7], &config::Admin::default(), convert).expect("few rows").expect_err("one is bad");
        assert_eq!(errors, [RowError { row: 3, column: "name".to_owned(), message: "7 is taken".to_owned() }]);
        let all = rows(vec![5, 6], &config::Admin::default(), convert).expect("few rows");
        assert_eq!(all, Ok(vec![5, 6]));
    }
}
