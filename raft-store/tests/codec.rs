//! Durable bytes: round trips, frozen examples, and bytes from anywhere.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use common::{entry, run_all, steps};
use proptest::prelude::*;
use protocol::meter::{Action, Address, CommandId, Epoch, LineId, MeterId, NodeId};
use raft_store::codec::{self, CodecError, Kind, envelope};
use raft_store::state::assignment::{Move, Revocation};
use raft_store::state::command::{Outcome, Request};
use raft_store::state::membership::Newcomer;
use raft_store::state::plant::calendar::{Calendar, Date, MonthDay};
use raft_store::state::plant::detail::{LineDetail, MeterDetail, Own};
use raft_store::state::plant::policy::Policy;
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, RowFault, Schedule};
use raft_store::state::{Entry, LogPosition, Refused, Reply, State, UnixMillis};
use raft_store::types::{Image, Membership, Node, Payload, RaftEntry, StoredMembership, Vote, log_id};

const AT: UnixMillis = UnixMillis(1_700_000_000_000);

fn position() -> LogPosition {
    LogPosition { term: 7, index: 300 }
}

fn membership() -> Membership {
    let nodes = (1..=4).map(|id| (id, Node::new(format!("n{id}.example:7000")))).collect::<BTreeMap<u64, Node>>();
    Membership::new(vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])], nodes).unwrap()
}

fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([("site".to_owned(), "north".to_owned())])
}

/// Every kind of change, every field with something in it.
fn entries() -> Vec<(&'static str, Entry)> {
    let newcomer = Newcomer { name: "n1".to_owned(), address: "n1.example:7000".to_owned(), labels: labels() };
    let line = |endpoint, parity| LineSpec {
        name: "l1".to_owned(),
        endpoint,
        baud: 2400,
        parity,
        extra_answer_ms: 150,
        repeats: 2,
        requires: labels(),
    };
    let tcp = line(Endpoint::Tcp { host: "gw.example".to_owned(), port: 10_001 }, Parity::Even);
    let serial = line(Endpoint::Serial { path: "/dev/ttyS0".to_owned() }, Parity::None);
    let odd = LineSpec { parity: Parity::Odd, ..serial.clone() };
    let modbus = line(Endpoint::ModbusTcp { host: "plc.example".to_owned(), port: 502 }, Parity::None);
    let unit = line(Endpoint::DialIn { unit: "00012345".to_owned() }, Parity::Even);
    let addresses = [
        Address::MbusPrimary(250),
        Address::MbusSecondary { id: 0x1234_5678, manufacturer: 0x2C2D, version: 0x1B, medium: 0x04 },
        Address::Cjt188([0x00, 0x00, 0x12, 0x34, 0x56, 0x78, 0x90]),
        Address::ModbusUnit(247),
    ];
    let meters = addresses.into_iter().zip([Some("ultraflow".to_owned()), None, None, None]);
    let meters = meters.map(|(address, profile)| MeterSpec {
        name: "m1".to_owned(),
        line: "l1".to_owned(),
        address,
        profile,
        schedule: Schedule { interval_s: 900, offset_s: 30 },
        enabled: true,
    });
    let enhanced = MeterSpec {
        name: "m2".to_owned(),
        line: "l1".to_owned(),
        address: Address::MbusEnhanced {
            id: 0x1234_5678,
            manufacturer: 0x2C2D,
            version: 0x1B,
            medium: 0x04,
            fabrication: 0x0102_0304,
        },
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 30 },
        enabled: true,
    };
    let (command, epoch, node) = (CommandId(9), Epoch(4), NodeId(3));
    let request = |action| Request { meter: MeterId(77), action, deadline: AT, key: "k-1".to_owned() };
    let finish = |outcome| Entry::Finish { at: AT, command, epoch, outcome };
    let text = || "a word".to_owned();
    let moves = vec![Move { line: LineId(5), from: epoch, to: node }];
    let revoked = |to| Revocation { line: LineId(5), epoch, to };
    vec![
        ("found", Entry::Found { at: AT, cluster_id: text(), cluster_name: text(), first: newcomer.clone() }),
        ("admit", Entry::Admit { at: AT, newcomer, key: text() }),
        ("announce", Entry::Announce { node, address: text() }),
        ("set-draining", Entry::SetDraining { node, draining: true }),
        ("remove-node", Entry::RemoveNode { node }),
        ("import-lines", Entry::ImportLines { at: AT, lines: vec![tcp, serial, odd] }),
        ("import-lines-modbus-tcp-and-dial-in", Entry::ImportLines { at: AT, lines: vec![modbus, unit] }),
        ("import-meters", Entry::ImportMeters { meters: meters.collect() }),
        ("import-enhanced", Entry::ImportMeters { meters: vec![enhanced] }),
        ("remove-line", Entry::RemoveLine { name: text() }),
        ("remove-meter", Entry::RemoveMeter { name: text() }),
        ("set-meter-enabled", Entry::SetMeterEnabled { name: text(), enabled: false }),
        ("assign", Entry::Assign { at: AT, term: 7, moves, cause: text() }),
        ("revoke", Entry::Revoke { at: AT, lines: vec![revoked(Some(node)), revoked(None)], cause: text() }),
        ("release", Entry::Release { at: AT, node, lines: vec![(LineId(5), epoch), (LineId(6), Epoch(1))] }),
        ("submit-read-now", Entry::Submit { at: AT, request: request(Action::ReadNow) }),
        ("submit-valve-open", Entry::Submit { at: AT, request: request(Action::ValveOpen) }),
        ("submit-valve-close", Entry::Submit { at: AT, request: request(Action::ValveClose) }),
        ("start", Entry::Start { at: AT, command, node, epoch }),
        ("finish-verified", finish(Outcome::Verified(text()))),
        ("finish-acknowledged", finish(Outcome::Acknowledged)),
        ("finish-refused", finish(Outcome::Refused { code: 300, text: text() })),
        ("finish-failed", finish(Outcome::Failed(text()))),
        ("finish-expired", finish(Outcome::Expired)),
        ("finish-cancelled", finish(Outcome::Cancelled)),
        ("finish-unknown", finish(Outcome::Unknown(text()))),
        ("cancel", Entry::Cancel { at: AT, command }),
        ("expire", Entry::Expire { at: AT }),
        ("retire", Entry::Retire { at: AT, commands: vec![command, CommandId(10)] }),
        ("units-seen", units_seen(node)),
    ]
}

/// Every kind of change that came with the plant.
fn plant_entries() -> Vec<(&'static str, Entry)> {
    let name = || "m1".to_owned();
    let schedule = || "every 15m in season; daily 00:00".parse().unwrap();
    let line = LineDetail { labels: labels(), schedule: Some(schedule()) };
    let details = [Own::Interval, Own::Words(schedule()), Own::Inherited];
    let details = details.map(|schedule| MeterDetail {
        labels: labels(),
        identity: Some("12345678".to_owned()).filter(|_| schedule != Own::Inherited),
        schedule,
    });
    let meters = (1..).zip(details).map(|(n, detail)| (common::meter_spec(&format!("m{n}"), "l1", n), detail));
    let day = |month, day| MonthDay { month, day };
    let date = |year, day| Date { year, day };
    let calendar = Calendar {
        zone: "Asia/Shanghai".to_owned(),
        yearly: Some((day(11, 15), day(3, 15))),
        seasons: BTreeMap::from([(2026, (date(2026, day(11, 1)), date(2027, day(4, 5))))]),
    };
    let selector = "site=north,line=l*".parse().unwrap();
    let policy = Policy { name: "billing".to_owned(), rank: 7, selector, schedule: "daily 00:00".parse().unwrap() };
    vec![
        ("register-lines", Entry::RegisterLines { at: AT, lines: vec![(common::line_spec("l1", 1), line)] }),
        ("register-meters", Entry::RegisterMeters { at: AT.plus(1), meters: meters.collect() }),
        ("set-calendar", Entry::SetCalendar { at: AT.plus(2), calendar }),
        ("set-policy", Entry::SetPolicy { at: AT.plus(3), policy }),
        ("switch-meter", Entry::SwitchMeter { at: AT.plus(4), name: name(), enabled: false }),
        ("forget-meter", Entry::ForgetMeter { at: AT.plus(5), name: name() }),
        ("remove-policy", Entry::RemovePolicy { at: AT.plus(6), name: "billing".to_owned() }),
        ("settle-duties", Entry::SettleDuties { upto: 0 }),
    ]
}

/// After all of them, with a duty that ended and was not settled.
fn plant_state() -> State {
    let mut state = State::default();
    let steps = plant_entries().into_iter().map(|(_, entry)| (7, entry)).collect::<Vec<_>>();
    run_all(&mut state, &steps);
    state
}

fn units_seen(node: NodeId) -> Entry {
    Entry::UnitsSeen { at: AT, node, life: 0xA5A5_0001, came: vec![(LineId(3), 300)], gone: vec![(LineId(1), 2)] }
}

fn replies() -> Vec<(&'static str, Reply)> {
    let fault = RowFault { row: 3, column: "address".to_owned(), message: "5 belongs to meter m2".to_owned() };
    vec![
        ("done", Reply::Done),
        ("admitted", Reply::Admitted(NodeId(4))),
        ("imported", Reply::Imported { created: 1, updated: 2, unchanged: 300 }),
        ("rows", Reply::Rows(vec![fault])),
        ("queued", Reply::Queued(CommandId(9))),
        ("applied", Reply::Applied(5)),
        ("missing", Reply::Refused(Refused::missing("line", "l9"))),
        ("conflict", Reply::Refused(Refused::Conflict("in the way".to_owned()))),
        ("stale", Reply::Refused(Refused::Stale("epoch 3".to_owned()))),
    ]
}

/// A state with every kind of thing in it.
fn full_state() -> State {
    let mut state = common::small_cluster();
    let node = NodeId(2);
    let request = |meter, key: &str, action| Entry::Submit {
        at: AT,
        request: Request { meter: MeterId(meter), action, deadline: AT.plus(900_000), key: key.to_owned() },
    };
    let give = |line, to| Move { line: LineId(line), from: Epoch(0), to: NodeId(to) };
    let revoked = Revocation { line: LineId(1), epoch: Epoch(1), to: Some(NodeId(1)) };
    let steps = [
        Entry::SetDraining { node: NodeId(1), draining: false },
        Entry::Assign { at: AT, term: 1, moves: vec![give(1, 2), give(2, 2)], cause: "first".to_owned() },
        Entry::Revoke { at: AT, lines: vec![revoked], cause: "balance".to_owned() },
        request(1, "a", Action::ReadNow),
        request(2, "b", Action::ValveOpen),
        request(3, "c", Action::ValveClose),
        Entry::Start { at: AT, command: CommandId(2), node, epoch: Epoch(1) },
        Entry::Start { at: AT, command: CommandId(3), node, epoch: Epoch(1) },
        Entry::Finish {
            at: AT,
            command: CommandId(3),
            epoch: Epoch(1),
            outcome: Outcome::Verified("closed".to_owned()),
        },
        Entry::SetDraining { node: NodeId(1), draining: true },
    ];
    for entry in steps {
        let reply = common::run(&mut state, &entry);
        assert!(!common::is_refused(&reply), "{entry:?} gave {reply:?}");
    }
    assert_eq!(state.check(), Ok(()));
    state
}

fn image(state: State) -> Image {
    Image {
        applied: Some(position()),
        membership: StoredMembership::new(Some(log_id(LogPosition { term: 6, index: 2 })), membership()),
        state,
    }
}

/// The full state, and a dial-in line whose unit is connected to node 2.
fn state_with_a_unit() -> State {
    let mut state = full_state();
    let line = LineSpec { endpoint: Endpoint::DialIn { unit: "00012345".to_owned() }, ..common::line_spec("l3", 3) };
    for entry in [Entry::ImportLines { at: AT, lines: vec![line] }, units_seen(NodeId(2))] {
        let reply = common::run(&mut state, &entry);
        assert!(!common::is_refused(&reply), "{entry:?} gave {reply:?}");
    }
    assert_eq!(state.check(), Ok(()));
    state
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<_> = digits.as_bytes().chunks(96).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\n") + "\n"
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test reads its own files and switch")]
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.hex"));
    if !path.exists() && std::env::var_os("HEARTH_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, hex(bytes)).unwrap();
    }
    let missing = |error| panic!("{}: {error}: write it once with HEARTH_BLESS=1", path.display());
    unhex(&std::fs::read_to_string(&path).unwrap_or_else(missing))
}

/// The frozen bytes decode to the value, and the value encodes to the frozen bytes.
fn assert_frozen<T: PartialEq + std::fmt::Debug>(
    name: &str,
    value: &T,
    encode: impl Fn(&T) -> Result<Vec<u8>, CodecError>,
    decode: impl Fn(&[u8]) -> Result<T, CodecError>,
) {
    let bytes = encode(value).unwrap();
    let frozen = golden(name, &bytes);
    assert_eq!(&decode(&frozen).unwrap(), value, "{name} decodes to something else");
    assert_eq!(hex(&frozen), hex(&bytes), "{name} encodes to something else");
}

#[test]
fn entries_written_by_version_1_stay_readable_and_are_written_the_same() {
    for (name, entry) in entries() {
        assert_frozen(&format!("v1-entry-{name}"), &entry, codec::encode_entry, codec::decode_entry);
    }
}

#[test]
fn replies_written_by_version_1_stay_readable_and_are_written_the_same() {
    for (name, reply) in replies() {
        assert_frozen(&format!("v1-reply-{name}"), &reply, codec::encode_reply, codec::decode_reply);
    }
}

#[test]
fn consensus_records_written_by_version_1_stay_readable_and_are_written_the_same() {
    let normal = Payload::Normal(Entry::Expire { at: AT });
    for (name, payload) in
        [("blank", Payload::Blank), ("normal", normal.clone()), ("membership", Payload::Membership(membership()))]
    {
        assert_frozen(&format!("v1-payload-{name}"), &payload, codec::encode_payload, codec::decode_payload);
    }
    let entry = RaftEntry { log_id: log_id(position()), payload: normal };
    assert_frozen("v1-log-entry", &entry, codec::encode_raft_entry, codec::decode_raft_entry);
    assert_frozen("v1-membership", &membership(), codec::encode_membership, codec::decode_membership);
    assert_frozen("v1-vote", &Vote::new(7, 3), codec::encode_vote, codec::decode_vote);
    assert_frozen("v1-vote-committed", &Vote::new_committed(7, 3), codec::encode_vote, codec::decode_vote);
    assert_frozen("v1-log-position", &log_id(position()), codec::encode_log_id, codec::decode_log_id);
}

#[test]
fn states_and_snapshots_written_by_version_1_stay_readable_and_are_written_the_same() {
    assert_frozen("v1-state-empty", &State::default(), codec::encode_state, codec::decode_state);
    assert_frozen("v1-state", &full_state(), codec::encode_state, codec::decode_state);
    assert_frozen("v1-snapshot", &image(full_state()), codec::encode_snapshot, codec::decode_snapshot);
    assert_frozen("v1-snapshot-empty", &Image::default(), codec::encode_snapshot, codec::decode_snapshot);
}

#[test]
fn states_and_snapshots_with_units_are_written_as_version_2_and_stay_readable() {
    let state = state_with_a_unit();
    assert_frozen("v2-state", &state, codec::encode_state, codec::decode_state);
    assert_frozen("v2-snapshot", &image(state.clone()), codec::encode_snapshot, codec::decode_snapshot);
    assert_eq!(codec::encode_state(&state).unwrap()[6..8], 2_u16.to_le_bytes());
    assert_eq!(codec::encode_state(&full_state()).unwrap()[6..8], codec::VERSION.to_le_bytes());
}

#[test]
fn changes_and_states_of_the_plant_are_written_as_version_3_and_stay_readable() {
    for (name, entry) in plant_entries() {
        assert_frozen(&format!("v1-entry-{name}"), &entry, codec::encode_entry, codec::decode_entry);
    }
    let state = plant_state();
    assert_eq!((state.plant.duties.ended.len(), state.check()), (4, Ok(())), "there is something of everything");
    assert_frozen("v3-state", &state, codec::encode_state, codec::decode_state);
    assert_frozen("v3-snapshot", &image(state.clone()), codec::encode_snapshot, codec::decode_snapshot);
    assert_eq!(codec::encode_state(&state).unwrap()[6..8], codec::STATE_VERSION.to_le_bytes());
}

#[test]
fn the_digest_of_a_state_is_frozen() {
    let digest = codec::digest(&full_state()).unwrap();
    assert_eq!(hex(&golden("v1-state-digest", &digest.0)), hex(&digest.0));
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let bytes = codec::encode_snapshot(&image(full_state())).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(codec::decode_snapshot(&damaged).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_missing_or_added_byte_is_refused() {
    let bytes = codec::encode_entry(&Entry::Expire { at: AT }).unwrap();
    for length in 0..bytes.len() {
        assert!(codec::decode_entry(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(codec::decode_entry(&[bytes, vec![0]].concat()).is_err());
}

#[test]
fn a_sound_envelope_of_another_kind_is_named() {
    let vote = codec::encode_vote(&Vote::new(1, 1)).unwrap();
    let error = codec::decode_entry(&vote).unwrap_err();
    assert_eq!(error.to_string(), "expected entry and found vote");
}

/// An envelope with right checksums around any payload.
fn sealed(kind: Kind, version: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = envelope::MAGIC.to_vec();
    bytes.extend(kind.number().to_le_bytes());
    bytes.extend(version.to_le_bytes());
    bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend(crc32c::crc32c(payload).to_le_bytes());
    bytes.extend(payload);
    bytes
}

#[test]
fn a_newer_version_is_named_with_the_remedy() {
    let error = codec::decode_entry(&sealed(Kind::Entry, 2, &[])).unwrap_err();
    assert_eq!(error.to_string(), "entry version 2 is newer than 1, the newest known: upgrade this node");
    let error = codec::decode_state(&sealed(Kind::State, 4, &[])).unwrap_err();
    assert_eq!(error.to_string(), "state version 4 is newer than 3, the newest known: upgrade this node");
}

#[test]
fn bytes_after_the_value_are_refused() {
    let whole = codec::encode_entry(&Entry::Expire { at: AT }).unwrap();
    let payload = [&whole[envelope::HEADER_LEN..], &[0, 0, 0]].concat();
    let error = codec::decode_entry(&sealed(Kind::Entry, 1, &payload)).unwrap_err();
    assert_eq!(error.to_string(), "entry is followed by 3 bytes too many");
}

#[test]
fn a_list_that_claims_more_than_the_bytes_left_is_refused_before_it_is_made_room_for() {
    // Retire: variant 18, at 1, then a list of 2^60 commands.
    let payload = [&[18, 1, 253][..], &(1_u64 << 60).to_le_bytes()].concat();
    assert!(matches!(codec::decode_entry(&sealed(Kind::Entry, 1, &payload)), Err(CodecError::Decode { .. })));
}

#[test]
fn an_entry_beyond_the_limit_is_refused_with_the_remedy() {
    let entry = Entry::RemoveLine { name: "x".repeat(codec::ENTRY_LIMIT) };
    let error = codec::encode_entry(&entry).unwrap_err();
    assert!(error.to_string().ends_with("is longer than the limit of 8388608: split it"), "{error}");
}

#[test]
fn an_entry_of_the_smallest_parts_is_readable_up_to_the_limit_also_in_the_log() {
    // 15 bytes: the variant, the moment (9), the count (5).
    let commands = vec![CommandId(1); codec::ENTRY_LIMIT - 15];
    let entry = Entry::Retire { at: AT, commands };
    let bytes = codec::encode_entry(&entry).unwrap();
    assert_eq!(bytes.len(), envelope::HEADER_LEN + codec::ENTRY_LIMIT);
    assert!(codec::decode_entry(&bytes).unwrap() == entry);
    let payload = Payload::Normal(entry);
    assert!(codec::decode_payload(&codec::encode_payload(&payload).unwrap()).unwrap() == payload);
}

#[test]
fn a_state_with_a_name_twice_is_refused() {
    let mut state = full_state();
    let mut twin = state.registry.lines.get(&LineId(1)).unwrap().clone();
    twin.id = LineId(3);
    state.registry.lines.insert(LineId(3), twin);
    let error = codec::decode_state(&codec::encode_state(&state).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "line name \"l1\" twice is not possible");
}

proptest! {
    #![proptest_config(common::cases(256))]

    #[test]
    fn an_entry_comes_back_as_it_was(entry in entry()) {
        let bytes = codec::encode_entry(&entry).unwrap();
        prop_assert_eq!(codec::decode_entry(&bytes).unwrap(), entry);
    }

    #[test]
    fn a_reachable_state_comes_back_as_it_was_with_its_indexes(steps in steps(0..80)) {
        let mut state = State::default();
        run_all(&mut state, &steps);
        let bytes = codec::encode_state(&state).unwrap();
        let again = codec::decode_state(&bytes).unwrap();
        prop_assert_eq!(again.check(), Ok(()));
        prop_assert_eq!(&again, &state);
        prop_assert_eq!(codec::encode_state(&again).unwrap(), bytes);
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn any_payload_in_a_sound_envelope_gives_a_value_or_an_error(
        payload in proptest::collection::vec(prop_oneof![any::<u8>(), 0..20_u8, 250..=255_u8], 0..200)
    ) {
        for kind in Kind::ALL {
            if payload.len() <= kind.limit() {
                decode_as_everything(&sealed(kind, 1, &payload));
                decode_as_everything(&sealed(kind, 2, &payload));
            }
        }
    }
}

fn decode_as_everything(bytes: &[u8]) {
    drop(codec::decode_entry(bytes));
    drop(codec::decode_reply(bytes));
    drop(codec::decode_payload(bytes));
    drop(codec::decode_raft_entry(bytes));
    drop(codec::decode_membership(bytes));
    drop(codec::decode_vote(bytes));
    drop(codec::decode_log_id(bytes));
    drop(codec::decode_state(bytes));
    drop(codec::decode_snapshot(bytes));
}
