//! What a state of many meters costs: to import, to clone, to encode, to take the digest of, to read back.
//!
//! `cargo run --release -p raft-store --example state_size -- 100000`

#![expect(clippy::disallowed_methods, reason = "measures time")]

use std::error::Error;
use std::time::Instant;

use protocol::meter::Address;
use raft_store::codec;
use raft_store::state::membership::Labels;
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, Schedule};
use raft_store::state::{Entry, LogPosition, Reply, State, UnixMillis, apply};

/// Meters on a line, as M-Bus has them.
const METERS_ON_A_LINE: u32 = 250;

fn main() -> Result<(), Box<dyn Error>> {
    let meters: u32 = std::env::args().nth(1).ok_or("say how many meters")?.parse()?;
    let lines = meters.div_ceil(METERS_ON_A_LINE);
    let mut state = State::default();
    let lines = Entry::ImportLines { at: UnixMillis(1), lines: (0..lines).map(line).collect() };
    let meters = Entry::ImportMeters { meters: (0..meters).map(meter).collect() };
    println!("entry of the meters: {} bytes", codec::encode_entry(&meters)?.len());
    for entry in [&lines, &meters] {
        let reply = timed(&format!("apply {entry}"), || apply(&mut state, LogPosition::default(), entry));
        assert!(matches!(reply, Reply::Imported { .. }), "{reply:?}");
    }
    let _clone = timed("clone", || state.clone());
    let bytes = timed("encode", || codec::encode_state(&state))?;
    println!("state: {} bytes", bytes.len());
    println!("digest {}", timed("digest", || codec::digest(&state))?);
    let again = timed("decode", || codec::decode_state(&bytes))?;
    assert!(timed("compare", || again == state), "the state came back changed");
    Ok(())
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    println!("{what}: {:.3} ms", begun.elapsed().as_secs_f64() * 1e3);
    result
}

fn line(number: u32) -> LineSpec {
    LineSpec {
        name: format!("line-{number:05}"),
        endpoint: Endpoint::Tcp { host: format!("gateway-{number:05}.example"), port: 10_001 },
        baud: 2400,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 2,
        requires: Labels::new(),
    }
}

fn meter(number: u32) -> MeterSpec {
    MeterSpec {
        name: format!("meter-{number:07}"),
        line: format!("line-{:05}", number / METERS_ON_A_LINE),
        address: Address::MbusSecondary { id: number, manufacturer: 0x2C2D, version: 0x1B, medium: 4 },
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 0 },
        enabled: true,
    }
}
