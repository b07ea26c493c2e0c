//! A scan on a line, one turn at a time between everything else.
//!
//! ```text
//!   box --> under way --turn--> report --> ..  over, asker gone, line down, no lease, out of time
//!                ^                |
//!                +-- polls and commands of the line go first
//! ```
//!
//! Promises: a turn begins only where its report has room, so that a slow asker rests the scan and never the line; an
//! asker that went away ends it before the next turn; whoever waits is told why. Refuses: deciding when it has a turn.

use protocol::exchange::Timing;
use protocol::modbus::Framing;
use protocol::scan::Scan;
use tokio::time::Instant;

use super::LineTask;
use crate::polling::dialogue::Ending;
use crate::polling::screened::Screened;
use crate::survey::{Mailbox, Order, Report, SurveyError};
use crate::trace::Asker;

/// Why a scan stands still.
const BUSY: &str = "polls and commands of the line go first";

/// The scans of a line.
#[derive(Debug)]
pub(super) struct Surveyor {
    mailbox: Mailbox,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    order: Order,
    talk: Screened,
    until: Instant,
    said_busy: bool,
}

impl Surveyor {
    pub(super) const fn new(mailbox: Mailbox) -> Self {
        Self { mailbox, under_way: None }
    }

    /// Waits until a scan is wanted; while one is under way, for ever.
    pub(super) async fn wanted(&mut self) -> Order {
        match self.under_way {
            None => self.mailbox.next().await,
            Some(_) => std::future::pending().await,
        }
    }

    pub(super) fn begin(&mut self, order: Order, timing: Timing, framing: Framing) {
        let talk = Screened::new(Scan::new(&order.plan, timing, framing));
        let until = Instant::now() + order.longest;
        self.under_way = Some(UnderWay { order, talk, until, said_busy: false });
    }

    /// Whether there is something to do for a scan; one whose asker is gone is over.
    pub(super) fn wants_turn(&mut self) -> bool {
        if self.under_way.as_ref().is_some_and(|scan| scan.order.reports.is_closed()) {
            self.under_way = None;
        }
        self.under_way.as_ref().is_some_and(|scan| scan.order.reports.capacity() > 0)
    }

    /// Something else has the turn: said once, where there is room to say it.
    pub(super) fn stands_back(&mut self) {
        let Some(scan) = self.under_way.as_mut().filter(|scan| !scan.said_busy) else { return };
        if scan.order.reports.capacity() > 1 {
            scan.said_busy = true;
            let waiting = Some(BUSY.to_owned());
            let _ = scan.order.reports.try_send(Ok(Report {
                progress: scan.talk.scan.progress(),
                waiting,
                ..Report::default()
            }));
        }
    }

    /// The scan cannot go on.
    pub(super) fn fail(&mut self, why: impl FnOnce() -> String) {
        if let Some(scan) = self.under_way.take() {
            // Where there is no room for it, the end of the stream says as much.
            let _ = scan.order.reports.try_send(Err(SurveyError::Failed(why())));
        }
    }

    fn turn_ended(&mut self, goes_on: bool) {
        let Some(scan) = self.under_way.as_mut() else { return };
        scan.said_busy = false;
        let is_late = Instant::now() >= scan.until;
        let over = (!goes_on || is_late).then(|| scan.talk.scan.is_complete() && !goes_on);
        let (news, progress) = (scan.talk.scan.take_news(), scan.talk.scan.progress());
        let _ = scan.order.reports.try_send(Ok(Report { progress, news, waiting: None, over }));
        if over.is_some() {
            self.under_way = None;
        }
    }
}

impl LineTask {
    /// Gives the scan of the line one turn.
    pub(super) async fn survey(&mut self) {
        // Nothing else looks at the surveyor while the turn lasts.
        let Some(mut under_way) = self.surveyor.under_way.take() else { return };
        let ending = self.converse(&mut under_way.talk, None, Asker::Scan).await;
        self.surveyor.under_way = Some(under_way);
        match ending {
            Ending::Answered(goes_on) => self.surveyor.turn_ended(goes_on),
            Ending::LineDown(error) => self.surveyor.fail(|| format!("line-down: {error}")),
            Ending::Denied(why, _) => self.surveyor.fail(|| why.to_string()),
        }
    }
}
