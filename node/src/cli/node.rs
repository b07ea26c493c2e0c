//! `hearth node`: the nodes of a cluster.
//!
//! Promises: a node is named by its id or its name; what is about to be forgotten is shown first. Refuses: deciding
//! whether a node may go (the cluster does).

use clap::Subcommand;
use protocol::api::admin as api;

use super::client::Session;
use super::confirm::{Danger, confirm};
use super::failure::Failure;
use super::format::{labels, word};
use super::output::Out;
use super::{json, output, screen};

/// What may be done with nodes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the nodes.
    List {
        /// With addresses, versions and labels.
        #[arg(long)]
        wide: bool,
    },
    /// Moves a node's lines, then its leadership, away; it stays a member.
    Drain {
        /// The node, by id or name.
        node: String,
    },
    /// Lets a drained node hold lines again.
    Resume {
        /// The node, by id or name.
        node: String,
    },
    /// Forgets a node that is dead or drained.
    Remove {
        /// The node, by id or name.
        node: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Hands leadership to a node, or to the best voter.
    TransferLeader {
        /// The node, by id or name.
        node: Option<String>,
    },
}

/// Carries it out.
pub async fn run(command: Command, session: &Session, out: Out) -> Result<(), Failure> {
    let status = session.status().await?;
    let mut cluster = session.cluster();
    let key = String::new();
    match command {
        Command::List { wide } => out.show(|| json::nodes(&status.nodes), || list(&status, wide)),
        Command::Drain { node } => {
            let node = find(&status, &node)?;
            cluster.drain(api::DrainRequest { node: node.id, key }).await.map_err(Failure::of_change)?;
            eprintln!("{} drains: its {} lines move away, see `hearth status`", called(node), node.lines_held);
            Ok(())
        }
        Command::Resume { node } => {
            let node = find(&status, &node)?;
            cluster.resume(api::ResumeRequest { node: node.id, key }).await.map_err(Failure::of_change)?;
            eprintln!("{} may hold lines again", called(node));
            Ok(())
        }
        Command::Remove { node, yes } => {
            let node = find(&status, &node)?;
            confirm(Danger::Removal, &removal(node), yes)?;
            cluster.remove(api::RemoveRequest { node: node.id, key }).await.map_err(Failure::of_change)?;
            eprintln!("{} is forgotten", called(node));
            Ok(())
        }
        Command::TransferLeader { node } => {
            let to = node.map(|node| find(&status, &node).map(|node| node.id)).transpose()?.unwrap_or(0);
            let reply = cluster.transfer_leader(api::TransferLeaderRequest { to }).await.map_err(Failure::of_change)?;
            let leader = reply.into_inner().leader;
            out.show(|| serde_json::json!({ "leader": leader }), || format!("node {leader} leads"))
        }
    }
}

fn called(node: &api::Node) -> String {
    format!("node {} ({})", node.id, node.name)
}

fn removal(node: &api::Node) -> String {
    format!(
        "{} at {}, {}, with {} lines, is forgotten: its id is never given again, and to come back it has to join anew",
        called(node),
        node.address,
        word(node.health().as_str_name(), "NODE_HEALTH_"),
        node.lines_held
    )
}

/// The node with this id or this name.
fn find<'a>(status: &'a api::StatusReply, wanted: &str) -> Result<&'a api::Node, Failure> {
    let by_id = wanted.parse().ok().and_then(|id: u64| status.nodes.iter().find(|node| node.id == id));
    by_id.or_else(|| status.nodes.iter().find(|node| node.name == wanted)).ok_or_else(|| {
        let known: Vec<_> = status.nodes.iter().map(called).collect();
        Failure::Refused(format!("node {wanted} does not exist: there are {}", known.join(", ")))
    })
}

fn list(status: &api::StatusReply, wide: bool) -> String {
    if !wide {
        return screen::nodes_table(&status.nodes, status.at);
    }
    let row = |node: &api::Node| {
        let version = node.report.as_ref().map(|report| report.version.clone()).unwrap_or_default();
        [node.id.to_string(), node.name.clone(), node.address.clone(), version, labels(&node.labels)]
    };
    output::table(["ID", "NAME", "ADDRESS", "VERSION", "LABELS"], &["ID"], status.nodes.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;

    #[test]
    fn a_node_is_found_by_id_or_name_and_the_others_are_named_where_it_is_not() {
        let status = testing::status();
        assert_eq!(find(&status, "2").expect("by id").name, "b");
        assert_eq!(find(&status, "c").expect("by name").id, 3);
        let failure = find(&status, "x").expect_err("none");
        assert!(failure.to_string().contains("node 1 (a), node 2 (b), node 3 (c)"), "{failure}");
    }

    #[test]
    fn what_is_about_to_be_forgotten_is_shown_with_its_lines() {
        let status = testing::status();
        let said = removal(find(&status, "3").expect("by id"));
        assert!(said.starts_with("node 3 (c) at c:7400, dead, with 31 lines, is forgotten"), "{said}");
    }
}
