//! An exchange over a stream into which the unit may say words of its own.
//!
//! ```text
//!   heard since the question    68 1F 1F 68 08 FE 01 72 .. CS 16       FE: a heartbeat, or a byte of the meter?
//!
//!   as it came                  ends the exchange?  no --> without one FE, without two: exactly one way
//!                                    |                     to end it? that is the answer; else it is asked again
//!                                    yes, and no word of the unit is inside: that is the answer
//!                                    yes, and one is: wait [`SETTLE`], then see whether leaving words out would end
//!                                    it otherwise: then nobody can tell, and it is asked again
//!                                    also where a word holds E5, which has no checksum
//! ```
//!
//! Why this is safe. Nothing is taken out of the stream on sight: a heartbeat has the look of a byte of a meter. Every
//! way to read the stream is tried on a copy of the exchange, which asks of it what it asks of any stream: length,
//! checksum, address, content. If words were said into an answer, the true answer is among these ways, so a way that
//! contradicts it is seen as a contradiction. That matters: an 8-bit sum does not see **which** of two FE was left out.
//! What is left is what a checksum leaves on any line, and more than [`AT_ONCE`] words inside one answer.
//!
//! Words that come while an answer is awaited do not keep it awaited: a unit that says them more often than a meter may
//! think would keep the line for ever. Only the first may be the beginning of the answer, and is waited past.
//!
//! Promises: bounded: at most [`PLACES`] words are considered, else none is; without words nothing is copied. Refuses:
//! changing what the exchange sends; a clock: it is told how long was waited.

use std::collections::BTreeSet;
use std::time::Duration;

use super::pattern::{Fit, Pattern};
use crate::dialogue::{Answer, Step};
use crate::exchange::Exchange;

/// How long the end of an answer that may hold a word of the unit is waited for.
const SETTLE: Duration = Duration::from_millis(100);
/// Bytes remembered of one answer; beyond it nothing is left out of it.
const MOST_HEARD: usize = 2048;
/// Places where words may stand, at most.
const PLACES: usize = 40;
/// Of wired M-Bus.
const ACKNOWLEDGEMENT: u8 = 0xE5;
/// Words left out of one answer, at most.
const AT_ONCE: usize = 2;

/// An exchange, and what its unit may say into it.
#[derive(Debug, Clone)]
pub struct Sifted {
    exchange: Exchange,
    words: Vec<Pattern>,
    /// The exchange as it was when the question had been asked, and what was heard since.
    asked: Option<(Exchange, Vec<u8>)>,
    settling: bool,
    /// Since words came that may have been the beginning of an answer: what was waited of the time for it.
    waited: Option<Duration>,
}

impl Sifted {
    /// `exchange`, into whose answers `words` may be said.
    pub fn new(exchange: Exchange, mut words: Vec<Pattern>) -> Self {
        words.retain(|word| !word.is_empty());
        Self { exchange, words, asked: None, settling: false, waited: None }
    }

    /// From now on these may be said into answers.
    pub fn expect(&mut self, mut words: Vec<Pattern>) {
        words.retain(|word| !word.is_empty());
        self.words = words;
    }

    /// What to do next.
    pub fn poll(&mut self) -> Step {
        if self.settling {
            return Step::Await(SETTLE);
        }
        let step = self.exchange.poll();
        if let Step::Await(wait) = step {
            return Step::Await(wait.saturating_sub(self.waited.unwrap_or_default()));
        }
        self.waited = None;
        if matches!(step, Step::Send(_)) && !self.words.is_empty() {
            self.asked = Some((self.exchange.clone(), Vec::new()));
        }
        step
    }

    /// Whether the last question still waits for bytes of its answer.
    pub fn is_listening(&self) -> bool {
        self.exchange.is_listening()
    }

    /// Bytes came, `waited` after the last ones were sent or came.
    pub fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        let is_said = Pattern::are_all(&self.words, bytes);
        self.waited = is_said.then(|| self.waited.map_or(Duration::ZERO, |before| before.saturating_add(waited)));
        if let Some((_, heard)) = &mut self.asked {
            heard.extend_from_slice(bytes);
            if heard.len() > MOST_HEARD {
                self.asked = None;
                self.settling = false;
            }
        }
        if self.settling {
            return;
        }
        self.exchange.handle_bytes(bytes);
        if !self.exchange.is_listening() {
            self.settling = self.may_hold_words();
            self.asked.take_if(|_| !self.settling);
        }
    }

    /// As [`Exchange::handle_gap`]; a unit that says words of its own shows no gaps.
    pub fn handle_gap(&mut self) {
        if self.words.is_empty() {
            self.exchange.handle_gap();
        }
    }

    /// The time of the last [`Step::Await`] passed.
    pub fn handle_timeout(&mut self) {
        self.waited = None;
        let settling = std::mem::take(&mut self.settling);
        let Some((asked, heard)) = self.asked.take() else { return self.exchange.handle_timeout() };
        let ways = self.ways(&asked, &heard);
        let contradicts = |way: &Exchange, other: &Exchange| outcome(way) != outcome(other);
        match ways.first() {
            _ if settling
                && (self.says_acknowledgement(&heard) || ways.iter().any(|way| contradicts(way, &self.exchange))) =>
            {
                self.exchange = asked;
                self.exchange.handle_timeout();
            }
            _ if settling => {}
            Some(way) if !ways.iter().any(|other| contradicts(other, way)) => self.exchange = way.clone(),
            _ => self.exchange.handle_timeout(),
        }
    }

    /// Whether what was heard has a word, or the beginning of one at its end, behind the words it begins with.
    fn may_hold_words(&self) -> bool {
        let Some((_, heard)) = &self.asked else { return false };
        let inner = if self.says_acknowledgement(heard) { 0 } else { self.leading(heard) };
        let tails = (inner..heard.len()).filter_map(|at| heard.get(at..));
        tails.into_iter().any(|tail| self.words.iter().any(|word| word.fit(tail) != Fit::No))
    }

    /// Whether a word in `heard` holds what an M-Bus slave acknowledges with: one byte, and no checksum to tell whose.
    fn says_acknowledgement(&self, heard: &[u8]) -> bool {
        let said = |tail: &[u8]| {
            let words = self.words.iter().filter(|word| word.fit(tail) == Fit::Whole);
            words.filter_map(|word| tail.get(..word.len())).any(|said| said.contains(&ACKNOWLEDGEMENT))
        };
        (0..heard.len()).filter_map(|at| heard.get(at..)).any(said)
    }

    /// How many bytes of words `heard` begins with: whatever they are, no answer begins before them.
    fn leading(&self, heard: &[u8]) -> usize {
        let mut at = 0;
        while let Some(word) =
            heard.get(at..).and_then(|tail| self.words.iter().find(|word| word.fit(tail) == Fit::Whole))
        {
            at += word.len();
        }
        at
    }

    /// Where words stand in `heard`: first byte and length. `None`: at too many places to try them.
    fn places(&self, heard: &[u8]) -> Option<Vec<(usize, usize)>> {
        let from = self.leading(heard);
        let mut places = Vec::new();
        for (at, tail) in (from..heard.len()).filter_map(|at| Some((at, heard.get(at..)?))) {
            let words: BTreeSet<usize> =
                self.words.iter().filter(|word| word.fit(tail) == Fit::Whole).map(Pattern::len).collect();
            places.extend(words.into_iter().map(|length| (at, length)));
            if places.len() > PLACES {
                return None;
            }
        }
        Some(places)
    }

    /// Every way to end the exchange `asked` by leaving words out of `heard`.
    fn ways(&self, asked: &Exchange, heard: &[u8]) -> Vec<Exchange> {
        let places = self.places(heard).unwrap_or_default();
        let mut tried = BTreeSet::new();
        let mut ways = Vec::new();
        for left_out in choices(&places) {
            let rest = without(heard, &left_out);
            if tried.contains(&rest) {
                continue;
            }
            let mut way = asked.clone();
            way.handle_bytes(&rest);
            tried.insert(rest);
            ways.extend((!way.is_listening()).then_some(way));
        }
        ways
    }
}

/// What an exchange made of an answer: what it ends with, or all it knows where it goes on.
fn outcome(exchange: &Exchange) -> (Option<Answer>, String) {
    match exchange.clone().poll() {
        Step::Done(answer) => (Some(answer), String::new()),
        Step::Send(_) | Step::Await(_) => (None, format!("{exchange:?}")),
    }
}

/// One place, or [`AT_ONCE`] that do not overlap.
fn choices(places: &[(usize, usize)]) -> impl Iterator<Item = Vec<(usize, usize)>> {
    const { assert!(AT_ONCE == 2, "pairs are what is built here") };
    let one = places.iter().map(|place| vec![*place]);
    let two = places.iter().enumerate().flat_map(move |(n, first)| {
        let later = places.iter().skip(n + 1).filter(|second| second.0 >= first.0 + first.1);
        later.map(|second| vec![*first, *second])
    });
    one.chain(two)
}

/// `heard` without these places, which rise and do not overlap.
fn without(heard: &[u8], left_out: &[(usize, usize)]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(heard.len());
    let mut from = 0;
    for (at, length) in left_out {
        rest.extend_from_slice(heard.get(from..*at).unwrap_or_default());
        from = at + length;
    }
    rest.extend_from_slice(heard.get(from..).unwrap_or_default());
    rest
}
