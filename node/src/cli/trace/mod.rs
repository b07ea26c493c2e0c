//! `hearth line trace`: what is said and heard on a line, live.
//!
//! ```text
//!   12:00:01.250 -> poll M1     REQ_UD2 to 5                                      107B058016
//!   12:00:01.480 <- poll M1     RSP_UD from 5: 12345678 ELS heat_outlet, ..       68565668..
//! ```
//!
//! Promises: every byte once, with its time, its way and what asked; a line that moves is followed; what was lost is
//! told. Refuses: speaking on the line.

mod ears;
#[cfg(test)]
mod tests;

use std::time::Duration;

use protocol::api::admin as api;
use protocol::api::admin::trace_piece::Direction;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::Session;
use super::failure::Failure;
use super::output::Out;
use ears::{Ears, Stretch};

/// After this long without a byte nothing more completes what was heard.
const QUIET: Duration = Duration::from_millis(1_500);
/// Without a limit: far ahead.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Arguments of `hearth line trace`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The line's name.
    name: String,
    /// Time, way and bytes only, as they were handed over.
    #[arg(long)]
    raw: bool,
    /// Ends after this long, such as 30s; Ctrl-C ends it too.
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    span: Option<Duration>,
    /// Ends after so many rows.
    #[arg(long)]
    count: Option<u64>,
}

fn span(text: &str) -> Result<Duration, String> {
    super::command::span_ms(text).map(Duration::from_millis)
}

/// One row of output.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    way: &'static str,
    asker: Value,
    who: String,
    stretch: Stretch,
}

/// What is shown, row by row.
struct Show<'a> {
    args: &'a Args,
    out: Out,
    ears: Ears,
    /// The piece heard last: whose asker what is held belongs to.
    last: api::TracePiece,
    shown: u64,
}

/// Carries it out.
pub async fn run(args: &Args, session: &Session, out: Out) -> Result<(), Failure> {
    out.without_csv("what is said on a line")?;
    let request = api::TraceLineRequest { name: args.name.clone() };
    let mut stream = session.lines().trace(request).await.map_err(Failure::of_look)?.into_inner();
    let end = Instant::now() + args.span.unwrap_or(FOREVER);
    let mut show = Show { args, out, ears: Ears::default(), last: api::TracePiece::default(), shown: 0 };
    while !show.is_enough() {
        let quiet = if show.ears.holds() { QUIET } else { FOREVER };
        tokio::select! {
            piece = stream.message() => match piece.map_err(Failure::of_look)? {
                Some(piece) => show.piece(piece)?,
                None => break,
            },
            () = tokio::time::sleep(quiet) => show.quiet()?,
            () = tokio::time::sleep_until(end) => break,
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    show.quiet()
}

impl Show<'_> {
    fn is_enough(&self) -> bool {
        self.args.count.is_some_and(|most| self.shown >= most)
    }

    fn piece(&mut self, piece: api::TracePiece) -> Result<(), Failure> {
        if piece.lost > 0 {
            self.note(piece.at, &format!("{} pieces were lost: this end is slower than the line", piece.lost))?;
        }
        if !piece.note.is_empty() {
            return self.note(piece.at, &piece.note);
        }
        let (at, is_said) = (piece.at, piece.direction() == Direction::Said);
        if self.args.raw {
            let text = String::new();
            let stretch = Stretch { at, bytes: piece.data.clone(), tongue: None, text };
            return self.row(&row(&piece, stretch));
        }
        if is_said {
            self.quiet()?;
            let stretch = self.ears.said(&piece.data, at);
            return self.row(&row(&piece, stretch));
        }
        let told = self.ears.heard(&piece.data, at);
        self.last = piece;
        self.rows(told)
    }

    fn quiet(&mut self) -> Result<(), Failure> {
        let told = self.ears.quiet();
        self.rows(told)
    }

    fn rows(&mut self, told: Vec<Stretch>) -> Result<(), Failure> {
        told.into_iter().try_for_each(|stretch| self.row(&row(&self.last, stretch)))
    }

    fn row(&mut self, row: &Row) -> Result<(), Failure> {
        if self.is_enough() {
            return Ok(());
        }
        self.shown += 1;
        self.out.item(|| json_row(row, self.args.raw), || text_row(row, self.args.raw))
    }

    fn note(&self, at: u64, note: &str) -> Result<(), Failure> {
        self.out.item(|| json!({ "at": at, "note": note }), || format!("{} -- {note}", clock(at)))
    }
}

fn row(piece: &api::TracePiece, stretch: Stretch) -> Row {
    let is_said = piece.direction() == Direction::Said;
    let who = match (piece.asker.as_str(), piece.command) {
        ("", _) => "-".to_owned(),
        (asker, 0) => format!("{asker} {}", piece.meter),
        (asker, command) => format!("{asker} {command} {}", piece.meter),
    };
    let absent = |number: u64| (number > 0).then_some(number);
    let asker = json!({
        "kind": (!piece.asker.is_empty()).then_some(&piece.asker),
        "meter": (!piece.meter.is_empty()).then_some(&piece.meter),
        "slot": absent(piece.slot),
        "command": absent(piece.command),
        "node": piece.node,
    });
    Row { way: if is_said { "said" } else { "heard" }, asker, who: who.trim_end().to_owned(), stretch }
}

fn json_row(row: &Row, is_raw: bool) -> Value {
    let Stretch { at, bytes, tongue, text } = &row.stretch;
    if is_raw {
        return json!({ "at": at, "direction": row.way, "hex": super::format::hex(bytes) });
    }
    json!({
        "at": at,
        "direction": row.way,
        "asker": row.asker,
        "protocol": tongue.map(ears::Tongue::name),
        "text": text,
        "hex": super::format::hex(bytes),
    })
}

fn text_row(row: &Row, is_raw: bool) -> String {
    let Stretch { at, bytes, text, .. } = &row.stretch;
    let (at, arrow) = (clock(*at), if row.way == "said" { "->" } else { "<-" });
    let hex = bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
    if is_raw { format!("{at} {arrow} {hex}") } else { format!("{at} {arrow} {:<12} {text:<40} | {hex}", row.who) }
}

/// The time of day in UTC, with milliseconds.
fn clock(at: u64) -> String {
    let stamp = i64::try_from(at).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    format!("{}.{:03}", stamp.strftime("%H:%M:%S"), at % 1_000)
}
