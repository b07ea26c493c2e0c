//! Characters as a telegram holds them (EN 13757-3 clause 6.3.3): ISO 8859-1, the last one first.
//!
//! ```text
//!   48 52 25  -->  "%RH"        in mode 2 (most significant byte first) a value's text stands as it is read
//! ```
//!
//! Promises: borrows from the telegram; nothing is copied until it is shown. Refuses: other character sets.

use std::fmt::{self, Write as _};

/// A text in a telegram.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    wire: &'a [u8],
    is_last_first: bool,
}

impl<'a> Text<'a> {
    /// The text in `wire`, the last character first.
    pub(super) const fn last_first(wire: &'a [u8]) -> Self {
        Self { wire, is_last_first: true }
    }

    /// The text in `wire`, the first character first.
    pub(super) const fn first_first(wire: &'a [u8]) -> Self {
        Self { wire, is_last_first: false }
    }

    /// Its characters in the order they are read.
    pub fn chars(&self) -> impl Iterator<Item = char> + 'a {
        let (wire, is_last_first) = (self.wire, self.is_last_first);
        (0..wire.len()).filter_map(move |nth| {
            let byte = if is_last_first { wire.iter().nth_back(nth) } else { wire.get(nth) };
            byte.copied().map(char::from)
        })
    }

    /// Whether every byte is a character that can be seen, and there is one at least.
    pub(super) fn is_readable(&self) -> bool {
        !self.wire.is_empty() && self.wire.iter().all(|byte| matches!(byte, 0x20..=0x7E | 0xA0..=0xFF))
    }
}

/// Texts are equal when they read equal, however they stand on the wire.
impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for Text<'_> {}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|character| f.write_char(character))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_character_comes_first_and_latin_letters_are_kept() {
        assert_eq!(Text::last_first(b"HR%").to_string(), "%RH");
        assert_eq!(Text::last_first(&[0xE9, b't', 0xE9]).to_string(), "été");
        assert_eq!(Text::first_first(b"ab"), Text::last_first(b"ba"));
        assert!(!Text::last_first(&[]).is_readable() && !Text::last_first(&[b'a', 7]).is_readable());
    }
}
