//! Meters: import, look up, remove, enable.
//!
//! Promises: an import is all rows or none. Refuses: asking a meter anything.

use protocol::api::admin as api;
use protocol::api::admin::meters_server::Meters;
use protocol::meter::MeterId;
use raft_store::state::registry::Meter;
use raft_store::state::{Entry, State};
use tonic::{Request, Response, Status};

use super::page::Page;
use super::rules::{Rpc, authorize};
use super::{Admin, convert};
use crate::clock::wall_now;

#[tonic::async_trait]
impl Meters for Admin {
    async fn import(&self, request: Request<api::ImportMetersRequest>) -> Result<Response<api::ImportReply>, Status> {
        authorize(&request, Rpc::MetersImport)?;
        self.within(async {
            let row = |row| convert::meter_row(row, &self.catalogue);
            match convert::rows(request.into_inner().meters, &self.config.admin, row)? {
                Err(errors) => Ok(convert::refused_rows(errors)),
                Ok(meters) if meters.is_empty() => Ok(api::ImportReply::default()),
                Ok(meters) => {
                    let lines = meters.iter().map(|(meter, _)| meter.line.clone()).collect();
                    let entry = Entry::RegisterMeters { at: wall_now(), meters };
                    Ok(self.warned(convert::imported(self.propose(entry).await?)?, lines).await)
                }
            }
        })
        .await
    }

    async fn list(&self, request: Request<api::ListMetersRequest>) -> Result<Response<api::ListMetersReply>, Status> {
        authorize(&request, Rpc::MetersList)?;
        let asked = request.into_inner();
        self.within(async {
            let page = Page::new(asked.limit, &asked.page_token, &self.config.admin)?;
            list(&self.read().await?.state, &asked, page)
        })
        .await
    }

    async fn get(&self, request: Request<api::GetMeterRequest>) -> Result<Response<api::Meter>, Status> {
        authorize(&request, Rpc::MetersGet)?;
        let name = request.into_inner().name;
        self.within(self.shown_meter(&name)).await
    }

    async fn remove(
        &self,
        request: Request<api::RemoveMeterRequest>,
    ) -> Result<Response<api::RemoveMeterReply>, Status> {
        authorize(&request, Rpc::MetersRemove)?;
        let entry = Entry::ForgetMeter { at: wall_now(), name: request.into_inner().name };
        self.within(async { self.propose(entry).await.map(|_| api::RemoveMeterReply {}) }).await
    }

    async fn set_enabled(&self, request: Request<api::SetMeterEnabledRequest>) -> Result<Response<api::Meter>, Status> {
        authorize(&request, Rpc::MetersSetEnabled)?;
        let api::SetMeterEnabledRequest { name, enabled, .. } = request.into_inner();
        self.within(async {
            self.propose(Entry::SwitchMeter { at: wall_now(), name: name.clone(), enabled }).await?;
            self.shown_meter(&name).await
        })
        .await
    }
}

impl Admin {
    async fn shown_meter(&self, name: &str) -> Result<api::Meter, Status> {
        let state = self.read().await?.state;
        let meter = state.registry.meter_named(name).ok_or_else(|| convert::missing("meter", name))?;
        Ok(convert::meter(&state, meter))
    }
}

fn list(state: &State, asked: &api::ListMetersRequest, page: Page<'_>) -> Result<api::ListMetersReply, Status> {
    let on = match asked.line.as_str() {
        "" => None,
        name => Some(state.registry.line_named(name).ok_or_else(|| convert::missing("line", name))?.id),
    };
    let selector = convert::selector(&asked.selector).map_err(Status::invalid_argument)?;
    let is_selected = |meter: &Meter| selector.as_ref().is_none_or(|s| s.selects(&state.plant, &state.registry, meter));
    let (meters, next_page_token) = page.take(&state.registry.meter_names, |name, id: MeterId| {
        let meter = state.registry.meters.get(&id).filter(|_| name.contains(&asked.name_contains))?;
        let wanted = on.is_none_or(|line| meter.line == line) && is_selected(meter);
        wanted.then(|| convert::meter(state, meter))
    });
    Ok(api::ListMetersReply { meters, next_page_token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;
    use crate::config;

    fn listed(asked: &api::ListMetersRequest) -> Result<(Vec<String>, String), Status> {
        let page = Page::new(asked.limit, &asked.page_token, &config::Admin::default())?;
        let reply = list(&testing::cluster_of_three(), asked, page)?;
        let names = reply.meters.into_iter().filter_map(|meter| meter.spec).map(|spec| spec.name).collect();
        Ok((names, reply.next_page_token))
    }

    #[test]
    fn meters_are_listed_by_line_a_page_at_a_time() {
        let asked = api::ListMetersRequest { line: "l1".to_owned(), limit: 1, ..Default::default() };
        let (names, token) = listed(&asked).expect("the line exists");
        assert_eq!((names, token.as_str()), (vec!["m1".to_owned()], "m1"));
        let next = api::ListMetersRequest { page_token: token, ..asked };
        assert_eq!(listed(&next).expect("the line exists"), (vec!["m2".to_owned()], String::new()));
    }

    #[test]
    fn the_meters_of_a_line_that_does_not_exist_are_refused_by_its_name() {
        let asked = api::ListMetersRequest { line: "l9".to_owned(), ..Default::default() };
        let refused = listed(&asked).expect_err("there is no such line");
        assert_eq!((refused.code(), refused.message()), (tonic::Code::NotFound, "line l9 does not exist"));
    }
}
