//! The bridge between a type of the state and its frozen twin.
//!
//! ```text
//!   mirror_struct!(Move = assignment::Move { line: u64, from: u64, to: u64 });
//!                  frozen  of the state      frozen fields, in their order for ever
//! ```
//!
//! Promises: a field or variant added to the state's type does not compile until its bytes are decided on; none can
//! be forgotten. Refuses: renaming or reordering the frozen side, which would change bytes.

use std::collections::BTreeMap;

use protocol::meter::{CommandId, Epoch, LineId, MeterId, NodeId};

use super::CodecError;
use super::seq::Seq;
use crate::state::UnixMillis;

/// A type with a frozen twin.
pub(super) trait Mirror: Sized {
    /// The frozen twin.
    type Stored;
    fn store(&self) -> Self::Stored;
    fn restore(stored: Self::Stored) -> Result<Self, CodecError>;
}

macro_rules! same {
    ($($type:ty),+) => {$(
        impl Mirror for $type {
            type Stored = Self;
            fn store(&self) -> Self { self.clone() }
            fn restore(stored: Self) -> Result<Self, CodecError> { Ok(stored) }
        }
    )+};
}
same!(u8, u16, u32, u64, bool, String, [u8; 7]);

macro_rules! number {
    ($($type:ident),+) => {$(
        impl Mirror for $type {
            type Stored = u64;
            fn store(&self) -> u64 { self.0 }
            fn restore(stored: u64) -> Result<Self, CodecError> { Ok(Self(stored)) }
        }
    )+};
}
number!(NodeId, LineId, MeterId, CommandId, Epoch, UnixMillis);

impl<T: Mirror> Mirror for Vec<T> {
    type Stored = Seq<T::Stored>;

    fn store(&self) -> Self::Stored {
        Seq(self.iter().map(Mirror::store).collect())
    }

    fn restore(stored: Self::Stored) -> Result<Self, CodecError> {
        stored.0.into_iter().map(T::restore).collect()
    }
}

impl<T: Mirror> Mirror for Option<T> {
    type Stored = Option<T::Stored>;

    fn store(&self) -> Self::Stored {
        self.as_ref().map(Mirror::store)
    }

    fn restore(stored: Self::Stored) -> Result<Self, CodecError> {
        stored.map(T::restore).transpose()
    }
}

impl<A: Mirror, B: Mirror> Mirror for (A, B) {
    type Stored = (A::Stored, B::Stored);

    fn store(&self) -> Self::Stored {
        (self.0.store(), self.1.store())
    }

    fn restore((a, b): Self::Stored) -> Result<Self, CodecError> {
        Ok((A::restore(a)?, B::restore(b)?))
    }
}

/// Labels: in the order of their names, each name once.
impl Mirror for BTreeMap<String, String> {
    type Stored = Seq<(String, String)>;

    fn store(&self) -> Self::Stored {
        Seq(self.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn restore(stored: Self::Stored) -> Result<Self, CodecError> {
        unique("label", stored.0, |name: &String| name.clone())
    }
}

/// A map of pairs that must be in strictly rising order: one state has one sequence of bytes.
pub(super) fn unique<K: Ord, V, M: FromIterator<(K, V)>>(
    thing: &'static str,
    pairs: Vec<(K, V)>,
    name: impl Fn(&K) -> String,
) -> Result<M, CodecError> {
    match pairs.iter().zip(pairs.iter().skip(1)).find(|((a, _), (b, _))| a >= b) {
        Some((_, (key, _))) => Err(CodecError::impossible(thing, format!("{} out of order", name(key)))),
        None => Ok(pairs.into_iter().collect()),
    }
}

macro_rules! mirror_struct {
    ($name:ident = $of:ty { $($field:ident: $type:ty),+ $(,)? }) => {
        #[derive(Debug, Clone, PartialEq, bincode::Encode, bincode::Decode)]
        pub(super) struct $name { $(pub(super) $field: $type),+ }

        impl $crate::codec::mirror::Mirror for $of {
            type Stored = $name;

            fn store(&self) -> $name {
                let Self { $($field),+ } = self;
                $name { $($field: $crate::codec::mirror::Mirror::store($field)),+ }
            }

            fn restore(stored: $name) -> Result<Self, $crate::codec::CodecError> {
                let $name { $($field),+ } = stored;
                Ok(Self { $($field: $crate::codec::mirror::Mirror::restore($field)?),+ })
            }
        }
    };
}
pub(super) use mirror_struct;

// The derives stand at the call: names within variants would not be seen by a derive that stands here. A part of a
// tuple variant has a name on the frozen side, for the same reason; names have no bytes.
macro_rules! mirror_enum {
    ($(#[$derive:meta])+ $name:ident = $of:ty {
        $($variant:ident $(($($part:ident: $part_type:ty),+))? $({ $($field:ident: $type:ty),+ $(,)? })?),+ $(,)?
    }) => {
        $(#[$derive])+
        pub(super) enum $name { $($variant $({ $($part: $part_type),+ })? $({ $($field: $type),+ })?),+ }

        impl $crate::codec::mirror::Mirror for $of {
            type Stored = $name;

            fn store(&self) -> $name {
                match self {
                    $(Self::$variant $(($($part),+))? $({ $($field),+ })? => $name::$variant
                        $({ $($part: $crate::codec::mirror::Mirror::store($part)),+ })?
                        $({ $($field: $crate::codec::mirror::Mirror::store($field)),+ })?,)+
                }
            }

            fn restore(stored: $name) -> Result<Self, $crate::codec::CodecError> {
                Ok(match stored {
                    $($name::$variant $({ $($part),+ })? $({ $($field),+ })? => Self::$variant
                        $(($($crate::codec::mirror::Mirror::restore($part)?),+))?
                        $({ $($field: $crate::codec::mirror::Mirror::restore($field)?),+ })?,)+
                })
            }
        }
    };
}
pub(super) use mirror_enum;
