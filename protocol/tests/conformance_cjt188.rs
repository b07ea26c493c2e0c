//! Telegrams CJ/T 188 makers publish against the values they give for them.

mod common;

use common::{bytes, converse, millionths, target, telegrams, text};
use protocol::cjt188::control;
use protocol::cjt188::frame::{Frame, FrameFault, Scanner};
use protocol::cjt188::heat::{DECIMALS, FLOW_DECIMALS, Heat};
use protocol::cjt188::identifier::{self, Lead};
use protocol::cjt188::layout::Layout;
use protocol::cjt188::payload::{Current, PayloadFault};
use protocol::exchange::{Answer, Exchange};
use protocol::meter::{Address, Quantity};
use serde_json::Value;

/// Measured: current data whose values agree in layout A, ...
const STANDARD_FLOOR: usize = 8;
/// ... and in the layouts B, C and E.
const OTHERS_FLOOR: usize = 6;

fn scan(wire: &[u8]) -> Vec<Result<Frame, FrameFault>> {
    let mut scanner = Scanner::new();
    scanner.push(wire);
    scanner.close_gap();
    std::iter::from_fn(|| scanner.next()).collect()
}

/// Units as makers write them, in the fixed unit: numerator per one.
fn factor(unit: &str) -> i128 {
    match unit {
        "Wh" => 3600,
        "kWh" => 3_600_000,
        "MWh" => 3_600_000_000,
        "MJ" => 1_000_000,
        "GJ" => 1_000_000_000,
        "W" | "L" | "L/h" => 1000,
        "kW" | "m3" | "m3/h" => 1_000_000,
        other => unreachable!("unit {other}"),
    }
}

/// The expected value in its fixed unit, where the maker gives one.
fn expected(expect: &Value, key: &str) -> Option<i128> {
    let number = expect.get(key).and_then(Value::as_f64)?;
    let factor = match text(expect, &format!("{key}_unit")) {
        "" => 1000,
        unit => factor(unit),
    };
    Some(millionths(&format!("{number:.6}")) * factor / 1_000_000)
}

/// How many of the expected values the decoded ones agree with: all the maker gives.
fn agree(heat: &Heat, expect: &Value) -> usize {
    let [supply, back] = heat.temperatures();
    let amounts = [
        (heat.settled.amount(DECIMALS), "settlement_or_cooling_energy"),
        (heat.energy.amount(DECIMALS), "energy"),
        (heat.power.amount(DECIMALS), "power"),
        (heat.flow.amount(FLOW_DECIMALS), "flow"),
        (heat.volume.amount(DECIMALS), "volume"),
        (supply, "supply_temp"),
        (back, "return_temp"),
    ];
    let given = amounts.into_iter().filter_map(|(amount, key)| Some((amount, key, expected(expect, key)?)));
    let count = given.map(|(amount, key, theirs)| {
        let ours = amount.and_then(|amount| amount.fixed()).map(|fixed| i128::from(fixed.value));
        assert_eq!(ours, Some(theirs), "{key}");
    });
    let count = count.count();
    assert_eq!(heat.hours.map(f64::from), expect.get("operating_hours").and_then(Value::as_f64));
    let clock = heat.clock.map(|clock| clock.to_string().replace('T', " "));
    assert_eq!(clock.as_deref(), expect.get("meter_time").and_then(Value::as_str));
    let [first, second] = heat.status.0;
    let status = text(expect, "status");
    assert!(status.is_empty() || format!("{first:02X}{second:02X}") == status);
    count + 2
}

/// The published telegrams whose checksum is right, each with its frame.
fn sound(telegrams: &[Value]) -> impl Iterator<Item = (&Value, Frame)> {
    let sound = telegrams.iter().filter(|t| t.get("checksum_ok").and_then(Value::as_bool) == Some(true));
    sound.map(|telegram| {
        let frames = scan(&bytes(text(telegram, "hex")));
        let [Ok(frame)] = frames.as_slice() else { unreachable!("{telegram} is one frame, not {frames:?}") };
        (telegram, frame.clone())
    })
}

#[test]
fn current_data_read_as_their_makers_read_them_and_nothing_else_is_read() {
    let Some(telegrams) = telegrams("cjt188.json") else { return };
    let (mut standard, mut others, mut refused, mut values) = (0, 0, 0, 0);
    for (telegram, frame) in sound(&telegrams) {
        let published = text(telegram, "layout");
        match (Current::read(&frame), telegram.get("expect")) {
            (Ok(current), Some(expect)) => {
                assert_eq!(current.layout.name(), published);
                values += agree(current.heat().expect("a heat meter"), expect);
                *(if current.layout == Layout::A { &mut standard } else { &mut others }) += 1;
            }
            (Ok(current), None) => unreachable!("{telegram} has no expected values but reads {current:?}"),
            (Err(fault), Some(_)) => {
                assert_eq!(published, "D");
                assert!(fault.to_string().contains("binary one (D)"), "{fault}");
                refused += 1;
            }
            (Err(fault), None) => {
                assert!(
                    matches!(
                        fault,
                        PayloadFault::NoLead
                            | PayloadFault::OtherData(_)
                            | PayloadFault::Unread(_)
                            | PayloadFault::Length(_)
                    ),
                    "{telegram}: {fault}"
                );
                assert_eq!(published, "");
                refused += 1;
            }
        }
    }
    println!("layout A {standard}, layouts B, C, E {others}, {values} values agree; refused {refused}");
    assert!(standard >= STANDARD_FLOOR && others >= OTHERS_FLOOR);
}

#[test]
fn type_address_control_identifier_and_serial_number_are_where_their_makers_see_them() {
    let Some(telegrams) = telegrams("cjt188.json") else { return };
    for (telegram, frame) in sound(&telegrams) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        let address: Vec<u8> = frame.address.iter().rev().copied().collect();
        assert_eq!(hex(&[frame.meter_type]), text(telegram, "type"));
        assert_eq!(hex(&address), text(telegram, "address"));
        assert_eq!(hex(&[frame.control]), text(telegram, "control"));
        let lead = Lead::of(&frame).map(|(lead, _)| lead);
        assert_eq!(lead.map(|lead| hex(&lead.di)).unwrap_or_default(), text(telegram, "di"));
        let ser = telegram.get("ser").and_then(Value::as_i64);
        assert_eq!(lead.map_or(-1, |lead| lead.ser.into()), ser.expect("a number"));
    }
}

#[test]
fn every_published_telegram_is_named_as_the_standards_or_a_makers_own() {
    let Some(telegrams) = telegrams("cjt188.json") else { return };
    for (telegram, frame) in sound(&telegrams) {
        let word = control::word(frame.control);
        let is_makers = frame.control & control::FUNCTION >= control::MAKERS;
        assert_eq!(word == "maker's own function", is_makers, "{telegram}");
        assert_ne!(word, "reserved function", "{telegram}");
        let Some((lead, _)) = Lead::of(&frame) else { continue };
        let (code, order) = identifier::resolve(lead.di);
        assert_eq!(order.is_some(), identifier::name(code).is_some());
        // What makers made up for themselves: functions from 20 on, and these identifiers.
        let own = ["3F90", "2F90", "50E4", "C352", "610A", "120A", "020A"];
        assert_eq!(order.is_none(), own.contains(&text(telegram, "di")), "{telegram}");
    }
}

#[test]
fn a_published_telegram_with_a_wrong_checksum_is_refused_whole() {
    let Some(telegrams) = telegrams("cjt188.json") else { return };
    let wrong = telegrams.iter().filter(|t| t.get("checksum_ok").and_then(Value::as_bool) == Some(false));
    for telegram in wrong {
        let frames = scan(&bytes(text(telegram, "hex")));
        assert!(frames.iter().all(Result::is_err) && frames.contains(&Err(FrameFault::BadChecksum)), "{frames:?}");
    }
}

#[test]
fn requests_of_other_masters_encode_to_the_bytes_they_came_as() {
    let Some(telegrams) = telegrams("cjt188.json") else { return };
    for (telegram, frame) in sound(&telegrams) {
        let wire = bytes(text(telegram, "hex"));
        let bare: Vec<u8> = wire.iter().copied().skip_while(|byte| *byte == 0xFE).collect();
        assert_eq!(frame.encode_after(0), bare);
    }
}

#[test]
fn a_real_meter_of_type_25_answers_a_read_of_type_20_through_the_whole_dialogue() {
    // The telegram of meter 11110010319215 in the makers' collection: 9.45 kWh, 0.29 m3, 2011-07-18 10:20:32.
    let reply = bytes(concat!(
        "682515923110001111812E1F901200000000054509000005000000001700000000352900",
        "00002C2627008726002846003220101807112000001A16"
    ));
    let address = Address::Cjt188([0x11, 0x11, 0x00, 0x10, 0x31, 0x92, 0x15]);
    let (answer, spoken) = converse(&mut Exchange::read(&target(address, 2)), |_| reply.clone());
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    assert_eq!(spoken, 1);
    assert_eq!(reading.identity, "11110010319215");
    assert_eq!(reading.value(Quantity::Energy), Some(34_020_000));
    assert_eq!(reading.value(Quantity::Volume), Some(290_000));
    assert_eq!(reading.value(Quantity::SupplyTemp), Some(27_260));
    assert_eq!(reading.value(Quantity::ReturnTemp), Some(26_870));
    assert_eq!(reading.value(Quantity::OperatingTime), Some(4628 * 3600));
    assert_eq!(reading.meter_time.map(|t| t.to_string()).as_deref(), Some("2011-07-18T10:20:32"));
    assert_eq!(reading.raw, reply);
}

#[test]
fn a_makers_binary_layout_is_refused_with_the_reason() {
    // Layout D in the makers' collection, meter 00201106039050.
    let reply = bytes(concat!(
        "682050900306112000812E901F000000000005000000000500000000000000000035",
        "000000002C86279A7427F40000004341141807112000042D16"
    ));
    let address = Address::Cjt188([0x00, 0x20, 0x11, 0x06, 0x03, 0x90, 0x50]);
    let (answer, _) = converse(&mut Exchange::read(&target(address, 2)), |_| reply.clone());
    let Answer::Refused(refusal) = answer else { unreachable!("{answer:?}") };
    assert_eq!(refusal.code, 0);
    assert!(refusal.text.contains("(D)") && refusal.text.contains("unit byte 00"), "{}", refusal.text);
}
