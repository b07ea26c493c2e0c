//! Why a command line came to nothing, and its exit code.
//!
//! Promises: the codes are those of `hearth --help`. Refuses: telling a failure twice.

use std::process::ExitCode;

use tonic::{Code, Status};

/// Why a command line came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Refused, or failed for certain.
    #[error("{0}")]
    Refused(String),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// No node answers, or none has a leader.
    #[error("{0}")]
    Unreachable(String),
    /// It may or may not have been carried out.
    #[error("{0}")]
    Unknown(String),
    /// What is wrong was written to stdout already.
    #[error("")]
    Told,
    /// Whoever read stdout has closed it.
    #[error("")]
    NobodyReads,
    /// A command that has its own words.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Whether a call only looks, or changes something: decides what a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only looks.
    Look,
    /// It changes something.
    Change,
}

impl Failure {
    /// What a call's status means.
    pub fn of_call(status: &Status, effect: Effect) -> Self {
        let text = status.message().to_owned();
        match (status.code(), effect) {
            (Code::Unavailable, _) => Self::Unreachable(text),
            (Code::Unknown | Code::DeadlineExceeded | Code::Cancelled, Effect::Look) => Self::Unreachable(text),
            (Code::Unknown | Code::DeadlineExceeded | Code::Cancelled, Effect::Change) => Self::Unknown(text),
            _ => Self::Refused(text),
        }
    }

    /// A status of a call that only looks.
    #[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
    pub fn of_look(status: Status) -> Self {
        Self::of_call(&status, Effect::Look)
    }

    /// A status of a call that changes something.
    #[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
    pub fn of_change(status: Status) -> Self {
        Self::of_call(&status, Effect::Change)
    }

    /// The process's exit code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::NobodyReads => 0,
            Self::Refused(_) | Self::Told | Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Unknown(_) => 4,
        }
    }

    /// Says it on stderr, once, and gives the exit code.
    pub fn tell(&self) -> ExitCode {
        let text = self.to_string();
        if !text.is_empty() {
            eprintln!("hearth: {text}");
        }
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_to_a_change_is_an_unknown_outcome_and_to_a_look_is_none() {
        for code in [Code::Unknown, Code::DeadlineExceeded, Code::Cancelled] {
            assert_eq!(Failure::of_change(Status::new(code, "x")).code(), 4, "{code:?}");
            assert_eq!(Failure::of_look(Status::new(code, "x")).code(), 3, "{code:?}");
        }
    }

    #[test]
    fn no_leader_is_unreachable_and_a_refusal_is_a_refusal() {
        assert_eq!(Failure::of_change(Status::unavailable("x")).code(), 3);
        for code in [Code::NotFound, Code::FailedPrecondition, Code::Aborted, Code::PermissionDenied] {
            assert_eq!(Failure::of_change(Status::new(code, "x")).code(), 1, "{code:?}");
        }
    }
}
