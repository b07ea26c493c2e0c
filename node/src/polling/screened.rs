//! A scan whose unit, if it has one, may say words of its own.
//!
//! ```text
//!   question -> FE | 1234 E5       heartbeat, prefix and acknowledgement: the scan hears E5
//! ```
//!
//! Promises: a word before an answer, or by itself, is nobody's answer. Refuses: finding words inside an answer: that
//! one is noise, and whoever gave it is told as such.

use std::time::Duration;

use protocol::dialin::{Fit, Pattern};
use protocol::scan::{Scan, Step};

use super::dialogue::{Talk, Turn};

#[derive(Debug)]
pub(super) struct Screened {
    pub(super) scan: Scan,
    words: Vec<Pattern>,
    /// Whether nothing but words was heard since the question.
    is_fresh: bool,
}

impl Screened {
    pub(super) const fn new(scan: Scan) -> Self {
        Self { scan, words: Vec::new(), is_fresh: true }
    }

    /// What follows the words `heard` begins with.
    fn without_words<'a>(&self, heard: &'a [u8]) -> &'a [u8] {
        let mut rest = heard;
        while let Some(word) = self.words.iter().find(|word| !word.is_empty() && word.fit(rest) == Fit::Whole) {
            rest = rest.get(word.len()..).unwrap_or_default();
        }
        rest
    }
}

/// One turn of a scan: ends with whether there are more.
impl Talk for Screened {
    type Answer = bool;

    fn poll(&mut self) -> Turn<bool> {
        match self.scan.poll() {
            Step::Send(bytes) => {
                self.is_fresh = true;
                Turn::Send(bytes)
            }
            Step::Await(wait) => Turn::Await(wait),
            Step::Rest => Turn::Done(true),
            Step::Done => Turn::Done(false),
        }
    }

    fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        let rest = self.without_words(bytes);
        if rest.is_empty() {
            return;
        }
        let bytes = if self.is_fresh { rest } else { bytes };
        self.is_fresh = false;
        self.scan.handle_bytes(bytes, waited);
    }

    fn handle_timeout(&mut self) {
        self.scan.handle_timeout();
    }

    /// A probe waits its time out: what two answer at once is heard to its end.
    fn handle_gap(&mut self) {}

    fn expect(&mut self, words: Vec<Pattern>) {
        self.words = words;
    }

    fn give_up(&mut self, _heard: bool) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use protocol::exchange::Timing;
    use protocol::meter::Address;
    use protocol::modbus::Framing;
    use protocol::scan::{ANYBODY, Method, Plan, Sighting, UNITS};

    use super::*;

    /// What is seen at the one address asked if this is heard, piece by piece.
    fn seen(pieces: &[&[u8]]) -> Vec<Sighting> {
        let (methods, primary, units) = (vec![Method::Primary], 5..=5, UNITS);
        let plan = Plan { methods, primary, units, within: ANYBODY, hex_digits: false, most_probes: 10 };
        let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };
        let mut scan = Screened::new(Scan::new(&plan, timing, Framing::Rtu));
        scan.expect(["FE", "'1234'"].map(|word| Pattern::parse(word).expect("a pattern")).into());
        let mut pieces = pieces.iter();
        for _ in 0..100 {
            match scan.poll() {
                Turn::Send(_) => {}
                Turn::Await(_) => match pieces.next() {
                    Some(piece) => scan.handle_bytes(piece, Duration::from_millis(40)),
                    None => scan.handle_timeout(),
                },
                Turn::Done(_) => break,
            }
        }
        scan.scan.take_news()
    }

    #[test]
    fn words_before_an_answer_and_by_themselves_are_nobody() {
        assert_eq!(seen(&[b"\xFE"]), []);
        assert_eq!(seen(&[b"1234", b"\xFE\xFE"]), []);
        for pieces in [&[&b"\xE5"[..]][..], &[b"1234\xE5"], &[b"\xFE", b"1234\xFE\xE5"]] {
            let addresses: Vec<Address> = seen(pieces).iter().map(|sighting| sighting.address).collect();
            assert_eq!(addresses, [Address::MbusPrimary(5)], "{pieces:02X?}");
        }
    }
}
