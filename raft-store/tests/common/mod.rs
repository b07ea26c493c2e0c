//! Random changes from a vocabulary so small that they meet: few names, few ids, few epochs.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod disk;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use protocol::meter::{Action, Address, CommandId, Epoch, LineId, MeterId, NodeId};
use raft_store::state::assignment::{Move, Revocation};
use raft_store::state::command::{Outcome, Request};
use raft_store::state::membership::{Labels, Newcomer};
use raft_store::state::plant::calendar::{Calendar, Date, MonthDay};
use raft_store::state::plant::detail::{LineDetail, MeterDetail, Own};
use raft_store::state::plant::policy::Policy;
use raft_store::state::plant::schedule;
use raft_store::state::registry::{Endpoint, LineSpec, MeterSpec, Parity, Schedule};
use raft_store::state::{Entry, LogPosition, Reply, State, UnixMillis, apply};

/// So many cases; a case that fails is kept beside the test.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let kept = Box::new(FileFailurePersistence::WithSource("regressions"));
    ProptestConfig { cases: count, failure_persistence: Some(kept), ..ProptestConfig::default() }
}

/// A change with the term in which it stands in the log.
pub(crate) type Step = (u64, Entry);

pub(crate) fn line_spec(name: &str, port: u16) -> LineSpec {
    LineSpec {
        name: name.to_owned(),
        endpoint: Endpoint::Tcp { host: "gateway.example".to_owned(), port },
        baud: 2400,
        parity: Parity::Even,
        extra_answer_ms: 0,
        repeats: 2,
        requires: Labels::new(),
    }
}

pub(crate) fn dial_in_spec(name: &str, unit: &str) -> LineSpec {
    LineSpec { endpoint: Endpoint::DialIn { unit: unit.to_owned() }, ..line_spec(name, 0) }
}

pub(crate) fn meter_spec(name: &str, line: &str, primary: u8) -> MeterSpec {
    MeterSpec {
        name: name.to_owned(),
        line: line.to_owned(),
        address: Address::MbusPrimary(primary),
        profile: None,
        schedule: Schedule { interval_s: 900, offset_s: 0 },
        enabled: true,
    }
}

pub(crate) fn newcomer(name: &str) -> Newcomer {
    Newcomer { name: name.to_owned(), address: format!("{name}.example:7000"), labels: Labels::new() }
}

pub(crate) fn found() -> Entry {
    Entry::Found {
        at: UnixMillis(1),
        cluster_id: "c-1".to_owned(),
        cluster_name: "north".to_owned(),
        first: newcomer("n1"),
    }
}

/// Two nodes, two lines of two meters: where most claims begin.
pub(crate) fn small_cluster() -> State {
    let mut state = State::default();
    let admit = Entry::Admit { at: UnixMillis(2), newcomer: newcomer("n2"), key: "join-n2".to_owned() };
    let lines = vec![line_spec("l1", 1), line_spec("l2", 2)];
    let meters = [("m1", "l1", 1), ("m2", "l1", 2), ("m3", "l2", 1), ("m4", "l2", 2)];
    let meters = meters.into_iter().map(|(name, line, at)| meter_spec(name, line, at)).collect();
    let at = UnixMillis(3);
    for entry in [found(), admit, Entry::ImportLines { at, lines }, Entry::ImportMeters { meters }] {
        let reply = run(&mut state, &entry);
        assert!(!is_refused(&reply), "{entry:?}: {reply:?}");
    }
    state
}

/// Applies one entry in term 1.
pub(crate) fn run(state: &mut State, entry: &Entry) -> Reply {
    apply(state, LogPosition { term: 1, index: 1 }, entry)
}

pub(crate) fn run_all(state: &mut State, steps: &[Step]) {
    for (index, (term, entry)) in (1..).zip(steps) {
        apply(state, LogPosition { term: *term, index }, entry);
    }
}

pub(crate) fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(_) | Reply::Rows(_))
}

pub(crate) fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let random = vec((1..3_u64, entry()), count);
    (any::<bool>(), random).prop_map(|(at_work, steps)| {
        let before = if at_work { cluster_at_work() } else { vec![found()] };
        before.into_iter().map(|entry| (1, entry)).chain(steps).collect()
    })
}

/// Two nodes, two lines with owners, and commands: random changes alone seldom get that far.
fn cluster_at_work() -> Vec<Entry> {
    let at = UnixMillis(3);
    let request = |meter, key: &str| Request {
        meter: MeterId(meter),
        action: Action::ValveOpen,
        deadline: UnixMillis(900),
        key: key.to_owned(),
    };
    let give = |line, node| Move { line: LineId(line), from: Epoch(0), to: NodeId(node) };
    vec![
        found(),
        Entry::Admit { at, newcomer: newcomer("n2"), key: "key1".to_owned() },
        Entry::ImportLines { at, lines: vec![line_spec("l1", 1), line_spec("l2", 2), dial_in_spec("l3", "unit1")] },
        Entry::ImportMeters { meters: vec![meter_spec("m1", "l1", 1), meter_spec("m2", "l2", 1)] },
        Entry::Assign { at, term: 1, moves: vec![give(1, 1), give(2, 2)], cause: "orphans".to_owned() },
        Entry::Submit { at, request: request(1, "key1") },
        Entry::Submit { at, request: request(2, "key2") },
        Entry::Start { at, command: CommandId(1), node: NodeId(1), epoch: Epoch(1) },
    ]
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        1 => (at(), word("c"), newcomers())
            .prop_map(|(at, id, first)| Entry::Found { at, cluster_id: id, cluster_name: "north".to_owned(), first }),
        4 => (at(), newcomers(), word("key"))
            .prop_map(|(at, newcomer, key)| Entry::Admit { at, newcomer, key }),
        1 => (node(), word("host")).prop_map(|(node, address)| Entry::Announce { node, address }),
        2 => (node(), any::<bool>()).prop_map(|(node, draining)| Entry::SetDraining { node, draining }),
        1 => node().prop_map(|node| Entry::RemoveNode { node }),
        4 => (at(), vec(lines(), 0..4)).prop_map(|(at, lines)| Entry::ImportLines { at, lines }),
        6 => vec(meters(), 0..5).prop_map(|meters| Entry::ImportMeters { meters }),
        1 => word("l").prop_map(|name| Entry::RemoveLine { name }),
        1 => word("m").prop_map(|name| Entry::RemoveMeter { name }),
        1 => (word("m"), any::<bool>()).prop_map(|(name, enabled)| Entry::SetMeterEnabled { name, enabled }),
        8 => (at(), 1..3_u64, vec(moves(), 0..4))
            .prop_map(|(at, term, moves)| Entry::Assign { at, term, moves, cause: "test".to_owned() }),
        5 => (at(), vec(revocations(), 0..3))
            .prop_map(|(at, lines)| Entry::Revoke { at, lines, cause: "test".to_owned() }),
        6 => (at(), node(), vec((line(), epoch()), 0..4))
            .prop_map(|(at, node, lines)| Entry::Release { at, node, lines }),
        8 => (at(), requests()).prop_map(|(at, request)| Entry::Submit { at, request }),
        8 => (at(), command(), node(), epoch())
            .prop_map(|(at, command, node, epoch)| Entry::Start { at, command, node, epoch }),
        8 => (at(), command(), epoch(), outcome())
            .prop_map(|(at, command, epoch, outcome)| Entry::Finish { at, command, epoch, outcome }),
        2 => (at(), command()).prop_map(|(at, command)| Entry::Cancel { at, command }),
        2 => at().prop_map(|at| Entry::Expire { at }),
        2 => (at(), vec(command(), 0..4)).prop_map(|(at, commands)| Entry::Retire { at, commands }),
        8 => (at(), node(), 1..3_u64, vec((line(), 1..4_u64), 0..3), vec((line(), 1..4_u64), 0..3))
            .prop_map(|(at, node, life, came, gone)| Entry::UnitsSeen { at, node, life, came, gone }),
        3 => (at(), vec((lines(), line_details()), 0..3)).prop_map(|(at, lines)| Entry::RegisterLines { at, lines }),
        6 => (at(), vec((meters(), meter_details()), 0..4))
            .prop_map(|(at, meters)| Entry::RegisterMeters { at, meters }),
        2 => (at(), word("m"), any::<bool>())
            .prop_map(|(at, name, enabled)| Entry::SwitchMeter { at, name, enabled }),
        1 => (at(), word("m")).prop_map(|(at, name)| Entry::ForgetMeter { at, name }),
        2 => (at(), calendars()).prop_map(|(at, calendar)| Entry::SetCalendar { at, calendar }),
        2 => (at(), policies()).prop_map(|(at, policy)| Entry::SetPolicy { at, policy }),
        1 => (at(), word("p")).prop_map(|(at, name)| Entry::RemovePolicy { at, name }),
        1 => (0..12_u64).prop_map(|upto| Entry::SettleDuties { upto }),
    ]
}

fn at() -> impl Strategy<Value = UnixMillis> {
    prop_oneof![4 => 0..1_000_u64, 1 => 80_000_000..200_000_000_u64].prop_map(UnixMillis)
}

fn word(prefix: &'static str) -> impl Strategy<Value = String> {
    (1..5_u8).prop_map(move |n| format!("{prefix}{n}"))
}

fn node() -> impl Strategy<Value = NodeId> {
    (1..4_u64).prop_map(NodeId)
}

fn line() -> impl Strategy<Value = LineId> {
    (1..4_u64).prop_map(LineId)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    (0..4_u64).prop_map(Epoch)
}

fn command() -> impl Strategy<Value = CommandId> {
    (1..4_u64).prop_map(CommandId)
}

fn labels() -> impl Strategy<Value = Labels> {
    vec((word("label"), word("v")), 0..3).prop_map(BTreeMap::from_iter)
}

fn newcomers() -> impl Strategy<Value = Newcomer> {
    (word("n"), word("host"), labels()).prop_map(|(name, address, labels)| Newcomer { name, address, labels })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        3 => (1..6_u16).prop_map(|port| Endpoint::Tcp { host: "gateway".to_owned(), port }),
        1 => word("/dev/tty").prop_map(|path| Endpoint::Serial { path }),
        1 => (1..6_u16).prop_map(|port| Endpoint::ModbusTcp { host: "gateway".to_owned(), port }),
        3 => word("unit").prop_map(|unit| Endpoint::DialIn { unit }),
    ]
}

fn lines() -> impl Strategy<Value = LineSpec> {
    let parity = prop_oneof![Just(Parity::None), Just(Parity::Even), Just(Parity::Odd)];
    (word("l"), endpoint(), any::<u32>(), parity, any::<u32>(), any::<u8>(), labels()).prop_map(
        |(name, endpoint, baud, parity, extra_answer_ms, repeats, requires)| LineSpec {
            name,
            endpoint,
            baud,
            parity,
            extra_answer_ms,
            repeats,
            requires,
        },
    )
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        6 => (1..6_u8).prop_map(Address::MbusPrimary),
        1 => (any::<u32>(), any::<u16>(), any::<u8>(), any::<u8>()).prop_map(|(id, manufacturer, version, medium)| {
            Address::MbusSecondary { id, manufacturer, version, medium }
        }),
        1 => any::<(u32, u16, u8, u8, u32)>().prop_map(|(id, manufacturer, version, medium, fabrication)| {
            Address::MbusEnhanced { id, manufacturer, version, medium, fabrication }
        }),
        1 => any::<[u8; 7]>().prop_map(Address::Cjt188),
        1 => (1..3_u8).prop_map(Address::ModbusUnit),
    ]
}

fn meters() -> impl Strategy<Value = MeterSpec> {
    let schedule = (1..4_u32, 0..2_u32).prop_map(|(interval_s, offset_s)| Schedule { interval_s, offset_s });
    (word("m"), word("l"), address(), option::of(word("profile")), schedule, any::<bool>()).prop_map(
        |(name, line, address, profile, schedule, enabled)| MeterSpec {
            name,
            line,
            address,
            profile,
            schedule,
            enabled,
        },
    )
}

fn schedules() -> impl Strategy<Value = schedule::Schedule> {
    const WORDS: [&str; 4] =
        ["every 15m", "every 1h in season; daily 00:00", "daily 00:00", "monthly last 23:00 priority high"];
    proptest::sample::select(&WORDS[..]).prop_map(|words| words.parse().unwrap())
}

fn line_details() -> impl Strategy<Value = LineDetail> {
    (labels(), option::of(schedules())).prop_map(|(labels, schedule)| LineDetail { labels, schedule })
}

fn meter_details() -> impl Strategy<Value = MeterDetail> {
    let own = prop_oneof![Just(Own::Interval), schedules().prop_map(Own::Words), Just(Own::Inherited)];
    (labels(), option::of(word("id")), own).prop_map(|(labels, identity, schedule)| MeterDetail {
        labels,
        identity,
        schedule,
    })
}

fn calendars() -> impl Strategy<Value = Calendar> {
    let season = (MonthDay { month: 11, day: 15 }, MonthDay { month: 3, day: 15 });
    let date = |year, month| Date { year, day: MonthDay { month, day: 1 } };
    (word("Zone/"), option::of(Just(season)), vec(2026..2029_u16, 0..2)).prop_map(move |(zone, yearly, years)| {
        let seasons = years.into_iter().map(|year| (year, (date(year, 10), date(year + 1, 4)))).collect();
        Calendar { zone, yearly, seasons }
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    const SELECTORS: [&str; 4] = ["name=*", "label1=v1", "line=l1,label2=v*", "dialect=mbus"];
    let selector = proptest::sample::select(&SELECTORS[..]).prop_map(|words| words.parse().unwrap());
    (word("p"), 0..3_u32, selector, schedules()).prop_map(|(name, rank, selector, schedule)| Policy {
        name,
        rank,
        selector,
        schedule,
    })
}

fn moves() -> impl Strategy<Value = Move> {
    (line(), epoch(), node()).prop_map(|(line, from, to)| Move { line, from, to })
}

fn revocations() -> impl Strategy<Value = Revocation> {
    (line(), epoch(), option::of(node())).prop_map(|(line, epoch, to)| Revocation { line, epoch, to })
}

fn requests() -> impl Strategy<Value = Request> {
    let action = prop_oneof![Just(Action::ReadNow), Just(Action::ValveOpen), Just(Action::ValveClose)];
    ((1..5_u64).prop_map(MeterId), action, at(), word("key")).prop_map(|(meter, action, deadline, key)| Request {
        meter,
        action,
        deadline,
        key,
    })
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        word("seen").prop_map(Outcome::Verified),
        Just(Outcome::Acknowledged),
        (any::<u16>(), word("text")).prop_map(|(code, text)| Outcome::Refused { code, text }),
        word("why").prop_map(Outcome::Failed),
        Just(Outcome::Expired),
        Just(Outcome::Cancelled),
        word("why").prop_map(Outcome::Unknown),
    ]
}
