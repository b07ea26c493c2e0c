//! The ledger: what really happened on the lines, as the meters saw it.
//!
//! `ledger.jsonl` is one JSON object a line, appended in the order in which things were noticed. `event` names the
//! kind; `at` is `{"mono":..,"wall":..}`, microseconds of the monotonic clock and of Unix time. Fields that do not
//! apply are absent.
//!
//! ```text
//! start    at seed                                    the field is about to serve; first entry
//! line     line endpoint baud extra_answer_us answer_timeout_us
//! meter    meter line dialect address interval_s offset_s valve faulty
//! open     at line speaker                            a connection came; a process took hold of the terminal
//! close    at line speaker                            it went, for whatever reason
//! request  at id line first speaker hex kind meter    a sound frame (`kind` says which), or `kind":"noise"`
//!                                                     `first` is the moment of its first byte, `at` of its last
//! answer   at id request line meter kind hex          `at` is the moment its last byte was written
//!          values valve meter_time                    what the meter said, exactly, in the tables' fixed units
//!          repeat   the same telegram again           late, damaged, disturbed, undelivered, fault   see Answer
//!          `hex` of both is what is on the line itself: without what a dial-in unit wraps around it
//! said     at line kind hex                           bytes of no meter: echo, noise, heartbeat, registration
//! valve    at meter line state cause                  a valve began to move, or arrived; `cause` is a request id
//! stop     at                                         the field ended in good order; last entry
//! ```
//!
//! `speaker` is `{"tcp":{"peer":"127.0.0.2:4555","connection":7}}`: the peer's IP names a node, the connection number
//! is unique in the ledger; or `{"pty":{"holders":[{"pid":4711,"connection":8}]}}`: every process, not stopped, that held
//! the terminal at the time of the bytes (`connection` numbers each period of holding).
//!
//! Promises: entries are never changed; an entry is in the file at most [`writer::FLUSH_EVERY`] after it was noticed,
//! and a stopped field leaves none behind. Refuses: judging.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;

pub mod reader;
mod speaker;
pub mod writer;

pub use speaker::{Holder, Speaker};

/// The name of the ledger within a field's directory.
pub const FILE_NAME: &str = "ledger.jsonl";

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The field is about to serve.
    Start {
        /// When.
        at: Stamp,
        /// The seed of all physics.
        seed: u64,
    },
    /// A line exists.
    Line(LineFacts),
    /// A meter exists.
    Meter(MeterFacts),
    /// A speaker came to a line.
    Open {
        /// When.
        at: Stamp,
        /// The line.
        line: String,
        /// Who.
        speaker: Speaker,
    },
    /// A speaker went.
    Close {
        /// When.
        at: Stamp,
        /// The line.
        line: String,
        /// Who.
        speaker: Speaker,
    },
    /// Bytes came.
    Request(Request),
    /// A meter answered.
    Answer(Box<Answer>),
    /// Bytes went out that no meter said.
    Said {
        /// When.
        at: Stamp,
        /// The line.
        line: String,
        /// `echo`, `noise`, `heartbeat` or `registration`.
        kind: String,
        /// The bytes.
        hex: String,
    },
    /// A valve changed what it is doing.
    Valve {
        /// When.
        at: Stamp,
        /// The meter that has the valve.
        meter: String,
        /// Its line.
        line: String,
        /// What it does from now on.
        state: ValveIs,
        /// The request that caused it.
        cause: u64,
    },
    /// The field ended in good order.
    Stop {
        /// When.
        at: Stamp,
    },
}

/// What the judge must know about a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFacts {
    /// Its name.
    pub line: String,
    /// Where it was served.
    pub endpoint: String,
    /// Line speed, bit/s.
    pub baud: u32,
    /// The extra answer time told to the product, µs.
    pub extra_answer_us: i64,
    /// The longest time a sound meter may take to answer on this line, µs.
    pub answer_timeout_us: i64,
}

/// What the judge must know about a meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterFacts {
    /// Its name.
    pub meter: String,
    /// Its line's name.
    pub line: String,
    /// `mbus`, `cjt188` or `modbus`.
    pub dialect: String,
    /// Its address as in the import file.
    pub address: String,
    /// Seconds between slots.
    pub interval_s: u32,
    /// Seconds by which its slots lie after the multiples of the interval.
    pub offset_s: u32,
    /// Whether it has a valve.
    #[serde(default, skip_serializing_if = "is_false")]
    pub valve: bool,
    /// Whether a fault was planted in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub faulty: bool,
}

/// Bytes that came from a speaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// When the last byte was received.
    pub at: Stamp,
    /// When the first byte was received.
    pub first: Stamp,
    /// Its number, unique in the ledger.
    pub id: u64,
    /// The line.
    pub line: String,
    /// Who spoke.
    pub speaker: Speaker,
    /// The bytes.
    pub hex: String,
    /// What they ask: `reset`, `select`, `read`, `valve-open`, `valve-close`, `other` or `noise`.
    pub kind: String,
    /// The meter they are for, where there is such a meter on the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
}

/// What a meter answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When the last byte was written (or would have been).
    pub at: Stamp,
    /// Its number, unique in the ledger.
    pub id: u64,
    /// The request it answers.
    pub request: u64,
    /// The line.
    pub line: String,
    /// The meter.
    pub meter: String,
    /// `reading`, `part` or `acknowledge`.
    pub kind: AnswerKind,
    /// The bytes as written.
    pub hex: String,
    /// The values of a reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
    /// What the meter's clock showed, where the answer tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter_time: Option<String>,
    /// The same telegram as the answer before, because the master asked for it again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeat: bool,
    /// The answer took longer than the line's answer time, by a planted fault or by a tired machine.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// What was written is not what the meter meant, and can be seen not to be: `fault` says in which way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub damaged: bool,
    /// Other bytes stood inside the answer: a master that knows them may read it, another cannot.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disturbed: bool,
    /// The planted fault that shows in it: `damaged`, `garbled`, `truncated`, `heartbeat-inside` or `collision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The speaker was gone, or did not take the bytes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub undelivered: bool,
}

/// What an answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerKind {
    /// Current values: those of all telegrams, with the last of them.
    Reading,
    /// Current values, but the meter says that more telegrams follow: not a reading yet.
    Part,
    /// Only that the meter heard.
    Acknowledge,
}

/// The values of one answer in the fixed units of the product's table, by the table's column names. Absent: not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Values {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_joule: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooling_energy_joule: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_millilitre: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_milliwatt: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_millilitre_per_hour: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supply_milli_celsius: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_milli_celsius: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference_millikelvin: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operating_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_seconds: Option<i64>,
    /// What the valve was doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valve: Option<ValveIs>,
}

/// What a valve is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValveIs {
    /// Fully open.
    Open,
    /// Fully closed.
    Closed,
    /// Stuck.
    Fault,
    /// On its way.
    Moving,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
