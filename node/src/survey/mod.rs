//! Scans wanted on lines of this node: one box per line.
//!
//! ```text
//!   whoever asks --ask--> [ box of the line ] --> the line's task, between its exchanges
//!        ^                                             |
//!        +---------- [ queue, survey.queue ] <---------+   reports, the last one says that it is over
//! ```
//!
//! Promises: one scan per line and `survey.at_once` per node; a scan whose asker went away, or whose line was let go, is
//! over for the other side too. Refuses: speaking on lines.

mod message;
pub mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::meter::{Epoch, LineId};
use protocol::scan::{Plan, Progress, Sighting};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::config;

/// What the line's task tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How far the scan is.
    pub progress: Progress,
    /// Who was seen since the last report.
    pub news: Vec<Sighting>,
    /// Why the scan stands still.
    pub waiting: Option<String>,
    /// That it is over, and whether everything was looked at.
    pub over: Option<bool>,
}

/// Why a scan is not made, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SurveyError {
    /// The line is not served here under this epoch.
    #[error("this node does not serve the line under epoch {0}: ask again")]
    NotHere(Epoch),
    /// It is being scanned.
    #[error("the line is being scanned already: wait for the end of that scan, or end it")]
    Busy,
    /// Too many scans.
    #[error("{0} lines of this node are being scanned already (survey.at_once): try again later")]
    Crowded(usize),
    /// It could not go on.
    #[error("{0}")]
    Failed(String),
}

/// A handle to the boxes of a node; clones share them.
#[derive(Debug, Clone)]
pub struct Surveys {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    boxes: Mutex<BTreeMap<LineId, Slot>>,
    places: Arc<Semaphore>,
    at_once: usize,
    queue: usize,
    longest: Duration,
}

/// The outer side of a line's box.
#[derive(Debug)]
struct Slot {
    epoch: Epoch,
    orders: mpsc::Sender<Order>,
    /// The one scan this line may have.
    scan: Arc<Semaphore>,
}

/// A scan that is wanted.
#[derive(Debug)]
pub struct Order {
    /// What is looked for.
    pub plan: Plan,
    /// How long it may take.
    pub longest: Duration,
    /// Where reports go; closed once nobody waits for them.
    pub reports: mpsc::Sender<Result<Report, SurveyError>>,
    _places: [OwnedSemaphorePermit; 2],
}

/// What whoever asked is told.
pub type Reports = mpsc::Receiver<Result<Report, SurveyError>>;

impl Surveys {
    /// Boxes within the limits of `config`.
    pub fn new(config: &config::Survey) -> Self {
        let config::Survey { at_once, longest, queue, .. } = *config;
        let (boxes, places) = (Mutex::default(), Arc::new(Semaphore::new(at_once)));
        Self { shared: Arc::new(Shared { boxes, places, at_once, queue: queue.max(1), longest }) }
    }

    /// The box of a line that is served under `epoch` from now on.
    pub fn open(&self, line: LineId, epoch: Epoch) -> Mailbox {
        let (sender, orders) = mpsc::channel(1);
        let slot = Slot { epoch, orders: sender, scan: Arc::new(Semaphore::new(1)) };
        self.shared.boxes().insert(line, slot);
        Mailbox { line, orders, surveys: self.clone() }
    }

    /// Wants a scan of `line`.
    pub fn ask(&self, line: LineId, epoch: Epoch, plan: Plan) -> Result<Reports, SurveyError> {
        let boxes = self.shared.boxes();
        let slot = boxes.get(&line).filter(|slot| slot.epoch == epoch).ok_or(SurveyError::NotHere(epoch))?;
        let one = Arc::clone(&slot.scan).try_acquire_owned().map_err(|_| SurveyError::Busy)?;
        let crowded = |_| SurveyError::Crowded(self.shared.at_once);
        let place = Arc::clone(&self.shared.places).try_acquire_owned().map_err(crowded)?;
        let (reports, told) = mpsc::channel(self.shared.queue);
        let order = Order { plan, longest: self.shared.longest, reports, _places: [one, place] };
        slot.orders.try_send(order).map_err(|_| SurveyError::NotHere(epoch))?;
        Ok(told)
    }
}

impl Shared {
    fn boxes(&self) -> MutexGuard<'_, BTreeMap<LineId, Slot>> {
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The inner side of a line's box: of the line's task. Without it nothing can be asked of the line.
#[derive(Debug)]
pub struct Mailbox {
    line: LineId,
    orders: mpsc::Receiver<Order>,
    surveys: Surveys,
}

impl Mailbox {
    /// The next scan that is wanted.
    pub async fn next(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            // Another box was opened for the line: this one gets nothing any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.orders.close();
        let mut boxes = self.surveys.shared.boxes();
        if boxes.get(&self.line).is_some_and(|slot| slot.orders.is_closed()) {
            boxes.remove(&self.line);
        }
    }
}
