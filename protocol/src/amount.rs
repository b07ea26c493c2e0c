//! An amount as a meter sends it, and its exact conversion into the fixed unit of a table column.
//!
//! ```text
//!   mantissa x 2^exp2 x 10^exp10 unit   -->   integer in the fixed unit (rounded half away from zero, and said so)
//!   945      x 1      x 10^-2    kWh    -->   34 020 000 J
//! ```
//!
//! Promises: integers only, 128 bits inside; the same display gives the same integer. Refuses: binary floating
//! point arithmetic (a real32 comes in as its bits), and values that do not fit 64 bits.

use crate::scale::Scale;

/// The most binary or decimal places written out: more than a real32 and any chain of factors have.
const MOST_SHIFT: u32 = 256;

/// A unit on the wire: what it measures is its dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Watt hour.
    WattHour,
    /// Joule.
    Joule,
    /// Cubic metre.
    CubicMetre,
    /// Watt.
    Watt,
    /// Joule an hour.
    JoulePerHour,
    /// Cubic metre an hour.
    CubicMetrePerHour,
    /// Cubic metre a minute.
    CubicMetrePerMinute,
    /// Cubic metre a second.
    CubicMetrePerSecond,
    /// Degree Celsius.
    Celsius,
    /// Kelvin, of a difference.
    Kelvin,
    /// Second.
    Second,
    /// Minute.
    Minute,
    /// Hour.
    Hour,
    /// Day.
    Day,
    /// A number without unit, or whose unit no column has.
    Plain,
}

/// What a unit measures; the fixed unit of each is in [`crate::meter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Fixed unit J.
    Energy,
    /// Fixed unit mL.
    Volume,
    /// Fixed unit mW.
    Power,
    /// Fixed unit mL/h.
    Flow,
    /// Fixed unit m°C.
    Temperature,
    /// Fixed unit mK.
    Difference,
    /// Fixed unit s.
    Duration,
    /// No unit.
    Plain,
}

impl Unit {
    /// What it measures.
    pub const fn dimension(self) -> Dimension {
        match self {
            Self::WattHour | Self::Joule => Dimension::Energy,
            Self::CubicMetre => Dimension::Volume,
            Self::Watt | Self::JoulePerHour => Dimension::Power,
            Self::CubicMetrePerHour | Self::CubicMetrePerMinute | Self::CubicMetrePerSecond => Dimension::Flow,
            Self::Celsius => Dimension::Temperature,
            Self::Kelvin => Dimension::Difference,
            Self::Second | Self::Minute | Self::Hour | Self::Day => Dimension::Duration,
            Self::Plain => Dimension::Plain,
        }
    }

    /// Its number in a [`crate::meter::Shape`]: durable, of units that counters have.
    pub const fn number(self) -> u8 {
        match self {
            Self::WattHour => 1,
            Self::Joule => 2,
            Self::CubicMetre => 3,
            _ => 0,
        }
    }

    /// The symbol of the unit it is shown in, and how many of these one of it is.
    pub const fn base(self) -> (&'static str, u32) {
        match self {
            Self::WattHour => ("Wh", 1),
            Self::Joule => ("J", 1),
            Self::CubicMetre => ("m3", 1),
            Self::Watt => ("W", 1),
            Self::JoulePerHour => ("J/h", 1),
            Self::CubicMetrePerHour => ("m3/h", 1),
            Self::CubicMetrePerMinute => ("m3/h", 60),
            Self::CubicMetrePerSecond => ("m3/h", 3600),
            Self::Celsius => ("°C", 1),
            Self::Kelvin => ("K", 1),
            Self::Second => ("s", 1),
            Self::Minute => ("s", 60),
            Self::Hour => ("s", 3600),
            Self::Day => ("s", 86_400),
            Self::Plain => ("", 1),
        }
    }

    /// One of it in the fixed unit, as numerator and denominator.
    const fn in_fixed(self) -> (i128, i128) {
        match self {
            Self::WattHour | Self::Hour => (3600, 1),
            Self::Joule | Self::Second | Self::Plain => (1, 1),
            Self::CubicMetre | Self::CubicMetrePerHour => (1_000_000, 1),
            Self::Watt | Self::Celsius | Self::Kelvin => (1000, 1),
            Self::JoulePerHour => (1000, 3600),
            Self::CubicMetrePerMinute => (60_000_000, 1),
            Self::CubicMetrePerSecond => (3_600_000_000, 1),
            Self::Minute => (60, 1),
            Self::Day => (86_400, 1),
        }
    }
}

/// An exact amount: `mantissa x 2^exp2 x 10^exp10` of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    mantissa: i128,
    exp2: i32,
    exp10: i32,
    unit: Unit,
}

/// An amount in its fixed unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// The integer.
    pub value: i64,
    /// Whether the amount was finer than the fixed unit.
    pub rounded: bool,
}

impl Amount {
    /// `mantissa x 10^exp10` of `unit`.
    #[inline]
    pub fn decimal(mantissa: i64, exp10: i32, unit: Unit) -> Self {
        Self { mantissa: mantissa.into(), exp2: 0, exp10, unit }
    }

    /// `number` of `unit`.
    #[inline]
    pub const fn whole(number: i128, unit: Unit) -> Self {
        Self { mantissa: number, exp2: 0, exp10: 0, unit }
    }

    /// The value of an IEEE 754 single (EN 13757-3 annex A, type H), by its bits; `None` for NaN and infinities.
    pub fn real32(bits: u32) -> Option<Self> {
        let fraction = i128::from(bits & 0x007F_FFFF);
        let (mantissa, exp2) = match (bits >> 23) & 0xFF {
            0xFF => return None,
            0 => (fraction, -149),
            exponent => (fraction | 0x0080_0000, exponent as i32 - 150),
        };
        let mantissa = if bits >> 31 == 1 { -mantissa } else { mantissa };
        Some(Self { mantissa, exp2, exp10: 0, unit: Unit::Plain })
    }

    /// The same number, ten to the `exp10` as large, of `unit`.
    #[must_use]
    #[inline]
    pub const fn scaled(self, exp10: i32, unit: Unit) -> Self {
        Self { exp10: self.exp10.saturating_add(exp10), unit, ..self }
    }

    /// The same, `scale` times as large; `None` where its digits do not fit.
    pub fn times(self, scale: Scale) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(scale.factor.into())?;
        Some(Self { mantissa, exp10: self.exp10.saturating_add(scale.exponent), ..self })
    }

    /// The power of ten it was shown in.
    pub const fn exponent(&self) -> i32 {
        self.exp10
    }

    /// The unit.
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// The exact decimal in the unit of [`Unit::base`]: a binary fraction is written out to its last digit.
    pub fn exact(&self) -> String {
        let mut digits = digits_of(self.mantissa.unsigned_abs().saturating_mul(self.unit.base().1.into()));
        let factor = if self.exp2 < 0 { 5 } else { 2 };
        (0..self.exp2.unsigned_abs().min(MOST_SHIFT)).for_each(|_| multiply(&mut digits, factor));
        let sign = if self.mantissa < 0 { "-" } else { "" };
        format!("{sign}{}", point(&digits, self.exp10.saturating_add(self.exp2.min(0))))
    }

    /// The amount in the fixed unit of its dimension; `None` where it does not fit 64 bits.
    pub fn fixed(&self) -> Option<Fixed> {
        self.fixed_narrow().or_else(|| self.fixed_wide())
    }

    /// The same in 64 bits, where these hold every step: almost always, and several times as quick.
    fn fixed_narrow(&self) -> Option<Fixed> {
        let (times, over) = self.unit.in_fixed();
        let ten = |exponent: i32| 10_i64.checked_pow(u32::try_from(exponent).unwrap_or(0));
        let top = i64::try_from(self.mantissa).ok().filter(|_| self.exp2 == 0)?;
        let top = top.checked_mul(times as i64)?.checked_mul(ten(self.exp10)?)?;
        let bottom = ten(self.exp10.checked_neg()?)?.checked_mul(over as i64)?;
        let (quotient, rest) = (top / bottom, top % bottom);
        let away = i64::from(rest.unsigned_abs() >= bottom.unsigned_abs() - rest.unsigned_abs());
        let value = if rest == 0 { quotient } else { quotient + away * rest.signum() };
        Some(Fixed { value, rounded: rest != 0 })
    }

    fn fixed_wide(&self) -> Option<Fixed> {
        let (times, over) = self.unit.in_fixed();
        let mut top = self.mantissa.checked_mul(times)?;
        top = top.checked_mul(power(10, self.exp10)?)?;
        top = top.checked_mul(power(2, self.exp2)?)?;
        let bottom = power(10, self.exp10.saturating_neg())
            .zip(power(2, self.exp2.saturating_neg()))
            .and_then(|(tens, twos)| tens.checked_mul(twos)?.checked_mul(over)?.checked_mul(2));
        match bottom {
            Some(twice) => divide(top, twice / 2),
            // The divisor alone exceeds 126 bits; what fits the numerator is then nearer to nothing than to one half.
            None if top.unsigned_abs() < 1 << 124 => Some(Fixed { value: 0, rounded: top != 0 }),
            None => None,
        }
    }
}

/// The decimal digits of `number`, the lowest first.
fn digits_of(number: u128) -> Vec<u8> {
    number.to_string().bytes().rev().map(|digit| digit - b'0').collect()
}

/// Multiplies decimal digits, the lowest first, by a one-digit factor.
fn multiply(digits: &mut Vec<u8>, factor: u8) {
    let mut carry = 0;
    for digit in digits.iter_mut() {
        let product = *digit * factor + carry;
        (*digit, carry) = (product % 10, product / 10);
    }
    if carry > 0 {
        digits.push(carry);
    }
}

/// Digits, the lowest first, times ten to the `exp10`, as people write it.
fn point(digits: &[u8], exp10: i32) -> String {
    if digits.iter().all(|digit| *digit == 0) {
        return "0".to_owned();
    }
    let text: String = digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
    let places = exp10.unsigned_abs().min(MOST_SHIFT) as usize;
    if exp10 >= 0 {
        return text + &"0".repeat(places);
    }
    let padded = format!("{text:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// `base^exponent`, 1 for exponents below one, `None` where it does not fit.
fn power(base: i128, exponent: i32) -> Option<i128> {
    base.checked_pow(u32::try_from(exponent).unwrap_or(0))
}

fn divide(top: i128, bottom: i128) -> Option<Fixed> {
    let (quotient, rest) = (top / bottom, top % bottom);
    let away = i128::from(rest.abs() >= bottom - rest.abs());
    let value = quotient.checked_add(if rest == 0 { 0 } else { away * rest.signum() })?;
    Some(Fixed { value: i64::try_from(value).ok()?, rounded: rest != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(mantissa: i64, exp10: i32, unit: Unit) -> Option<(i64, bool)> {
        Amount::decimal(mantissa, exp10, unit).fixed().map(|f| (f.value, f.rounded))
    }

    #[test]
    fn watt_hours_and_joules_are_both_whole_joules() {
        assert_eq!(fixed(945, 1, Unit::WattHour), Some((34_020_000, false)));
        assert_eq!(fixed(7, 9, Unit::Joule), Some((7_000_000_000, false)));
    }

    #[test]
    fn finer_than_the_unit_is_rounded_half_away_from_zero_and_said_so() {
        assert_eq!(fixed(1, -3, Unit::WattHour), Some((4, true)));
        assert_eq!(fixed(5, -4, Unit::Celsius), Some((1, true)));
        assert_eq!(fixed(-5, -4, Unit::Celsius), Some((-1, true)));
        assert_eq!(fixed(4, -4, Unit::Celsius), Some((0, true)));
        assert_eq!(fixed(3600, 0, Unit::JoulePerHour), Some((1000, false)));
        assert_eq!(fixed(1, 0, Unit::JoulePerHour), Some((0, true)));
    }

    #[test]
    fn the_exact_decimal_is_in_the_base_unit_and_loses_nothing() {
        let exact = |mantissa, exp10, unit| Amount::decimal(mantissa, exp10, unit).exact();
        assert_eq!(exact(945, 1, Unit::WattHour), "9450");
        assert_eq!(exact(-5, -4, Unit::Celsius), "-0.0005");
        assert_eq!(exact(2150, -2, Unit::Celsius), "21.5");
        assert_eq!(exact(2, 0, Unit::Day), "172800");
        assert_eq!(exact(15, -1, Unit::CubicMetrePerMinute), "90");
        assert_eq!(exact(0, 5, Unit::Joule), "0");
        assert_eq!(exact(i64::MIN, 0, Unit::Plain), "-9223372036854775808");
        let real = |real: f32| Amount::real32(real.to_bits()).map(|a| a.scaled(0, Unit::Celsius).exact());
        assert_eq!(real(21.536_703).as_deref(), Some("21.5367031097412109375"));
        assert_eq!(real(-0.5).as_deref(), Some("-0.5"));
        assert_eq!(real(1_048_576.0 * 1_048_576.0).as_deref(), Some("1099511627776"));
        assert!(real(f32::from_bits(1)).is_some_and(|text| text.starts_with("0.000") && text.ends_with("8203125")));
    }

    #[test]
    fn sixty_four_bits_and_more_give_the_same_integer() {
        let mantissas = [0, 1, 4, 5, 49, 50, 51, 99, 12_345_678, i64::MAX / 7, i64::MAX, -1, -5, -50, -51, i64::MIN];
        let units =
            [Unit::WattHour, Unit::Celsius, Unit::JoulePerHour, Unit::CubicMetrePerSecond, Unit::Day, Unit::Plain];
        let mut both = 0;
        for (mantissa, unit) in mantissas.into_iter().flat_map(|mantissa| units.map(|unit| (mantissa, unit))) {
            for exp10 in -30..=30 {
                let amount = Amount::decimal(mantissa, exp10, unit);
                if let Some(narrow) = amount.fixed_narrow() {
                    both += 1;
                    assert_eq!(Some(narrow), amount.fixed_wide(), "{mantissa} x 10^{exp10} {unit:?}");
                }
            }
        }
        assert!(both > 1000, "{both} were compared");
        assert_eq!(Amount::real32(1.5_f32.to_bits()).and_then(|amount| amount.fixed_narrow()), None);
    }

    #[test]
    fn what_does_not_fit_sixty_four_bits_is_refused() {
        assert_eq!(fixed(i64::MAX, 0, Unit::WattHour), None);
        assert_eq!(fixed(1, 60, Unit::Joule), None);
    }

    #[test]
    fn a_real32_is_taken_bit_by_bit() {
        let celsius = |real: f32| Amount::real32(real.to_bits()).and_then(|a| a.scaled(0, Unit::Celsius).fixed());
        assert_eq!(celsius(92.0), Some(Fixed { value: 92_000, rounded: false }));
        assert_eq!(celsius(-0.5), Some(Fixed { value: -500, rounded: false }));
        assert_eq!(celsius(21.536_703), Some(Fixed { value: 21_537, rounded: true }));
        assert_eq!(celsius(f32::MIN_POSITIVE), Some(Fixed { value: 0, rounded: true }));
        assert_eq!(celsius(f32::from_bits(1)), Some(Fixed { value: 0, rounded: true }));
        assert_eq!(celsius(f32::MAX), None);
        assert_eq!(Amount::real32(f32::NAN.to_bits()), None);
        assert_eq!(Amount::real32(f32::INFINITY.to_bits()), None);
    }
}
