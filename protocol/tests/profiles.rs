//! The built-in profiles: each against its own golden telegrams, as a meter on a line would say them.

mod common;

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::check::{check, is_covered};
use protocol::golden::Telegram;
use protocol::meter::{Action, Dialect};
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
