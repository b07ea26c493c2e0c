//! Who holds the terminals: the processes that could be speaking on a pseudo-terminal.
//!
//! ```text
//!   inotify: somebody opened or closed a terminal ----+
//!   the last look is older than LOOK_AGAIN -----------+--> look through /proc/*/fd --> open, close in the ledger
//!   a byte came: refresh, then ask each holder's state --> the running holders are the speakers
//! ```
//!
//! Promises: a process that opened a terminal before its first byte is seen with that byte; a stopped process is no
//! speaker; when the last holder is gone, what it left unread is gone too, as on a real port. Refuses: naming one
//! speaker where there are several.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::inotify;
use rustix::termios::{QueueSelector, ioctl_tiocnxcl, tcflush};
use tokio::io::unix::AsyncFd;
use tokio::time::interval;

use super::descriptor::waited_on;
use super::line::Shared;
use crate::clock::Stamp;
use crate::ledger::{Event, Holder, Speaker};

/// A look through /proc is repeated after this long even if inotify was quiet (descriptors can be inherited).
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often the marks of dead masters (exclusive use) are wiped.
const TEND_EVERY: Duration = Duration::from_millis(200);
/// Room for inotify events, bytes.
const EVENT_ROOM: usize = 4096;

/// All terminals of a field.
#[derive(Debug)]
pub struct Holders {
    inotify: AsyncFd<OwnedFd>,
    shared: Shared,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    terminals: Vec<Terminal>,
    looked: Stamp,
}

#[derive(Debug)]
struct Terminal {
    line: String,
    path: PathBuf,
    slave: OwnedFd,
    watch: i32,
    /// Process id -> number of the period of holding.
    held: BTreeMap<i32, u64>,
}

impl Holders {
    /// Nobody holds anything yet.
    pub fn new(shared: Shared) -> Result<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let inotify = waited_on(inotify::init(flags).context("inotify")?).context("inotify")?;
        Ok(Self { inotify, shared, inner: Mutex::new(Inner { terminals: Vec::new(), looked: Stamp::default() }) })
    }

    /// Watches one more terminal from now on; the number names it.
    pub fn watch(&self, line: &str, path: &Path, slave: OwnedFd) -> Result<usize> {
        let flags = inotify::WatchFlags::OPEN | inotify::WatchFlags::CLOSE;
        let watch = inotify::add_watch(&self.inotify, path, flags);
        let watch = watch.with_context(|| format!("inotify on {}", path.display()))?;
        let mut inner = self.inner();
        let terminal = Terminal { line: line.to_owned(), path: path.to_owned(), slave, watch, held: BTreeMap::new() };
        inner.terminals.push(terminal);
        Ok(inner.terminals.len() - 1)
    }

    /// Keeps the picture true until the field stops.
    pub async fn run(&self) {
        let mut tick = interval(TEND_EVERY);
        loop {
            tokio::select! {
                ready = self.inotify.readable() => match ready {
                    Ok(mut guard) => guard.clear_ready(),
                    Err(_) => return,
                },
                _ = tick.tick() => self.tend(),
            }
            self.refresh(&mut self.inner());
        }
    }

    /// Who could be speaking on a terminal at this moment.
    pub fn speaker(&self, terminal: usize) -> Speaker {
        let mut inner = self.inner();
        self.refresh(&mut inner);
        let held = inner.terminals.get(terminal).map(|terminal| terminal.held.clone()).unwrap_or_default();
        let holders = held.into_iter().filter(|(pid, _)| is_running(*pid));
        Speaker::Pty { holders: holders.map(|(pid, connection)| Holder { pid, connection }).collect() }
    }

    /// Whether anybody would take bytes.
    pub fn is_held(&self, terminal: usize) -> bool {
        let mut inner = self.inner();
        self.refresh(&mut inner);
        inner.terminals.get(terminal).is_some_and(|terminal| !terminal.held.is_empty())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tend(&self) {
        for terminal in &self.inner().terminals {
            // A killed master leaves the terminal marked as exclusively its own; only root could open it again.
            let _ = ioctl_tiocnxcl(&terminal.slave);
        }
    }

    fn refresh(&self, inner: &mut Inner) {
        let (changed, closed) = self.changes();
        if !changed && inner.looked.elapsed() < LOOK_AGAIN {
            return;
        }
        inner.looked = Stamp::now();
        let paths: Vec<_> = inner.terminals.iter().map(|terminal| terminal.path.clone()).collect();
        let found = look(&paths);
        for (terminal, pids) in inner.terminals.iter_mut().zip(found) {
            terminal.update(&pids, closed.contains(&terminal.watch), &self.shared);
        }
    }

    /// Whether any terminal was opened or closed, and the watches of those that were closed.
    fn changes(&self) -> (bool, BTreeSet<i32>) {
        let mut room = [MaybeUninit::uninit(); EVENT_ROOM];
        let mut reader = inotify::Reader::new(self.inotify.get_ref(), &mut room);
        let (mut changed, mut closed) = (false, BTreeSet::new());
        while let Ok(event) = reader.next() {
            changed = true;
            if event.events().intersects(inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::CLOSE_NOWRITE) {
                closed.insert(event.wd());
            }
        }
        (changed, closed)
    }
}

impl Terminal {
    /// Takes over who holds it now. A close that took no holder away was a holder's close and open: a new period.
    fn update(&mut self, pids: &BTreeSet<i32>, was_closed: bool, shared: &Shared) {
        let gone: Vec<_> = self.held.keys().copied().filter(|pid| !pids.contains(pid)).collect();
        let ended = if gone.is_empty() && was_closed { self.held.keys().copied().collect() } else { gone };
        for pid in ended {
            if let Some(connection) = self.held.remove(&pid) {
                let (at, line, speaker) = (Stamp::now(), self.line.clone(), one(pid, connection));
                shared.ledger.write(Event::Close { at, line, speaker });
            }
        }
        if self.held.is_empty() {
            // What a gone master did not read is lost, as on a real port.
            let _ = tcflush(&self.slave, QueueSelector::IFlush);
        }
        for pid in pids {
            self.held.entry(*pid).or_insert_with(|| {
                let connection = shared.ledger.number();
                let (at, line, speaker) = (Stamp::now(), self.line.clone(), one(*pid, connection));
                shared.ledger.write(Event::Open { at, line, speaker });
                connection
            });
        }
    }
}

fn one(pid: i32, connection: u64) -> Speaker {
    Speaker::Pty { holders: vec![Holder { pid, connection }] }
}

/// For each path the processes, except this one, that have it open.
fn look(paths: &[PathBuf]) -> Vec<BTreeSet<i32>> {
    let mut found = vec![BTreeSet::new(); paths.len()];
    for pid in processes().filter(|pid| *pid != own_pid()) {
        for target in open_files(pid).unwrap_or_default() {
            let place = paths.iter().position(|path| *path == target);
            if let Some(pids) = place.and_then(|place| found.get_mut(place)) {
                pids.insert(pid);
            }
        }
    }
    found
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What a process has open; a process that is gone, or not ours to see, has nothing.
fn open_files(pid: i32) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    Ok(entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect())
}

/// Whether a process exists and is neither stopped nor a zombie.
fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'T' | 't' | 'Z' | 'X'))
}
