//! Settings that cannot stand beside each other, and limits that may not be zero.
//!
//! Promises: the first of them is told by its key, its value, and what it has to be. Refuses: mending them.

use std::time::Duration;

use super::{Config, DialIn};

impl Config {
    /// The first setting that cannot stand beside the others: its key, value, and what it has to be.
    pub(super) fn contradiction(&self) -> Option<(&'static str, String, String)> {
        let lease = &self.lease;
        let span = |d: Duration| format!("{d:?}");
        let margin = lease.dead_after.saturating_sub(lease.length);
        if self.node.name.trim().is_empty() {
            return Some(("node.name", "\"\"".to_owned(), "has to name the node".to_owned()));
        }
        if lease.heartbeat * 2 > lease.length {
            let remedy = format!("has to be at most half of lease.length = {:?}", lease.length);
            return Some(("lease.heartbeat", span(lease.heartbeat), remedy));
        }
        if lease.quorum_fresh >= margin {
            let remedy = format!("has to be less than lease.dead_after - lease.length = {margin:?}");
            return Some(("lease.quorum_fresh", span(lease.quorum_fresh), remedy));
        }
        if lease.quorum_every * 2 > lease.quorum_fresh {
            let remedy = format!("has to be at most half of lease.quorum_fresh = {:?}", lease.quorum_fresh);
            return Some(("lease.quorum_every", span(lease.quorum_every), remedy));
        }
        if self.raft.election_min < self.raft.heartbeat * 3 || self.raft.election_max <= self.raft.election_min {
            let remedy = "has to be at least three heartbeats, and less than raft.election_max".to_owned();
            return Some(("raft.election_min", span(self.raft.election_min), remedy));
        }
        let speaks_late = self.polling.unacked_limit + self.polling.speak_margin;
        if speaks_late + lease.heartbeat * 2 >= lease.length {
            let remedy = format!("with two heartbeats has to be less than lease.length = {:?}", lease.length);
            return Some(("polling.unacked_limit", span(self.polling.unacked_limit), remedy));
        }
        let speaks_late = self.units.unacked_limit + self.polling.speak_margin;
        if !self.dialin.is_empty() && speaks_late + lease.heartbeat * 2 >= lease.length {
            let remedy = format!("with two heartbeats has to be less than lease.length = {:?}", lease.length);
            return Some(("units.unacked_limit", span(self.units.unacked_limit), remedy));
        }
        if let Some(wrong) = self.mysql.contradiction() {
            return Some(wrong);
        }
        if let Some(wrong) = self.dialin.iter().find_map(DialIn::contradiction) {
            return Some(wrong);
        }
        if let Some(wrong) = self.sanity.contradiction() {
            return Some(wrong);
        }
        if let Some(wrong) = self.spool.contradiction() {
            return Some(wrong);
        }
        if let Some(wrong) = self.backfill.contradiction() {
            return Some(wrong);
        }
        if self.membership.voters.is_multiple_of(2) {
            let remedy = "has to be odd".to_owned();
            return Some(("membership.voters", self.membership.voters.to_string(), remedy));
        }
        if self.spool.pull_bytes.as_u64().saturating_mul(2) > self.raft.message_bytes.as_u64() {
            let remedy = format!("has to be at most half of raft.message_bytes = {}", self.raft.message_bytes);
            return Some(("spool.pull_bytes", self.spool.pull_bytes.to_string(), remedy));
        }
        let kept = self.polling.silent_share_percent.saturating_add(self.polling.command_share_percent);
        if kept >= 100 {
            let remedy =
                "with polling.silent_share_percent has to be less than 100: something has to be left for readings";
            let value = self.polling.command_share_percent.to_string();
            return Some(("polling.command_share_percent", value, remedy.to_owned()));
        }
        let undecided = lease.clock_limit + self.raft.propose_timeout;
        if self.ledger.grace < undecided {
            let remedy = format!("has to be at least lease.clock_limit + raft.propose_timeout = {undecided:?}");
            return Some(("ledger.grace", span(self.ledger.grace), remedy));
        }
        if self.ledger.ahead < self.ledger.every * 4 {
            let remedy = format!("has to be at least four times ledger.every = {:?}", self.ledger.every);
            return Some(("ledger.ahead", span(self.ledger.ahead), remedy));
        }
        self.zero_limit().map(|key| (key, "0".to_owned(), "has to be at least 1".to_owned()))
    }

    /// The first limit that is zero, where zero would stop the node.
    fn zero_limit(&self) -> Option<&'static str> {
        let limits = [
            ("mysql.batch_rows", self.mysql.batch_rows),
            ("mysql.rollup_meters", self.mysql.rollup_meters),
            ("mysql.keeper_chunks", self.mysql.keeper_chunks),
            ("mysql.retention_drops", self.mysql.retention_drops),
            ("mysql.connections", self.mysql.connections),
            ("mysql.gather_rows", self.mysql.gather_rows),
            ("mysql.pulls_ahead", self.mysql.pulls_ahead),
            ("mysql.fresh_pulls", self.mysql.fresh_pulls),
            ("mysql.pulls_unacknowledged", self.mysql.pulls_unacknowledged),
            ("mysql.lane_records", self.mysql.lane_records as usize),
            ("mysql.hand_over", self.mysql.hand_over),
            ("mysql.history_queue", self.mysql.history_queue),
            ("spool.batch_records", self.spool.batch_records),
            ("spool.queue", self.spool.queue),
            ("spool.pull_records", self.spool.pull_records as usize),
            ("admin.import_rows", self.admin.import_rows),
            ("admin.overloaded_shown", self.admin.overloaded_shown),
            ("admin.policies", self.admin.policies),
            ("admin.watch_queue", self.admin.watch_queue),
            ("admin.watch_records", self.admin.watch_records),
            ("admin.watchers", self.admin.watchers),
            ("admin.exports", self.admin.exports),
            ("admin.export_part_rows", self.admin.export_part_rows),
            ("admin.export_queue", self.admin.export_queue),
            ("mysql.export_page_rows", self.mysql.export_page_rows),
            ("mysql.export_meters", self.mysql.export_meters),
            ("admin.status_per_second", self.admin.status_per_second as usize),
            ("assigner.moves_per_entry", self.assigner.moves_per_entry),
            ("polling.attempts_per_slot", self.polling.attempts_per_slot as usize),
            ("commands.attempts", self.commands.attempts as usize),
            ("polling.closed_slots", self.polling.closed_slots),
            ("polling.releases_per_entry", self.polling.releases_per_entry),
            ("polling.proposals", self.polling.proposals),
            ("polling.proposals_queue", self.polling.proposals_queue),
            ("polling.commands_per_line", self.polling.commands_per_line),
            ("trace.queue", self.trace.queue),
            ("survey.queue", self.survey.queue),
            ("survey.probes", self.survey.probes as usize),
            ("units.units_per_entry", self.units.units_per_entry),
            ("units.pieces", self.units.pieces),
            ("sanity.power_max_kw", self.sanity.power_max_kw as usize),
            ("sanity.flow_max_m3h", self.sanity.flow_max_m3h as usize),
            ("backfill.per_answer", self.backfill.per_answer as usize),
            ("backfill.meters_per_ask", self.backfill.meters_per_ask),
            ("backfill.freezes_per_ask", self.backfill.freezes_per_ask as usize),
            ("backfill.attempts", self.backfill.attempts as usize),
            ("sanity.own_factor", self.sanity.own_factor as usize),
            ("sanity.own_power_floor_kw", self.sanity.own_power_floor_kw as usize),
            ("sanity.own_flow_floor_m3h", self.sanity.own_flow_floor_m3h as usize),
            ("ledger.batch_rows", self.ledger.batch_rows),
            ("ledger.slots_per_look", self.ledger.slots_per_look),
            ("ledger.moments_per_sweep", self.ledger.moments_per_sweep as usize),
            ("ledger.sweeps_per_look", self.ledger.sweeps_per_look as usize),
            ("ledger.groups_max", self.ledger.groups_max as usize),
        ];
        limits.into_iter().find(|(_, value)| *value == 0).map(|(key, _)| key)
    }
}
