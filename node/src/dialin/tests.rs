//! Units over real sockets: registered, replaced, echoed, refused, and what a hostile one can and cannot do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::dialin::packet::{Layout, Packet, kind};
use protocol::meter::LineId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Attached, Directory, Listener};
use crate::config::{self, DialIn};
use crate::metrics::Metrics;

/// Nothing in these tests takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node's port for units, whose units 00000001 to 00000009 have lines.
struct Port {
    address: SocketAddr,
    directory: Directory,
    stop: CancellationToken,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn port(section: &str) -> Port {
    let base = "listen = \"127.0.0.1:0\"\n";
    let settings: DialIn = toml::from_str(&format!("{base}{section}")).unwrap();
    let directory = Directory::new(config::Units::default(), Metrics::default());
    directory.set_open(true);
    let lines: BTreeMap<String, LineId> = (1..10).map(|n| (format!("{n:08}"), LineId(n))).collect();
    directory.set_lines(Arc::new(lines));
    let listener = Listener::bind(settings, directory.clone()).await.unwrap();
    let (address, stop) = (listener.address(), CancellationToken::new());
    tokio::spawn(listener.run(stop.clone()));
    Port { address, directory, stop }
}

/// Eight digits as id, FE and ping as heartbeats.
async fn plain(more: &str) -> Port {
    let section = "register = [\"{id:8d}\"]\nheartbeat = [\"FE\"]\nheartbeat_echo = [\"'ping'\"]\n";
    port(&format!("{section}{more}")).await
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

impl Port {
    async fn call(&self, word: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A port that has closed already says so when it is read.
        let _ = stream.write_all(word).await;
        stream
    }

    /// The unit, once it is here.
    async fn attached(&self, id: &str) -> Attached {
        let mut bell = self.directory.bell();
        soon("the unit is here", async {
            loop {
                match self.directory.attach(id) {
                    Some(unit) => return unit,
                    None => bell.changed().await.unwrap(),
                }
            }
        })
        .await
    }

    fn number(&self, name: &str) -> i64 {
        let text = self.directory.metrics().exposition();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("hearth_{name} ")));
        value.unwrap().parse().unwrap()
    }
}

/// What the other side says next.
async fn hears(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    soon("bytes come", stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// Waits until the other side has closed.
async fn is_closed(stream: &mut TcpStream) {
    let mut piece = [0; 64];
    soon("it is closed", async { while matches!(stream.read(&mut piece).await, Ok(1..)) {} }).await;
}

async fn gathers(unit: &mut Attached, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(soon("bytes come", unit.read()).await.unwrap());
    }
    all
}

#[tokio::test]
async fn bytes_go_both_ways_and_nothing_is_taken_out() {
    let port = plain("").await;
    let mut stream = port.call(b"000000").await;
    stream.write_all(b"01\xFE").await.unwrap();
    let mut unit = port.attached("00000001").await;
    unit.write(b"\x10\x40").await.unwrap();
    assert_eq!(hears(&mut stream, 2).await, b"\x10\x40");
    stream.write_all(b"\xFE\x68\xFE\x16").await.unwrap();
    let heard = gathers(&mut unit, 4).await;
    assert!(heard.ends_with(b"\xFE\x68\xFE\x16"), "{heard:02X?}");
}

#[tokio::test]
async fn what_came_before_a_question_is_thrown_away() {
    let port = plain("").await;
    let mut stream = port.call(b"00000001").await;
    let mut unit = port.attached("00000001").await;
    stream.write_all(b"old").await.unwrap();
    assert_eq!(gathers(&mut unit, 3).await, b"old");
    // More pieces than are kept for a line that does not listen.
    for _ in 0..200 {
        stream.write_all(b"\xFE").await.unwrap();
    }
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(hears(&mut stream, 4).await, b"ping");
    let shown = std::cell::RefCell::new(Vec::new());
    unit.drain(|stale| shown.borrow_mut().extend_from_slice(stale)).unwrap();
    let shown = shown.into_inner();
    assert!(!shown.is_empty() && shown.iter().all(|byte| *byte == 0xFE || b"ping".contains(byte)), "{shown:02X?}");
    stream.write_all(b"new").await.unwrap();
    assert_eq!(gathers(&mut unit, 3).await, b"new");
}

#[tokio::test]
async fn a_heartbeat_is_echoed_but_not_while_a_meter_is_asked() {
    let port = plain("").await;
    let mut stream = port.call(b"00000001").await;
    let mut unit = port.attached("00000001").await;
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(hears(&mut stream, 4).await, b"ping");
    unit.write(b"ask").await.unwrap();
    assert_eq!(hears(&mut stream, 3).await, b"ask");
    stream.write_all(b"ping").await.unwrap();
    assert!(gathers(&mut unit, 8).await.ends_with(b"ping"), "the line hears it as any byte");
    unit.write(b"again").await.unwrap();
    assert_eq!(hears(&mut stream, 5).await, b"again");
    unit.rest();
    assert_eq!(hears(&mut stream, 4).await, b"ping");
}

#[tokio::test]
async fn a_unit_that_calls_again_replaces_itself() {
    let port = plain("").await;
    let mut first = port.call(b"00000001").await;
    let mut unit = port.attached("00000001").await;
    let mut second = port.call(b"00000001").await;
    is_closed(&mut first).await;
    assert!(soon("the line is told", unit.read()).await.is_err());
    assert!(unit.write(b"x").await.is_err(), "a replaced connection is spoken on");
    drop(unit);
    let unit = port.attached("00000001").await;
    unit.write(b"ask").await.unwrap();
    assert_eq!(hears(&mut second, 3).await, b"ask");
}

#[tokio::test]
async fn a_line_that_lets_go_of_its_unit_ends_the_connection() {
    let port = plain("").await;
    let mut stream = port.call(b"00000001").await;
    drop(port.attached("00000001").await);
    is_closed(&mut stream).await;
    assert!(port.directory.attach("00000001").is_none());
}

#[tokio::test]
async fn one_line_at_a_time_has_a_unit() {
    let port = plain("").await;
    let _stream = port.call(b"00000001").await;
    let _unit = port.attached("00000001").await;
    assert!(port.directory.attach("00000001").is_none());
}

#[tokio::test]
async fn packets_are_acknowledged_and_unwrapped() {
    let port = port("wrapper = \"7b\"").await;
    let id = *b"00000000007";
    let packet = |kind, data: &[u8]| Packet::to(id, kind, data.to_vec()).encode(Layout::Closed);
    port.directory.set_lines(Arc::new(BTreeMap::from([("00000000007".to_owned(), LineId(7))])));
    let mut stream = port.call(&packet(kind::REGISTER, &[127, 0, 0, 1, 0, 1])).await;
    assert_eq!(hears(&mut stream, 16).await, packet(kind::REGISTERED, &[]));
    let mut unit = port.attached("00000000007").await;
    unit.write(&[0x10, 0x5B]).await.unwrap();
    assert_eq!(hears(&mut stream, 18).await, packet(kind::DOWN, &[0x10, 0x5B]));
    let (one, two) = (packet(kind::DATA, &[0x68, 0x7B]), packet(kind::DATA, &[0x16]));
    stream.write_all(&[&one[..], &two[..5]].concat()).await.unwrap();
    assert_eq!(gathers(&mut unit, 2).await, [0x68, 0x7B]);
    stream.write_all(&two[5..]).await.unwrap();
    assert_eq!(gathers(&mut unit, 1).await, [0x16]);
    stream.write_all(&packet(kind::GOODBYE, &[])).await.unwrap();
    assert_eq!(hears(&mut stream, 16).await, packet(kind::GONE, &[]));
    is_closed(&mut stream).await;
}

#[tokio::test]
async fn a_unit_that_says_nothing_is_gone_after_the_idle_limit() {
    let port = plain("idle_limit = \"300ms\"").await;
    let mut stream = port.call(b"00000001").await;
    let _unit = port.attached("00000001").await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(b"\xFE").await.unwrap();
    }
    is_closed(&mut stream).await;
}

#[tokio::test]
async fn a_unit_without_a_line_is_remembered_and_closed_unless_it_gets_one() {
    let port = plain("register_limit = \"1s\"").await;
    let mut stranger = port.call(b"99999999").await;
    let mut late = port.call(b"88888888").await;
    let unknown = || async {
        while port.number("units_unknown") != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("both are remembered", unknown()).await;
    port.directory.set_lines(Arc::new(BTreeMap::from([("88888888".to_owned(), LineId(1))])));
    assert_eq!(port.number("units_unknown"), 1);
    let report = port.directory.metrics().report();
    let told: Vec<_> = report.unknown_units.iter().map(|unit| (unit.unit.as_str(), unit.calls)).collect();
    assert_eq!(told, [("99999999", 1)]);
    is_closed(&mut stranger).await;
    late.write_all(b"ping").await.unwrap();
    assert_eq!(hears(&mut late, 4).await, b"ping");
    let _unit = port.attached("88888888").await;
}

#[tokio::test]
async fn a_closed_node_takes_no_unit_and_lets_its_units_go_after_what_they_are_asked() {
    let port = plain("").await;
    let mut idle = port.call(b"00000001").await;
    let mut busy = port.call(b"00000002").await;
    let _idle = port.attached("00000001").await;
    let mut unit = port.attached("00000002").await;
    unit.write(b"ask").await.unwrap();
    port.directory.set_open(false);
    is_closed(&mut idle).await;
    busy.write_all(b"answer").await.unwrap();
    assert_eq!(gathers(&mut unit, 6).await, b"answer");
    unit.rest();
    assert_eq!(hears(&mut busy, 3).await, b"ask");
    is_closed(&mut busy).await;
    let mut refused = TcpStream::connect(port.address).await.unwrap();
    is_closed(&mut refused).await;
}

#[tokio::test]
async fn strangers_slow_ones_and_floods_are_closed_and_other_units_go_on() {
    let port = plain("register_limit = \"400ms\"\nper_address_max = 40\nunits_max = 50").await;
    let mut good = port.call(b"00000001").await;
    let mut unit = port.attached("00000001").await;
    let mut slow = port.call(b"0").await;
    let mut wrong = port.call(b"GET / HTTP/1.1\r\n\r\n").await;
    let mut oversize = port.call(&vec![b'x'; 60_000]).await;
    is_closed(&mut wrong).await;
    is_closed(&mut oversize).await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        // Closed before it was made, where it is beyond the limit.
        flood.extend(TcpStream::connect(port.address).await);
    }
    // Beyond the limit of their address they are closed at once; the others when they did not register.
    for stream in flood.iter_mut().rev() {
        is_closed(stream).await;
    }
    is_closed(&mut slow).await;
    unit.write(b"ask").await.unwrap();
    assert_eq!(hears(&mut good, 3).await, b"ask");
    good.write_all(b"answer").await.unwrap();
    assert!(gathers(&mut unit, 6).await.ends_with(b"answer"));
    assert!(port.number("units_refused_total") >= 203);
    assert_eq!(port.number("units_connected"), 1);
    // Their places are free again.
    let _late = port.call(b"00000002").await;
    drop(port.attached("00000002").await);
}

mod telling {
    use std::collections::BTreeMap;

    use protocol::meter::{LineId, NodeId};
    use raft_store::state::presence::Present;
    use raft_store::state::{State, UnixMillis};

    use crate::dialin::herald::{News, Telling};

    const LINE: LineId = LineId(3);

    fn shows(node: u64, life: u64, connection: u64) -> State {
        let mut state = State::default();
        let present = Present { node: NodeId(node), life, connection, since: UnixMillis(1) };
        state.presence.units.insert(LINE, present);
        state
    }

    fn here(connection: u64) -> BTreeMap<LineId, u64> {
        BTreeMap::from([(LINE, connection)])
    }

    #[test]
    fn what_the_state_shows_is_not_told_again() {
        let mut telling = Telling::new(NodeId(1), 7);
        let came = News { came: vec![(LINE, 4)], ..News::default() };
        assert_eq!(telling.news(&here(4), &State::default()), came);
        assert_eq!(telling.news(&here(4), &shows(1, 7, 4)), News::default());
        assert_eq!(telling.news(&here(5), &shows(1, 7, 4)).came, [(LINE, 5)]);
        assert_eq!(telling.news(&BTreeMap::new(), &shows(1, 7, 4)).gone, [(LINE, 4)]);
    }

    #[test]
    fn a_connection_that_was_agreed_on_is_stale_once_the_unit_is_elsewhere() {
        let mut telling = Telling::new(NodeId(1), 7);
        assert_eq!(telling.news(&here(4), &shows(2, 9, 1)).came, [(LINE, 4)], "it has just come from there");
        assert_eq!(telling.news(&here(4), &shows(1, 7, 4)), News::default());
        let news = telling.news(&here(4), &shows(2, 9, 2));
        assert_eq!((news.stale, news.came), (vec![4], vec![]));
    }

    #[test]
    fn an_earlier_life_is_ended_even_if_no_unit_is_here() {
        let mut telling = Telling::new(NodeId(1), 7);
        assert!(telling.news(&BTreeMap::new(), &shows(1, 6, 4)).is_first);
        assert_eq!(telling.news(&BTreeMap::new(), &shows(2, 6, 4)), News::default());
    }
}
