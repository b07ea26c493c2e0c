//! What is said where a word is not in the vocabulary.
//!
//! Promises: the error names the thing, what stood there and what may stand there. Refuses: guessing what was meant.

/// A word that is not in the vocabulary: names the thing, the value and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{thing} \"{value}\" is not understood: expected {remedy}")]
pub struct WordError {
    /// What was being read.
    pub thing: &'static str,
    /// What stood there.
    pub value: String,
    /// What may stand there.
    pub remedy: &'static str,
}

impl WordError {
    /// An error about `thing`, which had `value` and should have been `remedy`.
    pub fn new(thing: &'static str, value: &str, remedy: &'static str) -> Self {
        Self { thing, value: value.to_owned(), remedy }
    }
}
