//! The ports on which units call in, and how the units of each speak.
//!
//! Promises: a pattern that is none, or that no unit could be known by, is refused with its text. Refuses: listening.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::dialin::packet::Layout;
use protocol::dialin::{Heartbeat, Manner, Pattern, Wrapper};
use serde::{Deserialize, Serialize};

/// One port on which units call in (`[[dialin]]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialIn {
    /// The port.
    pub listen: SocketAddr,
    /// What units register with, the first that fits: `{id:8d}{phone:11d}`, `AA 01 {id:11a} 0D`.
    #[serde(default)]
    pub register: Vec<String>,
    /// What units say to show that they live.
    #[serde(default)]
    pub heartbeat: Vec<String>,
    /// The same, of units that want to hear it back.
    #[serde(default)]
    pub heartbeat_echo: Vec<String>,
    /// What units put before their frames.
    #[serde(default)]
    pub prefix: Option<String>,
    /// What units put around everything.
    #[serde(default)]
    pub wrapper: WrapperName,
    /// A unit that says nothing for this long is gone.
    #[serde(with = "humantime_serde", default = "default_idle_limit")]
    pub idle_limit: Duration,
    /// For a unit to register, and for a registered one to get a line.
    #[serde(with = "humantime_serde", default = "default_register_limit")]
    pub register_limit: Duration,
    /// Connections on this port, at most.
    #[serde(default = "default_units_max")]
    pub units_max: usize,
    /// Connections from one address, at most. A carrier may hide many units behind one.
    #[serde(default = "default_per_address_max")]
    pub per_address_max: usize,
}

/// What units put around everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WrapperName {
    /// Nothing.
    #[default]
    #[serde(rename = "none")]
    Nothing,
    /// Packets in 7B, which end with it.
    #[serde(rename = "7b")]
    Closed,
    /// Packets in 7B, the second of which stands before the data.
    #[serde(rename = "7b-head")]
    Headed,
}

const fn default_idle_limit() -> Duration {
    Duration::from_secs(5 * 60)
}

const fn default_register_limit() -> Duration {
    Duration::from_secs(30)
}

const fn default_units_max() -> usize {
    10_000
}

const fn default_per_address_max() -> usize {
    1_000
}

/// A setting that cannot be: its key, its value, what it has to be.
type Wrong = (&'static str, String, String);

fn pattern(key: &'static str, text: &str, wants_id: bool) -> Result<Pattern, Wrong> {
    let wrong = |remedy: String| (key, format!("{text:?}"), remedy);
    let pattern = Pattern::parse(text).map_err(|fault| wrong(fault.to_string()))?;
    match (wants_id, pattern.has_id()) {
        (true, false) => Err(wrong("has to say which part is the unit's id, as in {id:8d}".to_owned())),
        (false, true) => Err(wrong("has no id: write the part without its name".to_owned())),
        _ => Ok(pattern),
    }
}

/// The acknowledgement of wired M-Bus. A unit that says it by itself would speak for its meters.
const ACKNOWLEDGEMENT: u8 = 0xE5;

/// A pattern that may come among the answers of meters.
fn spoken(key: &'static str, text: &str) -> Result<Pattern, Wrong> {
    let pattern = pattern(key, text, false)?;
    if pattern.may_hold(ACKNOWLEDGEMENT) {
        let remedy = "may hold E5, which an M-Bus meter acknowledges with: give the unit other words, without x parts";
        return Err((key, format!("{text:?}"), remedy.to_owned()));
    }
    Ok(pattern)
}

fn heartbeats(key: &'static str, texts: &[String], echo: bool) -> Result<Vec<Heartbeat>, Wrong> {
    let heartbeat = |text: &String| Ok(Heartbeat { pattern: spoken(key, text)?, echo });
    texts.iter().map(heartbeat).collect()
}

impl DialIn {
    /// How the units of this port speak, or the setting that is wrong.
    pub fn manner(&self) -> Result<Arc<Manner>, Wrong> {
        let register = self.register.iter().map(|text| pattern("dialin.register", text, true));
        let register: Vec<Pattern> = register.collect::<Result<_, _>>()?;
        if register.is_empty() == (self.wrapper == WrapperName::Nothing) {
            let remedy = "has to name at least one pattern, unless a wrapper registers the units: then none";
            return Err(("dialin.register", format!("{:?}", self.register), remedy.to_owned()));
        }
        let mut all = heartbeats("dialin.heartbeat", &self.heartbeat, false)?;
        all.extend(heartbeats("dialin.heartbeat_echo", &self.heartbeat_echo, true)?);
        let prefix = self.prefix.as_deref().map(|text| spoken("dialin.prefix", text)).transpose()?;
        let wrapper = match self.wrapper {
            WrapperName::Nothing => Wrapper::Plain,
            WrapperName::Closed => Wrapper::Packets(Layout::Closed),
            WrapperName::Headed => Wrapper::Packets(Layout::Headed),
        };
        Ok(Arc::new(Manner { register, heartbeats: all, prefix, wrapper }))
    }

    pub(super) fn contradiction(&self) -> Option<Wrong> {
        let at_least_one = || "has to be at least 1".to_owned();
        match () {
            () if self.units_max == 0 => Some(("dialin.units_max", "0".to_owned(), at_least_one())),
            () if self.per_address_max == 0 => Some(("dialin.per_address_max", "0".to_owned(), at_least_one())),
            () => self.manner().err(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> DialIn {
        toml::from_str(&format!("listen = \"127.0.0.1:7500\"\n{text}")).expect("a section")
    }

    fn complaint(text: &str) -> String {
        let (key, value, remedy) = section(text).contradiction().expect("a contradiction");
        format!("{key} = {value}: {remedy}")
    }

    #[test]
    fn the_seen_kinds_of_units_are_sound_sections() {
        let seen = [
            "register = [\"{id:8d}{phone:11d}\"]\nheartbeat = [\"FE\"]",
            "register = [\"AA 01 {id:11a} 0D\"]\nheartbeat_echo = [\"'ping'\"]",
            "wrapper = \"7b\"",
            "wrapper = \"7b-head\"",
            "register = [\"'#' {id:6a}\"]\nprefix = \"'#' {6a}\"",
        ];
        for text in seen {
            assert_eq!(section(text).contradiction(), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_is_refused_with_its_text() {
        assert!(complaint("").starts_with("dialin.register = []: has to name at least one pattern"));
        assert!(complaint("register = [\"{8d}\"]").contains("{id:8d}"));
        assert!(complaint("register = [\"zz\"]").contains("\"zz\" is no part of a pattern"));
        assert!(complaint("wrapper = \"7b\"\nregister = [\"{id:8d}\"]").contains("then none"));
        for words in ["heartbeat = [\"E5\"]", "heartbeat_echo = [\"00 {2x}\"]", "prefix = \"01 E5\""] {
            assert!(complaint(&format!("wrapper = \"7b\"\n{words}")).contains("M-Bus meter acknowledges"), "{words}");
        }
        assert!(complaint("wrapper = \"7b\"\nunits_max = 0").contains("at least 1"));
    }
}
