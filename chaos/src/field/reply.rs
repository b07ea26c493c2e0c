//! What a request was, and what is said to it.
//!
//! Promises: a reply is made without faults; they are planted in it afterwards. Refuses: knowing any dialect's bytes.

use std::time::Duration;

use protocol::meter::Dialect;

use crate::ledger::{AnswerKind, Values, ValveIs};

/// What a meter says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// In this dialect.
    pub dialect: Dialect,
    /// Values or a mere acknowledgement.
    pub kind: AnswerKind,
    /// The values.
    pub values: Option<Values>,
    /// The same telegram once more.
    pub repeat: bool,
    /// With a wrong checksum.
    pub damaged: bool,
    /// Later than usual by this.
    pub delay: Duration,
    /// The request made the valve move.
    pub valve_order: Option<ValveIs>,
}

impl Reply {
    /// A mere acknowledgement.
    pub fn acknowledge(dialect: Dialect, bytes: Vec<u8>) -> Self {
        let kind = AnswerKind::Acknowledge;
        let (values, repeat, damaged, delay, valve_order) = (None, false, false, Duration::ZERO, None);
        Self { bytes, dialect, kind, values, repeat, damaged, delay, valve_order }
    }

    /// Values.
    pub fn reading(dialect: Dialect, bytes: Vec<u8>, values: Values) -> Self {
        Self { kind: AnswerKind::Reading, values: Some(values), ..Self::acknowledge(dialect, bytes) }
    }
}

/// What a request was, to whom, and what is said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The ledger's word for the request.
    pub kind: &'static str,
    /// The meter.
    pub meter: Option<String>,
    /// Its reply.
    pub reply: Option<Reply>,
}

impl Asked {
    /// Nobody says anything.
    pub fn silence(kind: &'static str) -> Self {
        Self { kind, meter: None, reply: None }
    }

    /// A reply.
    pub fn with(kind: &'static str, reply: Reply) -> Self {
        Self { kind, meter: None, reply: Some(reply) }
    }
}
