//! How long an answer may pause before it is over, learnt from the pauses that were seen.
//!
//! ```text
//!   request ...... piece  piece  piece                | what two answer at once ends like this, too
//!                       ^^ widest              |<---->|  2 x widest, 50 ms at least, and 33 bit times
//! ```
//!
//! Promises: nothing is taken for an end before enough whole answers were heard, nor before more was heard than one's own
//! echo and a little noise can be; a pause counts once another was as long (one alone is a machine's hiccup) and until
//! it has not been seen for long. Refuses: being longer than the standard's own patience.

use std::time::Duration;

use crate::dialogue::Timing;

/// A pause in an answer is believed to be its end after this many times the widest there was ...
const HEADROOM: u32 = 2;
/// ... and never before: gateways hand bytes on when they like.
const LEAST: Duration = Duration::from_millis(50);
/// Idle time after which a frame is over, 3 characters of 11 bits (EN 13757-2).
const IDLE_CHARACTERS: usize = 3;
/// How many answers must have been whole before.
const WHOLE_ENOUGH: u32 = 8;
/// With every whole answer this part of what was learnt is forgotten, one in so many.
const FORGOTTEN: u32 = 16;
/// So many bytes are an answer under way: longer than any selection that comes back as an echo.
pub(super) const ANSWER_BEGUN: usize = 24;

/// The pauses of a line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet {
    /// The two longest, the longer one last.
    widest: [Duration; 2],
    whole: u32,
    is_under_way: bool,
}

impl Quiet {
    /// Something was asked: what comes next begins an answer.
    pub(super) const fn asked(&mut self) {
        self.is_under_way = false;
    }

    /// A piece came, `waited` after the question or the piece before.
    pub(super) fn heard(&mut self, waited: Duration) {
        if std::mem::replace(&mut self.is_under_way, true) {
            let [second, first] = self.widest;
            self.widest = [waited.min(first).max(second), first.max(waited)];
        }
    }

    /// The answer was whole.
    pub(super) fn was_whole(&mut self) {
        self.whole = self.whole.saturating_add(1);
        self.widest = self.widest.map(|pause| pause - pause / FORGOTTEN);
    }

    /// After how long without bytes an answer is over; `None` while too little is known.
    pub(super) fn end(&self, timing: Timing) -> Option<Duration> {
        let learnt = (self.widest[0] * HEADROOM).max(LEAST);
        (self.whole >= WHOLE_ENOUGH).then(|| learnt + timing.characters(IDLE_CHARACTERS) + timing.extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };

    fn after(pieces: &[u64]) -> Quiet {
        let mut quiet = Quiet::default();
        for _ in 0..WHOLE_ENOUGH {
            quiet.asked();
            quiet.heard(Duration::from_millis(900));
            pieces.iter().for_each(|pause| quiet.heard(Duration::from_millis(*pause)));
            quiet.was_whole();
        }
        quiet
    }

    #[test]
    fn an_end_is_twice_the_widest_pause_there_was_twice_and_the_standards_idle_time() {
        let idle = Duration::from_micros(13_750);
        let mut quiet = after(&[18, 80, 18, 80]);
        let learnt = |quiet: &Quiet| quiet.end(TIMING).expect("enough was heard") - idle;
        assert_eq!(learnt(&quiet), Duration::from_millis(150), "one in sixteen of it is forgotten");
        quiet.heard(Duration::from_millis(400));
        assert_eq!(learnt(&quiet), Duration::from_millis(150), "a hiccup");
        quiet.heard(Duration::from_millis(90));
        assert_eq!(learnt(&quiet), Duration::from_millis(180));
        (0..100).for_each(|_| quiet.was_whole());
        assert_eq!(learnt(&quiet), LEAST);
        assert_eq!(after(&[]).end(TIMING), Some(LEAST + idle), "a gateway that hands on whole frames");
        let extra = Duration::from_secs(2);
        assert_eq!(after(&[]).end(Timing { extra, ..TIMING }), Some(LEAST + idle + extra), "a line allowed more time");
    }

    #[test]
    fn nothing_is_an_end_before_enough_answers_were_whole() {
        let mut quiet = Quiet::default();
        for _ in 1..WHOLE_ENOUGH {
            quiet.was_whole();
        }
        assert_eq!(quiet.end(TIMING), None);
    }
}
