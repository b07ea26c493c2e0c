//! One grammar for every dialogue between a node and a meter, whatever the meter speaks.
//!
//! ```text
//!            poll -> Send(bytes)       write these bytes, then poll again
//!            poll -> Await(time)       read; hand bytes to handle_bytes, or call handle_timeout after `time`
//!            poll -> Done(answer)      the dialogue is over; every later poll says the same
//!
//!   Exchange::read ----> Send --> Await --+--> Done(Reading | Refused | Lost)
//!                         ^               |
//!                         +--- repeat ----+    (bounded: Timing::repeats)
//! ```
//!
//! Promises: no I/O, no clock, no dice; bytes may come split, merged or with noise between; the work per byte is
//! bounded; a wrong checksum never becomes a reading; a reading says by which profile it was read. Refuses: knowing what
//! carries the bytes, and a profile nobody knows.

use crate::meter::{Action, Address, CivilTime, Dialect};
use crate::profile::Catalogue;
use crate::{cjt188, mbus, modbus};

pub use crate::dialogue::{Answer, LineFault, Reach, Refusal, Step, Timing};

/// Everything a dialogue must know about its meter.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the meter is reached; decides the dialect.
    pub address: Address,
    /// How the line behaves.
    pub timing: Timing,
    /// The meter's profile by name; `None` recognises it by its answer.
    pub profile: Option<String>,
    /// The profiles there are.
    pub catalogue: Catalogue,
}

/// One dialogue with one meter.
#[derive(Debug, Clone)]
pub struct Exchange {
    tower: Tower,
}

#[derive(Debug, Clone)]
enum Tower {
    Mbus(mbus::exchange::Dialogue),
    Cjt188(cjt188::exchange::Dialogue),
    Cjt188Past(Box<cjt188::past::Dialogue>),
    Modbus(modbus::exchange::Dialogue),
    /// Over before it began.
    Over(Refusal),
}

impl Exchange {
    /// A dialogue that reads the meter's current values.
    pub fn read(target: &Target) -> Self {
        Self::perform(target, Action::ReadNow)
    }

    /// A dialogue that asks `action` of the meter. A valve action ends with the meter's acknowledgement; whether
    /// the valve has arrived is a later [`Exchange::read`].
    pub fn perform(target: &Target, action: Action) -> Self {
        let tower = Tower::new(target, action).unwrap_or_else(|text| Tower::Over(Refusal { code: 0, text }));
        Self { tower }
    }

    /// A dialogue that asks for what the meter kept of `moment`, by its own clock. It ends with a reading whose `history`
    /// has it, perhaps beside other moments, or in words: most models keep none, or do not say how.
    pub fn history(target: &Target, moment: CivilTime) -> Self {
        let tower = Tower::of_past(target, moment).unwrap_or_else(|text| Tower::Over(Refusal { code: 0, text }));
        Self { tower }
    }

    /// The same over Modbus TCP, its requests numbered from the one after `transaction`; only a Modbus dialogue has
    /// other frames there.
    #[must_use]
    pub fn over_modbus_tcp(self, transaction: u16) -> Self {
        let tower = match self.tower {
            Tower::Modbus(dialogue) => Tower::Modbus(dialogue.over_tcp(transaction)),
            other @ (Tower::Mbus(_) | Tower::Cjt188(_) | Tower::Cjt188Past(_) | Tower::Over(_)) => other,
        };
        Self { tower }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        match &mut self.tower {
            Tower::Mbus(dialogue) => dialogue.poll(),
            Tower::Cjt188(dialogue) => dialogue.poll(),
            Tower::Cjt188Past(dialogue) => dialogue.poll(),
            Tower::Modbus(dialogue) => dialogue.poll(),
            Tower::Over(refusal) => Step::Done(Answer::Refused(refusal.clone())),
        }
    }

    /// Whether the last question still waits for bytes of its answer.
    pub fn is_listening(&self) -> bool {
        match &self.tower {
            Tower::Mbus(dialogue) => dialogue.is_listening(),
            Tower::Cjt188(dialogue) => dialogue.is_listening(),
            Tower::Cjt188Past(dialogue) => dialogue.is_listening(),
            Tower::Modbus(dialogue) => dialogue.is_listening(),
            Tower::Over(_) => false,
        }
    }

    /// Bytes came: half a frame, two frames, or noise.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        match &mut self.tower {
            Tower::Mbus(dialogue) => dialogue.handle_bytes(bytes),
            Tower::Cjt188(dialogue) => dialogue.handle_bytes(bytes),
            Tower::Cjt188Past(dialogue) => dialogue.handle_bytes(bytes),
            Tower::Modbus(dialogue) => dialogue.handle_bytes(bytes),
            Tower::Over(_) => {}
        }
    }

    /// The line was quiet for longer than it may be inside a frame: what comes now is not joined with what came. Only
    /// who sees every byte as it arrives can say so.
    pub fn handle_gap(&mut self) {
        match &mut self.tower {
            Tower::Mbus(dialogue) => dialogue.handle_gap(),
            Tower::Cjt188(dialogue) => dialogue.handle_gap(),
            Tower::Cjt188Past(dialogue) => dialogue.handle_gap(),
            Tower::Modbus(dialogue) => dialogue.handle_gap(),
            Tower::Over(_) => {}
        }
    }

    /// The time of the last [`Step::Await`] passed.
    pub fn handle_timeout(&mut self) {
        match &mut self.tower {
            Tower::Mbus(dialogue) => dialogue.handle_timeout(),
            Tower::Cjt188(dialogue) => dialogue.handle_timeout(),
            Tower::Cjt188Past(dialogue) => dialogue.handle_timeout(),
            Tower::Modbus(dialogue) => dialogue.handle_timeout(),
            Tower::Over(_) => {}
        }
    }
}

impl Tower {
    /// The dialogue about the past; or why there is none.
    fn of_past(target: &Target, moment: CivilTime) -> Result<Self, String> {
        let Target { address, timing, profile, catalogue } = target;
        let (name, reach) = (profile.as_deref(), Reach { address: *address, timing: *timing });
        let dialect = address.dialect();
        let unknown = || catalogue.unknown(name.unwrap_or_default(), dialect);
        match dialect {
            Dialect::Mbus => {
                let profiles = catalogue.mbus(name).ok_or_else(unknown)?;
                Ok(Self::Mbus(mbus::exchange::Dialogue::of_past(&reach, profiles)))
            }
            Dialect::Cjt188 => {
                let profiles = catalogue.cjt188(name).ok_or_else(unknown)?;
                Ok(Self::Cjt188Past(Box::new(cjt188::past::Dialogue::new(&reach, &profiles, moment))))
            }
            Dialect::Modbus => Err("a modbus meter is not asked for its history".to_owned()),
        }
    }

    /// The dialogue of the address's dialect; or why there is none.
    fn new(target: &Target, action: Action) -> Result<Self, String> {
        let Target { address, timing, profile, catalogue } = target;
        let (name, reach) = (profile.as_deref(), Reach { address: *address, timing: *timing });
        let dialect = address.dialect();
        let unknown = || catalogue.unknown(name.unwrap_or_default(), dialect);
        Ok(match dialect {
            Dialect::Mbus => {
                let profiles = catalogue.mbus(name).ok_or_else(unknown)?;
                Self::Mbus(mbus::exchange::Dialogue::new(&reach, profiles, action))
            }
            Dialect::Cjt188 => {
                let profiles = catalogue.cjt188(name).ok_or_else(unknown)?;
                Self::Cjt188(cjt188::exchange::Dialogue::new(&reach, &profiles, action))
            }
            Dialect::Modbus => {
                let profile = catalogue.modbus(name.unwrap_or_default()).ok_or_else(unknown)?;
                Self::Modbus(modbus::exchange::Dialogue::new(&reach, profile, action))
            }
        })
    }
}
