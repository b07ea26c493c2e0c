//! What a record's value is: the value information block (EN 13757-3 clause 6.4, tables 10 to 15).
//!
//! ```text
//!   VIF [VIFE ..]      bit 7: another byte follows
//!   06                 energy, 10^3 Wh               FB 01   energy, 10^0 MWh: the alternate table
//!   FC 03 'C' 'b' 'A'  plain text                    FD 17   error flags: the main extension table
//! ```
//!
//! Promises: every chain is stepped over as the standard builds it, known or not. Refuses: more than
//! [`MOST_EXTENSIONS`] extensions, and to interpret anything behind a maker's own code (7F/FF).

mod alternate;
mod combinable;
mod main;
mod meaning;
mod note;
mod primary;

use std::fmt;

use super::fault::{MOST_EXTENSIONS, RecordFault};
use super::text::Text;
use crate::amount::Unit;
use crate::bytes::Cursor;

pub use meaning::Meaning;
pub use note::{Note, Notes};

/// The longest plain-text unit believed, in characters.
const MOST_TEXT: u8 = 32;

/// A quantity in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// The standard's.
    Standard(&'static str),
    /// The text of a plain-text VIF.
    Plain(Text<'a>),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(name) => f.write_str(name),
            Self::Plain(text) => text.fmt(f),
        }
    }
}

/// How the bytes of a value are to be read where the DIF leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A number with sign (type B).
    Signed,
    /// A code, an identification or bits (types C and D).
    Unsigned,
    /// A point in time (types F, G, I, J).
    Time,
    /// A structure of its own (types K and L, containers): not a number.
    Bytes,
}

/// Where the text of a plain-text VIF stands: meters differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextPlace {
    /// Right behind the VIF, before its extensions.
    BeforeExtensions,
    /// Behind the last extension.
    BehindExtensions,
    /// Right behind the VIF if what stands there looks like text, else behind the last extension.
    Either,
}

/// A value information block, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vif<'a> {
    /// What the value stands for.
    pub meaning: Meaning,
    /// Its name; of a plain-text VIF the text.
    pub name: Name<'a>,
    /// Its unit.
    pub unit: Unit,
    /// The unit's symbol where no column has it ([`Unit::Plain`]).
    pub symbol: &'static str,
    /// The power of ten before the unit.
    pub exp10: i32,
    /// How its bytes are read.
    pub form: Form,
    /// A VIFE says that there is no valid value.
    pub is_error: bool,
    /// A VIFE makes it something else than the plain quantity: a limit, a rate, a backward count, a maker's own.
    pub is_altered: bool,
    /// What the VIFEs say.
    pub notes: Notes,
    /// Whether a plain text held characters no text has.
    pub is_odd_text: bool,
}

impl<'a> Vif<'a> {
    #[inline]
    pub(super) const fn new(meaning: Meaning, name: &'static str, unit: Unit, exp10: i32) -> Self {
        let (name, symbol) = (Name::Standard(name), unit.base().0);
        Self {
            meaning,
            name,
            unit,
            symbol,
            exp10,
            form: Form::Signed,
            is_error: false,
            is_altered: false,
            notes: Notes::NONE,
            is_odd_text: false,
        }
    }

    /// A number no column has.
    #[inline]
    const fn other(name: &'static str, symbol: &'static str, exp10: i32) -> Self {
        let mut vif = Self::new(Meaning::Other, name, Unit::Plain, exp10);
        vif.symbol = symbol;
        vif
    }

    /// A span of time no column has, in `unit`.
    const fn span(name: &'static str, unit: Unit) -> Self {
        Self::new(Meaning::Other, name, unit, 0)
    }

    /// A code, an identification, bits.
    const fn code(meaning: Meaning, name: &'static str) -> Self {
        let mut vif = Self::new(meaning, name, Unit::Plain, 0);
        vif.form = Form::Unsigned;
        vif
    }

    /// A point in time.
    const fn time(meaning: Meaning, name: &'static str) -> Self {
        let mut vif = Self::new(meaning, name, Unit::Plain, 0);
        vif.form = Form::Time;
        vif
    }

    /// A structure of its own.
    const fn bytes(name: &'static str) -> Self {
        let mut vif = Self::new(Meaning::Other, name, Unit::Plain, 0);
        vif.form = Form::Bytes;
        vif
    }

    /// A code the tables reserve.
    const fn reserved() -> Self {
        Self::other("Reserved", "", 0)
    }

    /// Reads the block at `cursor`.
    #[inline]
    pub fn read(cursor: &mut Cursor<'a>, texts: TextPlace) -> Result<Self, RecordFault> {
        let first = cursor.byte().ok_or(RecordFault::Cut)?;
        match first {
            0xFB | 0xFD => {
                let second = cursor.byte().ok_or(RecordFault::Cut)?;
                let code = second & 0x7F;
                let vif = if first == 0xFB { alternate::entry(code) } else { main::entry(code) };
                vif.read_extensions(second, is_second_level(first, second), cursor)
            }
            0x7C => Self::other("", "", 0).read_text(cursor),
            0xFC => Self::other("", "", 0).read_text_and_extensions(cursor, texts),
            _ => primary::entry(first & 0x7F).read_extensions(first, first == 0xFF, cursor),
        }
    }

    /// Applies the VIFEs behind `previous`, while bit 7 says that there is another; `is_makers` steps over them.
    #[inline]
    fn read_extensions(
        mut self,
        previous: u8,
        mut is_makers: bool,
        cursor: &mut Cursor<'a>,
    ) -> Result<Self, RecordFault> {
        let mut last = previous;
        for _ in 0..MOST_EXTENSIONS {
            if last & 0x80 == 0 {
                return Ok(self);
            }
            last = cursor.byte().ok_or(RecordFault::Cut)?;
            if !is_makers {
                self.apply(last & 0x7F);
            }
            is_makers |= last & 0x7F == 0x7F;
        }
        if last & 0x80 == 0 { Ok(self) } else { Err(RecordFault::TooManyExtensions) }
    }

    /// Reads the text: its length, then its characters, the last one first.
    fn read_text(mut self, cursor: &mut Cursor<'a>) -> Result<Self, RecordFault> {
        let length = cursor.byte().ok_or(RecordFault::Cut)?;
        let text = Text::last_first(cursor.take(length.into()).ok_or(RecordFault::Cut)?);
        self.is_odd_text = length > MOST_TEXT || !text.is_readable();
        self.name = Name::Plain(text);
        Ok(self)
    }

    fn read_text_and_extensions(self, cursor: &mut Cursor<'a>, texts: TextPlace) -> Result<Self, RecordFault> {
        let is_before = match texts {
            TextPlace::BeforeExtensions => true,
            TextPlace::BehindExtensions => false,
            TextPlace::Either => self.read_text(&mut cursor.clone()).is_ok_and(|vif| !vif.is_odd_text),
        };
        if is_before {
            return self.read_text(cursor)?.read_extensions(0x80, false, cursor);
        }
        self.read_extensions(0x80, false, cursor)?.read_text(cursor)
    }
}

/// FD FD opens a second table, which is not read here: its chain is stepped over.
const fn is_second_level(first: u8, second: u8) -> bool {
    first == 0xFD && second == 0xFD
}

/// The unit two bits of a code name.
const fn span_unit(code: u8) -> Unit {
    match code & 0b11 {
        0 => Unit::Second,
        1 => Unit::Minute,
        2 => Unit::Hour,
        _ => Unit::Day,
    }
}

#[cfg(test)]
mod tests;
