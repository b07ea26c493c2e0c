//! Commands that have ended, for good.
//!
//! Promises: storing a command again changes nothing: what ended never ends otherwise. Refuses: open commands.

use mysql_async::Value;
use raft_store::state::command::{Command, Phase, Start};

use super::rows::moment;
use super::statement::Insert;
use super::{Database, DatabaseError};

/// A row of `command`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRow {
    /// Its id.
    pub id: u64,
    /// Its meter.
    pub meter: u64,
    /// The meter's line when it was asked.
    pub line: u64,
    /// What was asked.
    pub action: String,
    /// Its idempotency key.
    pub key: String,
    /// When it was asked, Unix ms.
    pub requested_at: u64,
    /// Nothing ran later than this, Unix ms.
    pub deadline: u64,
    /// When it ended, Unix ms.
    pub ended_at: u64,
    /// What became of it.
    pub state: String,
    /// What goes with that.
    pub detail: String,
    /// Every start, oldest first: Unix ms, node, epoch.
    pub starts: Vec<(u64, u64, u64)>,
}

const COMMANDS: Insert = Insert {
    table: "command",
    columns: &[
        "command_id",
        "meter_id",
        "line_id",
        "action",
        "idempotency_key",
        "requested_at",
        "deadline",
        "ended_at",
        "state",
        "detail",
        "starts",
    ],
    on_duplicate: "command_id = command.command_id",
};

impl CommandRow {
    /// The row of a command that has ended; `None` while it is open.
    pub fn of(command: &Command) -> Option<Self> {
        let Phase::Ended { at, outcome } = &command.phase else { return None };
        let start = |start: &Start| (start.at.0, start.node.0, start.epoch.0);
        Some(Self {
            id: command.id.0,
            meter: command.request.meter.0,
            line: command.line.0,
            action: command.request.action.name().to_owned(),
            key: command.request.key.clone(),
            requested_at: command.requested_at.0,
            deadline: command.request.deadline.0,
            ended_at: at.0,
            state: outcome.name().to_owned(),
            detail: outcome.detail(),
            starts: command.starts.iter().map(start).collect(),
        })
    }

    fn values(&self) -> Result<Vec<Value>, String> {
        let start = |(at, node, epoch): &(u64, u64, u64)| serde_json::json!({"at": at, "node": node, "epoch": epoch});
        let starts = serde_json::Value::Array(self.starts.iter().map(start).collect());
        let mut values = [self.id, self.meter, self.line].map(Value::UInt).to_vec();
        values.extend([self.action.as_str().into(), self.key.as_str().into()]);
        values.push(moment("requested_at", self.requested_at)?);
        values.push(moment("deadline", self.deadline)?);
        values.push(moment("ended_at", self.ended_at)?);
        values.extend([self.state.as_str().into(), self.detail.as_str().into(), starts.to_string().into()]);
        Ok(values)
    }
}

impl Database {
    /// Stores commands that have ended, all or none, each once however often this is asked.
    pub async fn write_commands(&mut self, commands: &[CommandRow]) -> Result<(), DatabaseError> {
        let values = commands.iter().map(CommandRow::values).collect::<Result<Vec<_>, _>>();
        let values = values.map_err(|text| DatabaseError::Poison(self.session.fault(text)))?;
        self.session.execute("START TRANSACTION").await?;
        let written = COMMANDS.put(&mut self.session, values).await;
        self.end_transaction(written).await
    }
}
