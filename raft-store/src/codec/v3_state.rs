//! Version 3 of a whole state and of a snapshot: version 2, and after it the plant. Frozen.
//!
//! Promises: a state of which the plant says nothing that follows not from its registry is written in the version before:
//! one state has one sequence of bytes.

use bincode::{Decode, Encode};

use super::mirror::Mirror;
use super::v2_state::Presence;
use super::v3_plant::Plant;
use super::{CodecError, v1_raft, v1_state};
use crate::state::{self, plant};
use crate::types;

/// A state.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct State {
    state: v1_state::State,
    presence: Presence,
    plant: Plant,
}

impl State {
    /// `None` where an earlier version says it all.
    pub(super) fn freeze(state: &state::State) -> Option<Self> {
        let plant = plant(state)?;
        Some(Self { state: state.store(), presence: state.presence.store(), plant })
    }

    pub(super) fn thaw(self) -> Result<state::State, CodecError> {
        let state: state::State = Mirror::restore(self.state)?;
        let (presence, plant) = (Mirror::restore(self.presence)?, Mirror::restore(self.plant)?);
        Ok(state::State { presence, plant, ..state })
    }
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Image {
    image: v1_raft::Image,
    presence: Presence,
    plant: Plant,
}

impl Image {
    /// `None` where an earlier version says it all.
    pub(super) fn freeze(image: &types::Image) -> Option<Self> {
        let plant = plant(&image.state)?;
        Some(Self { image: image.store(), presence: image.state.presence.store(), plant })
    }

    pub(super) fn thaw(self) -> Result<types::Image, CodecError> {
        let mut image: types::Image = Mirror::restore(self.image)?;
        image.state.presence = Mirror::restore(self.presence)?;
        image.state.plant = Mirror::restore(self.plant)?;
        Ok(image)
    }
}

fn plant(state: &state::State) -> Option<Plant> {
    (state.plant != plant::Plant::of(&state.registry)).then(|| state.plant.store())
}
