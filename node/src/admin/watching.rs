//! The stream of a watcher, bounded.
//!
//! ```text
//!   a task of its own --> Feed::send --> [ queue, admin.watch_queue ] --> Watch --> the console
//!                            |
//!                            +-- full for longer than its patience, admin.watch_patience: cut off, RESOURCE_EXHAUSTED
//! ```
//!
//! Promises: a watcher that does not keep up is cut off in words and holds nothing afterwards; the last word of a
//! stream reaches the watcher even where its queue is full. Refuses: waiting for a watcher without limit.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::Status;

/// The console's end.
#[derive(Debug)]
pub struct Watch<T> {
    queue: mpsc::Receiver<T>,
    end: Arc<OnceLock<Status>>,
    ended: bool,
    _place: Option<OwnedSemaphorePermit>,
}

/// The end that says what happens.
#[derive(Debug)]
pub struct Feed<T> {
    queue: mpsc::Sender<T>,
    end: Arc<OnceLock<Status>>,
    patience: Patience,
}

/// How long a full queue waits for its watcher.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// That long.
    pub limit: Duration,
    /// The setting that says so.
    pub setting: &'static str,
}

/// The watcher is gone, or was cut off: stop feeding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// Both ends of a stream that keeps at most `room` items for its watcher, and `place`, if any, until the watcher is gone.
pub fn pair<T>(room: usize, patience: Patience, place: Option<OwnedSemaphorePermit>) -> (Feed<T>, Watch<T>) {
    let (sender, receiver) = mpsc::channel(room);
    let end = Arc::new(OnceLock::new());
    let feed = Feed { queue: sender, end: Arc::clone(&end), patience };
    (feed, Watch { queue: receiver, end, ended: false, _place: place })
}

impl<T> Feed<T> {
    /// Hands `item` to the watcher.
    pub async fn send(&self, item: T) -> Result<(), Gone> {
        match self.queue.send_timeout(item, self.patience.limit).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(Gone),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                let Patience { limit, setting } = self.patience;
                let text = format!("the watcher took nothing for {limit:?} ({setting}): ask again");
                self.end(Status::resource_exhausted(text));
                Err(Gone)
            }
        }
    }

    /// The stream ends with `last`; the first such word stands.
    pub fn end(&self, last: Status) {
        let _ = self.end.set(last);
    }

    /// The watcher has gone away.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }
}

impl<T> Stream for Watch<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.queue.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(item)) => Poll::Ready(Some(Ok(item))),
            Poll::Ready(None) if self.ended => Poll::Ready(None),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(self.end.get().cloned().map(Err))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    fn fresh(room: usize) -> (Feed<u32>, Watch<u32>, Arc<Semaphore>) {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().expect("one place");
        let (feed, watch) =
            pair(room, Patience { limit: Duration::from_millis(20), setting: "admin.watch_patience" }, Some(place));
        (feed, watch, places)
    }

    #[tokio::test]
    async fn a_watcher_that_takes_nothing_is_cut_off_and_keeps_what_was_queued() {
        let (feed, mut watch, _) = fresh(1);
        assert_eq!(feed.send(1).await, Ok(()));
        assert_eq!(feed.send(2).await, Err(Gone));
        drop(feed);
        assert!(matches!(watch.next().await, Some(Ok(1))));
        let last = watch.next().await.expect("a last word").expect_err("an end");
        assert_eq!(last.code(), tonic::Code::ResourceExhausted);
        assert!(watch.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_that_is_over_ends_without_an_error() {
        let (feed, mut watch, _) = fresh(4);
        feed.send(1).await.expect("there is room");
        drop(feed);
        assert!(matches!(watch.next().await, Some(Ok(1))));
        assert!(watch.next().await.is_none());
    }

    #[tokio::test]
    async fn a_watcher_that_went_away_frees_its_place_and_is_noticed() {
        let (feed, watch, places) = fresh(4);
        assert_eq!(places.available_permits(), 0);
        drop(watch);
        feed.closed().await;
        assert_eq!(feed.send(1).await, Err(Gone));
        assert_eq!(places.available_permits(), 1);
    }
}
