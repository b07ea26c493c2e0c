//! Descriptors that wake a task: terminals, inotify.
//!
//! Promises: the descriptor is owned, so that it stays open for as long as it is waited on. Refuses: any other kind.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// A descriptor to wait on.
#[expect(deprecated, reason = "the successor is unsafe, for types that may change their descriptor; OwnedFd does not")]
pub fn waited_on(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}
