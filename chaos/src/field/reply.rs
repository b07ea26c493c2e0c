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
    /// What the meter's clock shows, where the bytes tell.
    pub meter_time: Option<String>,
    /// What is planted in it.
    pub fault: Option<Planted>,
    /// Bytes of nobody before and after it.
    pub noise: bool,
    /// Later than usual by this.
    pub delay: Duration,
    /// The request made the valve move.
    pub valve_order: Option<ValveIs>,
}

impl Reply {
    /// A mere acknowledgement.
    pub fn acknowledge(dialect: Dialect, bytes: Vec<u8>) -> Self {
        let kind = AnswerKind::Acknowledge;
        let (repeat, noise, delay) = (false, false, Duration::ZERO);
        let (values, meter_time, fault, valve_order) = (None, None, None, None);
        Self { bytes, dialect, kind, values, repeat, meter_time, fault, noise, delay, valve_order }
    }

    /// Values.
    pub fn reading(dialect: Dialect, bytes: Vec<u8>, values: Values) -> Self {
        Self { kind: AnswerKind::Reading, values: Some(values), ..Self::acknowledge(dialect, bytes) }
    }
}

/// What a planted fault makes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A wrong checksum.
    Damaged,
    /// Other bytes.
    Garbled,
    /// The end is missing.
    Truncated,
    /// A heartbeat amid it.
    HeartbeatInside,
    /// Another meter answered at the same time.
    Collision,
}

impl Planted {
    /// The ledger's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Garbled => "garbled",
            Self::Truncated => "truncated",
            Self::HeartbeatInside => "heartbeat-inside",
            Self::Collision => "collision",
        }
    }

    /// Whether what is written is no longer what the meter meant.
    pub const fn is_damage(self) -> bool {
        !matches!(self, Self::HeartbeatInside)
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
