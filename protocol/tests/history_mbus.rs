//! An M-Bus model whose answer is turned to what it kept, and back.

mod common;

use common::{converse, target};
use protocol::exchange::{Answer, Exchange, LineFault, Target};
use protocol::mbus::frame::{Frame, Scanner, ci, control};
use protocol::mbus::header::{Header, Status, manufacturer};
use protocol::mbus::reply::{EnergyUnit, ReplyBuilder};
use protocol::mbus::time::TimePoint;
use protocol::meter::{Address, CivilTime, Kept, Quantity};
use protocol::profile::Catalogue;

const METER: Address = Address::MbusPrimary(5);
const OCTOBER: CivilTime = CivilTime { year: 2026, month: 10, day: 1, hour: 0, minute: 0, second: 0 };
/// A model of nobody's: what turns a real one stands in its maker's papers.
const PROFILE: &str = "name = 'turned'\ndialect = 'mbus'\nsource = 'a test'\n\
                       history = { keeps = 'months', ask = [0x50, 0x30], back = [0x50, 0x00] }\n\
                       [[column]]\nquantity = 'energy'\nrecord = 'energy'\n";

/// Acknowledges, and says after 50 30 what it kept, after 50 00 what it measures.
#[derive(Default)]
struct Slave {
    is_turned: bool,
    turned: Vec<u8>,
    deaf_to_turning: bool,
}

impl Slave {
    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let mut scanner = Scanner::new();
        scanner.push(request);
        match scanner.next().expect("whole").expect("sound") {
            Frame::Long { ci: ci::RESET, .. } if self.deaf_to_turning => Vec::new(),
            Frame::Long { ci: ci::RESET, data, .. } => {
                self.turned.extend(&data);
                self.is_turned = data == [0x30];
                vec![0xE5]
            }
            Frame::Short { control: kind, .. } if kind & control::KIND == control::REQ_UD2 & control::KIND => {
                self.data()
            }
            _ => vec![0xE5],
        }
    }

    fn data(&self) -> Vec<u8> {
        let manufacturer = manufacturer(*b"KAM");
        let header = Header { id: 0x1234_5678, manufacturer, version: 1, medium: 4, access: 1, status: Status(0) };
        let builder = ReplyBuilder::new(&header);
        let builder = if self.is_turned {
            let date = TimePoint::encode(OCTOBER).expect("a date");
            builder.record(0x44, &[0x06], &40_u32.to_le_bytes()).record(0x44, &[0x6D], &date)
        } else {
            builder.energy(EnergyUnit::KilowattHour, 50)
        };
        builder.frame(5).expect("fits").encode()
    }
}

fn turned(profile: &str) -> Target {
    let catalogue = Catalogue::with([("turned.toml", PROFILE)]).expect("sound");
    Target { profile: Some(profile.to_owned()), catalogue, ..target(METER, 1) }
}

#[test]
fn a_model_is_turned_to_what_it_kept_and_back_before_each_ordinary_read() {
    let (mut slave, target) = (Slave::default(), turned("turned"));
    let (answer, spoken) = converse(&mut Exchange::history(&target, OCTOBER), |request| slave.answer(request));
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    let kept: Vec<_> =
        reading.history.iter().map(|kept| (kept.at, kept.measurements.iter().map(|m| m.value).sum())).collect();
    assert_eq!((kept, spoken), (vec![(OCTOBER, 40_i64 * 3_600_000)], 3));
    assert_eq!(reading.value(Quantity::Energy), None);

    let (answer, _) = converse(&mut Exchange::read(&target), |request| slave.answer(request));
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    assert_eq!((reading.value(Quantity::Energy), reading.history.len()), (Some(50 * 3_600_000), 0));
    assert_eq!(slave.turned, [0x30, 0x00]);
}

#[test]
fn a_meter_that_is_deaf_to_being_turned_is_lost_and_not_read_as_it_stands() {
    let mut slave = Slave { deaf_to_turning: true, ..Slave::default() };
    let (answer, _) = converse(&mut Exchange::history(&turned("turned"), OCTOBER), |request| slave.answer(request));
    assert_eq!(answer, Answer::Lost(LineFault::Silent));
}

#[test]
fn a_model_whose_profile_does_not_say_how_is_not_spoken_to() {
    let (answer, spoken) = converse(&mut Exchange::history(&turned("mbus-generic"), OCTOBER), |_| Vec::new());
    assert!(matches!(answer, Answer::Refused(why) if why.text.contains("add [history]")));
    assert_eq!(spoken, 0);
}

#[test]
fn what_can_be_asked_of_a_meters_past_is_known_before_it_answers() {
    let months = "name = 'months'\ndialect = 'cjt188'\nsource = 's'\nmeter_type = 32\nread_di = [31, 144]\n\
                  valve_di = [160, 23]\ncolumn = []\nmonths = { settles = 'begins', first = 'latest' }\n\
                  recognise = { maker = '1234' }\n";
    let catalogue = Catalogue::with([("turned.toml", PROFILE), ("months.toml", months)]).expect("sound");
    let heat = |maker| Address::Cjt188([maker, 0x34, 0, 0, 0, 0, 1]);
    assert_eq!(catalogue.keeps(&METER, Some("turned")), Some(Kept::Months));
    assert_eq!(catalogue.keeps(&METER, None), None, "a primary address does not tell its model");
    assert_eq!(catalogue.keeps(&heat(0x12), None), Some(Kept::Months));
    assert_eq!(catalogue.keeps(&heat(0x13), None), None);
    assert_eq!(catalogue.keeps(&heat(0x13), Some("months")), Some(Kept::Months));
    assert_eq!(catalogue.keeps(&Address::ModbusUnit(1), None), None);
}
