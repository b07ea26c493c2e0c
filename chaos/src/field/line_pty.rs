//! A line on a pseudo-terminal: to its masters a serial port, with a name that stays.
//!
//! Promises: masters may come and go; the terminal is raw from the start; bytes for nobody are lost, as on a wire.
//! Refuses: line speed, parity and modem lines, which a pseudo-terminal does not have.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use super::descriptor::waited_on;
use super::holders::Holders;
use super::line::{Ear, Line};
use super::speech::{Mouth, SAY_WITHIN};
use crate::ledger::Speaker;

/// The meters' end of a pseudo-terminal.
#[derive(Debug)]
pub struct Terminal {
    master: Arc<AsyncFd<OwnedFd>>,
    holders: Arc<Holders>,
    number: usize,
}

/// Opens a terminal for a line, reachable under `link`.
pub fn open(line: &str, link: &Path, holders: &Arc<Holders>) -> Result<Terminal> {
    let (master, slave, path) = pair().with_context(|| format!("line {line}: pseudo-terminal"))?;
    replace_link(&path, link).with_context(|| format!("line {line}: link {}", link.display()))?;
    let number = holders.watch(line, &path, slave)?;
    let master = Arc::new(waited_on(master).with_context(|| format!("line {line}: pseudo-terminal"))?);
    Ok(Terminal { master, holders: Arc::clone(holders), number })
}

/// Serves a line on its terminal until the field stops.
pub async fn serve(line: Arc<Line>, terminal: Terminal) {
    let Terminal { master, holders, number } = terminal;
    let mouth = PtyMouth { master: Arc::clone(&master), holders: Arc::clone(&holders), number };
    line.converse(PtyEar { master, holders, number }, mouth).await;
}

fn pair() -> Result<(OwnedFd, OwnedFd, PathBuf)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    let path = PathBuf::from(ptsname(&master, Vec::new())?.into_string()?);
    // Kept open for as long as the line lives: without it the master's end would fail between two masters.
    let slave = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut settings = tcgetattr(&slave)?;
    settings.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &settings)?;
    Ok((master, slave, path))
}

fn replace_link(target: &Path, link: &Path) -> io::Result<()> {
    match std::fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, link)
}

struct PtyEar {
    master: Arc<AsyncFd<OwnedFd>>,
    holders: Arc<Holders>,
    number: usize,
}

impl Ear for PtyEar {
    async fn hear(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.master.async_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, &mut *buffer)?)).await
    }

    fn speaker(&self) -> Speaker {
        self.holders.speaker(self.number)
    }
}

struct PtyMouth {
    master: Arc<AsyncFd<OwnedFd>>,
    holders: Arc<Holders>,
    number: usize,
}

impl PtyMouth {
    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.master.async_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?)).await?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }
}

impl Mouth for PtyMouth {
    async fn say(&mut self, bytes: &[u8]) -> bool {
        self.holders.is_held(self.number) && matches!(timeout(SAY_WITHIN, self.write_all(bytes)).await, Ok(Ok(())))
    }
}
