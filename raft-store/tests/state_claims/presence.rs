//! Where dial-in units are connected.

use super::*;

const L3: LineId = LineId(3);

fn seen(node: NodeId, life: u64, came: &[u64], gone: &[u64]) -> Entry {
    let on_l3 = |numbers: &[u64]| numbers.iter().map(|number| (L3, *number)).collect();
    Entry::UnitsSeen { at: AT, node, life, came: on_l3(came), gone: on_l3(gone) }
}

fn with_a_unit() -> State {
    let mut state = small_cluster();
    all(&mut state, [lines(vec![dial_in_spec("l3", "UNIT1")]), seen(N1, 7, &[1], &[])]);
    state
}

fn place(state: &State) -> Option<(NodeId, u64)> {
    state.presence.of(L3).map(|present| (present.node, present.connection))
}

#[test]
fn a_unit_is_at_the_node_that_saw_it_last() {
    let mut state = with_a_unit();
    assert_eq!(place(&state), Some((N1, 1)));
    all(&mut state, [seen(N2, 9, &[1], &[])]);
    assert_eq!(place(&state), Some((N2, 1)));
}

#[test]
fn the_end_of_a_connection_that_was_replaced_ends_nothing() {
    let mut state = with_a_unit();
    all(&mut state, [seen(N1, 7, &[2], &[])]);
    assert_eq!(run(&mut state, &seen(N1, 7, &[], &[1])), Reply::Applied(0));
    assert_eq!(run(&mut state, &seen(N2, 9, &[], &[2])), Reply::Applied(0));
    assert_eq!(place(&state), Some((N1, 2)));
    all(&mut state, [seen(N1, 7, &[], &[2])]);
    assert_eq!(place(&state), None);
}

#[test]
fn an_older_connection_of_the_same_life_does_not_come_back() {
    let mut state = with_a_unit();
    all(&mut state, [seen(N1, 7, &[2], &[])]);
    assert_eq!(run(&mut state, &seen(N1, 7, &[1], &[])), Reply::Applied(0));
}

#[test]
fn the_first_word_of_a_new_life_voids_what_the_node_said_before() {
    let mut state = with_a_unit();
    all(&mut state, [seen(N1, 8, &[], &[])]);
    assert_eq!(place(&state), None);
}

#[test]
fn only_dial_in_lines_have_units_and_only_members_see_them() {
    let mut state = with_a_unit();
    let other = Entry::UnitsSeen { at: AT, node: N1, life: 7, came: vec![(L1, 5), (LineId(99), 6)], gone: vec![] };
    assert_eq!(run(&mut state, &other), Reply::Applied(0));
    refused(&mut state, &seen(NodeId(9), 1, &[3], &[]), "node 9 does not exist");
}

#[test]
fn a_unit_is_forgotten_with_its_line_its_channel_or_its_node() {
    let before = with_a_unit();
    let other_unit = lines(vec![dial_in_spec("l3", "UNIT2")]);
    let gone = Entry::RemoveLine { name: "l3".to_owned() };
    for entry in [other_unit, lines(vec![line_spec("l3", 3)]), gone, Entry::RemoveNode { node: N1 }] {
        let mut state = before.clone();
        all(&mut state, [entry]);
        assert_eq!(place(&state), None);
    }
    let mut state = before;
    let slower = LineSpec { baud: 300, ..dial_in_spec("l3", "UNIT1") };
    all(&mut state, [lines(vec![slower])]);
    assert_eq!(place(&state), Some((N1, 1)));
}

#[test]
fn one_unit_is_one_line_however_its_id_is_written() {
    let mut state = with_a_unit();
    let twin = lines(vec![dial_in_spec("l4", "unit1")]);
    faulty(&mut state, &twin, 1, "endpoint", "dialin://unit1 is the channel of line l3 already: a channel is one line");
}

#[test]
fn a_port_of_a_host_is_one_channel_whatever_is_spoken_over_it() {
    let mut state = small_cluster();
    let endpoint = Endpoint::ModbusTcp { host: "gateway.example".to_owned(), port: 1 };
    let twin = lines(vec![LineSpec { endpoint, ..line_spec("l4", 0) }]);
    let words = "modbus-tcp://gateway.example:1 is the channel of line l1 already: a channel is one line";
    faulty(&mut state, &twin, 1, "endpoint", words);
}
