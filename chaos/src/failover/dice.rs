//! Moments and choices, by a seed.
//!
//! Promises: the same seed gives the same throws (splitmix64). Refuses: secrets.

use std::time::Duration;

/// The dice.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next throw.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Any duration up to `longest`.
    pub fn duration(&mut self, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.throw() % longest)
    }

    /// Any of `things`; none where there are none.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        let place = self.throw().checked_rem(things.len() as u64)?;
        things.get(usize::try_from(place).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_throws_and_nothing_is_picked_of_nothing() {
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        let longest = Duration::from_secs(5);
        for _ in 0..100 {
            let thrown = one.duration(longest);
            assert_eq!(thrown, other.duration(longest));
            assert!(thrown < longest);
        }
        assert_eq!(one.pick::<u8>(&[]), None);
        assert_eq!(one.pick(&[3]), Some(&3));
    }
}
