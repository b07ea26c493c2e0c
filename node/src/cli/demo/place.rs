//! Where a demo keeps its data, and the ports it listens on.
//!
//! ```text
//!   DIR/field/      lines.csv meters.csv ledger.jsonl         what the meters know
//!   DIR/database/   MariaDB's own directory                   what was stored
//!   DIR/node-1/ ..  config.toml data/ log                     the nodes
//! ```
//!
//! Promises: the directory is private, is gone when the demo ends however it ends (short of `kill -9`), unless it was
//! asked to be kept; a port is given once. Refuses: a directory that holds something already.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};

/// Ports are drawn from here, below those the system gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Tries at removing the directory.
const REMOVALS: usize = 5;
/// Draws before giving up.
const PORT_DRAWS: usize = 200;

/// The demo's directory.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    keep: bool,
    given: Mutex<Vec<u16>>,
}

impl Place {
    /// The directory `keep`, to be kept, or else a fresh one that goes away.
    pub(super) fn make(keep: Option<&Path>) -> Result<Self> {
        let dir = match keep {
            Some(dir) => std::path::absolute(dir).with_context(|| format!("directory {}", dir.display()))?,
            None => std::env::temp_dir().join(format!("hearth-demo-{}-{}", std::process::id(), random_hex(4)?)),
        };
        let taken = dir.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        ensure!(!taken, "directory {} is not empty: name another, or remove it", dir.display());
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.with_context(|| format!("directory {}", dir.display()))?;
        Ok(Self { dir, keep: keep.is_some(), given: Mutex::default() })
    }

    /// A folder of it, made if it is not there.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.dir.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("directory {}", folder.display()))?;
        Ok(folder)
    }

    /// A loopback address nobody listens on, never given before.
    pub(super) fn free_address(&self) -> Result<SocketAddr> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..PORT_DRAWS {
            let port = random_port()?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if !given.contains(&port) && TcpListener::bind(address).is_ok() {
                given.push(port);
                return Ok(address);
            }
        }
        bail!("no free port among {PORT_DRAWS} drawn from {}..{}", PORTS.start, PORTS.end)
    }

    /// Ends it; says where the data was and what became of it.
    pub(super) fn leave(self) -> String {
        let dir = self.dir.display().to_string();
        let keep = self.keep;
        drop(self);
        match (keep, Path::new(&dir).exists()) {
            (true, _) => format!("the data is kept in {dir}"),
            (false, false) => format!("the data was in {dir} and is gone (--keep DIR keeps it)"),
            (false, true) => format!("the data was in {dir} and could not be removed: remove it by hand"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keep {
            // A process that is just dying may still add a file. `leave` looks whether all is gone, and says so.
            (0..REMOVALS).any(|_| std::fs::remove_dir_all(&self.dir).is_ok());
        }
    }
}

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("random bytes of the system")?;
    Ok(bytes)
}

fn random_port() -> Result<u16> {
    let drawn = u16::from_le_bytes(random_bytes()?);
    Ok(PORTS.start + drawn % (PORTS.end - PORTS.start))
}

/// `bytes` random bytes in hexadecimal digits.
pub(super) fn random_hex(bytes: usize) -> Result<String> {
    let drawn: [u8; 32] = random_bytes()?;
    Ok(drawn.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_gone_when_it_is_left_and_says_where_it_was() {
        let place = Place::make(None).expect("a place");
        let folder = place.folder("node-1").expect("a folder");
        assert!(folder.is_dir());
        let said = place.leave();
        assert!(!folder.exists());
        assert!(said.contains(&folder.parent().expect("a parent").display().to_string()), "{said}");
        assert!(said.contains("is gone"), "{said}");
    }

    #[test]
    fn a_place_to_be_kept_stays() {
        let outer = tempfile::tempdir().expect("a directory");
        let place = Place::make(Some(&outer.path().join("kept"))).expect("a place");
        assert!(place.leave().contains("is kept in"));
        assert!(outer.path().join("kept").is_dir());
    }

    #[test]
    fn a_place_that_holds_something_is_refused_and_left_alone() {
        let outer = tempfile::tempdir().expect("a directory");
        std::fs::write(outer.path().join("theirs"), "x").expect("a file");
        let refused = Place::make(Some(outer.path())).expect_err("a refusal");
        assert!(refused.to_string().contains("is not empty"), "{refused}");
        assert!(outer.path().join("theirs").exists());
    }

    #[test]
    fn no_port_is_given_twice() {
        let place = Place::make(None).expect("a place");
        let ports: std::collections::BTreeSet<_> =
            (0..50).map(|_| place.free_address().expect("an address").port()).collect();
        assert_eq!(ports.len(), 50);
    }
}
