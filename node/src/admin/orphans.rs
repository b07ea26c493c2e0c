//! Why a line has no owner.
//!
//! Promises: pure; says which label nobody carries, or what keeps every node that could hold the line from it.
//! Refuses: choosing an owner (that is the assigner's).

use protocol::meter::NodeId;
use raft_store::state::membership::{Labels, Member, Membership};

/// What keeps a line that requires `requires` from every node; `None` if some node could hold it.
/// `trouble` tells what is wrong with a node beyond its membership.
pub fn obstacle(
    membership: &Membership,
    requires: &Labels,
    trouble: impl Fn(NodeId) -> Option<String>,
) -> Option<String> {
    let carriers: Vec<_> = membership.members.iter().filter(|(_, member)| carries(member, requires)).collect();
    if carriers.is_empty() {
        return Some(nobody(requires));
    }
    let mut troubles = Vec::new();
    for (id, member) in carriers {
        let found = if member.draining { Some("is draining".to_owned()) } else { trouble(*id) };
        troubles.push(format!("node {id} ({}) {}", member.name, found?));
    }
    Some(format!("no node {}can hold it now: {}", with_labels(requires), troubles.join(", ")))
}

fn carries(member: &Member, requires: &Labels) -> bool {
    requires.iter().all(|(key, value)| member.labels.get(key) == Some(value))
}

fn nobody(requires: &Labels) -> String {
    match requires.len() {
        0 => "there is no node".to_owned(),
        1 => format!("no node carries the label {}", text(requires)),
        _ => format!("no node carries the labels {} together", text(requires)),
    }
}

fn with_labels(requires: &Labels) -> String {
    if requires.is_empty() { String::new() } else { format!("with {} ", text(requires)) }
}

fn text(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_line_that_some_node_could_hold_has_no_obstacle() {
        let membership = testing::cluster_of_three().membership;
        assert_eq!(obstacle(&membership, &labels(&[]), |_| None), None);
        assert_eq!(obstacle(&membership, &labels(&[("site", "north")]), |_| None), None);
    }

    #[test]
    fn a_label_that_nobody_carries_is_named_with_its_value() {
        let membership = testing::cluster_of_three().membership;
        let said = obstacle(&membership, &labels(&[("site", "south")]), |_| None);
        assert_eq!(said.as_deref(), Some("no node carries the label site=south"));
        let said = obstacle(&membership, &labels(&[("port", "1"), ("site", "north")]), |_| None);
        assert_eq!(said.as_deref(), Some("no node carries the labels port=1 site=north together"));
    }

    #[test]
    fn the_only_carrier_says_what_keeps_it() {
        let membership = testing::cluster_of_three().membership;
        let said = obstacle(&membership, &labels(&[("site", "north")]), |_| Some("is dead".to_owned()));
        assert_eq!(said.as_deref(), Some("no node with site=north can hold it now: node 2 (b) is dead"));
    }
}
