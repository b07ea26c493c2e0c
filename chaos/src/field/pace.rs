//! How long things take on a line.
//!
//! Promises: the times of EN 13757-2 (11 bits a character, answer within 330 bit times + 50 ms) and CJ/T 188 (within
//! 500 ms + 30 characters); on a line without a speed bytes take no time, and masters are told one. Refuses: sleeping.

use std::time::Duration;

use protocol::exchange::Timing;
use protocol::meter::Dialect;

/// Bytes are handed on in pieces of about this time, as gateways do.
const PIECE: Duration = Duration::from_millis(20);
/// The answer time the Modbus serial guide names; the standard leaves it open.
const MODBUS_ANSWER: Duration = Duration::from_secs(1);
/// Bit times a slave waits before it answers (EN 13757-2: at least 11).
const TURNAROUND_BITS: u64 = 33;

/// One line's speed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    timing: Timing,
    is_throttled: bool,
}

impl Pace {
    /// A line of this speed, whose answers may take `extra` longer than the standards say.
    pub fn new(baud: u32, extra: Duration) -> Self {
        Self { timing: Timing { baud, extra, repeats: 0 }, is_throttled: true }
    }

    /// The same, told to masters only: bytes take no time.
    #[must_use]
    pub fn unthrottled(self) -> Self {
        Self { is_throttled: false, ..self }
    }

    /// The time `count` characters occupy the line.
    pub fn characters(&self, count: usize) -> Duration {
        if self.is_throttled { self.timing.characters(count) } else { Duration::ZERO }
    }

    /// The pause before an answer.
    pub fn turnaround(&self) -> Duration {
        if self.is_throttled { self.bits(TURNAROUND_BITS) } else { Duration::ZERO }
    }

    /// The longest time until the last byte of a sound answer of `count` characters.
    pub fn whole_answer_time(&self, dialect: Dialect, count: usize) -> Duration {
        self.answer_time(dialect) + self.timing.characters(count)
    }

    /// The longest time until the first byte of a sound meter's answer.
    pub fn answer_time(&self, dialect: Dialect) -> Duration {
        self.timing.extra
            + match dialect {
                Dialect::Mbus => self.bits(330) + Duration::from_millis(50),
                Dialect::Cjt188 => Duration::from_millis(500) + self.timing.characters(30),
                Dialect::Modbus => MODBUS_ANSWER,
            }
    }

    /// How many bytes are handed on at once.
    pub fn piece(&self) -> usize {
        let count = PIECE.as_micros() / self.timing.characters(1).as_micros().max(1);
        usize::try_from(count).unwrap_or(1).max(1)
    }

    fn bits(&self, count: u64) -> Duration {
        Duration::from_micros(count * 1_000_000 / u64::from(self.timing.baud.max(1)))
    }
}
