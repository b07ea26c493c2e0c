//! A port on which units call in.
//!
//! Promises: no more connections than its section allows, of one address and in all: what is too much is closed before a
//! byte is read; a node that takes no units closes what calls. Refuses: binding late: a port that cannot be had is known
//! before the node runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::call::{Port, serve};
use super::directory::Directory;
use crate::config::DialIn;

/// A bound port.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    port: Arc<Port>,
    room: Arc<Semaphore>,
}

impl Listener {
    /// Binds the port of `settings`.
    pub(crate) async fn bind(settings: DialIn, directory: Directory) -> std::io::Result<Self> {
        let manner =
            settings.manner().map_err(|(key, value, why)| std::io::Error::other(format!("{key} = {value}: {why}")))?;
        let listener = TcpListener::bind(settings.listen).await?;
        let room = Arc::new(Semaphore::new(settings.units_max.min(Semaphore::MAX_PERMITS)));
        Ok(Self { listener, port: Arc::new(Port { settings, manner, directory }), room })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// Takes calls until `stop`, then ends them.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut calls = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.take(stream, peer, &mut calls, &stop),
                    Err(error) => {
                        tracing::warn!(port = %self.port.settings.listen, %error, "no unit can call in now");
                        tokio::time::sleep(self.port.directory.settings().accept_pause).await;
                    }
                },
                Some(ended) = calls.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "a call of a unit failed");
                },
            }
        }
        while calls.join_next().await.is_some() {}
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr, calls: &mut JoinSet<()>, stop: &CancellationToken) {
        // Closed at once, and not with a farewell that keeps the connection waiting.
        let _ = stream.set_zero_linger();
        let directory = &self.port.directory;
        let most = self.port.settings.per_address_max;
        let room = Arc::clone(&self.room).try_acquire_owned().ok();
        let is_open = *directory.is_open().borrow();
        let place = room.filter(|_| is_open).zip(directory.count_in(peer.ip(), most));
        let Some(place) = place else {
            tracing::debug!(%peer, is_open, "a unit is not taken");
            return directory.metrics().unit_refused();
        };
        let (port, stop) = (Arc::clone(&self.port), stop.clone());
        calls.spawn(async move {
            serve(&port, stream, peer, stop).await;
            drop(place);
        });
    }
}
