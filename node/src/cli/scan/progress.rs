//! How far a scan is, on stderr.
//!
//! Promises: on a terminal one line that is replaced; elsewhere a line now and then. Refuses: stdout.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use protocol::api::admin::ScanReport;
use tokio::time::Instant;

use crate::cli::format::span;

/// From line to line where nothing can be replaced.
const EVERY: Duration = Duration::from_secs(10);
/// From look to look whether the scan moves.
const BEAT: Duration = Duration::from_secs(1);
/// Without a report for this long, the scan stands still.
const STILL: Duration = Duration::from_secs(3);

/// The line that is shown.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    heard: Instant,
    written: Instant,
    is_terminal: bool,
    text: String,
    waiting: String,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let is_terminal = std::io::stderr().is_terminal();
        Self { begun: now, heard: now, written: now, is_terminal, text: "asking".to_owned(), waiting: String::new() }
    }

    pub(super) fn report(&mut self, report: &ScanReport, found: usize) {
        self.heard = Instant::now();
        self.text = told(report, found, self.begun.elapsed());
        self.waiting.clone_from(&report.waiting);
        self.show();
    }

    /// Time passes: a scan that stands still is told.
    pub(super) async fn beat(&mut self) {
        tokio::time::sleep(BEAT).await;
        self.show();
    }

    pub(super) fn end(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }

    fn show(&mut self) {
        let still = self.heard.elapsed();
        let still = if still < STILL {
            String::new()
        } else {
            let why = if self.waiting.is_empty() { "no word from the line" } else { &self.waiting };
            format!(", still for {}: {why}", millis(still))
        };
        if self.is_terminal {
            eprint!("\r\x1b[K{}{still}", self.text);
            let _ = std::io::stderr().flush();
        } else if self.written.elapsed() >= EVERY {
            self.written = Instant::now();
            eprintln!("{}{still}", self.text);
        }
    }
}

fn millis(time: Duration) -> String {
    span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// The report in words.
pub(super) fn told(report: &ScanReport, found: usize, elapsed: Duration) -> String {
    let ScanReport { probes, left, .. } = report;
    let rest = (*probes > 0 && *left > 0).then(|| format!(", about {} left", millis(elapsed / *probes * *left)));
    format!("{probes} probes of about {}, {found} found{}", probes.saturating_add(*left), rest.unwrap_or_default())
}
