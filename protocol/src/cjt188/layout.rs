//! The five orders of bytes that live under one header, and how each becomes the standard one; both ways.
//!
//! ```text
//!   A  value (low byte first), unit | short | clock ss mm hh DD MM YY CC      the standard
//!   B  unit, value (low byte first) | short | clock as A
//!   C  value (high byte first), unit | short high first | clock CC YY MM DD hh mm ss
//!   D  a maker's binary numbers in the places of A
//!   E  every data byte, DI and SER too, + 33h, then B
//! ```
//!
//! Promises: what goes out in a layout comes back in it. Refuses: choosing one.

use serde::Deserialize;

use crate::bytes::Cursor;

/// What layout E adds to every data byte.
const VEIL: u8 = 0x33;

/// An order of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Layout {
    /// The standard.
    A,
    /// The unit before the value.
    B,
    /// The most significant byte first.
    C,
    /// A maker's binary numbers in the places of A.
    D,
    /// B with 33h added to every byte.
    E,
}

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Four bytes of digits with a unit.
    Value,
    /// Three bytes of digits.
    Short,
    /// The clock.
    Clock,
    /// The status.
    Status,
}

impl Part {
    /// Its bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::Value => 5,
            Self::Short => 3,
            Self::Clock => 7,
            Self::Status => 2,
        }
    }
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::D, Self::E];

    /// Its letter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
        }
    }

    /// The bytes of `shape` in standard order; `None` where there are not as many. E is unveiled before.
    pub(crate) fn standardise(self, bytes: &[u8], shape: &[Part]) -> Option<Vec<u8>> {
        self.arrange(bytes, shape, |value| value.rotate_left(1))
    }

    /// Bytes in standard order in this one; E is veiled after.
    pub(crate) fn lay_out(self, bytes: &[u8], shape: &[Part]) -> Option<Vec<u8>> {
        self.arrange(bytes, shape, |value| value.rotate_right(1))
    }

    fn arrange(self, bytes: &[u8], shape: &[Part], turn: fn(&mut [u8])) -> Option<Vec<u8>> {
        let mut cursor = Cursor::new(bytes);
        let mut arranged = Vec::with_capacity(bytes.len());
        for part in shape {
            let mut taken = cursor.take(part.length())?.to_vec();
            match (self, part) {
                (Self::B | Self::E, Part::Value) => turn(&mut taken),
                (Self::C, Part::Value) => taken.get_mut(..4)?.reverse(),
                (Self::C, Part::Short | Part::Clock) => taken.reverse(),
                _ => {}
            }
            arranged.extend(taken);
        }
        cursor.is_empty().then_some(arranged)
    }
}

/// Bytes with layout E's 33h added.
pub(crate) fn veil(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte.wrapping_add(VEIL)).collect()
}

/// Bytes with layout E's 33h taken away.
pub(crate) fn unveil(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte.wrapping_sub(VEIL)).collect()
}
