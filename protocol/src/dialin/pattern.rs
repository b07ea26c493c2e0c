//! A word of a unit, byte by byte: what it registers with, its heartbeat, what it puts before its frames.
//!
//! ```text
//!   AA 01 {id:11a} 0D        two bytes, eleven printable characters which are the id, one byte
//!   {id:8d}{phone:11d}       eight digits which are the id, eleven more
//!   'HEART' 0D 0A            text
//!
//!   XX        one byte, hexadecimal              {8d}   so many decimal digits
//!   'text'    printable ASCII, without '         {8a}   so many printable ASCII characters, no blanks
//!   spaces    between parts mean nothing         {8x}   so many bytes whatever they are
//!   {id:8d}   a part may have a name; the one called id is the unit's id, as text, an x in hexadecimal capitals
//! ```
//!
//! Promises: a pattern has one length, at most [`Pattern::LONGEST`] bytes; whether bytes fit is decided by looking at
//! no more than that many. Refuses: repetition and alternatives: a unit that says different things has several patterns.

use std::fmt::Write as _;

/// A word of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    places: Vec<Place>,
    id: Option<Id>,
}

/// What may stand at one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Byte(u8),
    Digit,
    Printable,
    Any,
}

/// Where the unit's id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id {
    start: usize,
    length: usize,
    is_text: bool,
}

/// How the front of some bytes compares with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is the pattern.
    Whole,
    /// All there is fits, and more is needed.
    Partial,
    /// It is something else.
    No,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Nothing in it.
    #[error("is empty: write bytes as AA 01, text as 'text', parts as {{id:8d}}")]
    Empty,
    /// Longer than allowed.
    #[error("is {0} bytes long: write at most {max}", max = Pattern::LONGEST)]
    Long(usize),
    /// Something that is no part.
    #[error("\"{0}\" is no part of a pattern: write bytes as AA 01, text as 'text', parts as {{id:8d}}")]
    Part(String),
    /// More than one id.
    #[error("names two parts id: one is the unit's id")]
    TwoIds,
}

impl Pattern {
    /// The most bytes of a pattern.
    pub const LONGEST: usize = 128;

    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let mut pattern = Self { places: Vec::new(), id: None };
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            rest = match first {
                '\'' => pattern.add_text(rest)?,
                '{' => pattern.add_part(rest)?,
                _ => pattern.add_byte(rest)?,
            }
            .trim_start();
            if pattern.len() > Self::LONGEST {
                return Err(PatternFault::Long(pattern.len()));
            }
        }
        if pattern.places.is_empty() { Err(PatternFault::Empty) } else { Ok(pattern) }
    }

    /// These very bytes; cut after [`Pattern::LONGEST`].
    pub fn literal(bytes: &[u8]) -> Self {
        Self { places: bytes.iter().take(Self::LONGEST).map(|byte| Place::Byte(*byte)).collect(), id: None }
    }

    fn add_text<'a>(&mut self, rest: &'a str) -> Result<&'a str, PatternFault> {
        let (text, after) = rest.split_at_checked(1).and_then(|(_, r)| r.split_once('\'')).ok_or_else(|| bad(rest))?;
        if text.is_empty() || !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            return Err(bad(rest));
        }
        self.places.extend(text.bytes().map(Place::Byte));
        Ok(after)
    }

    fn add_byte<'a>(&mut self, rest: &'a str) -> Result<&'a str, PatternFault> {
        let (digits, after) = rest.split_at_checked(2).ok_or_else(|| bad(rest))?;
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex).ok_or_else(|| bad(rest))?;
        self.places.push(Place::Byte(byte));
        Ok(after)
    }

    fn add_part<'a>(&mut self, rest: &'a str) -> Result<&'a str, PatternFault> {
        let (part, after) = rest.split_at_checked(1).and_then(|(_, r)| r.split_once('}')).ok_or_else(|| bad(rest))?;
        let (name, kind) = part.split_once(':').unwrap_or(("", part));
        let (place, count) = kind_of(kind).ok_or_else(|| bad(rest))?;
        if !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(bad(rest));
        }
        if name == "id" {
            let id = Id { start: self.len(), length: count, is_text: place != Place::Any };
            if self.id.replace(id).is_some() {
                return Err(PatternFault::TwoIds);
            }
        }
        self.places.extend(std::iter::repeat_n(place, count));
        Ok(after)
    }

    /// Its length, bytes.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it has no byte; a parsed one has.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether it says which part is the unit's id.
    pub const fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Whether `byte` may stand somewhere in it.
    pub fn may_hold(&self, byte: u8) -> bool {
        self.places.iter().any(|place| place.takes(byte))
    }

    /// How the front of `bytes` compares.
    pub fn fit(&self, bytes: &[u8]) -> Fit {
        if !self.places.iter().zip(bytes).all(|(place, byte)| place.takes(*byte)) {
            return Fit::No;
        }
        if bytes.len() < self.places.len() { Fit::Partial } else { Fit::Whole }
    }

    /// Whether `bytes` are nothing but `words`, one after another.
    pub fn are_all(words: &[Self], bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let word = words.iter().find(|word| !word.is_empty() && word.fit(rest) == Fit::Whole);
            match word.and_then(|word| rest.get(word.len()..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        true
    }

    /// The unit's id in `bytes`, which fit; letters are capitals.
    pub fn id(&self, bytes: &[u8]) -> Option<String> {
        let Id { start, length, is_text } = self.id?;
        let id = bytes.get(start..start + length)?;
        if is_text {
            return Some(id.iter().map(|byte| char::from(byte.to_ascii_uppercase())).collect());
        }
        Some(id.iter().fold(String::with_capacity(2 * length), |mut text, byte| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02X}");
            text
        }))
    }
}

impl Place {
    const fn takes(self, byte: u8) -> bool {
        match self {
            Self::Byte(wanted) => byte == wanted,
            Self::Digit => byte.is_ascii_digit(),
            Self::Printable => byte.is_ascii_graphic(),
            Self::Any => true,
        }
    }
}

/// `8d`: the kind of byte, and how many.
fn kind_of(text: &str) -> Option<(Place, usize)> {
    let (count, kind) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let place = match kind {
        "d" => Place::Digit,
        "a" => Place::Printable,
        "x" => Place::Any,
        _ => return None,
    };
    let count = count.parse().ok().filter(|count| (1..=Pattern::LONGEST).contains(count))?;
    Some((place, count))
}

fn bad(rest: &str) -> PatternFault {
    PatternFault::Part(rest.chars().take(16).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).expect("a pattern")
    }

    #[test]
    fn the_seen_registrations_give_their_ids() {
        let digits = pattern("{id:8d}{phone:11d}");
        assert_eq!(digits.id(b"1234567813800138000").as_deref(), Some("12345678"));
        assert_eq!(digits.fit(b"1234567813800138000"), Fit::Whole);
        let sim = pattern("AA 01 {id:11a} 0D");
        assert_eq!(sim.fit(b"\xAA\x0113800138000\x0D"), Fit::Whole);
        assert_eq!(sim.id(b"\xAA\x0113800138000\x0D").as_deref(), Some("13800138000"));
        let raw = pattern("'ID=' {id:3x}");
        assert_eq!(raw.id(b"ID=\x00\xabZ").as_deref(), Some("00AB5A"));
    }

    #[test]
    fn what_has_only_begun_is_told_from_what_is_wrong() {
        let sim = pattern("AA01{id:2a}0D");
        assert_eq!(sim.fit(b""), Fit::Partial);
        assert_eq!(sim.fit(b"\xAA\x01a"), Fit::Partial);
        assert_eq!(sim.fit(b"\xAA\x02"), Fit::No);
        assert_eq!(sim.fit(b"\xAA\x01ab\x0Drest"), Fit::Whole);
        assert_eq!(sim.id(b"\xAA\x01ab\x0D").as_deref(), Some("AB"));
    }

    #[test]
    fn words_one_after_another_are_told_from_anything_else() {
        let words = [pattern("FE"), pattern("'ping'")];
        for said in [&b""[..], b"\xFE", b"ping\xFEping"] {
            assert!(Pattern::are_all(&words, said), "{said:02X?}");
        }
        for other in [&b"pin"[..], b"\xFE\x68", b"\xE5"] {
            assert!(!Pattern::are_all(&words, other), "{other:02X?}");
        }
        assert!(!Pattern::are_all(&[], b"\xFE"));
    }

    #[test]
    fn a_text_that_is_no_pattern_is_refused_with_what_is_wrong() {
        assert_eq!(Pattern::parse("  "), Err(PatternFault::Empty));
        assert_eq!(Pattern::parse("{id:1d}{id:1d}"), Err(PatternFault::TwoIds));
        assert_eq!(Pattern::parse("{128x} 00"), Err(PatternFault::Long(129)));
        for bad in [
            "A", "AA 1", "+1", "'open", "''", "{8d", "{0d}", "{129d}", "{8z}", "{i d:1d}", "{d}", "热热", "{}",
            "'\u{7}'",
        ] {
            assert!(matches!(Pattern::parse(bad), Err(PatternFault::Part(_))), "{bad} was taken");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_pattern_or_a_fault(text in ".{0,40}") {
            drop(Pattern::parse(&text));
        }

        #[test]
        fn bytes_fit_their_own_literal_and_its_beginnings_begin_it(
            bytes in proptest::collection::vec(any::<u8>(), 1..Pattern::LONGEST), cut in any::<proptest::sample::Index>()
        ) {
            let literal = Pattern::literal(&bytes);
            prop_assert_eq!(literal.fit(&bytes), Fit::Whole);
            prop_assert_eq!(literal.fit(bytes.get(..cut.index(bytes.len())).unwrap_or_default()), Fit::Partial);
        }
    }
}
