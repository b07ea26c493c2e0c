//! The one port of a node: the console's and the nodes' gRPC, health, reflection, metrics.
//!
//! Promises: what is asked of no service is answered in the asker's own protocol. Refuses: deciding who may ask what.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use protocol::api::DESCRIPTORS;
use protocol::api::peer::cluster_server::ClusterServer;
use protocol::api::peer::history_server::HistoryServer;
use protocol::api::peer::raft_server::RaftServer;
use protocol::api::peer::spool_server::SpoolServer;
use protocol::api::peer::survey_server::SurveyServer;
use protocol::api::peer::trace_server::TraceServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Memory;
use crate::admin::Admin;
use crate::cluster::identity::Identity;
use crate::cluster::peers::refuse_strangers;
use crate::cluster::raft_service::RaftService;
use crate::cluster::service::ClusterService;
use crate::leader::history::HistoryService;
use crate::metrics::Metrics;
use crate::mysql::Reader;
use crate::spool::service::SpoolService;
use crate::survey::service::SurveyService;
use crate::trace::service::TraceService;

/// A running server: cancel the token to stop it, then wait for the task.
pub(super) type Server = (CancellationToken, JoinHandle<Result<(), std::io::Error>>);

/// Serves everything of this node on `listener`.
pub(super) fn serve(listener: TcpListener, identity: &Identity, memory: &Memory) -> Server {
    let Memory { config, metrics, cluster, spool, catalogue, traces, surveys, measured, .. } = memory;
    let limit = usize::try_from(config.raft.message_bytes.as_u64()).unwrap_or(usize::MAX);
    let raft = RaftServer::new(RaftService::new(cluster.consensus().raft(), &identity.cluster_id));
    let nodes = ClusterServer::new(ClusterService::new(cluster.clone()));
    let spools = SpoolServer::new(SpoolService::new(spool.clone(), &config.spool));
    let ours = identity.cluster_id.clone();
    let known = move |request: tonic::Request<()>| {
        refuse_strangers(&ours, request.metadata())?;
        Ok(request)
    };
    let (node, probes) = (identity.node_id(), config.survey.probes);
    let traces = TraceServer::with_interceptor(TraceService::new(node, traces.clone()), known.clone());
    let surveys = SurveyService::new(node, surveys.clone(), probes, catalogue.clone());
    let surveys = SurveyServer::with_interceptor(surveys, known.clone());
    let history = HistoryServer::with_interceptor(HistoryService::new(cluster.clone(), config), known);
    let (health_reporter, health) = tonic_health::server::health_reporter();
    let stop = CancellationToken::new();
    let reader = Reader::new(config.mysql.clone());
    let admin = Admin::new(
        cluster.clone(),
        reader,
        catalogue.clone(),
        Arc::clone(config),
        metrics.clone(),
        measured.clone(),
        stop.clone(),
    );
    let mut routes = admin
        .routes()
        .add_service(raft.max_decoding_message_size(limit).max_encoding_message_size(limit))
        .add_service(nodes.max_decoding_message_size(limit).max_encoding_message_size(limit))
        .add_service(spools.max_decoding_message_size(limit).max_encoding_message_size(limit))
        .add_service(traces)
        .add_service(surveys)
        .add_service(history)
        .add_service(health);
    if let Ok(reflection) = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
    {
        routes = routes.add_service(reflection);
    }
    let numbers = metrics.clone();
    let app = routes
        .into_axum_router()
        .reset_fallback()
        .route("/metrics", get(move || async move { exposition(&numbers) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(unknown);
    let stopped = stop.clone().cancelled_owned();
    // Without it a short answer waits for the acknowledgement of the one before, which comes 40 ms late: so would every
    // commit.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps gathering small answers");
        }
    });
    let task = tokio::spawn(async move {
        health_reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
        // Who calls is written beside what was asked of lines.
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, app).with_graceful_shutdown(stopped).await
    });
    (stop, task)
}

fn exposition(metrics: &Metrics) -> impl IntoResponse + use<> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.exposition())
}

/// A gRPC caller understands a gRPC answer, a browser an HTTP one.
async fn unknown(headers: HeaderMap) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if kind.starts_with("application/grpc") {
        return tonic::Status::unimplemented("no such service or method").into_http::<axum::body::Body>();
    }
    (StatusCode::NOT_FOUND, "there is no such page\n").into_response()
}
