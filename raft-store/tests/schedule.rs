//! Schedules and the plant's calendar, as people write them.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use raft_store::state::plant::calendar::{Calendar, Date, MonthDay};
use raft_store::state::plant::schedule::{Cron, Freeze, Priority, Rule, Schedule, Season, Times};

fn read(text: &str) -> Schedule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    text.parse::<Schedule>().unwrap_err().to_string()
}

#[test]
fn a_schedule_is_read_as_people_write_it_and_shown_in_one_form() {
    for (written, shown) in [
        ("every 15m", "every 15m"),
        ("every 900s", "every 15m"),
        (" every 5400s  offset 90s ", "every 1h30m offset 1m30s"),
        ("every 15m in season;daily 00:00 off season", "every 15m in season; daily 00:00 off season"),
        ("monthly 1 00:00 priority high within 2h", "monthly 1 00:00 within 2h priority high"),
        ("monthly last 23:45 priority normal", "monthly last 23:45"),
        ("cron */15 6-22 * * 1-5", "cron 0,15,30,45 6-22 * * 1-5"),
        ("cron 0 0 1,15 */3 7", "cron 0 0 1,15 1,4,7,10 0"),
        ("every 1d offset 0s", "every 1d"),
    ] {
        assert_eq!(read(written).to_string(), shown, "{written}");
        assert_eq!(read(shown), read(written), "{written}");
    }
}

#[test]
fn what_is_not_understood_is_named_with_what_would_be() {
    for (text, named) in [
        ("", "every 15m, daily 00:00"),
        ("hourly", "\"hourly\""),
        ("every", "a span such as 90s"),
        ("every 15", "\"15\""),
        ("every 0s", "\"0s\""),
        ("every 99999999999d", "a span such as"),
        ("every 15m offset 15m", "less than the interval of 900 s"),
        ("daily 00:00 offset 5m", "only every has an offset"),
        ("daily 24:00", "00:00 to 23:59"),
        ("daily 0:00", "00:00 to 23:59"),
        ("monthly 31 00:00", "or last"),
        ("cron 60 * * * *", "minute 60"),
        ("cron 0 * * *", "day of week"),
        ("cron 0 0 30 2 *", "names no day there is"),
        ("cron 0 5-1 * * *", "hour 5-1"),
        ("every 15m in summer", "not in"),
        ("every 15m daily 00:00", "not daily"),
        ("every 15m within 0s", "\"0s\""),
        ("every 15m;", "every 15m, daily"),
    ] {
        let words = refusal(text);
        assert!(words.contains(named), "{text}: {words}");
    }
    let many = ["daily 00:00"; 9].join(";");
    assert!(refusal(&many).contains("at most 8 rules, not 9"), "{}", refusal(&many));
}

#[test]
fn a_slot_is_on_time_for_an_hour_at_most_where_nothing_is_said() {
    let within = |text: &str| read(text).rules()[0].within_s();
    assert_eq!(
        ["every 15m", "every 6h", "daily 00:00", "daily 00:00 within 3h", "every 5m within 1h"].map(within),
        [900, 3_600, 3_600, 10_800, 300]
    );
    assert_eq!(read("monthly 1 00:00").rules()[0].freeze(), Some(Freeze::Month));
    assert_eq!(read("every 15m offset 5m").interval(), Some((900, 300)));
    assert_eq!(read("every 15m in season").interval(), None);
}

#[test]
fn days_of_month_and_of_week_count_as_in_cron() {
    let cron = |text: &str| match read(&format!("cron {text}")).rules()[0].times {
        Times::Cron(cron) => cron,
        ref other => panic!("{other:?}"),
    };
    assert!(cron("0 0 1 * *").has_day(5, 1, 3) && !cron("0 0 1 * *").has_day(5, 2, 3));
    assert!(cron("0 0 * * 0").has_day(5, 9, 0) && !cron("0 0 * * 7").has_day(5, 9, 1));
    let either = cron("0 0 1 * 1");
    assert!(either.has_day(5, 1, 3) && either.has_day(5, 9, 1) && !either.has_day(5, 9, 2));
    assert_eq!(cron("30,0 1,0 * * *").minutes_of_day().collect::<Vec<_>>(), [0, 30, 60, 90]);
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn a_season_goes_over_the_end_of_the_year_and_one_year_may_differ() {
    let day = |text: &str| text.parse::<MonthDay>().unwrap();
    let mut calendar = Calendar { yearly: Some((day("11-15"), day("03-15"))), ..Calendar::default() };
    let heated = |calendar: &Calendar, text: &str| calendar.is_heated(date(text));
    for (text, is) in
        [("2026-11-14", false), ("2026-11-15", true), ("2027-01-01", true), ("2027-03-15", true), ("2027-03-16", false)]
    {
        assert_eq!(heated(&calendar, text), is, "{text}");
    }
    calendar.seasons.insert(2026, (date("2026-11-01"), date("2027-04-05")));
    for (text, is) in
        [("2026-11-01", true), ("2027-04-05", true), ("2027-04-06", false), ("2026-03-15", true), ("2027-11-02", false)]
    {
        assert_eq!(heated(&calendar, text), is, "{text}");
    }
    assert!(heated(&Calendar::default(), "2026-07-01"), "without a rule it is always heated");
    assert!("02-30".parse::<MonthDay>().is_err() && "2026-1-01".parse::<Date>().is_err());
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let field = |first: u32, last: u32| prop::collection::btree_set(first..=last, 1..4);
    let bits = |set: std::collections::BTreeSet<u32>| set.into_iter().fold(0_u64, |bits, n| bits | 1 << n);
    let cron =
        (field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)).prop_map(move |(a, b, c, d, e)| {
            let (minutes, hours, days) = (bits(a), bits(b) as u32, bits(c) as u32);
            Times::Cron(Cron { minutes, hours, days, months: bits(d) as u16, weekdays: bits(e) as u8 })
        });
    let times = prop_oneof![
        (1_u32..=u32::MAX, any::<u32>())
            .prop_map(|(interval_s, offset)| Times::Every { interval_s, offset_s: offset % interval_s }),
        (0_u16..1440).prop_map(|minute| Times::Daily { minute }),
        (prop::option::of(1_u8..=28), 0_u16..1440).prop_map(|(day, minute)| Times::Monthly { day, minute }),
        cron,
    ];
    let season = prop_oneof![Just(Season::Always), Just(Season::Heating), Just(Season::Idle)];
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    (times, season, prop::option::of(1_u32..=u32::MAX), priority).prop_map(|(times, season, within_s, priority)| Rule {
        times,
        season,
        within_s,
        priority,
    })
}

proptest! {
    #[test]
    fn every_schedule_shows_itself_so_that_it_is_read_back_as_the_same(
        rules in prop::collection::vec(a_rule(), 1..=8)
    ) {
        let schedule = Schedule::new(rules).unwrap();
        prop_assert_eq!(schedule.to_string().parse::<Schedule>(), Ok(schedule));
    }

    #[test]
    fn no_words_make_it_panic(text in "(every|daily|monthly|cron|in|off|season|within|offset|[0-9smhd:;*/, -]){0,12}") {
        let _ = text.parse::<Schedule>();
    }
}
