//! How long things take on a line.
//!
//! Promises: the times of EN 13757-2 (11 bits a character, answer within 330 bit times + 50 ms) and CJ/T 188 (within
//! 500 ms + 30 characters). Refuses: sleeping.

use std::time::Duration;

use protocol::exchange::Timing;
use protocol::meter::Dialect;

/// Bytes are handed on in pieces of about this time, as gateways do.
const PIECE: Duration = Duration::from_millis(20);
/// Bit times a slave waits before it answers (EN 13757-2: at least 11).
const TURNAROUND_BITS: u64 = 33;

/// One line's speed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    timing: Timing,
}

impl Pace {
    /// A line of this speed, whose answers may take `extra` longer than the standards say.
    pub fn new(baud: u32, extra: Duration) -> Self {
        Self { timing: Timing { baud, extra, repeats: 0 } }
    }

    /// The time `count` characters occupy the line.
    pub fn characters(&self, count: usize) -> Duration {
        self.timing.characters(count)
    }

    /// The pause before an answer.
    pub fn turnaround(&self) -> Duration {
        self.bits(TURNAROUND_BITS)
    }

    /// The longest time until the first byte of a sound meter's answer.
    pub fn answer_time(&self, dialect: Dialect) -> Duration {
        self.timing.extra
            + match dialect {
                Dialect::Mbus => self.bits(330) + Duration::from_millis(50),
                Dialect::Cjt188 | Dialect::Modbus => Duration::from_millis(500) + self.characters(30),
            }
    }

    /// How many bytes are handed on at once.
    pub fn piece(&self) -> usize {
        let count = PIECE.as_micros() / self.characters(1).as_micros().max(1);
        usize::try_from(count).unwrap_or(1).max(1)
    }

    fn bits(&self, count: u64) -> Duration {
        Duration::from_micros(count * 1_000_000 / u64::from(self.timing.baud.max(1)))
    }
}
