//! Version 2 of a whole state and of a snapshot: version 1, and after it where the dial-in units are connected. Frozen.
//!
//! Promises: a state in which no unit is connected is written as version 1, as it always was: one state has one
//! sequence of bytes, and the digest of a cluster without such units does not change with the release.

use bincode::{Decode, Encode};

use super::mirror::{Mirror, mirror_struct};
use super::seq::Seq;
use super::{CodecError, v1_raft, v1_state};
use crate::state::{self, presence};
use crate::types;

mirror_struct!(Presence = presence::Presence { units: Seq<(u64, Present)> });

mirror_struct!(Present = presence::Present { node: u64, life: u64, connection: u64, since: u64 });

/// A state.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct State {
    state: v1_state::State,
    presence: Presence,
}

impl State {
    /// `None` where version 1 says it all.
    pub(super) fn freeze(state: &state::State) -> Option<Self> {
        let presence = presence(state)?;
        Some(Self { state: state.store(), presence })
    }

    pub(super) fn thaw(self) -> Result<state::State, CodecError> {
        let state: state::State = Mirror::restore(self.state)?;
        Ok(state::State { presence: Mirror::restore(self.presence)?, ..state })
    }
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Image {
    image: v1_raft::Image,
    presence: Presence,
}

impl Image {
    /// `None` where version 1 says it all.
    pub(super) fn freeze(image: &types::Image) -> Option<Self> {
        let presence = presence(&image.state)?;
        Some(Self { image: image.store(), presence })
    }

    pub(super) fn thaw(self) -> Result<types::Image, CodecError> {
        let mut image: types::Image = Mirror::restore(self.image)?;
        image.state.presence = Mirror::restore(self.presence)?;
        Ok(image)
    }
}

fn presence(state: &state::State) -> Option<Presence> {
    (!state.presence.units.is_empty()).then(|| state.presence.store())
}
