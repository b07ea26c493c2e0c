//! Who owns a line.

use super::*;

#[test]
fn a_first_owner_need_not_listen() {
    let mut state = small_cluster();
    all(&mut state, [assign(0, N1)]);
    let Ownership { epoch, phase, acknowledged, .. } = ownership(&state);
    assert_eq!((*epoch, *phase, *acknowledged), (Epoch(1), Phase::Held { node: N1 }, true));
}

#[test]
fn a_planned_move_is_acknowledged_and_needs_no_second_entry() {
    let mut state = small_cluster();
    all(&mut state, [assign(0, N1), revoke(1, Some(N2))]);
    assert_eq!(ownership(&state).phase, Phase::Revoking { node: N1, to: Some(N2) });
    all(&mut state, [release(N1, 1)]);
    let Ownership { epoch, phase, acknowledged, .. } = ownership(&state);
    assert_eq!((*epoch, *phase, *acknowledged), (Epoch(2), Phase::Held { node: N2 }, true));
}

#[test]
fn who_takes_a_line_from_a_dead_node_is_told_that_nobody_let_go() {
    let mut state = small_cluster();
    all(&mut state, [assign(0, N1), assign(1, N2)]);
    assert!(!ownership(&state).acknowledged);
    all(&mut state, [release(N2, 2), assign(2, N1)]);
    assert!(ownership(&state).acknowledged);
}

#[test]
fn an_assignment_of_another_term_is_refused() {
    let mut state = small_cluster();
    let before = state.clone();
    let reply = apply(&mut state, LogPosition { term: 2, index: 9 }, &assign(0, N1));
    let Reply::Refused(why) = reply else { panic!("{reply:?}") };
    assert_eq!(why.to_string(), "assignment decided in term 1 is out of date");
    assert_eq!(state, before);
}

#[test]
fn a_decision_on_an_old_epoch_changes_nothing() {
    let mut state = small_cluster();
    all(&mut state, [assign(0, N1)]);
    let before = state.clone();
    for entry in [assign(0, N2), revoke(0, None), release(N1, 0), release(N2, 1)] {
        assert_eq!(run(&mut state, &entry), Reply::Applied(0), "{entry:?}");
    }
    assert_eq!(state, before);
}

#[test]
fn a_line_released_for_a_node_that_began_to_drain_is_nobodys() {
    let mut state = small_cluster();
    let drain = Entry::SetDraining { node: N2, draining: true };
    all(&mut state, [assign(0, N1), revoke(1, Some(N2)), drain, release(N1, 1)]);
    assert_eq!((ownership(&state).phase, ownership(&state).epoch), (Phase::Orphan, Epoch(1)));
}

#[test]
fn a_draining_node_gets_no_line() {
    let mut state = small_cluster();
    all(&mut state, [Entry::SetDraining { node: N2, draining: true }]);
    assert_eq!(run(&mut state, &assign(0, N2)), Reply::Applied(0));
}
