//! The combinable VIFE codes (EN 13757-3 table 15), as a slave sends them: what they make of the value before them.
//!
//! ```text
//!   00..1F  errors of the record        20..3F  per something, accumulation     40..6F  limits and durations
//!   70..77  x 10^(n-6)                  78..7B  a constant to add               7D  x 10^3   7E  future   7F  maker's
//! ```
//!
//! Promises: factors are applied; whatever makes the value something else than the plain quantity marks it as altered
//! and is noted. Refuses: adding the constants: the standard leaves open in which scale they count.

use super::note::{Note, is_error};
use super::{Form, Vif, span_unit};
use crate::amount::Unit;

impl Vif<'_> {
    pub(super) fn apply(&mut self, code: u8) {
        match code {
            0x00..=0x1F => self.apply_error(code),
            0x20..=0x3F => self.apply_rate(code),
            0x40..=0x6F => self.apply_limit(code),
            0x70..=0x77 => self.exp10 += i32::from(code & 0b111) - 6,
            0x7D => self.exp10 += 3,
            _ => self.alter(code),
        }
    }

    fn alter(&mut self, code: u8) {
        self.is_altered = true;
        self.notes.push(Note(code));
    }

    fn apply_error(&mut self, code: u8) {
        match code {
            0x00 | 0x1D => {}
            _ if is_error(code) => {
                self.is_error = true;
                self.notes.push(Note(code));
            }
            _ => self.alter(code),
        }
    }

    fn apply_rate(&mut self, code: u8) {
        match code {
            0x39 => {
                self.alter(code);
                self.becomes(Form::Time, Unit::Plain);
            }
            // The sum of positive contributions alone is what a heat meter's register is.
            0x3B => self.notes.push(Note(code)),
            _ => self.alter(code),
        }
    }

    fn apply_limit(&mut self, code: u8) {
        self.alter(code);
        match code {
            0x41 | 0x49 => self.becomes(Form::Unsigned, Unit::Plain),
            0x42 | 0x43 | 0x46 | 0x47 | 0x4A | 0x4B | 0x4E | 0x4F | 0x6A | 0x6B | 0x6E | 0x6F => {
                self.becomes(Form::Time, Unit::Plain);
            }
            0x50..=0x67 => self.becomes(Form::Signed, span_unit(code)),
            _ => {}
        }
    }

    /// The value is of another kind than the quantity it is about.
    fn becomes(&mut self, form: Form, unit: Unit) {
        (self.form, self.unit, self.symbol, self.exp10) = (form, unit, unit.base().0, 0);
    }
}
