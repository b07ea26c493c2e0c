//! `hearth ledger`: what was due, and what became of it.
//!
//! Promises: every due slot is in one column, and the columns add up to `DUE`; a success rate is cut, never rounded up:
//! 100.00 % is said only of all. Refuses: calling a slot missed that is not over, or that a spool may still have.

use protocol::api::admin as api;

use super::client::Session;
use super::failure::Failure;
use super::format::count;
use super::json;
use super::output::{Out, table};
use super::pages;
use super::when::{When, when};
use super::zone::Zone;

/// What `hearth ledger --help` says beyond the options.
pub const AFTER_HELP: &str = "\
Every slot that was due is counted once:
  ON TIME, LATE, BACKFILLED   there is a reading: in time, later, or taken from what the meter keeps
  MISSED                      over, and marked with a reason
  WAITING                     over, and a spool may still have it
  OPEN                        not over
  UNACCOUNTED                 over, and nothing is there: always 0
SUCCESS is what was read of what is over and not waiting. Hours, days and moments are those of the plant's zone, or of --zone.
Whole days gone by are counted already, and quickly told: ask for days, from midnight to midnight.

Examples:
  hearth ledger --from 24h --by region
  hearth ledger --from 2026-11-01 --to 2026-12-01 --by line,day --region north
  hearth ledger --from 2h --unread";

/// The options of `hearth ledger`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Slots from this moment on: 2026-01-31 (by --zone), 2026-01-31T06:00:00Z, or a time ago such as 2h.
    #[arg(long, value_parser = when)]
    from: When,
    /// Slots before this moment; those that have begun, if absent.
    #[arg(long, value_parser = when)]
    to: Option<When>,
    /// The zone of hours, days and moments, and of --from and --to: an IANA name such as Europe/Helsinki, or UTC; the
    /// plant's if absent.
    #[arg(long, value_name = "NAME", value_parser = Zone::named)]
    zone: Option<Zone>,
    /// Groups, at most three within each other: region, station, community, building, line, model, meter, node,
    /// schedule, reason, hour, day.
    #[arg(long, value_delimiter = ',', conflicts_with = "unread")]
    by: Vec<String>,
    /// Lists the meters that were not read, and why.
    #[arg(long)]
    unread: bool,
    /// Only this meter.
    #[arg(long, default_value = "", hide_default_value = true)]
    meter: String,
    /// Only this line.
    #[arg(long, default_value = "", hide_default_value = true)]
    line: String,
    /// Only this region.
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// Only this station.
    #[arg(long, default_value = "", hide_default_value = true)]
    station: String,
    /// Only this community.
    #[arg(long, default_value = "", hide_default_value = true)]
    community: String,
    /// Only this building.
    #[arg(long, default_value = "", hide_default_value = true)]
    building: String,
}

/// Carries it out.
pub async fn run(args: Args, session: &Session, out: Out) -> Result<(), Failure> {
    let Args { from, to, zone, by, unread, meter, line, region, station, community, building } = args;
    let zone = match zone {
        Some(zone) => zone,
        None => Zone::of_plant(session).await?,
    };
    let (from, to) = (zone.millis("--from", Some(from))?, zone.millis("--to", to)?);
    let span = Some(api::LedgerSpan { from, to, meter, line, region, station, community, building });
    if unread {
        let rows = pages::all(async |page_token| {
            let request = api::UnreadRequest { span: span.clone(), limit: pages::SIZE, page_token };
            let reply = session.ledger().unread(request).await.map_err(Failure::of_look)?.into_inner();
            Ok((reply.rows, reply.next_page_token))
        });
        let rows = rows.await?;
        return out.show(|| json::unread(&rows), || unread_table(&rows, &zone));
    }
    let request = api::LedgerSummaryRequest { span, by: by.clone(), zone: zone.name().to_owned() };
    let reply = session.ledger().summary(request).await.map_err(Failure::of_look)?.into_inner();
    if by.iter().any(|name| name == "hour" || name == "day") && reply.zone != zone.name() {
        let theirs = if reply.zone.is_empty() { "UTC" } else { &reply.zone };
        eprintln!("hours and days are of {theirs}: this node does not know of other zones");
    }
    out.show(|| json::ledger(&by, &reply), || summary_table(&by, &reply, &zone))
}

const COUNTS: [&str; 9] =
    ["DUE", "ON TIME", "LATE", "BACKFILLED", "MISSED", "WAITING", "OPEN", "UNACCOUNTED", "SUCCESS"];

fn summary_table(by: &[String], reply: &api::LedgerSummaryReply, zone: &Zone) -> String {
    let header = [if by.is_empty() { "ALL".to_owned() } else { by.join(" / ").to_uppercase() }];
    let header: Vec<_> = header.iter().map(String::as_str).chain(COUNTS).collect();
    let total = reply.total.clone().unwrap_or_default();
    let groups = reply.groups.iter().filter(|_| !by.is_empty());
    let rows = groups.map(|group| row(named(group), group)).chain([row("total".to_owned(), &total)]);
    let header: [&str; 10] = header.try_into().unwrap_or([""; 10]);
    format!("{}\n\n{}", table(header, &COUNTS, rows), footer(reply, zone))
}

fn named(group: &api::LedgerGroup) -> String {
    let shown = |name: &String| if name.is_empty() { "-".to_owned() } else { name.clone() };
    group.names.iter().map(shown).collect::<Vec<_>>().join(" / ")
}

fn row(name: String, group: &api::LedgerGroup) -> [String; 10] {
    [
        name,
        count(group.due),
        count(group.on_time),
        count(group.late),
        count(group.backfilled),
        count(group.missed),
        count(group.waiting),
        count(group.open),
        count(group.unaccounted),
        success(group),
    ]
}

/// What was read of what is accounted for, percent with two digits, cut.
fn success(group: &api::LedgerGroup) -> String {
    let read = u128::from(group.on_time) + u128::from(group.late) + u128::from(group.backfilled);
    let closed = read + u128::from(group.missed) + u128::from(group.unaccounted);
    match (read * 10_000).checked_div(closed) {
        None => "-".to_owned(),
        Some(share) => format!("{}.{:02} %", share / 100, share % 100),
    }
}

fn footer(reply: &api::LedgerSummaryReply, zone: &Zone) -> String {
    match (reply.begins, reply.horizon) {
        (_, 0) => "nothing is accounted for yet".to_owned(),
        (begins, horizon) => {
            let (begins, horizon) = (zone.shown(begins), zone.shown(horizon));
            format!("accounted for: slots since {begins} that were over by {horizon} {}", zone.name())
        }
    }
}

fn unread_table(rows: &[api::Unread], zone: &Zone) -> String {
    let of_zone = ["FIRST", "LAST", "LAST READ"].map(|column| format!("{column} ({})", zone.name()));
    let [first, last, last_read] = of_zone.each_ref().map(String::as_str);
    let header = ["METER", "LINE", "REASON", "SLOTS", first, last, last_read];
    let row = |row: &api::Unread| {
        let meter = if row.meter.is_empty() { format!("#{}", row.meter_id) } else { row.meter.clone() };
        let last_read = if row.last_read == 0 { "never".to_owned() } else { zone.shown(row.last_read) };
        let (first, last) = (zone.shown(row.first), zone.shown(row.last));
        [meter, row.line.clone(), row.reason.clone(), count(row.slots), first, last, last_read]
    };
    let slots = rows.iter().map(|row| row.slots).sum();
    format!("{}\n\n{} slots were not read", table(header, &["SLOTS"], rows.iter().map(row)), count(slots))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, on_time: u64, missed: u64) -> api::LedgerGroup {
        let names = vec![name.to_owned()];
        api::LedgerGroup { names, due: on_time + missed + 1, on_time, missed, waiting: 1, ..Default::default() }
    }

    #[test]
    fn a_success_rate_is_cut_and_a_hundred_percent_is_said_only_of_all() {
        let rate = |on_time, missed| success(&group("a", on_time, missed));
        assert_eq!([rate(99_999, 1), rate(5, 0), rate(2, 1), rate(0, 3)], ["99.99 %", "100.00 %", "66.66 %", "0.00 %"]);
        assert_eq!(rate(0, 0), "-");
    }

    #[test]
    fn groups_stand_above_their_total_and_the_horizon_below() {
        let total = Some(group("", 30, 10));
        let groups = vec![group("north", 10, 10), group("", 20, 0)];
        let (horizon, begins) = (1_767_225_600_000, 1_767_139_200_000);
        let reply = api::LedgerSummaryReply { groups, total, horizon, begins, ..Default::default() };
        let zone = Zone::named("Asia/Shanghai").expect("a zone");
        let text = summary_table(&["region".to_owned()], &reply, &zone);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert!(lines.first().is_some_and(|line| line.starts_with("REGION") && line.ends_with("SUCCESS")), "{text}");
        assert!(lines.get(1).is_some_and(|line| line.starts_with("north") && line.ends_with("50.00 %")), "{text}");
        assert!(lines.get(2).is_some_and(|line| line.starts_with('-') && line.ends_with("100.00 %")), "{text}");
        assert!(lines.get(3).is_some_and(|line| line.starts_with("total") && line.ends_with("75.00 %")), "{text}");
        let footer = "slots since 2025-12-31 08:00:00 that were over by 2026-01-01 08:00:00 Asia/Shanghai";
        assert!(text.ends_with(footer), "{text}");
    }

    #[test]
    fn a_meter_that_is_no_more_is_shown_by_its_number() {
        let gone = api::Unread { meter_id: 7, reason: "no-owner".to_owned(), slots: 3, ..Default::default() };
        let text = unread_table(&[gone], &Zone::named("UTC").expect("a zone"));
        assert!(text.contains("#7") && text.contains("never") && text.ends_with("3 slots were not read"), "{text}");
    }
}
