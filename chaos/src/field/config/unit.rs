//! What a dial-in unit is made of: who it says it is, whom it calls.
//!
//! ```text
//!   digits    12345678 13800138000                    heartbeat FE
//!   sim       AA 01 13800138000 0D                    heartbeat FE
//!   wrapped   7B 01 .. 7B, data in 7B 09 .. 7B        heartbeat 7B 01 .. 7B, answered by 7B 81 .. 7B
//!   headed    the same, but of 7B 09 and 7B 89 the data stand behind the last 7B
//!   prefix    the id, glued to every answer             heartbeat the id alone
//! ```
//!
//! Promises: a unit that is accepted can call. Refuses: numbers that do not fit the way it registers.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde::Deserialize;

/// A dial-in unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitConfig {
    /// What the product knows it by: `dialin://ID`.
    pub id: String,
    /// The way it registers.
    pub registration: Registration,
    /// The number of its card, 11 digits; only of `digits`.
    #[serde(default)]
    pub phone: String,
    /// The addresses it calls, one after another.
    pub connect: Vec<SocketAddr>,
    /// Seconds between heartbeats; 0 none.
    #[serde(default = "minute")]
    pub heartbeat_s: u32,
    /// The pause before it calls again, ms.
    #[serde(default = "second")]
    pub reconnect_ms: u64,
    /// It hangs up after so many seconds; 0 never.
    #[serde(default)]
    pub drop_every_s: u32,
}

/// Ways to register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// The id, eight digits, and the phone number, eleven.
    Digits,
    /// `AA 01`, the id, which is a phone number of eleven digits, `0D`.
    Sim,
    /// Packets in 7B: the id is a phone number of eleven digits.
    Wrapped,
    /// The same, with the data behind the packet.
    Headed,
    /// The id as text, glued to every answer.
    Prefix,
}

fn minute() -> u32 {
    60
}
fn second() -> u64 {
    1000
}

impl UnitConfig {
    pub(super) fn check(&self, line: &str) -> Result<()> {
        let Self { id, phone, registration, connect, .. } = self;
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
        let is_plain = !id.is_empty() && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
        ensure!(is_plain, "line {line}: unit id {id:?} is no name: use letters, digits, - and _");
        match registration {
            Registration::Digits => {
                ensure!(digits(id, 8), "line {line}: unit id {id:?} of a digits registration: use eight digits");
                ensure!(digits(phone, 11), "line {line}: unit phone {phone:?}: use eleven digits");
            }
            Registration::Sim | Registration::Wrapped | Registration::Headed => {
                ensure!(digits(id, 11), "line {line}: unit id {id:?} is a phone number there: use eleven digits");
            }
            Registration::Prefix => {}
        }
        ensure!(
            *registration == Registration::Digits || phone.is_empty(),
            "line {line}: unit phone {phone:?} is only for a digits registration: leave it out"
        );
        ensure!(
            !connect.is_empty(),
            "line {line}: unit {id} calls nobody: connect needs an address such as 127.0.0.1:7500"
        );
        Ok(())
    }
}
