//! Wanting a scan of a line of this node, over gRPC.
//!
//! Promises: the stream ends with a report that is `over`, or in words; a caller that goes away ends the scan within one
//! probe; who asked is in the log. Refuses: choosing methods.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use protocol::api::admin::ScanReport;
use protocol::api::peer::SurveyRequest;
use protocol::api::peer::survey_server::Survey;
use protocol::meter::{Epoch, LineId, NodeId};
use protocol::profile::Catalogue;
use tonic::{Request, Response, Status};

use super::{Reports, SurveyError, Surveys, message};

/// The service over the boxes of a node.
#[derive(Debug, Clone)]
pub struct SurveyService {
    node: NodeId,
    surveys: Surveys,
    most_probes: u32,
    catalogue: Catalogue,
}

impl SurveyService {
    /// Serves `surveys` of `node`; a scan makes at most `most_probes`, and suggests profiles of `catalogue`.
    pub const fn new(node: NodeId, surveys: Surveys, most_probes: u32, catalogue: Catalogue) -> Self {
        Self { node, surveys, most_probes, catalogue }
    }
}

#[tonic::async_trait]
impl Survey for SurveyService {
    type ScanStream = BoxStream<'static, Result<ScanReport, Status>>;

    async fn scan(&self, request: Request<SurveyRequest>) -> Result<Response<Self::ScanStream>, Status> {
        let SurveyRequest { line, epoch, caller, wanted } = request.into_inner();
        let wanted = wanted.unwrap_or_default();
        let plan = message::plan(&wanted, self.most_probes).map_err(Status::invalid_argument)?;
        let methods = wanted.methods.join(" ");
        let reports = self.surveys.ask(LineId(line), Epoch(epoch), plan)?;
        tracing::info!(line = %wanted.name, %caller, %methods, "a scan begins");
        let (node, catalogue) = (self.node, self.catalogue.clone());
        let told = stream::unfold(Some(reports), move |reports| next(reports, node, catalogue.clone()));
        Ok(Response::new(told.boxed()))
    }
}

/// The next report; a stream whose task is gone ends in words.
async fn next(
    reports: Option<Reports>,
    node: NodeId,
    catalogue: Catalogue,
) -> Option<(Result<ScanReport, Status>, Option<Reports>)> {
    let mut reports = reports?;
    Some(match reports.recv().await {
        Some(Ok(report)) => {
            let goes_on = report.over.is_none().then_some(reports);
            (Ok(message::report(report, node, &catalogue)), goes_on)
        }
        Some(Err(error)) => (Err(error.into()), None),
        None => {
            let text = format!("node {node} does not serve the line any more: scan again at its next owner");
            (Err(Status::aborted(text)), None)
        }
    })
}

impl From<SurveyError> for Status {
    fn from(error: SurveyError) -> Self {
        let text = error.to_string();
        match error {
            SurveyError::NotHere(_) => Self::aborted(text),
            SurveyError::Busy | SurveyError::Failed(_) => Self::failed_precondition(text),
            SurveyError::Crowded(_) => Self::resource_exhausted(text),
        }
    }
}
