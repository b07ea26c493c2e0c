//! The built-in profiles: each against its own golden telegrams, as a meter on a line would say them.

mod common;

use std::collections::BTreeSet;

use common::{converse, target};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::check::{check, is_covered};
use protocol::exchange::{Answer, Exchange, Target};
use protocol::golden::Telegram;
use protocol::mbus::header::manufacturer;
use protocol::meter::{Action, Address, Dialect, Reading};
use protocol::profile::Catalogue;

#[test]
fn every_builtin_profile_makes_of_its_golden_telegrams_what_it_says() {
    let catalogue = Catalogue::builtin();
    let mut replayed = 0;
    for entry in catalogue.entries() {
        assert!(is_covered(entry), "{} has no golden telegram", entry.about.name);
        for (nth, differences) in (1..).zip(check(&catalogue, entry)) {
            assert!(differences.is_empty(), "{}, golden telegram {nth}: {differences:#?}", entry.about.name);
            replayed += 1;
        }
    }
    println!("{replayed} golden dialogues agree");
}

#[test]
fn every_builtin_profile_names_where_its_facts_are_from_and_one_of_a_model_its_maker() {
    for entry in Catalogue::builtin().entries() {
        let about = &entry.about;
        assert!(!about.source.is_empty(), "{}", about.name);
        assert!(entry.is_generic() || !(about.maker.is_empty() && about.model.is_empty()), "{}", about.name);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test looks whether a file was forgotten")]
fn every_file_of_profiles_is_built_in_under_the_name_it_has() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles")).expect("the folder is there");
    let files: BTreeSet<String> =
        folder.map(|file| file.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    let known: BTreeSet<String> =
        Catalogue::builtin().entries().map(|entry| format!("{}.toml", entry.about.name)).collect();
    assert_eq!(files, known);
}

#[test]
fn no_two_reads_of_a_modbus_profile_could_be_taken_for_each_other() {
    let shape = |[request, _]: &[Telegram; 2]| (request.0.get(1).copied(), request.0.get(4..6).map(<[u8]>::to_vec));
    for entry in Catalogue::builtin().entries().filter(|entry| entry.about.dialect == Dialect::Modbus) {
        for golden in entry.about.golden.iter().filter(|golden| golden.action == Action::ReadNow) {
            let shapes: BTreeSet<_> = golden.telegrams.iter().map(shape).collect();
            assert_eq!(shapes.len(), golden.telegrams.len(), "{}", entry.about.name);
        }
    }
}

/// The telegrams of the first golden dialogue of a built-in profile.
fn telegrams(name: &str) -> Vec<[Telegram; 2]> {
    let catalogue = Catalogue::builtin();
    let golden = catalogue.named(name).and_then(|entry| entry.about.golden.first()).expect("it has one");
    golden.telegrams.clone()
}

/// The reading of a meter that answers every request with the next of `telegrams`, and what it was asked.
fn read(target: &Target, telegrams: &[[Telegram; 2]]) -> (Reading, Vec<Vec<u8>>) {
    let (mut asked, mut replies) = (vec![], telegrams.iter());
    let (answer, _) = converse(&mut Exchange::read(target), |request| {
        asked.push(request.to_vec());
        replies.next().map(|[_, reply]| reply.0.clone()).unwrap_or_default()
    });
    let Answer::Reading(reading) = answer else { unreachable!("{answer:?}") };
    (reading, asked)
}

#[test]
fn a_meter_nobody_named_is_read_by_the_profile_of_its_model_and_a_stranger_by_the_generic_one() {
    let profile = |name: &str| read(&target(Address::MbusPrimary(1), 0), &telegrams(name)).0.profile;
    assert_eq!(profile("mbus-elster-f2"), "mbus-elster-f2");
    assert_eq!(profile("mbus-generic"), "mbus-generic");
    // The fixed structure names no maker.
    assert_eq!(profile("mbus-sensus-pollusonic-2"), "mbus-generic");
    let named = Target { profile: Some("mbus-generic".to_owned()), ..target(Address::MbusPrimary(1), 0) };
    assert_eq!(read(&named, &telegrams("mbus-elster-f2")).0.profile, "mbus-generic");
}

#[test]
fn a_meter_whose_address_tells_its_maker_is_asked_in_its_makers_order_at_once() {
    let telegrams = telegrams("cjt188-maker-4259");
    let address = Address::parse(Dialect::Cjt188, "42590008210438").expect("an address");
    let (reading, asked) = read(&target(address, 2), &telegrams);
    assert_eq!((reading.profile.as_str(), asked.len()), ("cjt188-maker-4259", 1));
    let named = Target { profile: Some("cjt188-generic".to_owned()), ..target(address, 2) };
    let (reading, others) = read(&named, &telegrams);
    assert_eq!(reading.profile, "cjt188-generic");
    assert_ne!(asked, others);
}

#[test]
fn a_command_to_a_meter_whose_address_tells_a_model_without_a_valve_is_refused_before_a_byte_is_sent() {
    let meter = |version| Address::MbusSecondary { id: 1, manufacturer: manufacturer(*b"SVM"), version, medium: 4 };
    let close = |version| converse(&mut Exchange::perform(&target(meter(version), 0), Action::ValveClose), |_| vec![]);
    let (answer, spoken) = close(8);
    assert!(matches!(answer, Answer::Refused(refusal) if refusal.text.contains("\"mbus-elster-f2\" has no valve")));
    assert_eq!(spoken, 0);
    assert!(close(99).1 > 0, "the generic profile has a valve");
}

#[test]
fn a_profile_puts_right_what_its_maker_gets_wrong() {
    // The generic profile's telegram: 1389817 kWh, 41.737 °C.
    let [[_, ack], [_, reply]] = <[_; 2]>::try_from(telegrams("mbus-generic")).expect("two");
    let hex = |telegram: &Telegram| telegram.0.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let text = format!(
        "name = 'p'\ndialect = 'mbus'\nsource = 's'\ncolumn = [{{ quantity = 'energy', record = 'energy', scale = '0.1' }},
           {{ quantity = 'supply_temp', record = 'flow_temp', scale = '-2.5', offset = 343 }}]
         [[golden]]\naction = 'read-now'\ntelegrams = [['1040014116', '{}'], ['107B017C16', '{}']]
         values = {{ energy = 500334120000, supply_temp = -104001 }}",
        hex(&ack),
        hex(&reply)
    );
    let catalogue = Catalogue::with([("p.toml", text.as_str())]).expect("sound");
    let entry = catalogue.named("p").expect("it is there");
    assert_eq!(check(&catalogue, entry), [vec![]]);
}

proptest! {
    #[test]
    fn a_damaged_profile_is_read_or_refused_by_its_file_and_never_stops_the_program(
        which in any::<prop::sample::Index>(), damages in vec((any::<prop::sample::Index>(), any::<char>()), 0..4),
    ) {
        let texts: Vec<String> = Catalogue::builtin().entries().map(|entry| entry.text.clone()).collect();
        let mut text: Vec<char> = which.get(&texts).chars().collect();
        for (place, sign) in damages {
            let place = place.index(text.len());
            text.splice(place..=place, [sign]);
        }
        let text: String = text.into_iter().collect();
        match Catalogue::with([("damaged.toml", text.as_str())]) {
            Ok(catalogue) => {
                let entry = catalogue.entries().find(|entry| entry.path.is_some()).expect("it is there");
                check(&catalogue, entry);
            }
            Err(fault) => prop_assert!(fault.to_string().starts_with("profile damaged.toml"), "{}", fault),
        }
    }
}
