//! Exact decimal factors, and what a profile corrects where a maker is known to err.
//!
//! ```text
//!   value of the meter  x scale   --> fixed unit (rounded, and said so)   + offset, in the fixed unit   --> column
//! ```
//!
//! Promises: integers only. Refuses: a factor that is no decimal fraction, and nothing for a factor.

use serde::{Deserialize, Deserializer, de};

/// An exact decimal fraction: `factor x 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// The digits, with their sign.
    pub factor: i64,
    /// The place of the decimal point.
    pub exponent: i32,
}

impl Default for Scale {
    fn default() -> Self {
        Self { factor: 1, exponent: 0 }
    }
}

impl Scale {
    /// The scale people write as `0.01`, `10` or `-1`.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let factor: i64 = format!("{whole}{fraction}").parse().ok()?;
        let exponent = i32::try_from(fraction.len()).ok()?;
        (factor != 0).then_some(Self { factor, exponent: -exponent })
    }
}

impl<'de> Deserialize<'de> for Scale {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || format!("scale \"{text}\" is no decimal fraction: write one such as \"0.01\" or \"10\"");
        Self::parse(&text).ok_or_else(|| de::Error::custom(wrong()))
    }
}

/// What is put right before a value goes into its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Correction {
    /// The value is multiplied by it.
    pub scale: Scale,
    /// This is added, in the fixed unit of the quantity.
    pub offset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_an_exact_decimal_or_nothing() {
        assert_eq!(Scale::parse("0.01"), Some(Scale { factor: 1, exponent: -2 }));
        assert_eq!(Scale::parse("2.5"), Some(Scale { factor: 25, exponent: -1 }));
        assert_eq!([Scale::parse("0"), Scale::parse("1/3"), Scale::parse("")], [None; 3]);
    }
}
