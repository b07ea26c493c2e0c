//! The combinable VIFE codes (EN 13757-3 table 15), as a slave sends them: what they make of the value before them.
//!
//! ```text
//!   00..1F  errors of the record        20..3F  per something, accumulation     40..6F  limits and durations
//!   70..77  x 10^(n-6)                  78..7B  a constant to add               7D  x 10^3   7E  future   7F  maker's
//! ```
//!
//! Promises: factors are applied; whatever makes the value something else than the plain quantity marks it as altered
//! and says so in words. Refuses: adding the constants: the standard leaves open in which scale they count.

use std::borrow::Cow;

use super::{Form, Vif, span_unit};
use crate::amount::Unit;

impl Vif {
    pub(super) fn apply(&mut self, code: u8) {
        match code {
            0x00..=0x1F => self.apply_error(code),
            0x20..=0x3F => self.apply_rate(code),
            0x40..=0x6F => self.apply_limit(code),
            0x70..=0x77 => self.exp10 += i32::from(code & 0b111) - 6,
            0x78..=0x7B => self.alter(format!("10^{} of the unit to be added", i32::from(code & 0b11) - 3)),
            0x7D => self.exp10 += 3,
            0x7E => self.alter("future value"),
            0x7F => self.alter("manufacturer specific"),
            _ => self.alter("reserved extension"),
        }
    }

    fn alter(&mut self, words: impl Into<Cow<'static, str>>) {
        self.is_altered = true;
        self.notes.push(words.into());
    }

    fn apply_error(&mut self, code: u8) {
        match code {
            0x00 | 0x1D => return,
            0x12 => return self.alter("average"),
            0x13 => return self.alter("inverse compact profile"),
            0x14 => return self.alter("relative deviation"),
            0x1E => return self.alter("compact profile with registers"),
            0x1F => return self.alter("compact profile"),
            _ => {}
        }
        let words = error(code);
        self.is_error |= words != RESERVED;
        self.is_altered |= words == RESERVED;
        self.notes.push(words.into());
    }

    fn apply_rate(&mut self, code: u8) {
        match code {
            0x39 => {
                self.alter("start of");
                self.becomes(Form::Time, Unit::Plain);
            }
            // The sum of positive contributions alone is what a heat meter's register is.
            0x3B => self.notes.push("positive contributions only".into()),
            _ => self.alter(rate(code)),
        }
    }

    /// Bit 3 of the code: upper, not lower. Bit 2: the last, not the first. Bit 0, or bits 1-0: what of it.
    fn apply_limit(&mut self, code: u8) {
        let bound = if code & 0x08 == 0 { "lower" } else { "upper" };
        let nth = if code & 0x04 == 0 { "first" } else { "last" };
        let end = if code & 0x01 == 0 { "begin" } else { "end" };
        match code {
            0x40 | 0x48 => self.alter(format!("{bound} limit")),
            0x41 | 0x49 => {
                self.alter(format!("number of exceeds of the {bound} limit"));
                self.becomes(Form::Unsigned, Unit::Plain);
            }
            0x42 | 0x43 | 0x46 | 0x47 | 0x4A | 0x4B | 0x4E | 0x4F => {
                self.alter(format!("{end} of the {nth} exceed of the {bound} limit"));
                self.becomes(Form::Time, Unit::Plain);
            }
            0x50..=0x5F => {
                self.alter(format!("duration of the {nth} exceed of the {bound} limit"));
                self.becomes(Form::Signed, span_unit(code));
            }
            0x60..=0x67 => {
                self.alter(format!("duration of the {nth}"));
                self.becomes(Form::Signed, span_unit(code));
            }
            0x68 | 0x6C => self.alter(if code == 0x68 { "while below the limit" } else { "while above the limit" }),
            0x69 | 0x6D => self.alter(if code == 0x69 { "leakage" } else { "overflow" }),
            0x6A | 0x6B | 0x6E | 0x6F => {
                self.alter(format!("{end} of the {nth}"));
                self.becomes(Form::Time, Unit::Plain);
            }
            _ => self.alter("reserved extension"),
        }
    }

    /// The value is of another kind than the quantity it is about.
    fn becomes(&mut self, form: Form, unit: Unit) {
        (self.form, self.unit, self.symbol, self.exp10) = (form, unit, unit.base().0, 0);
    }
}

const RESERVED: &str = "reserved extension";

/// EN 13757-3 table 17, "codes for record errors".
const fn error(code: u8) -> &'static str {
    match code {
        0x01 => "too many DIFEs",
        0x02 => "storage number not implemented",
        0x03 => "unit number not implemented",
        0x04 => "tariff number not implemented",
        0x05 => "function not implemented",
        0x06 => "data class not implemented",
        0x07 => "data size not implemented",
        0x0B => "too many VIFEs",
        0x0C => "illegal VIF group",
        0x0D => "illegal VIF exponent",
        0x0E => "VIF and DIF do not fit",
        0x0F => "action not implemented",
        0x15 => "no data available",
        0x16 => "data overflow",
        0x17 => "data underflow",
        0x18 => "data error",
        0x1C => "premature end of record",
        _ => RESERVED,
    }
}

const fn rate(code: u8) -> &'static str {
    match code {
        0x20 => "per second",
        0x21 => "per minute",
        0x22 => "per hour",
        0x23 => "per day",
        0x24 => "per week",
        0x25 => "per month",
        0x26 => "per year",
        0x27 => "per revolution or measurement",
        0x28 => "increment per input pulse on channel 0",
        0x29 => "increment per input pulse on channel 1",
        0x2A => "increment per output pulse on channel 0",
        0x2B => "increment per output pulse on channel 1",
        0x2C => "per litre",
        0x2D => "per m3",
        0x2E => "per kg",
        0x2F => "per K",
        0x30 => "per kWh",
        0x31 => "per GJ",
        0x32 => "per kW",
        0x33 => "per K l",
        0x34 => "per V",
        0x35 => "per A",
        0x36 => "multiplied by s",
        0x37 => "multiplied by s/V",
        0x38 => "multiplied by s/A",
        0x3A => "uncorrected",
        0x3C => "negative contributions only",
        0x3D => "in the other than metric unit system",
        0x3E => "at base conditions",
        _ => "as OBIS declares",
    }
}
