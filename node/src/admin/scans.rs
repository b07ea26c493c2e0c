//! Scans: from the console to the node that owns the line.
//!
//! ```text
//!   console <-- this node <-- survey of the owner <-- the line's task
//!                  |  the line moves: ends in words
//! ```
//!
//! Promises: a console that goes away ends the scan; a line that moves ends it in words. Refuses: following the line: a
//! scan begun on one node is not another's.

use std::sync::Arc;

use protocol::api::admin as api;
use protocol::api::peer::SurveyRequest;
use protocol::api::peer::survey_client::SurveyClient;
use protocol::meter::{Dialect, LineId};
use protocol::scan::Method;
use raft_store::state::State;
use raft_store::state::registry::Endpoint;
use tonic::Status;

use super::seat::{Seat, of_peer};
use super::watching::Feed;
use super::{Admin, convert};

/// How to look on a line: as is `wanted`, where the line carries that; where nobody said how, for what it carries.
pub fn methods(state: &State, line: LineId, wanted: &[String]) -> Result<Vec<String>, String> {
    let endpoint = state.registry.lines.get(&line).map(|line| &line.spec.endpoint);
    let modbus = Method::Modbus.name();
    match endpoint {
        Some(endpoint @ Endpoint::ModbusTcp { .. }) => match wanted.iter().find(|method| *method != modbus) {
            Some(other) => Err(format!("method {other}: {endpoint} carries Modbus only: scan it by {modbus}")),
            None => Ok(vec![modbus.to_owned()]),
        },
        _ if wanted.is_empty() => Ok(usual(state, line)),
        _ => Ok(wanted.to_vec()),
    }
}

/// What the line's meters speak, or what may share a line.
fn usual(state: &State, line: LineId) -> Vec<String> {
    let speaks = |dialect| state.registry.meters_of(line).any(|meter| meter.address.dialect() == dialect);
    let is_empty = state.registry.meters_of(line).next().is_none();
    let wanted = |method: &Method| match method {
        Method::Cjt188 => is_empty || speaks(Dialect::Cjt188),
        Method::Secondary | Method::Primary => is_empty || speaks(Dialect::Mbus),
        Method::Modbus => speaks(Dialect::Modbus),
    };
    Method::ALL.into_iter().filter(wanted).map(|method| method.name().to_owned()).collect()
}

impl Admin {
    pub(super) async fn feed_scan(
        self,
        feed: Arc<Feed<api::ScanReport>>,
        seat: Seat,
        wanted: api::ScanLineRequest,
        caller: String,
    ) -> Result<(), Status> {
        let methods = wanted.methods.join(" ");
        tracing::info!(line = %wanted.name, %caller, %methods, owner = %seat.node, "a scan is asked for");
        let mut client = SurveyClient::new(self.cluster.peer(seat.node).map_err(convert::refusal)?);
        let name = wanted.name.clone();
        let request = SurveyRequest { line: seat.line.0, epoch: seat.epoch.0, caller, wanted: Some(wanted) };
        let told = client.scan(request).await.map_err(|status| of_peer(status, seat.node))?;
        let (mut told, mut applied) = (told.into_inner(), self.cluster.applied());
        loop {
            let report = tokio::select! {
                report = told.message() => report.map_err(|status| of_peer(status, seat.node))?,
                () = seat.is_over(&mut applied) => {
                    let text = format!("line {name} is not held by node {} any more: scan it again", seat.node);
                    return Err(Status::aborted(text));
                }
            };
            match report {
                Some(report) => {
                    let is_over = report.over;
                    if feed.send(report).await.is_err() || is_over {
                        return Ok(());
                    }
                }
                None => return Err(Status::aborted(format!("node {} ended the scan without a word", seat.node))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use raft_store::state::membership::Labels;
    use raft_store::state::registry::LineSpec;
    use raft_store::state::{Entry, UnixMillis};

    use super::*;
    use crate::admin::testing;

    #[test]
    fn a_line_is_scanned_for_what_its_meters_speak() {
        let mut state = testing::cluster_of_three();
        assert_eq!(methods(&state, LineId(2), &[]).expect("a way"), ["secondary", "primary"]);
        testing::applied(&mut state, vec![Entry::RemoveMeter { name: "m3".to_owned() }]);
        assert_eq!(methods(&state, LineId(2), &[]).expect("a way"), ["cjt188", "secondary", "primary"]);
        let wanted = ["primary".to_owned()];
        assert_eq!(methods(&state, LineId(2), &wanted).expect("a way"), wanted);
    }

    #[test]
    fn over_modbus_tcp_nothing_but_modbus_is_asked() {
        let mut state = testing::cluster_of_three();
        let endpoint = Endpoint::ModbusTcp { host: "plc".to_owned(), port: 502 };
        let lines = vec![LineSpec { endpoint, ..testing::line("plc", Labels::new()) }];
        testing::applied(&mut state, vec![Entry::ImportLines { at: UnixMillis(9), lines }]);
        let line = state.registry.line_named("plc").expect("imported").id;
        assert_eq!(methods(&state, line, &[]).expect("a way"), ["modbus"]);
        assert_eq!(methods(&state, line, &["modbus".to_owned()]).expect("a way"), ["modbus"]);
        let refused = methods(&state, line, &["modbus".to_owned(), "primary".to_owned()]).expect_err("refused");
        assert_eq!(refused, "method primary: modbus-tcp://plc:502 carries Modbus only: scan it by modbus");
    }
}
