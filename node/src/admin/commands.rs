//! Commands: submit, look up, cancel, watch.
//!
//! Promises: a submitted command is on the cluster's queue when its caller is answered; the same key acts once.
//! Refuses: keeping what has ended: the history table does.

use std::sync::Arc;

use protocol::api::admin as api;
use protocol::api::admin::commands_server::Commands;
use protocol::meter::{Action, CommandId, MeterId};
use raft_store::state::command::{Command, Request as Asked};
use raft_store::state::{Entry, Reply, State, UnixMillis};
use tonic::{Request, Response, Status};

use super::page::rows;
use super::rules::{Rpc, authorize};
use super::watching::{Feed, Watch};
use super::{Admin, convert};
use crate::clock::wall_now;
use crate::cluster::Applied;
use crate::config;

#[tonic::async_trait]
impl Commands for Admin {
    type WatchStream = Watch<api::Command>;

    async fn submit(&self, request: Request<api::SubmitCommandRequest>) -> Result<Response<api::Command>, Status> {
        authorize(&request, Rpc::CommandsSubmit)?;
        self.within(self.submit_command(request.into_inner())).await
    }

    async fn get(&self, request: Request<api::GetCommandRequest>) -> Result<Response<api::Command>, Status> {
        authorize(&request, Rpc::CommandsGet)?;
        let id = request.into_inner().id;
        self.within(async { shown(&self.read().await?.state, id) }).await
    }

    async fn list(
        &self,
        request: Request<api::ListCommandsRequest>,
    ) -> Result<Response<api::ListCommandsReply>, Status> {
        authorize(&request, Rpc::CommandsList)?;
        let asked = request.into_inner();
        self.within(async {
            let limit = rows(asked.limit, &self.config.admin)?;
            list(&self.read().await?.state, &asked, limit)
        })
        .await
    }

    async fn cancel(&self, request: Request<api::CancelCommandRequest>) -> Result<Response<api::Command>, Status> {
        authorize(&request, Rpc::CommandsCancel)?;
        let id = request.into_inner().id;
        self.within(async {
            shown(&self.read().await?.state, id)?;
            self.propose(Entry::Cancel { at: wall_now(), command: CommandId(id) }).await?;
            shown(&self.read().await?.state, id)
        })
        .await
    }

    async fn watch(&self, request: Request<api::WatchCommandRequest>) -> Result<Response<Self::WatchStream>, Status> {
        authorize(&request, Rpc::CommandsWatch)?;
        let id = request.into_inner().id;
        let start = self.read().await?;
        let admin = self.clone();
        if id == 0 {
            return self.watch(move |feed| admin.feed_all(feed, start)).map(Response::new);
        }
        shown(&start.state, id)?;
        self.watch(move |feed| admin.feed_one(feed, start, id)).map(Response::new)
    }
}

fn shown(state: &State, id: u64) -> Result<api::Command, Status> {
    let command = state.commands.commands.get(&CommandId(id)).ok_or_else(|| convert::gone(state, id))?;
    Ok(convert::command(state, command))
}

/// The newest first.
fn list(state: &State, asked: &api::ListCommandsRequest, limit: u32) -> Result<api::ListCommandsReply, Status> {
    let meter = match asked.meter.as_str() {
        "" => None,
        name => Some(state.registry.meter_named(name).ok_or_else(|| convert::missing("meter", name))?.id),
    };
    let wanted = |command: &&Command| {
        (command.is_open() || !asked.open_only) && meter.is_none_or(|meter| command.request.meter == meter)
    };
    let newest = state.commands.commands.values().rev().filter(wanted).take(limit as usize);
    Ok(api::ListCommandsReply { commands: newest.map(|command| convert::command(state, command)).collect() })
}

/// What is asked, with defaults and limits applied.
fn request(
    asked: &api::SubmitCommandRequest,
    meter: MeterId,
    at: UnixMillis,
    key: String,
    limits: &config::Commands,
) -> Result<Asked, Status> {
    let action: Action = asked.action.parse().map_err(|error| Status::invalid_argument(format!("{error}")))?;
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let most = millis(limits.deadline_max);
    let span = if asked.deadline_ms == 0 { millis(limits.deadline) } else { asked.deadline_ms };
    if span > most {
        let text = format!("deadline of {span} ms is over {most} ms (commands.deadline_max): ask for less");
        return Err(Status::invalid_argument(text));
    }
    Ok(Asked { meter, action, deadline: at.plus(span), key })
}

fn random_key() -> Result<String, Status> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Status::internal(format!("no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Admin {
    async fn submit_command(&self, asked: api::SubmitCommandRequest) -> Result<api::Command, Status> {
        let key = convert::idempotency_key(asked.key.clone())?;
        let key = if key.is_empty() { random_key()? } else { key };
        let state = self.read().await?.state;
        let meter = state.registry.meter_named(&asked.meter).ok_or_else(|| convert::missing("meter", &asked.meter))?;
        let at = wall_now();
        let request = request(&asked, meter.id, at, key, &self.config.commands)?;
        self.refuse_overload(&state, &request)?;
        match self.propose(Entry::Submit { at, request: request.clone() }).await? {
            Reply::Queued(id) => self.submitted(id, &asked.meter, meter.line.0, at, &request).await,
            other => Err(convert::unexpected(&other)),
        }
    }

    /// The queue is bounded; a repeated key adds nothing to it.
    fn refuse_overload(&self, state: &State, request: &Asked) -> Result<(), Status> {
        let open: usize = state.commands.open.values().map(imbl::OrdSet::len).sum();
        let most = self.config.commands.open_max;
        if open < most || state.commands.keys.contains_key(&request.key) {
            return Ok(());
        }
        let text = format!("{open} commands are open, at most {most} may be (commands.open_max): try again later");
        Err(Status::resource_exhausted(text))
    }

    /// The command as the cluster holds it; that it was queued is certain even if it cannot be looked up now.
    async fn submitted(
        &self,
        id: CommandId,
        meter: &str,
        line: u64,
        at: UnixMillis,
        request: &Asked,
    ) -> Result<api::Command, Status> {
        match self.read().await {
            Ok(applied) => shown(&applied.state, id.0),
            Err(_) => Ok(convert::queued(id, meter, line, at.0, request)),
        }
    }

    async fn feed_one(self, feed: Arc<Feed<api::Command>>, start: Applied, id: u64) -> Result<(), Status> {
        let mut applied = self.cluster.applied();
        let mut last = None;
        let mut now = start.clone();
        loop {
            let command = now.state.commands.commands.get(&CommandId(id)).cloned();
            let command = command.ok_or_else(|| convert::gone(&now.state, id))?;
            let open = command.is_open();
            if last.as_ref() != Some(&command) {
                let sent = feed.send(convert::command(&now.state, &command)).await;
                last = Some(command);
                if sent.is_err() {
                    return Ok(());
                }
            }
            if !open {
                return Ok(());
            }
            now = self.next(&mut applied, start.index).await?;
        }
    }

    async fn feed_all(self, feed: Arc<Feed<api::Command>>, start: Applied) -> Result<(), Status> {
        let mut applied = self.cluster.applied();
        let index = start.index;
        let mut before = start.state.commands.commands;
        loop {
            let now = self.next(&mut applied, index).await?;
            for command in changes(&before, &now.state.commands.commands) {
                if feed.send(convert::command(&now.state, command)).await.is_err() {
                    return Ok(());
                }
            }
            before = now.state.commands.commands;
        }
    }

    /// The next state that is not older than `index`.
    async fn next(&self, applied: &mut tokio::sync::watch::Receiver<Applied>, index: u64) -> Result<Applied, Status> {
        loop {
            applied.changed().await.map_err(|_| super::lines::stopping())?;
            let now = applied.borrow_and_update().clone();
            if now.index >= index {
                return Ok(now);
            }
        }
    }
}

type Known = imbl::OrdMap<CommandId, Command>;

/// The commands that are new or not as they were.
fn changes<'a>(before: &'a Known, after: &'a Known) -> impl Iterator<Item = &'a Command> {
    before.diff(after).filter_map(|item| match item {
        imbl::ordmap::DiffItem::Add(_, command) => Some(command),
        imbl::ordmap::DiffItem::Update { new: (_, command), .. } => Some(command),
        imbl::ordmap::DiffItem::Remove(..) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;

    fn asked(action: &str, deadline_ms: u64) -> api::SubmitCommandRequest {
        api::SubmitCommandRequest { action: action.to_owned(), deadline_ms, ..Default::default() }
    }

    fn made(asked: &api::SubmitCommandRequest) -> Result<Asked, Status> {
        request(asked, MeterId(1), UnixMillis(1_000), "k".to_owned(), &config::Commands::default())
    }

    #[test]
    fn a_command_without_a_deadline_gets_the_configured_one() {
        let request = made(&asked("valve-close", 0)).expect("sound");
        assert_eq!((request.action, request.deadline), (Action::ValveClose, UnixMillis(901_000)));
        assert_eq!(made(&asked("read-now", 5)).expect("sound").deadline, UnixMillis(1_005));
    }

    #[test]
    fn a_deadline_beyond_the_limit_and_an_unknown_action_are_refused_by_name() {
        let late = made(&asked("read-now", 604_800_001)).expect_err("too long");
        assert!(late.message().contains("commands.deadline_max"));
        let unknown = made(&asked("explode", 0)).expect_err("no such action");
        assert!(unknown.message().contains("explode") && unknown.message().contains("valve-close"));
    }

    #[test]
    fn random_keys_differ_and_obey_the_rule_of_keys() {
        let (one, two) = (random_key().expect("dice"), random_key().expect("dice"));
        assert_ne!(one, two);
        assert!(convert::idempotency_key(one).is_ok());
    }

    #[test]
    fn commands_are_listed_newest_first_by_meter_and_openness() {
        let state = testing::cluster_of_three();
        let ids = |asked: api::ListCommandsRequest, limit| -> Vec<u64> {
            let reply = list(&state, &asked, limit).expect("the meter exists");
            reply.commands.iter().map(|command| command.id).collect()
        };
        assert_eq!(ids(Default::default(), 10), [2, 1]);
        assert_eq!(ids(Default::default(), 1), [2]);
        assert_eq!(ids(api::ListCommandsRequest { open_only: true, ..Default::default() }, 10), [2]);
        assert_eq!(ids(api::ListCommandsRequest { meter: "m1".to_owned(), ..Default::default() }, 10), [1]);
        let unknown = api::ListCommandsRequest { meter: "m9".to_owned(), ..Default::default() };
        assert_eq!(list(&state, &unknown, 1).expect_err("none").code(), tonic::Code::NotFound);
    }

    #[test]
    fn a_watcher_of_all_commands_sees_new_and_changed_ones_and_no_retired_ones() {
        let before = testing::cluster_of_three();
        let mut after = before.clone();
        let at = UnixMillis(9_000);
        let cancel = Entry::Cancel { at, command: CommandId(2) };
        testing::applied(&mut after, vec![cancel, Entry::Retire { at, commands: vec![CommandId(1)] }]);
        let seen: Vec<_> = changes(&before.commands.commands, &after.commands.commands).map(|c| c.id.0).collect();
        assert_eq!(seen, [2]);
        assert!(shown(&after, 1).expect_err("retired").message().contains("table command"));
    }
}
