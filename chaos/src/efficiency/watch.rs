//! Waits for a field's ledger to say that enough has been answered.
//!
//! Promises: counts what meters answered from the moment it was made; a wait has a limit that names what was missing.
//! Refuses: asking the product.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

use crate::field::Field;
use crate::ledger::{AnswerKind, Event};

/// What is heard of a field.
#[derive(Debug)]
pub struct Watch {
    events: UnboundedReceiver<Event>,
}

impl Watch {
    /// Hears everything from now on.
    pub fn new(field: &Field) -> Self {
        Self { events: field.follow() }
    }

    /// Waits until each of `meters` has answered with a reading, at most `limit`.
    pub async fn until_read(&mut self, mut meters: HashSet<String>, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        while !meters.is_empty() {
            let event = timeout_at(end, self.events.recv()).await;
            let event = event.with_context(|| format!("{} meters did not answer within {limit:?}", meters.len()))?;
            if let Event::Answer(answer) = event.context("the field ended")?
                && answer.kind == AnswerKind::Reading
            {
                meters.remove(&answer.meter);
            }
        }
        Ok(())
    }
}
