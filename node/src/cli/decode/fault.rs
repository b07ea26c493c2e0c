//! Why a telegram says nothing.
//!
//! Promises: the code is a stable word; the offset is a digit's place in bad-hex and a byte's elsewhere, from 0.

use super::json::Json;

/// Why a telegram says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at {offset})")]
pub(super) struct Fault {
    /// empty, bad-hex, no-frame, truncated, bad-checksum, no-answer, refused, undecodable, ambiguous, unsupported.
    pub(super) code: &'static str,
    /// In words.
    pub(super) message: String,
    /// Where it shows.
    pub(super) offset: usize,
}

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>, offset: usize) -> Self {
        Self { code, message: message.into(), offset }
    }

    /// The same with `by` bytes before it.
    pub(super) fn behind(self, by: usize) -> Self {
        Self { offset: self.offset + by, ..self }
    }

    pub(super) fn json(&self) -> Json {
        Json::Object(vec![
            ("code", Json::text(self.code)),
            ("message", Json::text(self.message.as_str())),
            ("offset", Json::number(self.offset)),
        ])
    }
}
