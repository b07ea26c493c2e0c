//! A connection that only reads, shared by all who ask for the same purpose.
//!
//! ```text
//!   kept? --no--> connect to any endpoint --+--> question --answered, or refused--> kept
//!     `----yes------------------------------+            `-- lost, or not served any more: given up
//! ```
//!
//! Promises: one question at a time, which bounds what one node asks of the database at once; the next question connects
//! again where this one's connection was given up. Refuses: asking again.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::DatabaseError;
use super::session::{Purpose, Session};
use crate::config;

/// A handle; clones share the connection.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    config: Arc<config::Mysql>,
    session: Arc<Mutex<Option<Session>>>,
}

impl Asking {
    /// One that connects with its first question.
    pub(super) fn new(config: config::Mysql) -> Self {
        Self { config: Arc::new(config), session: Arc::default() }
    }

    /// The settings it connects by.
    pub(super) const fn config(&self) -> &Arc<config::Mysql> {
        &self.config
    }

    /// What `question` finds.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut Session) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let mut held = self.session.lock().await;
        let mut session = match held.take() {
            Some(session) => session,
            None => Session::open_any(&self.config, Purpose::Read).await?,
        };
        let answer = question(&mut session).await;
        if !answer.as_ref().is_err_and(DatabaseError::ends_connection) {
            *held = Some(session);
        }
        answer
    }
}
