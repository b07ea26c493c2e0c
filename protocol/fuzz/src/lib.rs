//! What must hold of any bytes, tower by tower: the fuzzers try it with their own bytes, the tests with the corpus.
//!
//! ```text
//!   mbus  cjt188  modbus    any bytes as a stream: what is sound goes out as it came in, its data read or are refused
//!   resync                  the same bytes split differently give the same frames, and every byte is accounted for
//!   exchange                a meter that answers anything: every dialogue ends, and a reading has sound frames only
//!   dialin                  a unit that says anything, also into its meters' answers
//! ```
//!
//! Promises: a target panics where a promise is broken, and never otherwise. Refuses: files, clocks and dice.

mod dialin;

use std::sync::LazyLock;
use std::time::Duration;

pub use dialin::dialin;
use protocol::bytes::Cursor;
use protocol::cjt188;
use protocol::exchange::{Answer, Exchange, Step, Target, Timing};
use protocol::mbus::compact::Formats;
use protocol::mbus::payload::{Payload, Reader};
use protocol::mbus::search::Search;
use protocol::mbus::selection::Selection;
use protocol::mbus::service::{Service, ServiceDialogue};
use protocol::mbus::transaction::Turn;
use protocol::mbus::value::Value;
use protocol::mbus::{self, frame::FrameFault};
use protocol::meter::{Action, Address, CivilTime, Dialect};
use protocol::modbus;
use protocol::profile::Catalogue;

/// A target.
pub type Try = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Try); 6] = [
    ("mbus", mbus),
    ("cjt188", cjt188),
    ("modbus", modbus),
    ("resync", resync),
    ("exchange", exchange),
    ("dialin", dialin),
];

/// The longest input looked at, in bytes: as much as a scanner holds.
const LONGEST: usize = 4096;
/// The longest text a value shows, in characters: a real32 at the edge of its range, scaled, has that many digits.
const LONGEST_TEXT: usize = 2000;
/// The most requests one dialogue sends: telegrams, repeats and recoveries all have their limits.
const MOST_REQUESTS: usize = 400;
/// The most steps one dialogue takes.
const MOST_STEPS: usize = 20_000;

/// Any bytes as a stream of M-Bus frames, and as the data of one.
pub fn mbus(bytes: &[u8]) {
    let mut scanner = mbus::frame::Scanner::new();
    for piece in bytes.chunks(97) {
        scanner.push(piece);
        while let Some(item) = scanner.next() {
            let Ok(frame) = item else { continue };
            let wire = frame.encode();
            assert!(bytes.windows(wire.len()).any(|window| window == wire), "a frame nobody sent");
            if let mbus::frame::Frame::Long { ci, data, .. } = frame {
                payload(ci, &data);
            }
        }
    }
    scanner.close_gap();
    while scanner.next().is_some() {}
    if let Some((kind, data)) = bytes.split_first() {
        payload(*kind, data.get(..mbus::frame::MOST_DATA).unwrap_or(data));
    }
}

/// Data read whole and record by record say the same; what is read shows itself.
fn payload(kind: u8, data: &[u8]) {
    let whole = Payload::parse(kind, data);
    let each = Reader::open(kind, data).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match (&whole, each) {
        (Ok(payload), Ok(records)) => assert_eq!(payload.records, records),
        (Err(one), Err(other)) => assert_eq!(*one, other),
        (one, other) => panic!("{one:?} and {other:?}"),
    }
    for record in whole.map(|payload| payload.records).unwrap_or_default() {
        let words = [record.name.to_string(), record.notes.to_string(), record.value.to_string()];
        assert!(words.iter().all(|text| text.len() <= LONGEST_TEXT), "{words:?}");
        if let Value::Number(amount) = record.value {
            amount.fixed();
        }
    }
    let mut formats = Formats::new();
    formats.learn(kind, data);
    let (first, second) = data.split_at(data.len() / 2);
    formats.learn(0x78, first);
    if let Ok((kind, data)) = formats.expand(kind, second) {
        assert!(Reader::open(kind, &data).is_ok());
    }
}

/// Any bytes as a stream of CJ/T 188 frames.
pub fn cjt188(bytes: &[u8]) {
    let mut scanner = cjt188::frame::Scanner::new();
    for piece in bytes.chunks(97) {
        scanner.push(piece);
        while let Some(item) = scanner.next() {
            let Ok(frame) = item else { continue };
            let wire = frame.encode_after(0);
            assert!(bytes.windows(wire.len()).any(|window| window == wire), "a frame nobody sent");
            cjt188_data(&frame);
        }
    }
    scanner.close_gap();
    while scanner.next().is_some() {}
    use cjt188::service::Service;
    for service in [Service::ReadAddress, Service::ReadMonth(1), Service::ReadPrices, Service::CloseValve] {
        cjt188_service(service, bytes);
    }
}

/// What is read in a layout lays itself out again, and a simulated meter of it answers anything.
fn cjt188_data(frame: &cjt188::frame::Frame) {
    use cjt188::layout::Layout;
    use cjt188::payload::{self, Current, Data, Past, Rules};
    use cjt188::slave::{Counts, Slave};
    for layout in [None, Some(Layout::A), Some(Layout::B), Some(Layout::C), Some(Layout::D), Some(Layout::E)] {
        let rules = Rules { layout, slots: &[] };
        let _ = payload::prices(frame, rules);
        let _ = Past::read_as(frame, rules);
        let counts = match Current::read_as(frame, rules).map(|current| (current.data, current.layout)) {
            Ok((Data::Heat(heat), layout)) => {
                assert!(cjt188::body::write(&heat, layout).is_some());
                Counts::Heat(heat)
            }
            Ok((Data::Water(water), layout)) => {
                assert!(cjt188::body::write(&water, layout).is_some());
                Counts::Water(water)
            }
            Ok((Data::Binary(_), _)) | Err(_) => continue,
        };
        let _ = Slave::new(frame.address, frame.meter_type, counts).answer(frame);
    }
}

fn cjt188_service(service: cjt188::service::Service, bytes: &[u8]) {
    use cjt188::service::{ServiceDialogue, Turn};
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 2 };
    let mut dialogue = ServiceDialogue::new([0xAA; 7], service, timing, None);
    let mut pieces = bytes.chunks(61);
    for _ in 0..MOST_STEPS {
        match dialogue.poll() {
            Turn::Send(_) => {}
            Turn::Await(_) => match pieces.next() {
                Some(piece) => dialogue.handle_bytes(piece),
                None => dialogue.handle_timeout(),
            },
            Turn::Done(_) => return,
        }
    }
    panic!("{service:?} does not end");
}

/// Any bytes as a stream of Modbus frames, either way, and as a request to a slave.
pub fn modbus(bytes: &[u8]) {
    for direction in [modbus::frame::Direction::Requests, modbus::frame::Direction::Replies] {
        let mut scanner = modbus::frame::Scanner::new(direction);
        for piece in bytes.chunks(97) {
            scanner.push(piece);
            while let Some(item) = scanner.next() {
                let Ok(frame) = item else { continue };
                let wire = frame.encode();
                assert!(bytes.windows(wire.len()).any(|window| window == wire), "a frame nobody sent");
                pdu(&frame.pdu);
            }
        }
        scanner.close_gap();
        while scanner.next().is_some() {}
    }
    pdu(bytes);
    modbus::slave::Bank::default().answer(bytes);
}

fn pdu(bytes: &[u8]) {
    if let Some(reply) = modbus::payload::Reply::decode(bytes) {
        assert_eq!(modbus::payload::Reply::decode(&reply.encode()), Some(reply));
    }
    if let Some(request) = modbus::payload::Request::decode(bytes) {
        assert_eq!(modbus::payload::Request::decode(&request.encode()), Some(request));
    }
}

/// What a scanner made of a stream: its frames, and how much of it was none.
#[derive(Debug, PartialEq, Eq)]
struct Sifted<F> {
    frames: Vec<F>,
    unsound: usize,
    garbage: usize,
}

impl<F> Sifted<F> {
    fn take(&mut self, item: Result<F, FrameFault>) {
        match item {
            Ok(frame) => self.frames.push(frame),
            Err(FrameFault::BadChecksum) => self.unsound += 1,
            Err(FrameFault::Garbage(count)) => self.garbage += count,
        }
    }
}

/// Sifts `bytes` cut at the places that `cuts` tell, by a scanner of any tower.
macro_rules! sift {
    ($scanner:expr, $bytes:expr, $cuts:expr) => {{
        let (mut scanner, mut cursor, mut cuts) = ($scanner, Cursor::new($bytes), $cuts);
        let mut sifted = Sifted { frames: Vec::new(), unsound: 0, garbage: 0 };
        while !cursor.is_empty() {
            let length = cuts.next().unwrap_or(LONGEST).clamp(1, cursor.rest().len());
            scanner.push(cursor.take(length).unwrap_or_default());
            while let Some(item) = scanner.next() {
                sifted.take(item);
            }
        }
        scanner.close_gap();
        while let Some(item) = scanner.next() {
            sifted.take(item);
        }
        assert!(!scanner.is_unfinished(), "bytes are left of a quiet line");
        sifted
    }};
}

/// The first bytes say where the others are cut: whole or in pieces, they are the same frames.
pub fn resync(bytes: &[u8]) {
    let (cuts, bytes) = bytes.split_at(bytes.len().min(8));
    let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
    let whole = || std::iter::empty::<usize>();
    let pieces = || cuts.iter().cycle().map(|cut| usize::from(*cut) % 61);
    macro_rules! same {
        ($($scanner:expr),+) => {$(
            let (one, other) = (sift!($scanner, bytes, whole()), sift!($scanner, bytes, pieces()));
            assert_eq!(one, other);
            assert!(one.garbage <= bytes.len(), "more garbage than came");
        )+};
    }
    same!(mbus::frame::Scanner::new(), cjt188::frame::Scanner::new(), modbus::mbap::Scanner::new());
    same!(modbus::frame::Scanner::new(modbus::frame::Direction::Requests));
    same!(modbus::frame::Scanner::new(modbus::frame::Direction::Replies));
}

const ADDRESSES: [Address; 6] = [
    Address::MbusPrimary(5),
    Address::MbusPrimary(254),
    Address::MbusSecondary { id: 0xFFFF_FFFF, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF },
    Address::MbusSecondary { id: 0x1234_5678, manufacturer: 0x2C2D, version: 1, medium: 4 },
    Address::Cjt188([0xAA; 7]),
    Address::ModbusUnit(1),
];
const ENHANCED: Address =
    Address::MbusEnhanced { id: 0x1234_5678, manufacturer: 0x2C2D, version: 1, medium: 4, fabrication: 0x0102_0304 };
const ACTIONS: [Action; 3] = [Action::ReadNow, Action::ValveOpen, Action::ValveClose];

/// The first byte says who is asked and for what, the second how often, and with its top bit for the past. Then pieces
/// of an answer, each behind its length; one of length 0 is silence, and so is all that is missing.
pub fn exchange(bytes: &[u8]) {
    let mut cursor = Cursor::new(bytes);
    let (Some(whom), Some(how)) = (cursor.byte(), cursor.byte()) else { return };
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: how & 3 };
    let action = ACTIONS.get(usize::from(whom >> 4) % ACTIONS.len()).copied().unwrap_or(Action::ReadNow);
    match usize::from(whom & 0xF) {
        nth @ 0..=5 if how & 0x80 != 0 => look_back(ADDRESSES[nth], timing, cursor),
        nth @ 0..=5 => read(ADDRESSES[nth], action, timing, cursor),
        6 | 7 => search(timing, cursor),
        9 => read(ENHANCED, action, timing, cursor),
        _ => serve(timing, cursor),
    }
}

/// The next piece of an answer; nothing is silence.
fn piece<'a>(cursor: &mut Cursor<'a>) -> &'a [u8] {
    let length = usize::from(cursor.byte().unwrap_or(0));
    cursor.take(length.min(cursor.rest().len())).unwrap_or_default()
}

fn read(address: Address, action: Action, timing: Timing, cursor: Cursor<'_>) {
    let profile = matches!(address, Address::ModbusUnit(_)).then(|| "modbus-tuf-2000m".to_owned());
    let target = Target { address, timing, profile, catalogue: Catalogue::builtin() };
    drive(address, Exchange::perform(&target, action), cursor);
}

const KEEPS_MONTHS: &str = "name = 'months'\ndialect = 'cjt188'\nsource = 's'\nmeter_type = 0x20\nread_di = [0x1F, 0x90]\n\
                            valve_di = [0xA0, 0x17]\nmonths = { settles = 'ends', first = 'previous' }\n\
                            [[column]]\nquantity = 'energy'\nfield = 'energy'\ndecimals = 2\n";
const TURNED: &str = "name = 'turned'\ndialect = 'mbus'\nsource = 's'\nset_day = 'ends'\n\
                      history = { keeps = 'days', ask = [0x50, 0x30], back = [0x50] }\n\
                      [[column]]\nquantity = 'energy'\nrecord = 'energy'\n";
static KEEPERS: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::with([("months.toml", KEEPS_MONTHS), ("turned.toml", TURNED)]).expect("they are sound")
});
const MOMENT: CivilTime = CivilTime { year: 2026, month: 10, day: 1, hour: 0, minute: 0, second: 0 };

/// The same about a meter's past, by profiles that say how it is asked for.
fn look_back(address: Address, timing: Timing, cursor: Cursor<'_>) {
    let profile = match address.dialect() {
        Dialect::Cjt188 => "months",
        Dialect::Mbus | Dialect::Modbus => "turned",
    };
    let target = Target { address, timing, profile: Some(profile.to_owned()), catalogue: KEEPERS.clone() };
    drive(address, Exchange::history(&target, MOMENT), cursor);
}

fn drive(address: Address, mut exchange: Exchange, mut cursor: Cursor<'_>) {
    let mut requests = 0;
    for _ in 0..MOST_STEPS {
        match exchange.poll() {
            Step::Send(request) => {
                requests += 1;
                assert!(!request.is_empty() && requests <= MOST_REQUESTS, "{requests} requests");
            }
            Step::Await(time) => {
                assert!(time > Duration::ZERO && time < Duration::from_secs(60), "{time:?}");
                match piece(&mut cursor) {
                    [] => exchange.handle_timeout(),
                    bytes => exchange.handle_bytes(bytes),
                }
            }
            Step::Done(answer) => return check(address, &answer),
        }
    }
    panic!("the dialogue does not end");
}

/// A reading keeps the frames it was read from, and each of them is sound.
fn check(address: Address, answer: &Answer) {
    let Answer::Reading(reading) = answer else { return };
    assert!(!reading.raw.is_empty(), "a reading out of nothing");
    if address.dialect() == Dialect::Mbus {
        let sifted = sift!(mbus::frame::Scanner::new(), &reading.raw, std::iter::empty());
        assert!(!sifted.frames.is_empty() && (sifted.unsound, sifted.garbage) == (0, 0), "{sifted:?}");
    }
}

fn search(timing: Timing, mut cursor: Cursor<'_>) {
    let all = Selection { id: 0xFFFF_FFFF, manufacturer: 0xFFFF, version: 0xFF, medium: 0xFF };
    let mut search = Search::new(all, timing, 40);
    for _ in 0..MOST_STEPS {
        match search.poll() {
            Turn::Send(_) => {}
            Turn::Await(_) => match piece(&mut cursor) {
                [] => search.handle_timeout(),
                bytes => search.handle_bytes(bytes, Duration::from_millis(20)),
            },
            Turn::Done(found) => return assert!(found.probes <= 40 + 20, "{} probes", found.probes),
        }
    }
    panic!("the search does not end");
}

fn serve(timing: Timing, mut cursor: Cursor<'_>) {
    let services = [Service::Alarms, Service::SetPrimary(7), Service::SelectAllData, Service::ResetApplication(None)];
    let service = services.get(usize::from(cursor.byte().unwrap_or(0)) % services.len()).unwrap_or(&Service::Alarms);
    let mut dialogue = ServiceDialogue::new(5, service, timing);
    for _ in 0..MOST_STEPS {
        match dialogue.poll() {
            Turn::Send(_) => {}
            Turn::Await(_) => match piece(&mut cursor) {
                [] => dialogue.handle_timeout(),
                bytes => dialogue.handle_bytes(bytes),
            },
            Turn::Done(_) => return,
        }
    }
    panic!("the service does not end");
}
