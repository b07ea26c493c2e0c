//! The plant: its calendar, schedules for many meters at once, and what is due next.
//!
//! Promises: a change says how many meters it gives other slots, and on request only that; zones are ones this release
//! knows. Refuses: schedules of single meters and lines: those are imported with them.

use protocol::api::admin as api;
use protocol::api::admin::plant_server::Plant;
use raft_store::state::plant::policy::Policy;
use raft_store::state::registry::Meter;
use raft_store::state::{Entry, LogPosition, Reply, State, UnixMillis, apply};
use tonic::{Request, Response, Status};

use super::rules::{Rpc, authorize};
use super::{Admin, convert, page};
use crate::clock::wall_now;
use crate::timetable::{Timetable, Zone};

#[tonic::async_trait]
impl Plant for Admin {
    async fn get_calendar(&self, request: Request<api::GetCalendarRequest>) -> Result<Response<api::Calendar>, Status> {
        authorize(&request, Rpc::PlantGetCalendar)?;
        self.within(async { Ok(convert::calendar_message(&self.read().await?.state.plant.calendar)) }).await
    }

    async fn set_calendar(
        &self,
        request: Request<api::SetCalendarRequest>,
    ) -> Result<Response<api::ScheduleEffect>, Status> {
        authorize(&request, Rpc::PlantSetCalendar)?;
        let api::SetCalendarRequest { calendar, dry_run, .. } = request.into_inner();
        let calendar = convert::calendar(&calendar.unwrap_or_default()).map_err(Status::invalid_argument)?;
        self.within(self.change(dry_run, |at| Entry::SetCalendar { at, calendar: calendar.clone() })).await
    }

    async fn list_policies(
        &self,
        request: Request<api::ListPoliciesRequest>,
    ) -> Result<Response<api::ListPoliciesReply>, Status> {
        authorize(&request, Rpc::PlantListPolicies)?;
        self.within(async {
            let state = self.read().await?.state;
            beside(move || Ok(api::ListPoliciesReply { policies: policies(&state) })).await
        })
        .await
    }

    async fn set_policy(
        &self,
        request: Request<api::SetPolicyRequest>,
    ) -> Result<Response<api::ScheduleEffect>, Status> {
        authorize(&request, Rpc::PlantSetPolicy)?;
        let api::SetPolicyRequest { policy, dry_run, .. } = request.into_inner();
        let policy = convert::policy(policy.unwrap_or_default()).map_err(Status::invalid_argument)?;
        self.within(async {
            self.has_room(&policy.name).await?;
            self.change(dry_run, |at| Entry::SetPolicy { at, policy: policy.clone() }).await
        })
        .await
    }

    async fn remove_policy(
        &self,
        request: Request<api::RemovePolicyRequest>,
    ) -> Result<Response<api::ScheduleEffect>, Status> {
        authorize(&request, Rpc::PlantRemovePolicy)?;
        let api::RemovePolicyRequest { name, dry_run, .. } = request.into_inner();
        self.within(self.change(dry_run, |at| Entry::RemovePolicy { at, name: name.clone() })).await
    }

    async fn upcoming(&self, request: Request<api::UpcomingRequest>) -> Result<Response<api::UpcomingReply>, Status> {
        authorize(&request, Rpc::PlantUpcoming)?;
        let api::UpcomingRequest { meter, after, limit } = request.into_inner();
        let rows = page::rows(limit, &self.config.admin)?;
        let after = if after == 0 { wall_now().0 } else { after };
        self.within(async {
            let state = self.read().await?.state;
            beside(move || upcoming(&state, &meter, after, rows)).await
        })
        .await
    }
}

impl Admin {
    /// Carries a change of the plant out, or only counts what it would do.
    async fn change(&self, dry_run: bool, entry: impl Fn(UnixMillis) -> Entry) -> Result<api::ScheduleEffect, Status> {
        let state = self.read().await?.state;
        // No duty began later, so that each that changes is seen to.
        let last = entry(UnixMillis(u64::MAX));
        let effect = beside(move || effect(&state, &last)).await?;
        if !dry_run {
            self.propose(entry(wall_now())).await?;
        }
        Ok(effect)
    }

    async fn has_room(&self, name: &str) -> Result<(), Status> {
        let (state, most) = (self.read().await?.state, self.config.admin.policies);
        if state.plant.policies.contains_key(name) || state.plant.policies.len() < most {
            return Ok(());
        }
        let text =
            format!("there are {most} policies (admin.policies): remove one, or select more meters by one of them");
        Err(Status::failed_precondition(text))
    }
}

/// Work that looks at every meter keeps no other call waiting.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Status> + Send + 'static) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Status::internal(format!("the answer was not worked out: {error}")))?
}

/// What `entry` would do.
fn effect(state: &State, entry: &Entry) -> Result<api::ScheduleEffect, Status> {
    let mut after = state.clone();
    match apply(&mut after, LogPosition { term: 0, index: 0 }, entry) {
        Reply::Refused(refused) => return Err(convert::refusal(refused.into())),
        Reply::Done => {}
        other => return Err(convert::unexpected(&other)),
    }
    let changed = state.plant.duties.current.diff(&after.plant.duties.current).count();
    let enabled = state.registry.meters.values().filter(|meter| meter.enabled).count();
    Ok(api::ScheduleEffect { meters_changed: number(changed), meters: number(enabled) })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The policies in the order in which they count.
fn policies(state: &State) -> Vec<api::SchedulePolicy> {
    let mut policies: Vec<&Policy> = state.plant.policies.values().collect();
    policies.sort_by_key(|policy| (policy.rank, &policy.name));
    let meters = || state.registry.meters.values();
    let shown = |policy: &Policy| {
        let selects = |meter: &&Meter| policy.selector.selects(&state.plant, &state.registry, meter);
        let follows = |meter: &&Meter| state.plant.schedule_of(&state.registry, meter).1 == policy.name;
        let selected: Vec<&Meter> = meters().filter(selects).collect();
        let following = selected.iter().copied().filter(follows).count();
        convert::policy_message(policy, number(selected.len()), number(following))
    };
    policies.into_iter().map(shown).collect()
}

fn upcoming(state: &State, name: &str, after: u64, rows: u32) -> Result<api::UpcomingReply, Status> {
    let meter = state.registry.meter_named(name).ok_or_else(|| convert::missing("meter", name))?;
    let (schedule, whose) = state.plant.schedule_of(&state.registry, meter);
    let calendar = &state.plant.calendar;
    let zone = Zone::named(&calendar.zone).map_err(|error| {
        Status::failed_precondition(format!("{error}; a node of another release set it, and this one lacks it"))
    })?;
    let timetable = Timetable::new(&schedule, calendar, &zone);
    let slots = std::iter::successors(timetable.after(after), |slot| timetable.after(slot.begin));
    Ok(api::UpcomingReply {
        schedule: schedule.to_string(),
        schedule_by: convert::schedule_by(whose),
        zone: calendar.zone.clone(),
        disabled: !meter.enabled,
        slots: slots.take(rows as usize).map(convert::slot).collect(),
    })
}

#[cfg(test)]
mod tests {
    use raft_store::state::plant::detail::{LineDetail, MeterDetail, Own};

    use super::*;
    use crate::admin::testing;

    const AT: UnixMillis = UnixMillis(10_000);

    fn policy(name: &str, rank: u32, selector: &str, schedule: &str) -> Entry {
        let message = api::SchedulePolicy {
            name: name.to_owned(),
            rank,
            selector: selector.to_owned(),
            schedule: schedule.to_owned(),
            ..Default::default()
        };
        Entry::SetPolicy { at: AT, policy: convert::policy(message).expect("a sound policy") }
    }

    /// m1 and m2 on l1 (station S1) inherit, m2 is in building 2; m3 has an interval of its own.
    fn plant() -> State {
        let mut state = testing::cluster_of_three();
        let labels = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let line = LineDetail { labels: labels("station", "S1"), schedule: None };
        let inherits = MeterDetail { schedule: Own::Inherited, ..MeterDetail::default() };
        let placed = MeterDetail { labels: labels("building", "2"), ..inherits.clone() };
        let entries = vec![
            Entry::RegisterLines { at: AT, lines: vec![(testing::line("l1", [].into()), line)] },
            Entry::RegisterMeters {
                at: AT,
                meters: vec![(testing::meter("m1", "l1", 1), inherits), (testing::meter("m2", "l1", 2), placed)],
            },
        ];
        testing::applied(&mut state, entries);
        state
    }

    #[test]
    fn a_change_says_how_many_meters_get_other_slots_and_a_look_at_it_changes_nothing() {
        let state = plant();
        let before = state.clone();
        let of = |entry: &Entry| effect(&state, entry).map(|effect| (effect.meters_changed, effect.meters));
        assert_eq!(of(&policy("a", 1, "station=S1", "daily 00:00")).expect("possible"), (2, 3));
        assert_eq!(of(&policy("a", 1, "building=2", "daily 00:00")).expect("possible"), (1, 3));
        assert_eq!(of(&policy("a", 1, "station=S1", "every 15m")).expect("possible"), (0, 3), "they have this already");
        let missing = Entry::RemovePolicy { at: AT, name: "b".to_owned() };
        assert_eq!(of(&missing).expect_err("there is none").code(), tonic::Code::NotFound);
        assert_eq!(state, before);
    }

    #[test]
    fn policies_are_listed_in_the_order_in_which_they_count_with_who_follows_them() {
        let mut state = plant();
        let entries = vec![policy("all", 9, "name=*", "every 1h"), policy("two", 1, "building=2", "daily 00:00")];
        testing::applied(&mut state, entries);
        let told = policies(&state);
        let told: Vec<_> = told.iter().map(|p| (p.name.as_str(), p.selected, p.following)).collect();
        assert_eq!(told, [("two", 1, 1), ("all", 3, 1)]);
    }

    #[test]
    fn the_next_slots_of_a_meter_are_told_with_whose_word_they_are() {
        let mut state = plant();
        let calendar = convert::calendar(&api::Calendar { zone: "Asia/Shanghai".to_owned(), ..Default::default() });
        let calendar = Entry::SetCalendar { at: AT, calendar: calendar.expect("a sound calendar") };
        let bills = policy("bills", 1, "building=2", "monthly 1 00:00 within 2h priority high");
        testing::applied(&mut state, vec![calendar, bills]);
        let told = upcoming(&state, "m2", 1_795_424_400_123, 2).expect("it exists");
        assert_eq!((told.schedule_by.as_str(), told.zone.as_str()), ("policy bills", "Asia/Shanghai"));
        let [first, second] = told.slots.as_slice() else { unreachable!("two were asked for: {told:?}") };
        // 2026-12-01 00:00 in Shanghai.
        assert_eq!((first.begin, first.on_time_until - first.begin), (1_796_054_400_000, 7_200_000));
        assert_eq!((first.priority.as_str(), first.freeze.as_str()), ("high", "month"));
        assert_eq!(second.begin - first.begin, 31 * 86_400_000);
        let told = upcoming(&state, "m1", 0, 1).expect("it exists");
        assert_eq!((told.schedule.as_str(), told.schedule_by.as_str()), ("every 15m", "default"));
        assert_eq!(upcoming(&state, "m9", 0, 1).expect_err("there is none").code(), tonic::Code::NotFound);
    }
}
