//! A question under way, and its end where nobody waits for the answer any longer.
//!
//! ```text
//!   of --> was_answered                          nothing
//!     `--> dropped: whoever asked is gone        KILL on a connection of its own, within the limits of a connection
//! ```
//!
//! Why: a server does not look whether its client is still there before it has rows to send, and the driver closes a
//! connection only once its answer is read.
//!
//! Promises: the server is told at once. Refuses: waiting for that, and knowing whether it did: the server ends the
//! question by itself after `mysql.statement_timeout`.

use std::sync::Arc;

use crate::config;
use crate::mysql::session::{Purpose, Session};

/// A question under way.
#[derive(Debug)]
pub(super) struct Asked {
    config: Arc<config::Mysql>,
    endpoint: String,
    /// What the server calls the connection; `None` once there is nothing to end.
    connection: Option<u32>,
}

impl Asked {
    /// One that `session` is about to ask.
    pub(super) fn of(session: &Session, config: &Arc<config::Mysql>) -> Self {
        Self { config: Arc::clone(config), endpoint: session.endpoint().to_owned(), connection: session.id() }
    }

    /// There is nothing to end.
    pub(super) fn was_answered(mut self) {
        self.connection = None;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(connection) = self.connection else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (config, endpoint) = (Arc::clone(&self.config), std::mem::take(&mut self.endpoint));
        runtime.spawn(async move {
            let killed = async {
                let mut beside = Session::open_at(&endpoint, &config, Purpose::Read).await?;
                beside.execute(&format!("KILL {connection}")).await
            };
            if let Err(error) = killed.await {
                tracing::debug!(%error, connection, "a question of an export is left to its time limit");
            }
        });
    }
}
