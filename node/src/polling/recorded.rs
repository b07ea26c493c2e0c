//! An exchange that remembers what was heard last, for disputes about an answer that was none.
//!
//! Promises: the bytes as they came, of the last question that anything was heard to but an acknowledgement, at most
//! [`MOST_KEPT`]: who answered that it heard says nothing of what was wrong before. Refuses: saying which of them were whose.

use std::time::Duration;

use protocol::dialin::{Pattern, Sifted};
use protocol::exchange::Answer;

use super::dialogue::{Talk, Turn};

/// More than the longest frame of each dialect, and what the table of missed slots holds of it.
pub(super) const MOST_KEPT: usize = 1_024;

/// The single character of M-Bus (EN 13757-2), which no other dialect uses alone.
const ACKNOWLEDGED: [u8; 1] = [0xE5];

#[derive(Debug)]
pub(super) struct Recorded {
    sifted: Sifted,
    heard: Vec<u8>,
    /// To the questions before.
    before: Vec<u8>,
    /// Whether a question was sent since something was heard.
    is_asked: bool,
}

impl Recorded {
    pub(super) const fn new(sifted: Sifted) -> Self {
        Self { sifted, heard: Vec::new(), before: Vec::new(), is_asked: false }
    }

    /// What was heard last.
    pub(super) fn into_heard(self) -> Vec<u8> {
        if self.heard == ACKNOWLEDGED && !self.before.is_empty() { self.before } else { self.heard }
    }
}

impl Talk for Recorded {
    type Answer = Answer;

    fn poll(&mut self) -> Turn<Answer> {
        let turn = Talk::poll(&mut self.sifted);
        self.is_asked |= matches!(turn, Turn::Send(_));
        turn
    }

    fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        if std::mem::take(&mut self.is_asked) {
            let heard = std::mem::take(&mut self.heard);
            if !heard.is_empty() && heard != ACKNOWLEDGED {
                self.before = heard;
            }
        }
        let room = MOST_KEPT.saturating_sub(self.heard.len());
        self.heard.extend(bytes.iter().take(room));
        Talk::handle_bytes(&mut self.sifted, bytes, waited);
    }

    fn handle_timeout(&mut self) {
        Talk::handle_timeout(&mut self.sifted);
    }

    fn handle_gap(&mut self) {
        Talk::handle_gap(&mut self.sifted);
    }

    fn expect(&mut self, words: Vec<Pattern>) {
        Talk::expect(&mut self.sifted, words);
    }

    fn is_listening(&self) -> bool {
        Talk::is_listening(&self.sifted)
    }

    fn give_up(&mut self, heard: bool) -> Answer {
        self.sifted.give_up(heard)
    }

    fn cut_short(&mut self, silent: bool) -> Option<Answer> {
        self.sifted.cut_short(silent)
    }
}

#[cfg(test)]
mod tests {
    use protocol::exchange::{Exchange, Target, Timing};
    use protocol::meter::Address;
    use protocol::profile::Catalogue;

    use super::*;

    fn recorded() -> Recorded {
        let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 2 };
        let target =
            Target { address: Address::MbusPrimary(5), timing, profile: None, catalogue: Catalogue::builtin() };
        Recorded::new(Sifted::new(Exchange::read(&target), Vec::new()))
    }

    #[test]
    fn what_was_heard_to_the_last_question_that_was_answered_is_kept() {
        let mut talk = recorded();
        for heard in [&b"\x01\x02"[..], b"\x03", b""] {
            while !matches!(talk.poll(), Turn::Send(_)) {
                talk.handle_timeout();
            }
            heard.iter().for_each(|byte| talk.handle_bytes(&[*byte], Duration::ZERO));
        }
        assert_eq!(talk.into_heard(), [3]);
    }

    #[test]
    fn an_acknowledgement_takes_no_place_of_what_was_heard_before_it() {
        for (answers, kept) in [(&[&b"\x01\x02"[..], b"\xE5"][..], &b"\x01\x02"[..]), (&[b"\xE5"], b"\xE5")] {
            let mut talk = recorded();
            for heard in answers {
                while !matches!(talk.poll(), Turn::Send(_)) {
                    talk.handle_timeout();
                }
                heard.iter().for_each(|byte| talk.handle_bytes(&[*byte], Duration::ZERO));
            }
            assert_eq!(talk.into_heard(), kept);
        }
    }

    #[test]
    fn a_babbler_is_remembered_up_to_a_bound() {
        let mut talk = recorded();
        for _ in 0..100 {
            talk.handle_bytes(&[0x55; 100], Duration::ZERO);
        }
        assert_eq!(talk.into_heard().len(), MOST_KEPT);
    }
}
