//! The accounts of due slots: how many ended how, and who did not read.
//!
//! Promises: a span or a group that is none is refused by its value; an answer that would be cut is refused instead.
//! Refuses: counting anything itself: the database does.

use protocol::api::admin as api;
use protocol::api::admin::ledger_server::Ledger;
use tonic::{Request, Response, Status};

use super::Admin;
use super::page::rows;
use super::readings::no_rows;
use super::rules::{Rpc, authorize};
use crate::clock::wall_now;
use crate::mysql::{Counts, GROUPS, Group, Plant, Span, UnreadRow};
use crate::timetable::Zone;

const DAY_MS: u64 = 24 * 3600 * 1000;
/// Groups within groups, at most.
const GROUPED_BY: usize = 3;

#[tonic::async_trait]
impl Ledger for Admin {
    async fn summary(
        &self,
        request: Request<api::LedgerSummaryRequest>,
    ) -> Result<Response<api::LedgerSummaryReply>, Status> {
        authorize(&request, Rpc::LedgerSummary)?;
        let asked = request.into_inner();
        self.within(async {
            let (span, by) = (span(asked.span, wall_now().0)?, groups(&asked.by)?);
            let plant = self.plant_in(&asked.zone)?;
            let most = self.config.ledger.groups_max;
            let counts = self.accounts.summary(&span, &by, &plant, most.saturating_add(1)).await.map_err(no_rows)?;
            if counts.len() > most as usize {
                let text =
                    format!("more than {most} groups (ledger.groups_max): ask for a shorter span or fewer groups");
                return Err(Status::invalid_argument(text));
            }
            let (begins, horizon) = self.accounts.horizon().await.map_err(no_rows)?;
            let groups: Vec<_> = counts.into_iter().map(group).collect();
            let total = groups.iter().fold(api::LedgerGroup::default(), |sum, group| add(&sum, group));
            let zone = plant.name().to_owned();
            Ok(api::LedgerSummaryReply { groups, total: Some(total), horizon, begins, zone })
        })
        .await
    }

    async fn unread(&self, request: Request<api::UnreadRequest>) -> Result<Response<api::UnreadReply>, Status> {
        authorize(&request, Rpc::LedgerUnread)?;
        let asked = request.into_inner();
        self.within(async {
            let (span, limit) = (span(asked.span, wall_now().0)?, rows(asked.limit, &self.config.admin)?);
            let after = after(&asked.page_token)?;
            let mut found = self.accounts.unread(&span, after, limit.saturating_add(1)).await.map_err(no_rows)?;
            let is_more = found.len() > limit as usize;
            found.truncate(limit as usize);
            let last = found.last().filter(|_| is_more);
            let next_page_token = last.map(|row| format!("{}:{}", row.meter_id, row.reason)).unwrap_or_default();
            Ok(api::UnreadReply { rows: found.into_iter().map(unread).collect(), next_page_token })
        })
        .await
    }
}

impl Admin {
    /// The plant in the zone of this name; in its own where there is none.
    fn plant_in(&self, zone: &str) -> Result<Plant, Status> {
        if zone.is_empty() {
            return Ok(Plant::new(&self.cluster.applied().borrow().state.plant.calendar.zone));
        }
        Zone::named(zone).map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Plant::new(zone))
    }
}

/// The span that is asked about; it ends at `now` where nothing else is said.
fn span(asked: Option<api::LedgerSpan>, now: u64) -> Result<Span, Status> {
    let asked = asked.unwrap_or_default();
    // What has not begun is not counted, however far one looks ahead.
    let (from, to) = (asked.from, if asked.to == 0 { now } else { asked.to.min(now.saturating_add(DAY_MS)) });
    if from == 0 {
        return Err(Status::invalid_argument("the span has no beginning: say from when on"));
    }
    if from >= to {
        return Err(Status::invalid_argument(format!("from {from} is not before to {to}: exchange them")));
    }
    let api::LedgerSpan { meter, line, region, station, community, building, .. } = asked;
    let named = [
        ("meter", meter),
        ("line", line),
        ("region", region),
        ("station", station),
        ("community", community),
        ("building", building),
    ];
    let given = named.into_iter().filter(|(_, value)| !value.is_empty());
    let only = given.map(|(name, value)| Ok((group_named(name)?, value))).collect::<Result<_, Status>>()?;
    Ok(Span { from, to, only })
}

fn groups(names: &[String]) -> Result<Vec<Group>, Status> {
    if names.len() > GROUPED_BY {
        let text = format!("{} groups within groups, at most {GROUPED_BY}: leave some out", names.len());
        return Err(Status::invalid_argument(text));
    }
    names.iter().map(|name| group_named(name)).collect()
}

fn group_named(name: &str) -> Result<Group, Status> {
    let known = || GROUPS.map(|group| group.name).join(", ");
    let found = GROUPS.into_iter().find(|group| group.name == name);
    found.ok_or_else(|| Status::invalid_argument(format!("\"{name}\" is nothing to group by: use {}", known())))
}

/// The row behind which a page begins.
fn after(token: &str) -> Result<Option<(u64, String)>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let parsed = token.split_once(':').and_then(|(meter, reason)| Some((meter.parse().ok()?, reason.to_owned())));
    let wrong = || Status::invalid_argument(format!("page token \"{token}\" is none: begin without one"));
    parsed.map(Some).ok_or_else(wrong)
}

fn group(counts: Counts) -> api::LedgerGroup {
    let Counts { names, due, on_time, late, backfilled, missed, waiting, open, unaccounted } = counts;
    api::LedgerGroup { names, due, on_time, late, backfilled, missed, waiting, open, unaccounted }
}

fn add(sum: &api::LedgerGroup, group: &api::LedgerGroup) -> api::LedgerGroup {
    api::LedgerGroup {
        names: Vec::new(),
        due: sum.due + group.due,
        on_time: sum.on_time + group.on_time,
        late: sum.late + group.late,
        backfilled: sum.backfilled + group.backfilled,
        missed: sum.missed + group.missed,
        waiting: sum.waiting + group.waiting,
        open: sum.open + group.open,
        unaccounted: sum.unaccounted + group.unaccounted,
    }
}

fn unread(row: UnreadRow) -> api::Unread {
    let UnreadRow { meter_id, meter, line, reason, slots, first, last, last_read } = row;
    api::Unread { meter_id, meter, line, reason, slots, first, last, last_read }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_needs_a_beginning_before_its_end_and_ends_now_where_nothing_is_said() {
        let asked = |from, to| span(Some(api::LedgerSpan { from, to, ..Default::default() }), 100);
        assert_eq!(asked(5, 0).map(|span| (span.from, span.to)).ok(), Some((5, 100)));
        for (from, to, word) in [(0, 9, "no beginning"), (9, 9, "from 9"), (200, 0, "from 200")] {
            let refused = asked(from, to).expect_err("no span");
            assert!(refused.message().contains(word), "{}", refused.message());
        }
    }

    #[test]
    fn what_cannot_be_grouped_by_is_refused_by_name_with_what_can() {
        let refused = groups(&["colour".to_owned()]).expect_err("no group");
        assert!(refused.message().contains("\"colour\"") && refused.message().contains("region, station"));
        assert!(groups(&["line", "hour", "reason", "day"].map(str::to_owned)).is_err());
        let two = groups(&["region", "hour"].map(str::to_owned)).expect("two groups");
        assert_eq!(two.iter().map(|group| group.name).collect::<Vec<_>>(), ["region", "hour"]);
    }

    #[test]
    fn a_page_token_names_the_row_behind_which_a_page_begins() {
        assert_eq!(after("7:no-answer").expect("a token"), Some((7, "no-answer".to_owned())));
        assert_eq!(after("").expect("the first page"), None);
        assert!(after("seven").expect_err("none").message().contains("\"seven\""));
    }
}
