//! `hearth command`: what is asked of meters, and what became of it.
//!
//! ```text
//!   submit --wait --> queued .. running .. ended --> exit code: verified, acknowledged 0
//!                        ^  node lost: next node                refused, failed, expired, cancelled 1
//!                        +------------------------              unknown 4
//! ```
//!
//! Promises: every submission carries a key, so that one whose answer was lost can be repeated without acting twice.
//! Refuses: moving a valve from a terminal without a yes.

use std::time::Duration;

use clap::Subcommand;
use jiff::SignedDuration;
use protocol::api::admin as api;
use tonic::Response;

use super::client::Session;
use super::confirm::{Danger, confirm};
use super::failure::Failure;
use super::format::moment;
use super::json;
use super::output::{Out, table};

/// Pause before another node is asked what became of a command.
const AGAIN: Duration = Duration::from_millis(500);
/// How many times in a row without news, at most.
const ASKED_AGAIN: u32 = 60;

/// What may be done with commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Queues a command for a meter.
    Submit {
        /// The meter's name.
        meter: String,
        /// read-now, valve-open or valve-close
        action: String,
        /// Nothing runs later than this long from now, such as 15m.
        #[arg(long, value_parser = span_ms)]
        deadline: Option<u64>,
        /// The same request sent again with the same key acts once.
        #[arg(long)]
        key: Option<String>,
        /// Show every change until it has ended; the exit code tells how.
        #[arg(long)]
        wait: bool,
        /// Do not ask before moving a valve.
        #[arg(long, short)]
        yes: bool,
    },
    /// Shows a command and its history.
    Show {
        /// Its id.
        id: u64,
    },
    /// Lists commands, newest first.
    List {
        /// Only those that have not ended.
        #[arg(long)]
        open: bool,
        /// Only those of this meter.
        #[arg(long, default_value = "", hide_default_value = true)]
        meter: String,
        /// Commands, at most.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Calls off a command that is still queued.
    Cancel {
        /// Its id.
        id: u64,
    },
    /// Shows every change of a command until it has ended, or of all commands without end.
    Watch {
        /// Its id; all commands if absent.
        id: Option<u64>,
    },
}

/// Carries it out.
pub async fn run(command: Command, at: &[String], out: Out) -> Result<(), Failure> {
    let session = Session::open(at).await?;
    let mut commands = session.commands();
    match command {
        Command::Submit { meter, action, deadline, key, wait, yes } => {
            let request = api::SubmitCommandRequest {
                meter,
                action,
                deadline_ms: deadline.unwrap_or(0),
                key: key.map_or_else(random_key, Ok)?,
            };
            submit(&session, request, yes, wait, at, out).await
        }
        Command::Show { id } => {
            let reply = commands.get(api::GetCommandRequest { id }).await;
            show(&reply.map(Response::into_inner).map_err(Failure::of_look)?, out)
        }
        Command::List { open, meter, limit } => {
            let request = api::ListCommandsRequest { open_only: open, meter, limit };
            let listed = commands.list(request).await.map_err(Failure::of_look)?.into_inner().commands;
            out.show(|| json::commands(&listed), || commands_table(&listed))
        }
        Command::Cancel { id } => {
            let reply = commands.cancel(api::CancelCommandRequest { id }).await;
            show(&reply.map(Response::into_inner).map_err(Failure::of_change)?, out)
        }
        Command::Watch { id: Some(id) } => follow(session, id, at, out).await,
        Command::Watch { id: None } => watch_all(&session, out).await,
    }
}

async fn submit(
    session: &Session,
    request: api::SubmitCommandRequest,
    yes: bool,
    wait: bool,
    at: &[String],
    out: Out,
) -> Result<(), Failure> {
    if request.action.starts_with("valve-") {
        confirm(Danger::Valve, &format!("{} on meter {}", request.action, request.meter), yes)?;
    }
    let key = request.key.clone();
    let reply = session.commands().submit(request).await.map_err(|status| match Failure::of_change(status) {
        Failure::Unknown(text) => {
            Failure::Unknown(format!("{text}; to repeat it without acting twice, add --key {key}"))
        }
        certain => certain,
    })?;
    let command = reply.into_inner();
    if wait { follow(session.clone(), command.id, at, out).await } else { show(&command, out) }
}

fn show(command: &api::Command, out: Out) -> Result<(), Failure> {
    out.show(|| json::command(command), || shown(command))
}

/// Shows one command's changes until it has ended, whichever node tells them.
async fn follow(first: Session, id: u64, at: &[String], out: Out) -> Result<(), Failure> {
    let mut last: Option<api::Command> = None;
    let mut session = Ok(first);
    let mut lost = String::new();
    let mut in_vain = 0;
    while in_vain < ASKED_AGAIN {
        in_vain += 1;
        if let Ok(session) = &session {
            let known = last.clone();
            let told = changes(session, id, &mut last, out).await;
            if last != known {
                in_vain = 0;
            }
            match told {
                Err(Failure::Unreachable(text)) => lost = text,
                Err(failure) => return Err(failure),
                Ok(()) => lost = "the node ended the stream".to_owned(),
            }
        }
        if let Some(command) = last.as_ref().filter(|command| has_ended(command)) {
            return verdict(command);
        }
        tokio::time::sleep(AGAIN).await;
        session = Session::open(at).await;
    }
    Err(Failure::Unknown(format!("what became of command {id} is not known ({lost}): `hearth command show {id}`")))
}

/// The changes one node tells, each shown once.
async fn changes(session: &Session, id: u64, last: &mut Option<api::Command>, out: Out) -> Result<(), Failure> {
    let request = api::WatchCommandRequest { id };
    let mut stream = session.commands().watch(request).await.map_err(Failure::of_look)?.into_inner();
    while let Some(command) = stream.message().await.map_err(Failure::of_look)? {
        if last.as_ref() != Some(&command) {
            out.item(|| json::command(&command), || change(&command))?;
            *last = Some(command);
        }
    }
    Ok(())
}

async fn watch_all(session: &Session, out: Out) -> Result<(), Failure> {
    let request = api::WatchCommandRequest { id: 0 };
    let mut stream = session.commands().watch(request).await.map_err(Failure::of_look)?.into_inner();
    while let Some(command) = stream.message().await.map_err(Failure::of_look)? {
        out.item(|| json::command(&command), || change(&command))?;
    }
    Ok(())
}

fn has_ended(command: &api::Command) -> bool {
    !matches!(command.state.as_str(), "queued" | "running")
}

/// What the end of a command means for the exit code.
fn verdict(command: &api::Command) -> Result<(), Failure> {
    let said = format!("command {} ended {}: {}", command.id, command.state, command.detail);
    match command.state.as_str() {
        "verified" | "acknowledged" => Ok(()),
        "unknown" => Err(Failure::Unknown(said)),
        _ => Err(Failure::Refused(said.trim_end_matches(": ").to_owned())),
    }
}

fn random_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Refused(format!("no random numbers: {error}")))?;
    Ok(super::format::hex(&bytes))
}

pub(super) fn span_ms(text: &str) -> Result<u64, String> {
    let span = text.parse::<SignedDuration>().map_err(|_| "write a span such as 15m or 2h".to_owned())?;
    match u64::try_from(span.as_millis()) {
        Ok(ms) if ms > 0 => Ok(ms),
        _ => Err("write a span longer than nothing".to_owned()),
    }
}

fn commands_table(commands: &[api::Command]) -> String {
    let row = |command: &api::Command| {
        let api::Command { id, meter, action, requested_at, state, detail, .. } = command.clone();
        [id.to_string(), meter, action, moment(requested_at), state, detail]
    };
    table(["ID", "METER", "ACTION", "ASKED (UTC)", "STATE", "DETAIL"], &["ID"], commands.iter().map(row))
}

fn shown(command: &api::Command) -> String {
    let step = |step: &api::Transition| {
        let by = if step.node == 0 { String::new() } else { format!("node {}, epoch {}", step.node, step.epoch) };
        [format!("  {}", moment(step.at)), step.state.clone(), by, step.detail.clone()].join("  ").trim_end().to_owned()
    };
    let head = [
        format!("command   {}: {} on meter {}", command.id, command.action, command.meter),
        format!("state     {} {}", command.state, command.detail).trim_end().to_owned(),
        format!("deadline  {} UTC", moment(command.deadline)),
        format!("key       {}", command.key),
    ];
    head.into_iter().chain(command.history.iter().map(step)).collect::<Vec<_>>().join("\n")
}

fn change(command: &api::Command) -> String {
    let at = command.history.last().map_or(command.requested_at, |step| step.at);
    let api::Command { id, meter, action, state, detail, .. } = command;
    format!("{}  command {id}  {action} on {meter}  {state}  {detail}", moment(at)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::cli::fake::Fake;
    use crate::cli::output::Format;

    fn ended(state: &str) -> api::Command {
        api::Command { id: 7, state: state.to_owned(), detail: "why".to_owned(), ..Default::default() }
    }

    #[test]
    fn the_exit_code_tells_how_a_command_ended() {
        let code = |state: &str| verdict(&ended(state)).map_or_else(|failure| failure.code(), |()| 0);
        assert_eq!([code("verified"), code("acknowledged"), code("unknown")], [0, 0, 4]);
        assert_eq!([code("refused"), code("failed"), code("expired"), code("cancelled")], [1, 1, 1, 1]);
        assert!(!has_ended(&ended("queued")) && !has_ended(&ended("running")) && has_ended(&ended("unknown")));
    }

    fn in_state(state: &str) -> Result<api::Command, Status> {
        Ok(api::Command { id: 7, state: state.to_owned(), ..Default::default() })
    }

    fn request() -> api::SubmitCommandRequest {
        api::SubmitCommandRequest { action: "read-now".to_owned(), key: "k-1".to_owned(), ..Default::default() }
    }

    #[tokio::test]
    async fn waiting_goes_on_at_the_next_node_when_one_is_lost() {
        let lost = vec![in_state("queued"), in_state("running"), Err(Status::unavailable("this node is stopping"))];
        let first = Fake { changes: lost, ..Fake::default() }.serve().await;
        let second = Fake { changes: vec![in_state("running"), in_state("verified")], ..Fake::default() }.serve().await;
        let session = Session::open(&[first]).await.expect("it answers");
        let ended = follow(session, 7, &[second], Out::new(Format::Json)).await;
        assert!(ended.is_ok(), "{ended:?}");
    }

    #[tokio::test]
    async fn a_command_that_left_the_clusters_memory_ends_the_wait_in_words() {
        let gone = vec![in_state("queued"), Err(Status::not_found("see it in the table command"))];
        let at = Fake { changes: gone, ..Fake::default() }.serve().await;
        let session = Session::open(std::slice::from_ref(&at)).await.expect("it answers");
        let failure = follow(session, 7, &[at], Out::new(Format::Json)).await.expect_err("it is gone");
        assert_eq!((failure.code(), failure.to_string().as_str()), (1, "see it in the table command"));
    }

    #[tokio::test]
    async fn a_submission_whose_answer_was_lost_says_how_to_repeat_it() {
        let at = Fake { submitted: Some(Status::unknown("no answer within 10s")), ..Fake::default() }.serve().await;
        let session = Session::open(std::slice::from_ref(&at)).await.expect("it answers");
        let out = Out::new(Format::Json);
        let failure = submit(&session, request(), false, false, &[at], out).await.expect_err("the answer was lost");
        assert_eq!(failure.code(), 4);
        assert!(failure.to_string().contains("--key k-1"), "{failure}");
    }

    #[test]
    fn deadlines_are_written_as_spans() {
        assert_eq!((span_ms("15m"), span_ms("2h 30m"), span_ms("500ms")), (Ok(900_000), Ok(9_000_000), Ok(500)));
        assert!(span_ms("0s").is_err() && span_ms("-5m").is_err() && span_ms("soon").is_err());
    }

    #[test]
    fn a_command_is_shown_with_its_history() {
        let step = |at, state: &str, node, epoch| api::Transition {
            at,
            state: state.to_owned(),
            detail: String::new(),
            node,
            epoch,
        };
        let command = api::Command {
            id: 7,
            meter: "m1".to_owned(),
            action: "valve-close".to_owned(),
            deadline: 1_767_225_600_000,
            key: "k".to_owned(),
            state: "running".to_owned(),
            history: vec![step(1_767_225_000_000, "queued", 0, 0), step(1_767_225_001_000, "running", 2, 5)],
            ..Default::default()
        };
        let wanted = "command   7: valve-close on meter m1\nstate     running\ndeadline  2026-01-01 00:00:00 UTC\n\
                      key       k\n  2025-12-31 23:50:00  queued\n  2025-12-31 23:50:01  running  node 2, epoch 5";
        assert_eq!(shown(&command), wanted);
    }
}
