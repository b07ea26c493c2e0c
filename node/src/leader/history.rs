//! What nodes ask the leader about the past, over gRPC.
//!
//! Promises: the database is asked only by the leader and only while it is there, one question at a time; a question names a
//! bounded number of meters. Refuses: answering for another node, and waiting for a database that is away.

use protocol::api::admin::database_status::State as DatabaseState;
use protocol::api::peer::history_server::History;
use protocol::api::peer::{MissingFreeze, MissingReply, MissingRequest};
use tonic::{Request, Response, Status};

use crate::cluster::Cluster;
use crate::config::Config;
use crate::mysql::{Absences, MissedFreeze};

/// Answers from the tables.
#[derive(Debug, Clone)]
pub struct HistoryService {
    cluster: Cluster,
    absences: Absences,
    most_meters: usize,
}

impl HistoryService {
    /// For whenever this node of `cluster` leads.
    pub fn new(cluster: Cluster, config: &Config) -> Self {
        let absences = Absences::new(&config.mysql, &config.backfill);
        Self { cluster, absences, most_meters: config.backfill.meters_per_ask }
    }

    fn refuse_unless_able(&self, meters: usize) -> Result<(), Status> {
        if !self.cluster.leadership().borrow().mine {
            return Err(Status::failed_precondition(format!("node {} does not lead", self.cluster.node())));
        }
        if self.cluster.board().database().state() != DatabaseState::Ok {
            return Err(Status::unavailable("the database is away"));
        }
        if meters > self.most_meters {
            let text = format!("{meters} meters: ask for at most {} (backfill.meters_per_ask)", self.most_meters);
            return Err(Status::invalid_argument(text));
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl History for HistoryService {
    async fn missing(&self, request: Request<MissingRequest>) -> Result<Response<MissingReply>, Status> {
        let MissingRequest { meters, since } = request.into_inner();
        self.refuse_unless_able(meters.len())?;
        let missed = self.absences.of(&meters, since).await;
        let missed = missed.map_err(|error| Status::unavailable(error.to_string()))?;
        let told = |MissedFreeze { meter, slot, freeze }| MissingFreeze { meter, slot, freeze };
        Ok(Response::new(MissingReply { freezes: missed.into_iter().map(told).collect() }))
    }
}
