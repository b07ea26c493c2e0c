//! Doubts about what a meter said, as bits.
//!
//! Promises: a bit and its word are for ever. Refuses: judging.

/// Doubts about a reading: stored with it, never a reason to drop it. Bits are durable and only appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quality(pub u32);

impl Quality {
    /// The value was finer than the table's unit, and was rounded.
    pub const ROUNDED: Self = Self(1);
    /// The meter marked a value as invalid; that value is absent.
    pub const INVALID_VALUE: Self = Self(1 << 1);
    /// The meter reports an error in its status.
    pub const METER_ERROR: Self = Self(1 << 2);
    /// The meter reports a low battery.
    pub const LOW_BATTERY: Self = Self(1 << 3);
    /// A value did not fit the table's integer and is absent.
    pub const OUT_OF_RANGE: Self = Self(1 << 4);
    /// The meter's clock is implausible.
    pub const CLOCK_OFF: Self = Self(1 << 5);
    /// The meter had more to say than was taken: values may be missing.
    pub const INCOMPLETE: Self = Self(1 << 6);
    /// A value is beyond what such a meter is made for.
    pub const IMPLAUSIBLE: Self = Self(1 << 7);
    /// A counter stands lower than it stood before.
    pub const INDEX_BACK: Self = Self(1 << 8);
    /// A counter moved by more than the connection can carry in that time.
    pub const JUMP: Self = Self(1 << 9);
    /// A counter came in another unit, or was read by another profile, than before.
    pub const UNIT_CHANGED: Self = Self(1 << 10);
    /// Another meter answers at the address than before.
    pub const METER_CHANGED: Self = Self(1 << 11);
    /// The value is from the meter's own history, fetched after its moment.
    pub const BACKFILLED: Self = Self(1 << 12);

    /// Every mark with its word, in the order of its bits: the word is durable.
    pub const NAMED: [(Self, &'static str); 13] = [
        (Self::ROUNDED, "rounded"),
        (Self::INVALID_VALUE, "invalid-value"),
        (Self::METER_ERROR, "meter-error"),
        (Self::LOW_BATTERY, "low-battery"),
        (Self::OUT_OF_RANGE, "out-of-range"),
        (Self::CLOCK_OFF, "clock-off"),
        (Self::INCOMPLETE, "incomplete"),
        (Self::IMPLAUSIBLE, "implausible"),
        (Self::INDEX_BACK, "index-back"),
        (Self::JUMP, "jump"),
        (Self::UNIT_CHANGED, "unit-changed"),
        (Self::METER_CHANGED, "meter-changed"),
        (Self::BACKFILLED, "backfilled"),
    ];

    /// What says how a value came, and puts it in no doubt.
    pub const HARMLESS: Self = Self::ROUNDED.with(Self::BACKFILLED);

    /// The mark of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(_, name)| *name == word).map(|(mark, _)| *mark)
    }

    /// The marks in words, in the order of their bits; one of a later release is `bit-N`.
    pub fn words(self) -> Vec<String> {
        let bits = (0..u32::BITS).filter(|bit| self.0 >> bit & 1 == 1);
        let word = |bit: u32| match Self::NAMED.iter().find(|(mark, _)| mark.0 == 1 << bit) {
            Some((_, name)) => (*name).to_owned(),
            None => format!("bit-{bit}"),
        };
        bits.map(word).collect()
    }

    /// Both sets of doubts.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every doubt of `other` is among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_has_one_bit_and_one_word_that_is_found_again() {
        for (bit, (mark, word)) in Quality::NAMED.into_iter().enumerate() {
            assert_eq!(mark, Quality(1 << bit), "{word}");
            assert_eq!(Quality::named(word), Some(mark));
            assert_eq!(mark.words(), [word]);
        }
        assert_eq!(Quality::named("index_back"), None);
    }

    #[test]
    fn marks_of_a_later_release_are_told_by_their_bit() {
        assert_eq!(Quality::JUMP.with(Quality(1 << 31)).with(Quality::ROUNDED).words(), ["rounded", "jump", "bit-31"]);
        assert!(Quality::default().words().is_empty());
    }
}
