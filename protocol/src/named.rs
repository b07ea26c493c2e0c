//! Words in files, by the names of the vocabulary.
//!
//! Promises: a word that is not in the vocabulary is an error that names the thing and the word. Refuses: other names
//! for what has one.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::meter::Quantity;

pub(crate) fn quantity<'de, D: Deserializer<'de>>(from: D) -> Result<Quantity, D::Error> {
    word(from, "quantity", &Quantity::ALL, Quantity::name)
}

pub(crate) fn word<'de, D, T>(
    from: D,
    thing: impl fmt::Display,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Copy,
{
    let word = String::deserialize(from)?;
    let found = all.iter().copied().find(|candidate| name(*candidate) == word);
    found.ok_or_else(|| de::Error::custom(format_args!("{thing} \"{word}\" is not in the vocabulary")))
}
