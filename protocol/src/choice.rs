//! What a dialogue reads its meter by: the profile somebody named, or the first that fits what the meter says of itself.
//!
//! ```text
//!   Named      mbus-sensus-pollutherm                            no matter what the meter says
//!   Fitting    the more specific ones first .. | generic         the first that fits; the last fits every meter
//! ```
//!
//! Promises: there is always one. Refuses: knowing what fitting means.

use std::sync::Arc;

/// The profiles a dialogue chooses from.
#[derive(Debug)]
pub enum Choice<P> {
    /// The one somebody named.
    Named(Arc<P>),
    /// Those there are.
    Fitting(Shelf<P>),
}

/// All profiles of one dialect that know their model, and the one for every other.
#[derive(Debug)]
pub struct Shelf<P> {
    /// Those that know their model, in the order they are tried.
    pub models: Arc<[Arc<P>]>,
    /// The one for every other model.
    pub generic: Arc<P>,
}

impl<P> Choice<P> {
    /// The named one, or the first that `fits`, or the generic one.
    pub fn pick(&self, fits: impl Fn(&P) -> bool) -> &Arc<P> {
        match self {
            Self::Named(profile) => profile,
            Self::Fitting(Shelf { models, generic }) => models.iter().find(|model| fits(model)).unwrap_or(generic),
        }
    }
}

impl<P> Clone for Choice<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Named(profile) => Self::Named(Arc::clone(profile)),
            Self::Fitting(shelf) => Self::Fitting(shelf.clone()),
        }
    }
}

impl<P> Clone for Shelf<P> {
    fn clone(&self) -> Self {
        Self { models: Arc::clone(&self.models), generic: Arc::clone(&self.generic) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_profile_is_taken_whatever_fits_and_the_generic_one_where_nothing_does() {
        let shelf = || Shelf { models: [1, 2].map(Arc::new).into(), generic: Arc::new(0) };
        let fitting = Choice::Fitting(shelf());
        let picked = |wanted: i32| **fitting.pick(|model| *model == wanted);
        assert_eq!([picked(1), picked(2), picked(3)], [1, 2, 0]);
        assert_eq!(**Choice::Named(Arc::new(7)).pick(|_| false), 7);
    }
}
