//! Real nodes as a cluster: who leads, who holds what, and what survives.

#![allow(clippy::indexing_slicing, reason = "tests know how many nodes they started")]

mod harness;

use std::collections::BTreeSet;

use harness::{Node, cluster, complaint, eventually, import_lines, run, voting};
use protocol::api::admin::{Command, NodeRole, StatusReply, SubmitCommandRequest};

fn leader(status: &StatusReply, nodes: &[Node]) -> usize {
    let name = &status.nodes.iter().find(|node| node.role == NodeRole::Leader as i32).expect("one leads").name;
    nodes.iter().position(|node| node.name == *name).expect("it is one of ours")
}

async fn submit(node: &Node, key: &str) -> Option<Command> {
    let request = SubmitCommandRequest {
        meter: "M0".to_owned(),
        action: "read-now".to_owned(),
        deadline_ms: 600_000,
        key: key.to_owned(),
    };
    Some(node.commands().submit(request).await.ok()?.into_inner())
}

#[tokio::test]
async fn killing_the_leader_loses_nothing_and_the_same_key_acts_once() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut nodes = cluster(dir.path(), 3, "").await;
    import_lines(&nodes[0], 6).await;
    let before = submit(&nodes[1], "key-1").await.expect("queued");
    let status = nodes[1].ready().await;
    let dead = leader(&status, &nodes);
    nodes[dead].kill();
    let alive = (dead + 1) % 3;
    let again = eventually("the command is known to the new leader", || submit(&nodes[alive], "key-1")).await;
    assert_eq!(again.id, before.id);
    let next = eventually("a new command is queued", || submit(&nodes[alive], "key-2")).await;
    assert!(next.id > before.id);
    nodes[dead].start();
    let held = || async {
        let status = nodes[alive].status(false).await?;
        (status.lines.as_ref()?.held == 6 && status.nodes.iter().all(|node| node.lines_held > 0)).then_some(status)
    };
    let status = eventually("every line is held, and the node that came back has its share", held).await;
    assert_eq!(status.meters, 6);
}

#[tokio::test]
async fn replicas_that_applied_the_same_index_have_the_same_digest() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = cluster(dir.path(), 3, "").await;
    import_lines(&nodes[0], 9).await;
    let agreed = || async {
        let mut seen = BTreeSet::new();
        for node in &nodes {
            let status = node.status(true).await?;
            seen.insert((status.applied_index, status.state_digest));
        }
        // Nodes that are asked while the log grows have not applied the same index.
        let indexes: BTreeSet<_> = seen.iter().map(|(index, _)| *index).collect();
        (indexes.len() == 1).then_some(seen)
    };
    let seen = eventually("all have applied the same index", agreed).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen.iter().all(|(_, digest)| digest.len() >= 16));
}

#[tokio::test]
async fn a_stopping_leader_hands_over_and_its_lines_move_without_waiting_for_its_lease() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut nodes = cluster(dir.path(), 3, "").await;
    import_lines(&nodes[0], 6).await;
    let settled = || async { nodes[1].status(false).await.filter(|s| s.lines.as_ref().is_some_and(|l| l.held == 6)) };
    let status = eventually("every line is held", settled).await;
    let stopping = leader(&status, &nodes);
    assert!(nodes[stopping].stop().success());
    let began = std::time::Instant::now();
    let alive = (stopping + 1) % 3;
    let moved = || async {
        let status = nodes[alive].status(false).await?;
        let gone = status.nodes.iter().find(|node| node.name == nodes[stopping].name)?;
        (gone.lines_held == 0 && status.lines.as_ref()?.held == 6).then_some(())
    };
    eventually("the others hold every line", moved).await;
    assert!(began.elapsed().as_secs_f64() < 4.0, "the lease of the stopped node was waited for");
}

#[tokio::test]
async fn a_node_that_moved_to_another_port_is_found_there() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut nodes = cluster(dir.path(), 3, "").await;
    let status = nodes[0].ready().await;
    let mover = (leader(&status, &nodes) + 1) % 3;
    assert!(nodes[mover].stop().success());
    nodes[mover].change_port();
    nodes[mover].start();
    let address = nodes[mover].address();
    let found = || async { nodes[mover].status(false).await.filter(|s| s.nodes.iter().any(|n| n.address == address)) };
    eventually("it takes part at its new address", found).await;
    eventually("all three vote", || voting(&nodes[mover], 3)).await;
}

#[tokio::test]
async fn a_name_or_directory_that_is_taken_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let nodes = cluster(dir.path(), 1, "").await;
    let twin = Node::new(&dir.path().join("other"), "n1", "");
    let output = twin.join(&nodes[0]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("name n1 belongs to node 1"), "{}", complaint(&output));
    let output = run(&["init", "--config", nodes[0].config.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("says this is node 1"), "{}", complaint(&output));
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let ours = cluster(&dir.path().join("ours"), 1, "").await;
    let config = Node::new(dir.path(), "n9", "").config.clone();
    let args = ["join", "--config", config.to_str().expect("text"), "--cluster-id", "not-this-one", "--peer"];
    let output = run(&[&args[..], &[ours[0].address().as_str()]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("not not-this-one"), "{}", complaint(&output));
}
