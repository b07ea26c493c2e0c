//! How long an M-Bus master listens for an answer (EN 13757-2).
//!
//! ```text
//!   request on the wire | 330 bit times + 50 ms, and what the line adds | answer begins
//! ```
//!
//! Promises: once a frame has begun, the longest there is may come. Refuses: waiting a babbling line out.

use std::time::Duration;

use super::frame::{LONGEST, Scanner};
use crate::dialogue::Timing;

/// The most bytes listened to for one request.
pub(super) const MOST_HEARD: usize = 2048;
/// 330 bit times are 30 characters of 11 bits.
const ANSWER_CHARACTERS: usize = 30;
const ANSWER_FIXED: Duration = Duration::from_millis(50);

/// How long to wait for the next bytes after a request of `spoken` bytes.
pub(super) fn patience(timing: &Timing, spoken: usize, scanner: &Scanner) -> Duration {
    let characters = if scanner.is_unfinished() { LONGEST } else { spoken + ANSWER_CHARACTERS };
    timing.characters(characters) + ANSWER_FIXED + timing.extra
}
