//! The line of last defence: cuts every line when the lease has ended and the runtime shows no life.
//!
//! ```text
//!   runtime task   --- beats --->  counter          thread: every `watchdog_every`
//!                                     |                lease over, and no beat since the last look?
//!                                     +--------------> cut every registered descriptor
//! ```
//!
//! Promises: a plain thread, outside the runtime; what lies unsent in a socket or a serial port's queue is thrown away
//! with the cut, and a channel that was cut is never written to again: it has to be opened anew.
//! Refuses: what it cannot do: recall bytes that have left the kernel (a gateway's or a UART's own buffer), or act
//! while the whole process is paused.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::connect_unspec;
use rustix::termios::{Action, QueueSelector, tcflow, tcflush};

use crate::cluster::lease::Lease;

/// A second descriptor of an open channel.
#[derive(Debug)]
pub(super) enum Brake {
    /// Of a socket.
    Socket(OwnedFd),
    /// Of a serial port.
    Serial(OwnedFd),
}

impl Brake {
    /// The channel's.
    pub(super) const fn descriptor(&self) -> &OwnedFd {
        match self {
            Self::Socket(fd) | Self::Serial(fd) => fd,
        }
    }

    fn cut(&self) {
        // A descriptor that fails here is closed already, which is what was wanted.
        match self {
            // Not a shutdown: that would still deliver what is queued.
            Self::Socket(fd) => drop(connect_unspec(fd)),
            Self::Serial(fd) => {
                let _ = tcflow(fd, Action::OOff);
                let _ = tcflush(fd, QueueSelector::OFlush);
            }
        }
    }
}

#[derive(Debug)]
struct Entry {
    brake: Brake,
    cut: Arc<AtomicBool>,
}

/// A handle to the open channels; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Descriptors {
    next: Arc<AtomicU64>,
    open: Arc<Mutex<BTreeMap<u64, Entry>>>,
}

/// A channel's place among the open ones; leaves it when dropped.
#[derive(Debug)]
pub(super) struct Registered {
    key: u64,
    cut: Arc<AtomicBool>,
    all: Descriptors,
}

impl Registered {
    /// Whether the watchdog cut this channel.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.all.with(|open| open.remove(&self.key));
    }
}

impl Descriptors {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<u64, Entry>) -> T) -> T {
        act(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds an open channel.
    pub(super) fn register(&self, brake: Brake) -> Registered {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let cut = Arc::new(AtomicBool::new(false));
        self.with(|open| open.insert(key, Entry { brake, cut: Arc::clone(&cut) }));
        Registered { key, cut, all: self.clone() }
    }

    /// Cuts every open channel; how many were not cut before. All are marked before the first is cut, so that none is
    /// written to meanwhile.
    fn cut_all(&self) -> usize {
        self.with(|open| {
            let whole = open.values().filter(|entry| !entry.cut.swap(true, Ordering::SeqCst));
            let whole: Vec<_> = whole.collect();
            whole.iter().for_each(|entry| entry.brake.cut());
            whole.len()
        })
    }
}

/// The running watchdog; stops when dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    beat: Arc<AtomicU64>,
}

impl Watchdog {
    /// Starts the thread that looks every `every`.
    pub(super) fn start(lease: Lease, descriptors: Descriptors, every: Duration) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let beat = Arc::new(AtomicU64::new(0));
        let (stopped, heard) = (Arc::clone(&stop), Arc::clone(&beat));
        let body = move || watch(&lease, &descriptors, every, &heard, &stopped);
        let thread = thread::Builder::new().name("line-watchdog".to_owned()).spawn(body)?;
        Ok(Self { stop, thread: Some(thread), beat })
    }

    /// Shows the runtime's life, four times a look. Never ends.
    pub(super) async fn beat(&self, every: Duration) {
        loop {
            self.beat.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(every / 4).await;
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
        }
    }
}

fn watch(lease: &Lease, descriptors: &Descriptors, every: Duration, beat: &AtomicU64, stop: &AtomicBool) {
    let mut last = beat.load(Ordering::Relaxed);
    while !stop.load(Ordering::Relaxed) {
        thread::park_timeout(every);
        let now = beat.load(Ordering::Relaxed);
        if now == last && lease.remaining().is_zero() {
            match descriptors.cut_all() {
                0 => {}
                count => tracing::error!(count, "the runtime stands still and the lease is over: lines cut"),
            }
        }
        last = now;
    }
}
