//! In what form a reading's counters came: tells a meter, or a profile, that began to count in another unit.
//!
//! ```text
//!   bit  31 .. 21    20 .. 14   13 .. 7    6 .. 0
//!        profile     volume     cooling    energy        0: not there
//! ```
//!
//! Only the counters: power and temperatures change their resolution with their value in some meters. A profile is
//! eleven bits of a hash of its name: another profile looks like the same one once in two thousand.
//!
//! Promises: durable numbers: the same form has the same number in every release; what one of two readings does not
//! have is no difference between them. Refuses: telling what changed.

use super::quantity::Quantity;

const COUNTER_BITS: u32 = 7;
const COUNTER_MASK: u32 = (1 << COUNTER_BITS) - 1;
const COUNTERS: u32 = 3;
const PROFILE_AT: u32 = COUNTER_BITS * COUNTERS;
const PROFILE_MASK: u32 = (1 << (u32::BITS - PROFILE_AT)) - 1;
/// Powers of ten told apart: of no more a unit is shown.
const EXPONENTS: u32 = 16;

/// The form of a reading's counters, as it is stored; 0 is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape(pub u32);

impl Shape {
    /// Of a reading by the profile of this name, without counters yet.
    pub fn of_profile(name: &str) -> Self {
        let hash = name.bytes().fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let folded = (hash >> PROFILE_AT) ^ (hash & PROFILE_MASK);
        Self(folded.clamp(1, PROFILE_MASK) << PROFILE_AT)
    }

    /// With a counter that came in ten to the `exponent` of the unit numbered `unit`; what is no counter changes nothing.
    #[must_use]
    pub fn with(self, quantity: Quantity, unit: u8, exponent: i32) -> Self {
        let Some(place) = place(quantity) else { return self };
        let exponent = exponent.rem_euclid(EXPONENTS.cast_signed()).unsigned_abs();
        let form = (u32::from(unit) * EXPONENTS + exponent) % COUNTER_MASK + 1;
        Self(self.0 & !(COUNTER_MASK << place) | form << place)
    }

    /// Whether what both have came in another form.
    pub fn differs_from(self, other: Self) -> bool {
        let parts = (0..COUNTERS).map(|nth| (nth * COUNTER_BITS, COUNTER_MASK)).chain([(PROFILE_AT, PROFILE_MASK)]);
        parts.into_iter().any(|(place, mask)| {
            let (one, two) = (self.0 >> place & mask, other.0 >> place & mask);
            one != 0 && two != 0 && one != two
        })
    }
}

const fn place(quantity: Quantity) -> Option<u32> {
    match quantity {
        Quantity::Energy => Some(0),
        Quantity::CoolingEnergy => Some(COUNTER_BITS),
        Quantity::Volume => Some(2 * COUNTER_BITS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_in_another_unit_or_power_of_ten_is_another_form() {
        let kwh = Shape::of_profile("mbus-generic").with(Quantity::Energy, 1, 3).with(Quantity::Volume, 3, -3);
        assert!(!kwh.differs_from(kwh));
        assert!(kwh.differs_from(kwh.with(Quantity::Energy, 2, 3)), "joules");
        assert!(kwh.differs_from(kwh.with(Quantity::Energy, 1, 4)), "tens of kWh");
        assert!(kwh.differs_from(kwh.with(Quantity::Volume, 3, -2)), "tens of litres");
        assert!(kwh.differs_from(Shape::of_profile("mbus-kamstrup").with(Quantity::Energy, 1, 3)), "a profile");
    }

    #[test]
    fn what_one_of_two_does_not_have_and_what_is_no_counter_are_no_difference() {
        let both = Shape::of_profile("a").with(Quantity::Energy, 1, 3).with(Quantity::Volume, 3, -3);
        assert!(!both.differs_from(Shape::of_profile("a").with(Quantity::Energy, 1, 3)));
        assert!(!both.differs_from(Shape(0)) && !Shape(0).differs_from(both));
        assert_eq!(both.with(Quantity::Power, 4, 2), both);
    }

    #[test]
    fn numbers_that_were_stored_stay_the_same() {
        let shape = Shape::of_profile("mbus-generic").with(Quantity::Energy, 1, 3).with(Quantity::Volume, 3, -3);
        assert_eq!(shape.0 & ((1 << PROFILE_AT) - 1), 20 | 62 << 14);
        assert_ne!(shape.0 >> PROFILE_AT, 0);
    }
}
