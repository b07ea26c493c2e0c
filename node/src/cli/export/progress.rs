//! How far an export is, on stderr.
//!
//! Promises: a bar on a terminal, nothing elsewhere. Refuses: stdout.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// From look to look of the clock where nothing arrives.
const BEAT: Duration = Duration::from_secs(1);
const BAR: &str = "{bar:30} {percent:>3} %  {human_pos} of about {human_len} rows, {per_sec}, {eta} left  {msg}";

/// The bar.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(BEAT);
        Self { bar }
    }

    /// `rows` are here, of about `about`.
    pub(super) fn at(&mut self, rows: u64, about: u64) {
        self.bar.set_length(about.max(rows));
        self.bar.set_position(rows);
    }

    /// All rows are here.
    pub(super) fn closing(&self) {
        self.bar.set_message("closing the file");
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
