//! One profile file: what every dialect's has, and what only its own has.
//!
//! ```text
//!   name, dialect, source, maker, model, [[golden]]  --> About
//!   everything else, and the name                    --> the dialect's own Profile
//! ```
//!
//! Promises: every bound has its name; what is wrong is told with file, line, key and remedy. Refuses: keys it does not
//! know, and more than [`MOST_TEXT`] bytes.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;
use toml::de::DeTable;

use crate::golden::Golden;
use crate::meter::Dialect;
use crate::{cjt188, mbus, modbus};

/// The longest profile, bytes.
pub const MOST_TEXT: usize = 64 * 1024;
/// The longest name, characters.
const MOST_NAME: usize = 64;
/// The most golden dialogues of one profile, and the most telegrams of one of them.
const MOST_GOLDEN: usize = 64;
/// What every profile has, beside the name that its dialect knows as well.
const COMMON: [&str; 5] = ["dialect", "source", "maker", "model", "golden"];

/// Why a profile is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("profile {path}{}: {text}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct ProfileFault {
    /// The file.
    pub path: String,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// What is wrong with it, and the remedy.
    pub text: String,
}

impl ProfileFault {
    pub(super) fn new(path: &str, line: Option<usize>, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

/// What a profile says of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its name, unique.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// The dialect of its meters.
    #[serde(deserialize_with = "dialect")]
    pub dialect: Dialect,
    /// Where its facts are from: a standard, a manual, a recorded telegram.
    pub source: String,
    /// Who makes the model.
    #[serde(default)]
    pub maker: String,
    /// The model, as its maker calls it.
    #[serde(default)]
    pub model: String,
    /// What meters of the model were heard to say.
    #[serde(default, deserialize_with = "golden")]
    pub golden: Vec<Golden>,
}

/// A profile in the words of its dialect.
#[derive(Debug, Clone)]
pub enum Model {
    /// Of wired M-Bus.
    Mbus(Arc<mbus::profile::Profile>),
    /// Of CJ/T 188.
    Cjt188(Arc<cjt188::profile::Profile>),
    /// Of Modbus.
    Modbus(Arc<modbus::profile::Profile>),
}

impl Model {
    pub(super) fn recognised_by(&self) -> Option<String> {
        match self {
            Self::Mbus(profile) => profile.recognise.as_ref().map(ToString::to_string),
            Self::Cjt188(profile) => profile.recognise.as_ref().map(ToString::to_string),
            Self::Modbus(_) => None,
        }
    }

    fn read(dialect: Dialect, own: Spanned<DeTable<'_>>) -> Result<Self, toml::de::Error> {
        Ok(match dialect {
            Dialect::Mbus => Self::Mbus(Arc::new(parse(own)?)),
            Dialect::Cjt188 => {
                let profile: cjt188::profile::Profile = parse(own)?;
                profile.fault().map_or(Ok(()), |fault| Err(de::Error::custom(fault)))?;
                Self::Cjt188(Arc::new(profile))
            }
            Dialect::Modbus => {
                let profile: modbus::profile::Profile = parse(own)?;
                profile.fault().map_or(Ok(()), |fault| Err(de::Error::custom(fault)))?;
                Self::Modbus(Arc::new(profile))
            }
        })
    }
}

fn parse<T: DeserializeOwned>(table: Spanned<DeTable<'_>>) -> Result<T, toml::de::Error> {
    T::deserialize(toml::de::Deserializer::from(table))
}

/// The profile in `text`, which stands in `path`.
pub(super) fn read(path: &str, text: &str) -> Result<(About, Model), ProfileFault> {
    if text.len() > MOST_TEXT {
        let length = text.len();
        return Err(ProfileFault::new(path, None, format!("{length} bytes: a profile has at most {MOST_TEXT}")));
    }
    let fault = |error: toml::de::Error| located(path, text, &error);
    let (common, own) = DeTable::parse(text).map(split).map_err(fault)?;
    // A key that is misspelt would be told as one that is missing: the dialect, which knows all its own, looks first.
    let dialect = common.get_ref().get("dialect").and_then(|value| value.get_ref().as_str()?.parse().ok());
    let model = dialect.map(|dialect| Model::read(dialect, own)).transpose().map_err(fault)?;
    let about: About = parse(common).map_err(fault)?;
    model.map(|model| (about, model)).ok_or_else(|| ProfileFault::new(path, None, "dialect: is missing"))
}

/// What every profile has, and what is its dialect's own.
fn split(table: Spanned<DeTable<'_>>) -> (Spanned<DeTable<'_>>, Spanned<DeTable<'_>>) {
    let (span, mut common, mut own) = (table.span(), DeTable::new(), DeTable::new());
    for (key, value) in table.into_inner() {
        let word: &str = key.get_ref();
        if word == "name" {
            own.insert(key.clone(), value.clone());
        }
        let side = if word == "name" || COMMON.contains(&word) { &mut common } else { &mut own };
        side.insert(key, value);
    }
    (Spanned::new(span.clone(), common), Spanned::new(span, own))
}

/// The error with its place: its line, and what stands there.
fn located(path: &str, text: &str, error: &toml::de::Error) -> ProfileFault {
    let mut message = error.message().trim_end().replace('\n', " ");
    if message.starts_with("unknown field") && message.contains("`name`") {
        message = format!("{message}, or {}", COMMON.join(", "));
    }
    let nth = message.strip_prefix("column ").and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    let header = |nth: usize| {
        let headers = (1..).zip(text.lines()).filter(|(_, line)| line.trim().starts_with("[[column]]"));
        headers.map(|(number, _)| number).nth(nth.checked_sub(1)?)
    };
    if let Some(line) = nth.and_then(header) {
        return ProfileFault::new(path, Some(line), message);
    }
    let before = error.span().filter(|span| span.start > 0).and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.bytes().filter(|byte| *byte == b'\n').count() + 1);
    let shown = line.and_then(|line| text.lines().nth(line - 1)).map(str::trim).filter(|shown| !shown.is_empty());
    let shown: Option<String> = shown.map(|shown| shown.chars().take(60).collect());
    ProfileFault::new(path, line, shown.map_or_else(|| message.clone(), |shown| format!("`{shown}`: {message}")))
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let may_stand = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
    let is_sound = !text.is_empty() && text.len() <= MOST_NAME && text.chars().all(may_stand);
    let wrong = || format!("name \"{text}\": write 1 to {MOST_NAME} of a-z, 0-9, -, . and _");
    is_sound.then_some(()).ok_or_else(|| de::Error::custom(wrong()))?;
    Ok(text)
}

fn dialect<'de, D: Deserializer<'de>>(from: D) -> Result<Dialect, D::Error> {
    String::deserialize(from)?.parse().map_err(de::Error::custom)
}

fn golden<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Golden>, D::Error> {
    let golden = Vec::<Golden>::deserialize(from)?;
    let most = golden.iter().map(|golden| golden.telegrams.len()).chain([golden.len()]).max().unwrap_or_default();
    if most > MOST_GOLDEN {
        return Err(de::Error::custom(format_args!("{most} golden telegrams: write at most {MOST_GOLDEN}")));
    }
    Ok(golden)
}
