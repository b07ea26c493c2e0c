//! The queue's housekeeping: late commands end, ended ones move to the history and leave the replicated state.
//!
//! Promises: a command leaves the state only after the history table has it, or where there is no database, after it
//! was kept for commands.keep_ended. Refuses: carrying commands out (that is the owner's of their line).

use std::sync::Arc;

use protocol::meter::CommandId;
use raft_store::state::command::{Command, Phase};
use raft_store::state::{Entry, State, UnixMillis};
use tokio_util::sync::CancellationToken;

use super::ticks::Ticks;
use super::writer::{History, HistoryError};
use crate::clock::wall_now;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::mysql::CommandRow;

/// Commands retired in one entry, at most.
const RETIRED_AT_ONCE: usize = 1_000;

/// The command duty of the leading node.
#[derive(Debug)]
pub struct Commands {
    cluster: Cluster,
    config: Arc<Config>,
    history: History,
}

impl Commands {
    /// The duty of this leadership.
    pub const fn new(cluster: Cluster, config: Arc<Config>, history: History) -> Self {
        Self { cluster, config, history }
    }

    /// Looks and tidies until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = Ticks::every(self.config.commands.every);
        while ticks.next(&stop).await {
            let state = self.cluster.applied().borrow().state.clone();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look(&state) => {}
            }
        }
    }

    async fn look(&self, state: &State) {
        let now = wall_now();
        if state.commands.commands.values().any(|c| c.is_open() && c.request.deadline < now) {
            self.propose(Entry::Expire { at: now }).await;
        }
        let ended = old_enough(state, now, self.config.commands.keep_ended.as_millis());
        if ended.is_empty() {
            return;
        }
        let rows = ended.iter().filter_map(CommandRow::of).collect();
        match self.history.store(rows).await {
            // Without a database there is no history: what was kept long enough is forgotten.
            Ok(()) | Err(HistoryError::NoDatabase) => {
                let commands: Vec<CommandId> = ended.iter().map(|command| command.id).collect();
                self.propose(Entry::Retire { at: now, commands }).await;
            }
            // They stay in the state until the database is back.
            Err(error) => tracing::debug!(%error, "command history not written"),
        }
    }

    async fn propose(&self, entry: Entry) {
        if let Err(error) = self.cluster.propose(entry).await {
            tracing::warn!(%error, "command housekeeping not committed");
        }
    }
}

/// Ended commands that were kept long enough, the oldest first.
fn old_enough(state: &State, now: UnixMillis, keep_ms: u128) -> Vec<Command> {
    let keep = u64::try_from(keep_ms).unwrap_or(u64::MAX);
    let old = |command: &&Command| matches!(command.phase, Phase::Ended { at, .. } if at.plus(keep) <= now);
    state.commands.commands.values().filter(old).take(RETIRED_AT_ONCE).cloned().collect()
}
