//! How long a CJ/T 188 master listens for an answer.
//!
//! ```text
//!   request on the wire | 500 ms and 30 characters, and what the line adds | answer begins
//! ```
//!
//! Promises: once a frame has begun, the longest there is may come. Refuses: waiting a babbling line out.

use std::time::Duration;

use super::frame::{LONGEST, Scanner};
use crate::dialogue::Timing;

/// The most bytes listened to for one request.
pub(super) const MOST_HEARD: usize = 2048;
const ANSWER_CHARACTERS: usize = 30;
const ANSWER_FIXED: Duration = Duration::from_millis(500);

/// How long to wait for the next bytes after a request of `spoken` bytes.
pub(super) fn patience(timing: &Timing, spoken: usize, scanner: &Scanner) -> Duration {
    let characters = if scanner.is_unfinished() { LONGEST } else { spoken };
    timing.characters(characters + ANSWER_CHARACTERS) + ANSWER_FIXED + timing.extra
}
