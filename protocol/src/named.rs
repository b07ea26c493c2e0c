//! Words in files, by the names of the vocabulary.
//!
//! Promises: a word that is not in the vocabulary is an error that names the thing, the word and what may stand there.
//! Refuses: other names for what has one, a quantity named
//! twice, and more columns than [`MOST_COLUMNS`].

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::amount::Dimension;
use crate::gather::dimension;
use crate::meter::{Quantity, ValveState};

/// The most columns of a profile: more than there are quantities.
pub(crate) const MOST_COLUMNS: usize = 32;

/// One quantity of a profile, whatever the dialect.
pub(crate) trait Column {
    /// The quantity.
    fn quantity(&self) -> Quantity;
    /// What the value found for it measures, and the words of it; nothing where it is no amount.
    fn measures(&self) -> (Option<Dimension>, String);
}

/// Columns that hold what they say, each quantity once.
pub(crate) fn columns<'de, D: Deserializer<'de>, C: Column + Deserialize<'de>>(from: D) -> Result<Vec<C>, D::Error> {
    let columns = Vec::<C>::deserialize(from)?;
    match fault(&columns) {
        None => Ok(columns),
        Some(text) => Err(de::Error::custom(text)),
    }
}

fn fault<C: Column>(columns: &[C]) -> Option<String> {
    if columns.len() > MOST_COLUMNS {
        return Some(format!("{} columns: write at most {MOST_COLUMNS}", columns.len()));
    }
    (1..).zip(columns).find_map(|(nth, column)| {
        let (quantity, (measured, words)) = (column.quantity(), column.measures());
        let name = quantity.name();
        if columns.iter().take(nth - 1).any(|earlier| earlier.quantity() == quantity) {
            return Some(format!("column {nth} ({name}): a quantity stands once: remove one of the two"));
        }
        let fits = measured == Some(dimension(quantity));
        (!fits).then(|| format!("column {nth} ({name}): {words} is no {name}: name what measures it"))
    })
}

pub(crate) fn quantity<'de, D: Deserializer<'de>>(from: D) -> Result<Quantity, D::Error> {
    word(from, "quantity", &Quantity::ALL, Quantity::name)
}

pub(crate) fn valve<'de, D: Deserializer<'de>>(from: D) -> Result<ValveState, D::Error> {
    let all = [ValveState::Open, ValveState::Closed, ValveState::Fault];
    word(from, "valve state", &all, ValveState::name)
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
    found.ok_or_else(|| {
        let names: Vec<_> = all.iter().copied().map(name).collect();
        let names = names.join(", ");
        de::Error::custom(format_args!("{thing} \"{word}\" is not in the vocabulary: write one of {names}"))
    })
}
