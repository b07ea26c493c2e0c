//! Who is a node, and under which id.

use super::*;

fn admit(name: &str, key: &str) -> Entry {
    Entry::Admit { at: AT, newcomer: newcomer(name), key: key.to_owned() }
}

#[test]
fn a_cluster_is_founded_once() {
    refused(&mut small_cluster(), &found(), "cluster c-1 is founded already");
}

#[test]
fn nobody_joins_before_the_cluster_is_founded() {
    refused(&mut State::default(), &admit("n1", ""), "cluster for nodes to join does not exist");
}

#[test]
fn a_cluster_without_an_id_is_not_founded_twice_either() {
    let unnamed =
        Entry::Found { at: AT, cluster_id: String::new(), cluster_name: String::new(), first: newcomer("n1") };
    let mut state = State::default();
    assert_eq!(run(&mut state, &unnamed), Reply::Admitted(N1));
    assert!(is_refused(&run(&mut state, &found())));
}

#[test]
fn the_same_key_gives_the_same_id() {
    let mut state = small_cluster();
    assert_eq!(run(&mut state, &admit("n3", "join-n3")), Reply::Admitted(NodeId(3)));
    assert_eq!(run(&mut state, &admit("n3", "join-n3")), Reply::Admitted(NodeId(3)));
}

#[test]
fn an_id_is_not_given_again_after_its_node_is_gone_not_even_by_its_key() {
    let mut state = small_cluster();
    all(&mut state, [Entry::RemoveNode { node: N2 }]);
    assert_eq!(run(&mut state, &admit("n2", "join-n2")), Reply::Admitted(NodeId(3)));
}

#[test]
fn a_taken_name_or_address_names_its_node() {
    let mut state = small_cluster();
    let words = "name n2 belongs to node 2: choose another, or remove that node first";
    refused(&mut state, &admit("n2", "other"), words);
}

#[test]
fn a_node_that_holds_lines_is_not_removed() {
    let mut state = small_cluster();
    all(&mut state, [assign(0, N2)]);
    refused(&mut state, &Entry::RemoveNode { node: N2 }, "node 2 still holds 1 lines: drain it first");
}
