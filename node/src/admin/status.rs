//! One screen's worth of truth about the cluster.
//!
//! Promises: pure; the same sight gives the same reply. What only the leader knows is left out where it was not asked.
//! Refuses: asking anybody.

use std::collections::BTreeMap;

use protocol::api::admin as api;
use protocol::api::peer::HeardNode;
use protocol::meter::NodeId;
use raft_store::state::State;
use raft_store::state::assignment::Phase;
use raft_store::state::command::Phase as CommandPhase;
use raft_store::state::membership::Member;

use super::problems;
use super::sight::Sight;

/// The status as `sight` shows it.
pub fn build(sight: Sight<'_>) -> api::StatusReply {
    let state = &sight.applied.state;
    let mut reply = api::StatusReply {
        cluster_id: state.membership.cluster_id.clone(),
        cluster_name: state.membership.cluster_name.clone(),
        answered_by: sight.node.0,
        leader: sight.leadership.leader.map_or(0, |leader| leader.0),
        term: sight.leadership.term,
        applied_index: sight.applied.index,
        nodes: nodes(&sight),
        lines: Some(line_counts(state)),
        meters: state.registry.meters.len() as u64,
        database: Some(sight.view.and_then(|view| view.database.clone()).unwrap_or_default()),
        commands: Some(command_counts(state)),
        problems: Vec::new(),
        at: sight.at.0,
        state_digest: String::new(),
        events: sight.view.map(|view| view.events.clone()).unwrap_or_default(),
        ledger: sight.view.and_then(|view| view.ledger.clone()),
    };
    reply.problems = problems::find(&sight, &reply);
    reply
}

fn nodes(sight: &Sight<'_>) -> Vec<api::Node> {
    let state = &sight.applied.state;
    let mut held = BTreeMap::<NodeId, u32>::new();
    for owner in state.assignment.lines.values().filter_map(|o| o.phase.owner()) {
        *held.entry(owner).or_default() += 1;
    }
    let show = |(id, member): (&NodeId, &Member)| node(sight, *id, member, held.get(id).copied().unwrap_or(0));
    state.membership.members.iter().map(show).collect()
}

fn node(sight: &Sight<'_>, id: NodeId, member: &Member, lines_held: u32) -> api::Node {
    let heard = sight.view.and_then(|view| view.nodes.iter().find(|heard| heard.node == id.0));
    let own = (id == sight.node).then_some(sight.own);
    api::Node {
        id: id.0,
        name: member.name.clone(),
        address: member.address.clone(),
        role: role(sight, id, heard).into(),
        health: heard.map_or(0, |heard| heard.health),
        draining: member.draining,
        lines_held,
        heard_ms_ago: heard.map(|heard| heard.heard_ms_ago),
        report: heard.and_then(|heard| heard.report.clone()).or_else(|| own.cloned()),
        labels: member.labels.clone().into_iter().collect(),
    }
}

fn role(sight: &Sight<'_>, id: NodeId, heard: Option<&HeardNode>) -> api::NodeRole {
    if sight.leadership.leader == Some(id) {
        return api::NodeRole::Leader;
    }
    match heard.map(HeardNode::role) {
        // A view from before the change of leaders.
        Some(api::NodeRole::Leader) => api::NodeRole::Voter,
        Some(role) => role,
        None => api::NodeRole::Unspecified,
    }
}

fn line_counts(state: &State) -> api::LineCounts {
    let mut counts = api::LineCounts { total: state.registry.lines.len() as u64, ..api::LineCounts::default() };
    for ownership in state.assignment.lines.values() {
        let count = match ownership.phase {
            Phase::Orphan => &mut counts.orphaned,
            Phase::Held { .. } => &mut counts.held,
            Phase::Revoking { .. } => &mut counts.moving,
        };
        *count += 1;
    }
    counts
}

fn command_counts(state: &State) -> api::CommandCounts {
    let mut counts = api::CommandCounts::default();
    for command in state.commands.commands.values() {
        let count = match command.phase {
            CommandPhase::Queued => &mut counts.queued,
            CommandPhase::Running => &mut counts.running,
            CommandPhase::Ended { .. } => &mut counts.ended,
        };
        *count += 1;
    }
    counts
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::admin::testing;
    use crate::capacity::{Book, Measured};
    use crate::cluster::{Applied, Leadership};
    use crate::config::Config;
    use protocol::api::peer::LeaderViewReply;
    use raft_store::state::UnixMillis;

    /// The moment of all tests.
    pub const NOW: UnixMillis = UnixMillis(1_000_000);

    pub fn config() -> Config {
        toml::from_str("[node]\nname = \"a\"\ndata_dir = \"data\"").expect("a sound configuration")
    }

    pub fn heard(node: u64, role: api::NodeRole, health: api::NodeHealth) -> HeardNode {
        let report = api::NodeReport { version: "0.1.0".to_owned(), ..api::NodeReport::default() };
        HeardNode { node, heard_ms_ago: 120, report: Some(report), health: health.into(), role: role.into() }
    }

    pub fn view() -> LeaderViewReply {
        let state = api::database_status::State::Ok.into();
        LeaderViewReply {
            term: 1,
            nodes: vec![
                heard(1, api::NodeRole::Leader, api::NodeHealth::Alive),
                heard(2, api::NodeRole::Voter, api::NodeHealth::Alive),
                heard(3, api::NodeRole::Voter, api::NodeHealth::Alive),
            ],
            database: Some(api::DatabaseStatus { state, endpoint: "db:3306".to_owned(), ..Default::default() }),
            events: vec![api::Event { at: 999_000, text: "node 3 joined".to_owned() }],
            ledger: None,
        }
    }

    pub fn seen(state: State, view: Option<&LeaderViewReply>, leader: Option<u64>) -> api::StatusReply {
        let leadership = Leadership { term: 1, leader: leader.map(NodeId), mine: leader == Some(1) };
        let own = api::NodeReport { exchanges: 7, version: "0.1.0".to_owned(), ..api::NodeReport::default() };
        let applied = Applied { index: 12, term: 1, state };
        let mut loads = Book::new((&config().polling).into(), Measured::default());
        loads.follow(&applied.state, NOW.0);
        let (node, config) = (NodeId(1), config());
        let sight =
            Sight { applied: &applied, leadership, view, node, own: &own, at: NOW, loads: &loads, config: &config };
        build(sight)
    }

    #[test]
    fn lines_meters_and_commands_are_counted_by_where_they_stand() {
        let reply = seen(testing::cluster_of_three(), Some(&view()), Some(1));
        let lines = reply.lines.expect("counts");
        assert_eq!((lines.total, lines.held, lines.moving, lines.orphaned), (3, 1, 1, 1));
        let commands = reply.commands.expect("counts");
        assert_eq!((commands.queued, commands.running, commands.ended, reply.meters), (1, 0, 1, 3));
        let held: Vec<_> = reply.nodes.iter().map(|node| (node.id, node.lines_held)).collect();
        assert_eq!(held, [(1, 1), (2, 1), (3, 0)]);
    }

    #[test]
    fn a_local_answer_shows_the_nodes_own_report_and_claims_no_health() {
        let reply = seen(testing::cluster_of_three(), None, Some(2));
        let own = reply.nodes.first().expect("three nodes");
        assert_eq!(own.report.as_ref().map(|report| report.exchanges), Some(7));
        assert!(reply.nodes.iter().all(|node| node.health() == api::NodeHealth::Unspecified));
        assert_eq!(reply.nodes.get(1).map(api::Node::role), Some(api::NodeRole::Leader));
    }

    #[test]
    fn a_view_from_before_an_election_shows_one_leader() {
        let reply = seen(testing::cluster_of_three(), Some(&view()), Some(2));
        let roles: Vec<_> = reply.nodes.iter().map(api::Node::role).collect();
        assert_eq!(roles, [api::NodeRole::Voter, api::NodeRole::Leader, api::NodeRole::Voter]);
    }
}
