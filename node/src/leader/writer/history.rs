//! Where ended commands are handed to the database.
//!
//! Promises: `store` returns well only after the commit, and in a bounded time; storing again does no harm. Refuses:
//! keeping what could not be stored: it stays in the replicated state until it can.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::config;
use crate::mysql::CommandRow;

/// Why commands are not in the history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// No database is configured.
    #[error("no database is configured in mysql.endpoints")]
    NoDatabase,
    /// The database did not take them now; ask again.
    #[error("command history: {0}")]
    Unavailable(String),
}

/// Commands on their way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) commands: Vec<CommandRow>,
    pub(super) done: oneshot::Sender<Result<(), HistoryError>>,
}

/// A handle to the history; clones share it.
#[derive(Debug, Clone)]
pub struct History {
    jobs: mpsc::Sender<Job>,
    configured: bool,
    limit: Duration,
}

impl History {
    pub(super) fn new(config: &config::Mysql) -> (Self, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(config.history_queue);
        (Self { jobs, configured: !config.endpoints.is_empty(), limit: config.statement_timeout }, queue)
    }

    /// Stores commands that have ended, all or none.
    pub async fn store(&self, commands: Vec<CommandRow>) -> Result<(), HistoryError> {
        if !self.configured {
            return Err(HistoryError::NoDatabase);
        }
        let gone = || HistoryError::Unavailable("this node does not lead any more".to_owned());
        let (done, answer) = oneshot::channel();
        let asked = async {
            self.jobs.send(Job { commands, done }).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        let late = || HistoryError::Unavailable(format!("the database took longer than {:?}", self.limit));
        timeout(self.limit, asked).await.unwrap_or_else(|_| Err(late()))
    }
}
