//! Golden telegrams: what was asked of a meter of a model and what it answered, byte by byte, and what that says.
//!
//! ```text
//!   [[golden]]
//!   action = "read-now"
//!   address = "5"                                    whom it was asked of; 1 where none is named
//!   telegrams = [["1040054516", "E5"], ["107B058016", "6831..16"]]
//!   values = { energy = 34020000 }                   in fixed units, as they stand in the tables
//! ```
//!
//! Promises: one form for every dialect; bytes are bytes and words are of the vocabulary before anything is replayed.
//! Refuses: replaying them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

use crate::meter::{Action, Quantity, ValveState};
use crate::named;

/// The longest telegram, bytes.
const MOST_BYTES: usize = 1024;

/// A dialogue with a meter, recorded or built from its manual.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What is asked.
    #[serde(deserialize_with = "action")]
    pub action: Action,
    /// Whom it is asked of, as import files write it.
    #[serde(default = "first")]
    pub address: String,
    /// Each request and its reply.
    pub telegrams: Vec<[Telegram; 2]>,
    /// The values of the reading, in fixed units.
    #[serde(default)]
    pub values: BTreeMap<Column, i64>,
    /// Where the meter says that its valve stands.
    #[serde(default, deserialize_with = "valve")]
    pub valve: Option<ValveState>,
    /// What the meter's clock shows, `2026-01-31T12:00:00`.
    pub meter_time: Option<String>,
}

fn first() -> String {
    "1".to_owned()
}

/// A column, by the name of its quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column(pub Quantity);

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        named::quantity(from).map(Self)
    }
}

/// Bytes, written as pairs of hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram(pub Vec<u8>);

impl<'de> Deserialize<'de> for Telegram {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = |what: &str| de::Error::custom(format_args!("telegram \"{}\" {what}", start(&text)));
        let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() > 2 * MOST_BYTES {
            return Err(wrong("has more than 1024 bytes: cut it to one frame"));
        }
        let digits: Option<Vec<u8>> = digits.into_iter().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
        let digits = digits.ok_or_else(|| wrong("has something that is no hex digit: write 0-9 and A-F"))?;
        if digits.len() % 2 == 1 {
            return Err(wrong("ends with half a byte: hex digits come in pairs"));
        }
        Ok(Self(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()))
    }
}

fn start(text: &str) -> String {
    let start: String = text.chars().take(16).collect();
    if start.len() < text.len() { start + ".." } else { start }
}

fn action<'de, D: Deserializer<'de>>(from: D) -> Result<Action, D::Error> {
    String::deserialize(from)?.parse().map_err(de::Error::custom)
}

fn valve<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ValveState>, D::Error> {
    named::valve(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        toml::from_str::<Golden>(text).expect_err("refused").message().to_owned()
    }

    #[test]
    fn bytes_may_be_set_apart_and_a_single_meter_is_asked_at_address_one() {
        let golden: Golden = toml::from_str("action = 'read-now'\ntelegrams = [['10 40', 'e5']]").expect("parses");
        assert_eq!(golden.telegrams, [[Telegram(vec![0x10, 0x40]), Telegram(vec![0xE5])]]);
        assert_eq!((golden.address.as_str(), golden.valve), ("1", None));
    }

    #[test]
    fn what_is_no_byte_or_no_word_is_refused_with_the_remedy() {
        let with = |telegram: &str| refused(&format!("action = 'read-now'\ntelegrams = [['{telegram}', 'E5']]"));
        assert!(with("1G").contains("0-9 and A-F") && with("104").contains("come in pairs"));
        assert!(with(&"00".repeat(MOST_BYTES + 1)).contains("more than 1024 bytes"));
        assert!(refused("action = 'read'\ntelegrams = []").contains("read-now, valve-open"));
        assert!(refused("action = 'read-now'\ntelegrams = []\nvalues = { warmth = 1 }").contains("one of energy"));
        assert!(refused("action = 'read-now'\ntelegrams = []\nvalve = 'ajar'").contains("open, closed, fault"));
    }
}
