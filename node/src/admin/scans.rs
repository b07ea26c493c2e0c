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
use tonic::Status;

use super::seat::{Seat, of_peer};
use super::watching::Feed;
use super::{Admin, convert};

/// How to look on a line where nobody said how: what its meters speak, or what may share a line.
pub fn methods(state: &State, line: LineId) -> Vec<String> {
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
    use super::*;
    use crate::admin::testing;

    #[test]
    fn a_line_is_scanned_for_what_its_meters_speak() {
        let mut state = testing::cluster_of_three();
        assert_eq!(methods(&state, LineId(2)), ["secondary", "primary"]);
        testing::applied(&mut state, vec![raft_store::state::Entry::RemoveMeter { name: "m3".to_owned() }]);
        assert_eq!(methods(&state, LineId(2)), ["cjt188", "secondary", "primary"]);
    }
}
