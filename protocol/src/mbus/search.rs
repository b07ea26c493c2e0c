//! Finding the meters of a line by secondary address (EN 13757-3 clause 11.5): depth-first over the digits.
//!
//! ```text
//!   FFFFFFFF --E5--> read --sound--> select the address that was read --same answer--> found
//!      |                \--collision, or nobody by that address--> 0FFFFFFF 1FFFFFFF .. 9FFFFFFF
//!      silence: nobody                                            (A .. E as well, where 0 .. 9 brought nobody)
//! ```
//!
//! Promises: no I/O, no clock; each meter is found once; two answers that overlay each other into a sound frame are
//! told by asking for its sender alone; meters of one identification are told apart by their fabrication number where
//! they can be. Refuses: more than the given number of probes, and then says that the search is not complete.

use std::time::Duration;

use super::frame::{self, Frame, ci, control};
use super::header::Header;
use super::payload::{self, Payload};
use super::quiet::Quiet;
use super::selection::{Selection, digits_match};
use super::transaction::{Heard, Transaction, Turn};
use crate::bytes::bcd_encode;
use crate::dialogue::{LineFault, Timing};
use crate::probe::Pace;

/// Digits of an identification, and of a fabrication number.
const DIGITS: u8 = 8;
/// A mask of eight any-digits.
const ANY: u32 = 0xFFFF_FFFF;

/// What a search brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The meters, in the order they were found, with the fabrication number where it took one to tell them apart; F
    /// for each of its digits that was neither needed nor said.
    pub meters: Vec<(Header, Option<u32>)>,
    /// Selections behind which someone is who cannot be read alone.
    pub unresolved: Vec<Selection>,
    /// Selections sent.
    pub probes: u32,
    /// Whether every branch was looked into.
    pub is_complete: bool,
}

/// One mask and how far its digits have been tried.
#[derive(Debug, Clone)]
struct Level {
    mask: Mask,
    next_digit: u8,
    brought: bool,
    /// Whether it has gone a digit back.
    went_back: bool,
}

/// Whom a probe may select: digits fixed so far of the identification, then of the fabrication number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mask {
    id: u32,
    fabrication: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// Whether anybody is there.
    Probe(Mask),
    /// Who it is.
    Read(Mask),
    /// Whether that one is there, asked alone.
    Confirm(Mask, Header),
    /// Whether that one says the same again.
    Reread(Mask, Header),
}

/// Whether a probe was answered by a meter: noise has the look of several acknowledgements at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// By an acknowledgement.
    None,
    /// By noise; where nobody is to be read then, the probe is made again.
    Once,
    /// By noise, again.
    Twice,
}

impl Doubt {
    const fn after(self, heard: &Heard) -> Self {
        match (heard, self) {
            (Heard::Ack, _) => Self::None,
            (_, Self::None) => Self::Once,
            (_, Self::Once | Self::Twice) => Self::Twice,
        }
    }
}

/// A search in progress.
#[derive(Debug, Clone)]
pub struct Search {
    within: Selection,
    timing: Timing,
    most_probes: u32,
    levels: Vec<Level>,
    asking: Asking,
    current: Transaction,
    found: Found,
    pace: Pace,
    quiet: Quiet,
    doubt: Doubt,
    is_patient: bool,
    tries_hex: bool,
    is_over: bool,
}

impl Search {
    /// A search among the meters `within` matches, of at most `most_probes` selections.
    pub fn new(within: Selection, timing: Timing, most_probes: u32) -> Self {
        let mask = Mask { id: within.id, fabrication: None };
        let current = Transaction::new(select(within, mask), timing);
        let found = Found { probes: 1, is_complete: true, ..Found::default() };
        let (pace, quiet, asking) = (Pace::default(), Quiet::default(), Asking::Probe(mask));
        Self {
            within,
            timing,
            most_probes,
            levels: Vec::new(),
            asking,
            current,
            found,
            pace,
            quiet,
            doubt: Doubt::None,
            is_patient: false,
            tries_hex: false,
            is_over: false,
        }
    }

    /// The same, trying the digits A to E everywhere: finds identifications with hex digits beside decimal ones, for
    /// half as many probes more.
    #[must_use]
    pub fn with_hex_digits(self) -> Self {
        Self { tries_hex: true, ..self }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Turn<Found> {
        while !self.is_over {
            match self.current.poll() {
                Turn::Send(bytes) => {
                    self.quiet.asked();
                    return Turn::Send(bytes);
                }
                Turn::Await(time) => return Turn::Await(time),
                Turn::Done(heard) => self.handle(&heard),
            }
        }
        Turn::Done(self.found.clone())
    }

    /// Bytes came, `waited` after the last ones were sent or came.
    pub fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        self.pace.heard(waited);
        self.quiet.heard(waited);
        self.current.handle_bytes(bytes);
    }

    /// The time of the last [`Turn::Await`] passed.
    pub fn handle_timeout(&mut self) {
        self.current.handle_timeout();
    }

    /// What has been found so far.
    pub const fn found(&self) -> &Found {
        &self.found
    }

    /// How much of the addresses has been looked at, in thousandths.
    pub fn done_permille(&self) -> u32 {
        if self.is_over {
            return 1_000;
        }
        let mut width = 1_000;
        let done = self.levels.iter().map(|level| {
            width /= 10;
            width * u32::from(level.next_digit.clamp(1, 10) - 1)
        });
        done.sum()
    }

    fn handle(&mut self, heard: &Heard) {
        if matches!(heard, Heard::Reply { .. }) {
            self.quiet.was_whole();
        }
        match (self.asking, heard) {
            (Asking::Probe(_), Heard::Lost(LineFault::Silent)) => self.advance(),
            (Asking::Probe(mask), heard) => {
                self.doubt = self.doubt.after(heard);
                self.ask(Asking::Read(mask));
            }
            (Asking::Read(mask), Heard::Lost(LineFault::Silent)) if self.doubt == Doubt::Once => {
                self.probe(mask);
                self.doubt = Doubt::Once;
            }
            (Asking::Read(_), Heard::Lost(LineFault::Silent)) if self.doubt == Doubt::None && self.goes_back() => {
                self.advance();
            }
            (Asking::Read(mask), heard) => match self.sender(heard) {
                Some(header) => self.ask(Asking::Confirm(mask, header)),
                None => self.descend(mask),
            },
            (Asking::Confirm(mask, header), Heard::Ack) => self.ask(Asking::Reread(mask, header)),
            (Asking::Reread(mask, header), heard) if self.sender(heard).is_some_and(|again| is_same(again, header)) => {
                self.keep(header, mask.fabrication.map(|mask| narrowed(mask, heard)));
                self.advance();
            }
            (Asking::Confirm(mask, _) | Asking::Reread(mask, _), _) => self.descend(mask),
        }
    }

    /// Who sent a sound answer, if it is one the search looks for.
    fn sender(&self, heard: &Heard) -> Option<Header> {
        let Heard::Reply { ci, data } = heard else { return None };
        payload::sender(*ci, data).filter(|header| self.within.matches(header))
    }

    fn keep(&mut self, header: Header, fabrication: Option<u32>) {
        if let Some(level) = self.levels.last_mut() {
            level.brought = true;
        }
        if !self.found.meters.iter().any(|(known, number)| is_same(*known, header) && *number == fabrication) {
            self.found.meters.push((header, fabrication));
        }
    }

    /// Several meters are behind `mask`: each of its next digits is tried.
    fn descend(&mut self, mask: Mask) {
        if let Some(level) = self.levels.last_mut() {
            level.brought = true;
        }
        let mask = match mask {
            Mask { fabrication: None, id } if free_place(id).is_none() => Mask { id, fabrication: Some(ANY) },
            mask => mask,
        };
        if mask.free().is_some() {
            self.levels.push(Level { mask, next_digit: 0, brought: false, went_back: false });
        } else {
            // Two of one fabrication number, or meters that do not look at it: no digit of it will tell them apart.
            self.levels.retain(|level| level.mask.fabrication.is_none());
            if self.is_asked_patiently(mask) {
                return;
            }
        }
        self.advance();
    }

    /// Goes on to the next digit of the deepest level that has one.
    fn advance(&mut self) {
        while let Some(level) = self.levels.last_mut() {
            let digit = level.next_digit;
            let is_hex = digit > 10 || !level.brought || self.tries_hex;
            if digit < 10 || (digit < 0xF && is_hex) {
                level.next_digit += 1;
                let mask = level.mask.with(digit);
                return self.probe(mask);
            }
            let Some(Level { mask, brought: false, .. }) = self.levels.pop() else { continue };
            // Someone was heard here who is behind no digit.
            if self.is_asked_patiently(mask) {
                return;
            }
        }
        self.is_over = true;
    }

    /// An acknowledgement with nobody behind it was late, and meant for the probe before: both are made again, once on
    /// every level.
    fn goes_back(&mut self) -> bool {
        let Some(level) = self.levels.last_mut().filter(|level| !level.went_back) else { return false };
        level.went_back = true;
        level.next_digit = level.next_digit.saturating_sub(2);
        true
    }

    /// Whoever is behind `mask` cannot be read. Where that may be a meter that pauses longer than those before it, it is
    /// asked again, and from then on nobody's pause is taken for an end; else it is told as unresolved.
    fn is_asked_patiently(&mut self, mask: Mask) -> bool {
        let was_impatient = !self.is_patient && self.quiet.end(self.timing).is_some();
        if was_impatient {
            self.is_patient = true;
            self.probe(Mask { fabrication: None, ..mask });
        } else {
            self.found.unresolved.push(Selection { id: mask.id, ..self.within });
        }
        was_impatient
    }

    fn probe(&mut self, mask: Mask) {
        if self.found.probes >= self.most_probes {
            (self.is_over, self.found.is_complete) = (true, false);
            return;
        }
        self.doubt = Doubt::None;
        self.ask(Asking::Probe(mask));
    }

    fn ask(&mut self, asking: Asking) {
        let frame = match asking {
            Asking::Probe(mask) => select(self.within, mask),
            Asking::Confirm(mask, header) => {
                let Header { id, manufacturer, version, medium, .. } = header;
                select(Selection { id, manufacturer, version, medium }, Mask { id, ..mask })
            }
            Asking::Read(_) | Asking::Reread(..) => {
                Frame::Short { control: control::REQ_UD2 | control::FCB, address: frame::SELECTED }
            }
        };
        self.found.probes += u32::from(matches!(asking, Asking::Probe(_) | Asking::Confirm(..)));
        self.asking = asking;
        // The standard's own answer time is never cut.
        let timing = Timing { extra: self.pace.cut(self.timing.extra), ..self.timing };
        self.current = Transaction::new(frame, timing).with_quiet(self.quiet.end(timing).filter(|_| !self.is_patient));
    }
}

impl Mask {
    /// The place of the first digit not fixed.
    fn free(self) -> Option<u8> {
        free_place(self.fabrication.unwrap_or(self.id))
    }

    /// The same with its first free digit fixed.
    fn with(self, digit: u8) -> Self {
        let fix = |mask: u32| match free_place(mask) {
            Some(place) => mask & !(0xF << (4 * place)) | u32::from(digit) << (4 * place),
            None => mask,
        };
        match self.fabrication {
            Some(number) => Self { fabrication: Some(fix(number)), ..self },
            None => Self { id: fix(self.id), ..self },
        }
    }
}

/// The highest place that holds an any-digit.
pub(super) fn free_place(mask: u32) -> Option<u8> {
    (0..DIGITS).rev().find(|place| mask >> (4 * place) & 0xF == 0xF)
}

/// The fabrication number that fits `mask` and is said in an answer; else `mask`.
fn narrowed(mask: u32, heard: &Heard) -> u32 {
    let Heard::Reply { ci, data } = heard else { return mask };
    let said = Payload::parse(*ci, data).ok().and_then(|payload| payload.fabrication());
    let digits = said.and_then(|said| bcd_encode(u64::try_from(said).ok()?, 4)).and_then(|said| said.try_into().ok());
    digits.map(u32::from_le_bytes).filter(|said| digits_match(mask, *said)).unwrap_or(mask)
}

/// The access number and the status may change from one answer to the next.
fn is_same(one: Header, other: Header) -> bool {
    one.address() == other.address()
}

fn select(within: Selection, mask: Mask) -> Frame {
    let selection = Selection { id: mask.id, ..within };
    let data = mask.fabrication.map_or_else(|| selection.encode().to_vec(), |number| selection.encode_enhanced(number));
    Frame::Long { control: control::SND_UD, address: frame::SELECTED, ci: ci::SELECT, data }
}
