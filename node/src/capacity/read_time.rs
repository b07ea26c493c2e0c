//! How long one read takes on a line, by how its meter is asked.
//!
//! ```text
//!   request on the line | the meter thinks | answer on the line       again for each question of the dialogue
//! ```
//!
//! Promises: bytes take what the speed says; what cannot be known beforehand is a named estimate. Refuses: a meter that
//! does not answer: the share of silent meters is for those.

use protocol::meter::Address;
use raft_store::state::registry::{LineSpec, Parity};

/// How a meter is asked for its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// SND_NKE, then REQ_UD2.
    MbusPrimary,
    /// Selection by identification, then REQ_UD2.
    MbusSecondary,
    /// Current data, 901F.
    Cjt188,
    /// Registers, in blocks.
    Modbus,
}

/// What goes over the line in one read.
struct Dialogue {
    questions: u64,
    said: u64,
    heard: u64,
    /// From the end of a question to the beginning of its answer, ms.
    thinks_ms: u64,
}

/// Bytes of an M-Bus telegram of a heat meter.
const MBUS_ANSWER: u64 = 120;
/// Bytes of CJ/T 188 current data of a heat meter, with its preamble.
const CJT188_ANSWER: u64 = 62;
/// Bytes of two blocks of twenty registers.
const MODBUS_ANSWER: u64 = 90;
/// Of what a line may answer later than its standard says, a sound answer takes this much, percent.
const EXTRA_USED_PERCENT: u64 = 25;
/// From one dialogue to the next, with the reading made durable, ms.
const BETWEEN_MS: u64 = 5;

impl Ask {
    /// How the meter at `address` is asked.
    pub const fn of(address: &Address) -> Self {
        match address {
            Address::MbusPrimary(_) => Self::MbusPrimary,
            Address::MbusSecondary { .. } | Address::MbusEnhanced { .. } => Self::MbusSecondary,
            Address::Cjt188(_) => Self::Cjt188,
            Address::ModbusUnit(_) => Self::Modbus,
        }
    }

    /// Milliseconds that one read takes on a line like `spec`.
    pub fn read_ms(self, spec: &LineSpec) -> u64 {
        self.dialogue(None).takes_ms(spec)
    }

    /// The same, of a meter whose answer has so many bytes.
    #[cfg(test)]
    pub(crate) fn read_ms_of(self, spec: &LineSpec, answer: u64) -> u64 {
        self.dialogue(Some(answer)).takes_ms(spec)
    }

    fn dialogue(self, answer: Option<u64>) -> Dialogue {
        let heard = |typical: u64| answer.unwrap_or(typical);
        match self {
            Self::MbusPrimary => Dialogue { questions: 2, said: 10, heard: 1 + heard(MBUS_ANSWER), thinks_ms: 30 },
            Self::MbusSecondary => Dialogue { questions: 2, said: 22, heard: 1 + heard(MBUS_ANSWER), thinks_ms: 30 },
            Self::Cjt188 => Dialogue { questions: 1, said: 18, heard: heard(CJT188_ANSWER), thinks_ms: 60 },
            Self::Modbus => Dialogue { questions: 2, said: 16, heard: heard(MODBUS_ANSWER), thinks_ms: 30 },
        }
    }
}

impl Dialogue {
    fn takes_ms(&self, spec: &LineSpec) -> u64 {
        let bits = if spec.parity == Parity::None { 10 } else { 11 };
        let bytes_ms = (self.said + self.heard) * bits * 1_000 / u64::from(spec.baud.max(1));
        let extra_ms = u64::from(spec.extra_answer_ms) * EXTRA_USED_PERCENT / 100;
        bytes_ms + self.questions * (self.thinks_ms + extra_ms) + BETWEEN_MS
    }
}
