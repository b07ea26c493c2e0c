//! A transparent serial server or gateway.
//!
//! Promises: connections leave from the configured address; what a gateway does not acknowledge within
//! `polling.unacked_limit`, or what is unsent when the channel closes, is never sent later: after a hand-over the
//! kernel must not speak for a former owner. Refuses: recalling what a gateway holds in its own buffer.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::sockopt::set_tcp_user_timeout;
use std::os::fd::AsFd;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use crate::config;
use crate::polling::schedule::millis;
use crate::polling::watchdog::Brake;

pub(super) async fn open(host: &str, port: u16, settings: &config::Polling) -> io::Result<(TcpStream, Brake)> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no usable address"));
    for address in lookup_host((host, port)).await? {
        match connect(address, settings.source).await {
            Ok(stream) => return prepare(stream, settings),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}

fn prepare(stream: TcpStream, settings: &config::Polling) -> io::Result<(TcpStream, Brake)> {
    stream.set_nodelay(true)?;
    stream.set_zero_linger()?;
    set_tcp_user_timeout(&stream, u32::try_from(millis(settings.unacked_limit)).unwrap_or(u32::MAX))?;
    let brake = Brake::Socket(stream.as_fd().try_clone_to_owned()?);
    Ok((stream, brake))
}
