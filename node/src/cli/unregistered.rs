//! `hearth line unregistered`: units that called in and have no line.
//!
//! Promises: each unit once per node it called, the newest first. Refuses: listing all of them: each node tells its
//! newest, and how many there are is in its metrics.

use protocol::api::admin as api;
use serde_json::json;

use super::client::Session;
use super::failure::Failure;
use super::format::moment;
use super::output::{Out, table};

/// Shows them.
pub async fn run(session: &Session, out: Out) -> Result<(), Failure> {
    let status = session.status().await?;
    let calls = calls(&status);
    out.show(
        || {
            let one = |(node, unit): &(u64, api::UnknownUnit)| {
                json!({ "unit": unit.unit, "node": node, "peer": unit.peer, "at": unit.at, "calls": unit.calls })
            };
            json!({ "units": calls.iter().map(one).collect::<Vec<_>>() })
        },
        || shown(&calls),
    )
}

/// The node and the unit, the newest first.
fn calls(status: &api::StatusReply) -> Vec<(u64, api::UnknownUnit)> {
    let of = |node: &api::Node| {
        let units = node.report.clone().unwrap_or_default().unknown_units;
        let id = node.id;
        units.into_iter().map(move |unit| (id, unit))
    };
    let mut calls: Vec<_> = status.nodes.iter().flat_map(of).collect();
    calls.sort_by_key(|(_, unit)| std::cmp::Reverse(unit.at));
    calls
}

fn shown(calls: &[(u64, api::UnknownUnit)]) -> String {
    let row = |(node, unit): &(u64, api::UnknownUnit)| {
        [unit.unit.clone(), node.to_string(), unit.peer.clone(), moment(unit.at), unit.calls.to_string()]
    };
    table(["UNIT", "NODE", "FROM", "LAST CALL (UTC)", "CALLS"], &["NODE", "CALLS"], calls.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_that_called_last_comes_first_with_its_node() {
        let unit =
            |unit: &str, at| api::UnknownUnit { unit: unit.to_owned(), peer: "10.0.0.9:1".to_owned(), at, calls: 2 };
        let node = |id, units| api::Node {
            id,
            report: Some(api::NodeReport { unknown_units: units, ..Default::default() }),
            ..Default::default()
        };
        let nodes = vec![node(1, vec![unit("A", 1_000)]), node(2, vec![unit("B", 2_000)])];
        let calls = calls(&api::StatusReply { nodes, ..Default::default() });
        assert_eq!(
            calls.iter().map(|(node, unit)| (*node, unit.unit.as_str())).collect::<Vec<_>>(),
            [(2, "B"), (1, "A")]
        );
        assert!(shown(&calls).contains("10.0.0.9:1"));
    }
}
