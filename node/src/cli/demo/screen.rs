//! The live screen: a picture of what is known, drawn.
//!
//! ```text
//!   summary      leader, lines, polls/s, stored, backlog, database
//!   nodes        one row each, the selected one marked
//!   events       the newest at the bottom
//!   keys
//! ```
//!
//! Promises: draws what it is given and nothing else; a picture that has grown old says so. Refuses: reading keys.

use std::time::Duration;

use protocol::api::admin::{Node, NodeHealth, NodeRole, database_status};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row as TableRow, Table};

use super::events::Event;
use super::roster::Row;
use super::watcher::Seen;

/// A picture older than this is called old.
const OLD: Duration = Duration::from_secs(2);
/// The keys, as shown.
const KEYS: &str = " ↑↓ select  k kill  l kill leader  r restart all  a add a node  d database off/on  v valve  q quit";

/// All that is drawn.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    /// The cluster.
    pub(super) seen: Option<&'a Seen>,
    /// The processes.
    pub(super) rows: &'a [Row],
    /// The newest first.
    pub(super) events: &'a [Event],
    /// Which row the keys are about.
    pub(super) selected: usize,
    /// Since the demo began.
    pub(super) elapsed: Duration,
}

/// Draws it.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>) {
    let nodes = u16::try_from(picture.rows.len()).unwrap_or(u16::MAX).saturating_add(3);
    let heights = [Constraint::Length(4), Constraint::Length(nodes), Constraint::Min(3), Constraint::Length(1)];
    let [top, middle, bottom, keys] = Layout::vertical(heights).areas(frame.area());
    frame.render_widget(summary(picture), top);
    frame.render_widget(table(picture), middle);
    frame.render_widget(events(picture, bottom), bottom);
    frame.render_widget(Paragraph::new(KEYS).style(Style::new().add_modifier(Modifier::REVERSED)), keys);
}

fn framed(title: &'static str) -> Block<'static> {
    Block::bordered().title(title)
}

fn good(is_good: bool) -> Style {
    Style::new().fg(if is_good { Color::Green } else { Color::Red })
}

fn summary<'a>(picture: &Picture<'a>) -> Paragraph<'a> {
    let clock = Span::raw(format!("{:>4} s  ", picture.elapsed.as_secs()));
    let Some(seen) = picture.seen else {
        return Paragraph::new(Line::from(vec![clock, Span::raw("no node has said how the cluster is")]))
            .block(framed(" hearth "));
    };
    let lines = seen.status.lines.unwrap_or_default();
    let age = seen.asked.elapsed();
    let leader = seen.leader().map_or_else(|| "no leader".to_owned(), |node| format!("{} leads", node.name));
    let held = format!("{}/{} lines held, {} moving", lines.held, lines.total, lines.moving);
    let first = Line::from(vec![
        clock,
        Span::styled(format!("{leader}, term {}  ", seen.status.term), good(seen.leader().is_some())),
        Span::styled(held, good(lines.held == lines.total)),
        Span::raw(format!("  {} meters", seen.status.meters)),
        Span::styled(if age > OLD { format!("  {} s old", age.as_secs()) } else { String::new() }, good(false)),
    ]);
    let second = Line::from(vec![
        Span::raw(format!("        {:.0} polls/s  {} stored  ", seen.polls_per_second, seen.stored)),
        Span::raw(format!("{} waiting in spools  ", seen.backlog())),
        database(seen),
    ]);
    Paragraph::new(vec![first, second]).block(framed(" hearth "))
}

fn database(seen: &Seen) -> Span<'static> {
    let state = seen
        .status
        .database
        .as_ref()
        .map_or(database_status::State::Unspecified, protocol::api::admin::DatabaseStatus::state);
    let word = match state {
        database_status::State::Ok => "database up",
        database_status::State::Connecting => "database connecting",
        database_status::State::Unreachable => "database away",
        database_status::State::Refused => "database refuses",
        database_status::State::None => "no database",
        database_status::State::Unspecified => "database unknown",
    };
    Span::styled(word, good(state == database_status::State::Ok))
}

fn table<'a>(picture: &Picture<'a>) -> Table<'a> {
    let head =
        TableRow::new(["", "node", "process", "role", "health", "lines", "exchanges", "accepted", "missed", "spool"]);
    let rows = picture.rows.iter().enumerate().map(|(index, row)| {
        let node = picture.seen.and_then(|seen| seen.node(&row.name));
        let style = good(row.pid.is_some() && node.is_none_or(|node| node.health() == NodeHealth::Alive));
        TableRow::new(cells(row, node, index == picture.selected)).style(style)
    });
    let widths = [1, 9, 9, 8, 8, 6, 10, 9, 8, 8].map(Constraint::Length);
    Table::new(rows, widths).header(head.style(Style::new().add_modifier(Modifier::BOLD))).block(framed(" nodes "))
}

fn cells(row: &Row, node: Option<&Node>, is_selected: bool) -> Vec<String> {
    let report = node.and_then(|node| node.report.clone()).unwrap_or_default();
    let mark = if is_selected { ">" } else { "" };
    let process = row.pid.map_or_else(|| "killed".to_owned(), |pid| pid.to_string());
    vec![
        mark.to_owned(),
        row.name.clone(),
        process,
        node.map_or("-", |node| role(node.role())).to_owned(),
        node.map_or("-", |node| health(node.health())).to_owned(),
        node.map_or(0, |node| node.lines_held).to_string(),
        report.exchanges.to_string(),
        report.readings_accepted.to_string(),
        report.readings_missed.to_string(),
        report.spool_records.to_string(),
    ]
}

const fn role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Leader => "leader",
        NodeRole::Voter => "voter",
        NodeRole::Learner => "learner",
        NodeRole::Joining => "joining",
        NodeRole::Unspecified => "-",
    }
}

const fn health(health: NodeHealth) -> &'static str {
    match health {
        NodeHealth::Alive => "alive",
        NodeHealth::Suspect => "suspect",
        NodeHealth::Dead => "dead",
        NodeHealth::Unspecified => "-",
    }
}

fn events<'a>(picture: &Picture<'a>, area: Rect) -> Paragraph<'a> {
    let room = usize::from(area.height.saturating_sub(2));
    let shown = picture.events.iter().take(room).rev().map(|event| Line::raw(event.line()));
    Paragraph::new(shown.collect::<Vec<_>>()).block(framed(" events "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::watcher::samples;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::net::SocketAddr;

    fn drawn(picture: &Picture<'_>) -> String {
        let mut terminal = Terminal::new(TestBackend::new(120, 24)).expect("a terminal");
        terminal.draw(|frame| draw(frame, picture)).expect("a drawing");
        terminal.backend().to_string()
    }

    fn row(number: u16, pid: Option<i32>) -> Row {
        Row { name: format!("node-{number}"), address: SocketAddr::from(([127, 0, 0, 1], 20_000 + number)), pid }
    }

    #[test]
    fn the_screen_shows_nodes_roles_lines_rates_backlog_events_and_keys() {
        let seen = samples::seen();
        let rows = [row(1, Some(4711)), row(2, Some(4712)), row(3, None)];
        let events = [Event { after: Duration::from_secs(9), text: "node-3 killed   $ kill -9 4713".to_owned() }];
        let picture =
            Picture { seen: Some(&seen), rows: &rows, events: &events, selected: 1, elapsed: Duration::from_secs(12) };
        let text = drawn(&picture);
        for part in [
            "node-1 leads, term 2",
            "40/40 lines held",
            "80 polls/s",
            "4711 stored",
            "6 waiting in spools",
            "database up",
            "4711      leader",
            ">node-2",
            "killed",
            "$ kill -9 4713",
            "q quit",
        ] {
            assert!(text.replace("> node-2", ">node-2").contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn before_anything_is_known_the_screen_says_so() {
        let picture = Picture { seen: None, rows: &[], events: &[], selected: 0, elapsed: Duration::ZERO };
        assert!(drawn(&picture).contains("no node has said"));
    }

    #[test]
    fn an_old_picture_is_called_old() {
        let mut seen = samples::seen();
        seen.asked =
            std::time::Instant::now().checked_sub(Duration::from_secs(7)).expect("a clock past its first seconds");
        let picture = Picture { seen: Some(&seen), rows: &[], events: &[], selected: 0, elapsed: Duration::ZERO };
        assert!(drawn(&picture).contains("7 s old"));
    }
}
