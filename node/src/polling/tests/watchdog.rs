//! The cut from outside the runtime.

use std::sync::Arc;
use std::time::Duration;

use raft_store::state::registry::{Endpoint, LineSpec, Parity};

use super::field::{Field, Sim};
use super::rig::soon;
use crate::clock::Moment;
use crate::cluster::lease::Lease;
use crate::config::Config;
use crate::dialin::Directory;
use crate::metrics::Metrics;
use crate::polling::transport::Link;
use crate::polling::watchdog::{Descriptors, Watchdog};

const EVERY: Duration = Duration::from_millis(20);

fn link(endpoint: Endpoint, descriptors: &Descriptors) -> Link {
    let config: Config = toml::from_str("[node]\nname = \"n1\"\ndata_dir = \"/nonexistent\"").unwrap();
    let spec = LineSpec {
        name: "l".to_owned(),
        endpoint,
        baud: 9_600,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 0,
        requires: std::collections::BTreeMap::new(),
    };
    let units = Directory::new(config.units.clone(), Metrics::default());
    Link::new(Arc::new(spec), Arc::new(config), Metrics::default(), descriptors.clone(), units)
}

#[tokio::test]
async fn lines_are_cut_when_the_lease_is_over_and_the_runtime_stands_still() {
    let field = Field::new([(1, Sim::new(10))]);
    let descriptors = Descriptors::default();
    let (mut gateway, mut serial) = (link(field.serve_tcp(0), &descriptors), link(field.serve_pty(), &descriptors));
    gateway.open().await.unwrap().write(&[0], EVERY).await.unwrap();
    serial.open().await.unwrap().write(&[0], EVERY).await.unwrap();
    let mut connections = field.connections.subscribe();
    soon(connections.wait_for(|n| *n == 1)).await.unwrap();

    let watchdog = Watchdog::start(Lease::default(), descriptors, EVERY).unwrap();
    soon(connections.wait_for(|n| *n == 0)).await.unwrap();
    drop(watchdog);
    let mut bytes = field.bytes.subscribe();
    soon(bytes.wait_for(|n| *n == 2)).await.unwrap();
    assert!(gateway.open().await.unwrap().write(&[1], EVERY).await.is_err());
    assert!(serial.open().await.unwrap().write(&[1], EVERY).await.is_err());

    // A port that is opened again speaks again, and says nothing of what was queued before.
    serial.failed(&std::io::Error::other("cut"));
    let again = soon(async {
        loop {
            tokio::time::sleep(EVERY).await;
            if serial.open().await.is_ok() {
                return;
            }
        }
    });
    again.await;
    serial.open().await.unwrap().write(&[2], EVERY).await.unwrap();
    soon(bytes.wait_for(|n| *n == 3)).await.unwrap();
}

#[tokio::test]
async fn lines_are_left_alone_while_there_is_a_lease_or_the_runtime_lives() {
    let field = Field::new([(1, Sim::new(10))]);
    let descriptors = Descriptors::default();
    let mut gateway = link(field.serve_tcp(0), &descriptors);
    gateway.open().await.unwrap();
    let lease = Lease::default();
    lease.renew(Moment::now(), Duration::from_secs(3_600));
    let stalled = Watchdog::start(lease, descriptors.clone(), EVERY).unwrap();
    tokio::time::sleep(EVERY * 5).await;
    assert!(gateway.open().await.unwrap().write(&[1], EVERY).await.is_ok(), "cut under a lease");
    drop(stalled);

    // Looks far enough apart that a busy machine is not taken for a stalled runtime.
    let seldom = EVERY * 20;
    let watchdog = Watchdog::start(Lease::default(), descriptors, seldom).unwrap();
    let _ = tokio::time::timeout(seldom * 3, watchdog.beat(seldom)).await;
    assert!(gateway.open().await.unwrap().write(&[1], EVERY).await.is_ok(), "cut while the runtime lived");
}
