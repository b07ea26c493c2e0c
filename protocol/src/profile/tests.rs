use super::*;
use crate::dialogue::LineFault;
use crate::probe::Method;

const USERS: &str = "name = 'users'\ndialect = 'mbus'\nsource = 's'\ncolumn = []\n";

fn refused(text: &str) -> String {
    Catalogue::with([("a.toml", text)]).expect_err("refused").to_string()
}

fn recognising(name: &str, rest: &str) -> String {
    format!("name = '{name}'\ndialect = 'mbus'\nsource = 's'\ncolumn = []\nrecognise = {{ {rest} }}\n")
}

#[test]
fn each_dialect_that_says_what_it_means_has_its_generic_profile() {
    let catalogue = Catalogue::builtin();
    let generic: Vec<_> = catalogue.entries().filter(|entry| entry.is_generic()).collect();
    assert_eq!(generic.iter().map(|entry| entry.about.dialect).collect::<Vec<_>>(), [Dialect::Cjt188, Dialect::Mbus]);
    assert!(generic.iter().all(|entry| entry.recognised_by().is_none()));
    assert!(catalogue.mbus(None).is_some() && catalogue.cjt188(None).is_some());
}

#[test]
fn no_two_builtin_profiles_know_the_same_model() {
    let mut known: Vec<_> = Catalogue::builtin().entries().filter_map(Entry::recognised_by).collect();
    let count = known.len();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), count);
}

#[test]
fn a_name_of_another_dialect_or_of_nobody_is_told_with_those_there_are() {
    let catalogue = Catalogue::builtin();
    assert!(catalogue.mbus(Some("cjt188-generic")).is_none() && catalogue.modbus("mbus-generic").is_none());
    let other = catalogue.unknown("cjt188-generic", Dialect::Mbus);
    assert!(other.contains("is one of cjt188, not of mbus") && other.contains("mbus-generic"), "{other}");
    let nobody = catalogue.unknown("warmth", Dialect::Modbus);
    assert!(nobody.contains("\"warmth\" is not known") && nobody.contains("modbus-tuf-2000m"), "{nobody}");
    assert!(!nobody.contains("generic"), "{nobody}");
}

#[test]
fn a_users_profile_stands_in_for_the_builtin_one_of_its_name_and_two_of_one_name_are_refused_by_both_files() {
    let text = USERS.replace("'users'", "'mbus-generic'");
    let catalogue = Catalogue::with([("dir/g.toml", text.as_str())]).expect("sound");
    assert_eq!(catalogue.replaced(), ["mbus-generic"]);
    assert_eq!(catalogue.named("mbus-generic").and_then(|entry| entry.path.as_deref()), Some("dir/g.toml"));
    let two = Catalogue::with([("dir/a.toml", USERS), ("dir/b.toml", USERS)]).expect_err("refused").to_string();
    assert!(two.contains("dir/a.toml") && two.contains("dir/b.toml") && two.contains("\"users\""), "{two}");
}

#[test]
fn the_generic_profile_of_a_dialect_stays_one_of_it() {
    let text = USERS.replace("'users'", "'cjt188-generic'");
    assert!(refused(&text).contains("cannot be one of mbus"));
}

#[test]
fn what_asks_for_more_is_tried_first_and_a_users_before_a_builtin_one() {
    let one = recognising("maker", "manufacturer = 'XYZ'");
    let two = recognising("version", "manufacturer = 'XYZ', versions = [3]");
    let catalogue = Catalogue::with([("1", one.as_str()), ("2", two.as_str())]).expect("sound");
    let choice = catalogue.mbus(None).expect("fits every meter");
    let header = |version| mbus::header::Header {
        id: 1,
        manufacturer: mbus::header::manufacturer(*b"XYZ"),
        version,
        medium: 4,
        access: 0,
        status: mbus::header::Status(0),
    };
    let named = |version| choice.pick(|profile| profile.knows(&header(version))).name.clone();
    assert_eq!([named(3), named(4)], ["version", "maker"]);
    let stranger = mbus::header::Header { manufacturer: 1, ..header(3) };
    assert_eq!(choice.pick(|profile| profile.knows(&stranger)).name, "mbus-generic");
}

#[test]
fn whoever_was_seen_is_given_the_profile_that_knows_it_and_the_address_it_is_read_by() {
    let turned = "name = 'turned'\ndialect = 'cjt188'\nsource = 's'\nmeter_type = 0x20\nread_di = [0x90, 0x1F]\n\
                  valve_di = [0xA0, 0x17]\naddress_high_first = true\ncolumn = []\n[recognise]\nmaker = '9876'\n";
    let catalogue = Catalogue::with([("1", turned), ("2", &recognising("model", "manufacturer = 'XYZ'"))]);
    let catalogue = catalogue.expect("sound");
    let at = |dialect, text| Address::parse(dialect, text).expect("an address");
    let suggested = |method, address| {
        let seen = Sighting { meter_type: Some(0x20), ..Sighting::at(method, address) };
        catalogue.suggested(&seen).map(|(name, address)| (name, address.to_string()))
    };
    let told = |name, address: &str| Some((name, address.to_owned()));
    let cjt188 = |text| suggested(Method::Cjt188, at(Dialect::Cjt188, text));
    assert_eq!(cjt188("56341200007698"), told("turned", "98760000123456"));
    assert_eq!(cjt188("98760000123456"), None, "as an answer has it this is another maker's");
    assert_eq!(cjt188("11110017312151"), told("cjt188-maker-1111", "11110017312151"));
    let secondary = |text| suggested(Method::Secondary, at(Dialect::Mbus, text));
    let xyz = format!("12345678{:04X}0104", mbus::header::manufacturer(*b"XYZ"));
    assert_eq!(secondary(&xyz), told("model", &xyz));
    assert_eq!(secondary("1234567815930104"), None, "the generic one is nothing to suggest");
    let several =
        Sighting { fault: Some(LineFault::Collision), ..Sighting::at(Method::Secondary, at(Dialect::Mbus, &xyz)) };
    assert_eq!(catalogue.suggested(&several), None);
}

#[test]
fn what_is_wrong_is_told_with_file_line_key_and_remedy() {
    for (from, to, line, told) in [
        ("source = 's'", "sauce = 's'", 3, "unknown field `sauce`"),
        ("source = 's'", "source = 7", 3, "source = 7"),
        ("dialect = 'mbus'", "dialect = 'knx'", 2, "one of mbus, cjt188, modbus"),
        ("'users'", "'Users'", 1, "a-z, 0-9"),
        ("column = []", "[[column]]\nquantity = 'warmth'\nrecord = 'energy'", 5, "write one of energy"),
        ("column = []", "[[column]]\nquantity = 'volume'\nrecord = 'energy'", 4, "column 1 (volume)"),
        ("column = []", "column = [", 4, "unclosed array"),
    ] {
        let told_as = refused(&USERS.replace(from, to));
        let place = format!("profile a.toml, line {line}: ");
        assert!(told_as.starts_with(&place) && told_as.contains(told), "{to}: {told_as}");
    }
    let missing = refused(&USERS.replace("dialect = 'mbus'\n", ""));
    assert!(missing.contains("a.toml") && missing.contains("missing field `dialect`"), "{missing}");
    let missing = refused(&USERS.replace("column = []\n", ""));
    assert!(missing.contains("a.toml") && missing.contains("missing field `column`"), "{missing}");
}

#[test]
fn a_profile_has_its_bounds() {
    assert!(refused(&format!("{USERS}# {}", "x".repeat(MOST_TEXT))).contains("at most 65536"));
    let telegrams = "[[golden]]\naction = 'read-now'\ntelegrams = []\n".repeat(65);
    assert!(refused(&format!("{USERS}{telegrams}")).contains("65 golden telegrams"));
    let columns = "{ quantity = 'energy', record = 'energy' }, ".repeat(33);
    assert!(refused(&USERS.replace("[]", &format!("[{columns}]"))).contains("33 columns"));
    let many: Vec<_> = (0..=MOST_FILES).map(|nth| USERS.replace("users", &format!("users-{nth}"))).collect();
    let many = Catalogue::with(many.iter().map(|text| ("many", text.as_str()))).expect_err("refused").to_string();
    assert!(many.contains("more than 1024"), "{many}");
}
