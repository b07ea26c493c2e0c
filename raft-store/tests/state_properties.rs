//! What holds of the state whatever is proposed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Step, is_refused, run_all, steps};
use proptest::prelude::*;
use protocol::meter::{CommandId, Epoch, LineId, NodeId};
use raft_store::codec;
use raft_store::state::assignment::Phase;
use raft_store::state::command::Outcome;
use raft_store::state::{Entry, LogPosition, Reply, State, apply};

/// Calls `look` with the state before and after every step.
fn walk(steps: &[Step], mut look: impl FnMut(&State, &Step, &Reply, &State)) {
    let mut state = State::default();
    for (index, step) in (1..).zip(steps) {
        let before = state.clone();
        let reply = apply(&mut state, LogPosition { term: step.0, index }, &step.1);
        look(&before, step, &reply, &state);
    }
}

proptest! {
    #![proptest_config(common::cases(256))]

    #[test]
    fn the_invariants_hold_after_every_entry(steps in steps(0..60)) {
        walk(&steps, |_, step, _, after| assert_eq!(after.check(), Ok(()), "after {step:?}"));
    }

    #[test]
    fn a_refused_entry_changes_nothing(steps in steps(0..60)) {
        walk(&steps, |before, step, reply, after| {
            if is_refused(reply) || *reply == Reply::Applied(0) && !matches!(step.1, Entry::Retire { .. }) {
                assert_eq!(before, after, "{step:?} gave {reply:?}");
            }
        });
    }

    #[test]
    fn epochs_only_grow(steps in steps(0..60)) {
        walk(&steps, |before, step, _, after| {
            for (line, was) in &before.assignment.lines {
                if let Some(is) = after.assignment.lines.get(line) {
                    assert!(is.epoch >= was.epoch, "{step:?}");
                }
            }
        });
    }

    #[test]
    fn an_epoch_of_a_line_has_one_owner(steps in steps(0..60)) {
        let mut owners: BTreeMap<(LineId, Epoch), NodeId> = BTreeMap::new();
        walk(&steps, |_, step, _, after| {
            for (line, ownership) in &after.assignment.lines {
                if let Some(node) = ownership.phase.owner() {
                    let first = *owners.entry((*line, ownership.epoch)).or_insert(node);
                    assert_eq!(first, node, "{step:?}");
                }
            }
        });
    }

    #[test]
    fn only_the_owner_releases(steps in steps(0..60)) {
        walk(&steps, |before, step, _, after| {
            let Entry::Release { node, .. } = &step.1 else { return };
            for (line, was) in &before.assignment.lines {
                let is = after.assignment.lines.get(line).unwrap();
                assert!(was == is || was.phase.owner() == Some(*node), "{step:?}");
            }
        });
    }

    #[test]
    fn an_owner_is_a_member(steps in steps(0..60)) {
        walk(&steps, |_, step, _, after| {
            for owner in after.assignment.lines.values().filter_map(|ownership| ownership.phase.owner()) {
                assert!(after.membership.members.contains_key(&owner), "{owner} after {step:?}");
            }
        });
    }

    #[test]
    fn a_draining_node_gets_no_line(steps in steps(0..60)) {
        walk(&steps, |before, step, _, after| {
            for (line, is) in &after.assignment.lines {
                let Phase::Held { node } = is.phase else { continue };
                let had = before.assignment.owner(*line) == Some(node);
                assert!(had || after.membership.may_hold(node), "{step:?}");
            }
        });
    }

    #[test]
    fn an_assignment_of_another_term_is_refused(steps in steps(0..60)) {
        walk(&steps, |before, step, reply, after| {
            if matches!(&step.1, Entry::Assign { term, .. } if *term != step.0) {
                assert!(is_refused(reply));
                assert_eq!(before, after);
            }
        });
    }

    #[test]
    fn a_unit_is_where_the_last_word_about_it_says(steps in steps(0..60)) {
        walk(&steps, |before, step, reply, after| {
            let Entry::UnitsSeen { node, life, came, .. } = &step.1 else { return };
            if is_refused(reply) {
                return;
            }
            for (line, present) in &after.presence.units {
                let said = came.iter().any(|(came, _)| came == line);
                assert!(!said || (present.node, present.life) == (*node, *life), "{step:?}");
                assert!(said || before.presence.of(*line) == Some(present), "{step:?}");
                assert!(present.node != *node || present.life == *life, "another life's word stands: {step:?}");
            }
        });
    }

    #[test]
    fn an_import_is_all_or_nothing(steps in steps(0..60)) {
        walk(&steps, |before, step, reply, after| {
            let (rows, names): (usize, Vec<_>) = match &step.1 {
                Entry::ImportLines { lines, .. } => (lines.len(), lines.iter().map(|row| &row.name).collect()),
                Entry::ImportMeters { meters } => (meters.len(), meters.iter().map(|row| &row.name).collect()),
                _ => return,
            };
            match reply {
                Reply::Imported { created, updated, unchanged } => {
                    assert_eq!((created + updated + unchanged) as usize, rows);
                    let known = |name: &&&String| {
                        after.registry.line_named(name).is_some() || after.registry.meter_named(name).is_some()
                    };
                    assert_eq!(names.iter().filter(known).count(), rows);
                }
                _ => assert_eq!(before, after),
            }
        });
    }

    #[test]
    fn a_key_gives_one_command(steps in steps(0..60)) {
        walk(&steps, |before, step, reply, after| {
            let Entry::Submit { request, .. } = &step.1 else { return };
            if let Some(used) = before.commands.keys.get(&request.key) {
                assert!(is_refused(reply) || *reply == Reply::Queued(used.command), "{reply:?}");
                assert_eq!(before, after);
            }
        });
    }

    #[test]
    fn an_ended_command_never_reopens(steps in steps(0..60)) {
        let mut ended: BTreeMap<CommandId, Outcome> = BTreeMap::new();
        walk(&steps, |_, step, _, after| {
            for command in after.commands.commands.values() {
                if let raft_store::state::command::Phase::Ended { outcome, .. } = &command.phase {
                    let first = ended.entry(command.id).or_insert_with(|| outcome.clone());
                    assert_eq!(first, outcome, "{step:?}");
                } else {
                    assert!(!ended.contains_key(&command.id), "{step:?}");
                }
            }
        });
    }

    #[test]
    fn ids_are_never_given_twice(steps in steps(0..60)) {
        let mut nodes = BTreeSet::new();
        let mut commands = BTreeSet::new();
        walk(&steps, |before, step, reply, _| match (&step.1, reply) {
            (Entry::Found { .. } | Entry::Admit { .. }, Reply::Admitted(id)) => {
                let again = before.membership.members.contains_key(id);
                assert!(again || nodes.insert(*id), "node {id} after {step:?}");
            }
            (Entry::Submit { request, .. }, Reply::Queued(id)) => {
                let again = before.commands.keys.contains_key(&request.key);
                assert!(again || commands.insert(*id), "command {id} after {step:?}");
            }
            _ => {}
        });
    }

    #[test]
    fn the_same_entries_give_the_same_bytes(steps in steps(0..60)) {
        let (mut one, mut other) = (State::default(), State::default());
        run_all(&mut one, &steps);
        run_all(&mut other, &steps);
        prop_assert_eq!(codec::encode_state(&one).unwrap(), codec::encode_state(&other).unwrap());
        prop_assert_eq!(codec::digest(&one).unwrap(), codec::digest(&other).unwrap());
    }
}
