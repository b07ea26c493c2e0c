//! The database away for many slots of meters read every two seconds, the leader killed meanwhile: real processes, a
//! real MariaDB, and the judge.

#[allow(dead_code, reason = "every test binary uses its own part")]
mod support;

use support::{alone, demo, left_behind, printed};

/// How long the database is away, seconds; more by `HEARTH_OUTAGE_S`.
const AWAY_S: u64 = 16;

#[test]
fn a_database_away_for_many_slots_and_a_leader_killed_meanwhile_lose_and_double_nothing() {
    let _alone = alone();
    let outer = tempfile::tempdir().expect("a directory");
    let (dir, script) = (outer.path().join("demo"), outer.path().join("script"));
    let away = std::env::var("HEARTH_OUTAGE_S").ok().and_then(|text| text.parse().ok()).unwrap_or(AWAY_S);
    let half = away.div_ceil(2);
    let steps = format!(
        "await nodes 3 voters\nawait polling\nawait readings 100\nstop database\npause {half}s\nkill leader\n\
         pause {half}s\nstart database\nawait readings 100\nrestart all\nawait polling\nawait settled\n"
    );
    std::fs::write(&script, steps).expect("a script");
    let script = script.to_str().expect("a plain path");
    let numbers = ["--lines", "12", "--meters", "96", "--serial", "2", "--dialin", "0", "--interval-s", "2"];
    let output = demo(&dir, &numbers).args(["--script", script]).output().expect("the demo runs");
    let text = printed(&output);
    println!("{text}");
    assert!(output.status.success(), "{}", output.status);
    assert!(text.contains("the database greets again") && text.contains("\nas promised"), "{text}");
    for promised in ["missing", "doubled", "wrong value", "overlapping speakers"] {
        let line = text.lines().find(|line| line.trim_start().starts_with(promised)).expect(promised);
        let number = line.trim_start_matches(|c: char| !c.is_ascii_digit()).split_whitespace().next();
        assert_eq!(number, Some("0"), "{line}");
    }
    assert_eq!(left_behind(&dir), Vec::<String>::new());
}
