//! What the demo says while it runs.
//!
//! Promises: every event carries the seconds since the demo began; the newest are kept for the screen, bounded; off the
//! screen each is a plain line on standard output, and a reader that went away is no error.
//! Refuses: deciding what is worth saying.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Events kept for the screen.
const KEEP: usize = 200;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Since the demo began.
    pub(super) after: Duration,
    /// What happened.
    pub(super) text: String,
}

impl Event {
    /// As a plain line.
    pub(super) fn line(&self) -> String {
        format!("{:>7.1} s  {}", self.after.as_secs_f64(), self.text)
    }
}

/// A handle to the voice of the demo; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    began: Instant,
    is_plain: Arc<AtomicBool>,
    kept: Arc<Mutex<VecDeque<Event>>>,
}

impl Teller {
    /// A voice that counts from now and prints plain lines.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), is_plain: Arc::new(AtomicBool::new(true)), kept: Arc::default() }
    }

    /// Since the demo began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether events are printed as they come; the screen takes them over meanwhile.
    pub(super) fn set_plain(&self, is_plain: bool) {
        self.is_plain.store(is_plain, Ordering::Relaxed);
    }

    /// Something happened.
    pub(super) fn tell(&self, text: impl Into<String>) {
        let event = Event { after: self.elapsed(), text: text.into() };
        if self.is_plain.load(Ordering::Relaxed) {
            print_line(&event.line());
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(event);
        kept.truncate(KEEP);
    }

    /// The demo did something that a person could have done by hand with the command `twin`.
    pub(super) fn did(&self, text: &str, twin: &str) {
        self.tell(format!("{text}   $ {twin}"));
    }

    /// The newest events first.
    pub(super) fn newest(&self, count: usize) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().take(count).cloned().collect()
    }
}

/// One line on standard output.
pub(super) fn print_line(line: &str) {
    // Nobody reading is no error: the demo still has to end what it started.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_event_comes_first_and_old_ones_are_forgotten() {
        let teller = Teller::new();
        teller.set_plain(false);
        (0..KEEP + 5).for_each(|number| teller.tell(format!("event {number}")));
        let kept = teller.newest(usize::MAX);
        assert_eq!(kept.len(), KEEP);
        assert_eq!(kept.first().map(|event| event.text.clone()), Some(format!("event {}", KEEP + 4)));
    }

    #[test]
    fn an_act_names_its_command_line_twin() {
        let teller = Teller::new();
        teller.set_plain(false);
        teller.did("killed node-2", "kill -9 4711");
        assert_eq!(teller.newest(1).first().map(|event| event.text.as_str()), Some("killed node-2   $ kill -9 4711"));
    }
}
