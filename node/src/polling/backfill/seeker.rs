//! Asks the leader, now and then, which freezes the meters of this node lack.
//!
//! ```text
//!   applied state --> my lines' meters, of those that keep something --> leader, a few hundred at a time --> Wants
//! ```
//!
//! Promises: one question at a time; nothing is asked about meters that cannot be asked for their past; what was known stays
//! while no leader or no database answers. Refuses: asking meters.

use std::collections::BTreeMap;

use protocol::meter::{Kept, LineId, MeterId, NodeId};
use protocol::profile::Catalogue;
use raft_store::state::assignment::Phase;
use raft_store::state::plant::schedule::Freeze;
use raft_store::state::{State, UnixMillis};

use super::wants::Wants;
use crate::clock::wall_now;
use crate::cluster::{Cluster, Missing, MissingError};
use crate::config::Backfill;
use crate::polling::schedule::millis;

/// Who asks.
#[derive(Debug)]
pub(in crate::polling) struct Seeker {
    pub(in crate::polling) cluster: Cluster,
    pub(in crate::polling) catalogue: Catalogue,
    pub(in crate::polling) wants: Wants,
    pub(in crate::polling) settings: Backfill,
}

/// The meters that can be asked for their past: on which line, and for what.
type Keepers = BTreeMap<MeterId, (LineId, Kept)>;

impl Seeker {
    /// Asks every `backfill.ask_every`; does not end.
    pub(in crate::polling) async fn run(self) {
        if self.settings.days == 0 {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(self.settings.ask_every).await;
            match self.ask().await {
                Ok(found) => self.wants.replace(found),
                Err(error) => tracing::debug!(%error, "which freezes are missing stays as it was known"),
            }
        }
    }

    async fn ask(&self) -> Result<BTreeMap<LineId, Vec<Missing>>, MissingError> {
        let keepers = keepers(&self.cluster.applied().borrow().state, self.cluster.node(), &self.catalogue);
        let meters: Vec<MeterId> = keepers.keys().copied().collect();
        let since = UnixMillis(wall_now().0.saturating_sub(millis(self.settings.reach())));
        let mut found = BTreeMap::<LineId, Vec<Missing>>::new();
        for meters in meters.chunks(self.settings.meters_per_ask) {
            let missing = self.cluster.missing(meters, since).await?;
            for (line, missing) in missing.into_iter().filter_map(|missing| wanted(&keepers, missing)) {
                found.entry(line).or_default().push(missing);
            }
        }
        Ok(found)
    }
}

/// The meters of the lines that `node` holds whose past can be asked for.
fn keepers(state: &State, node: NodeId, catalogue: &Catalogue) -> Keepers {
    let held =
        state.assignment.lines.iter().filter(|(_, held)| matches!(held.phase, Phase::Held { node: by } if by == node));
    let meters = held.flat_map(|(line, _)| state.registry.meters_of(*line).map(|meter| (*line, meter)));
    let keeper = |(line, meter): (LineId, &raft_store::state::registry::Meter)| {
        let kept = catalogue.keeps(&meter.address, meter.profile.as_deref()).filter(|_| meter.enabled)?;
        Some((meter.id, (line, kept)))
    };
    meters.filter_map(keeper).collect()
}

/// The line on which it is asked for, if its meter keeps such values.
fn wanted(keepers: &Keepers, missing: Missing) -> Option<(LineId, Missing)> {
    let (line, kept) = *keepers.get(&missing.meter)?;
    let is_kept = match kept {
        Kept::Days => true,
        Kept::Months => missing.freeze == Freeze::Month,
    };
    is_kept.then_some((line, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_meter_does_not_keep_is_not_wanted_of_it() {
        let keepers = Keepers::from([(MeterId(1), (LineId(7), Kept::Months)), (MeterId(2), (LineId(7), Kept::Days))]);
        let asked = |meter, freeze| {
            let missing = Missing { meter: MeterId(meter), slot: UnixMillis(5), freeze };
            wanted(&keepers, missing).map(|(line, _)| line)
        };
        assert_eq!([asked(1, Freeze::Month), asked(1, Freeze::Day)], [Some(LineId(7)), None]);
        assert_eq!([asked(2, Freeze::Month), asked(2, Freeze::Day)], [Some(LineId(7)); 2]);
        assert_eq!(asked(3, Freeze::Month), None);
    }
}
