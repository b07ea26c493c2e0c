//! A node for tests that says what it is told to, over a real socket.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use protocol::api::admin as api;
use protocol::api::admin::cluster_server::{Cluster, ClusterServer};
use protocol::api::admin::commands_server::{Commands, CommandsServer};
use protocol::api::admin::readings_server::{Readings, ReadingsServer};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

type Told<T> = BoxStream<'static, Result<T, Status>>;

/// What the node says.
#[derive(Clone, Default)]
pub struct Fake {
    /// To a submission; none is accepted where absent.
    pub submitted: Option<Status>,
    /// To a watcher of a command, in this order.
    pub changes: Vec<Result<api::Command, Status>>,
    /// To an export, in this order.
    pub parts: Vec<Result<api::ExportPart, Status>>,
}

impl Fake {
    /// Serves until the test ends; the node's address.
    pub async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("it is bound").to_string();
        let fake = Arc::new(self);
        let server = tonic::transport::Server::builder()
            .add_service(ClusterServer::from_arc(Arc::clone(&fake)))
            .add_service(CommandsServer::from_arc(Arc::clone(&fake)))
            .add_service(ReadingsServer::from_arc(fake));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        at
    }
}

fn untold<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the fake was not told what to say"))
}

#[tonic::async_trait]
impl Cluster for Fake {
    type WatchStatusStream = Told<api::StatusReply>;

    async fn status(&self, _: Request<api::StatusRequest>) -> Result<Response<api::StatusReply>, Status> {
        Ok(Response::new(super::testing::status()))
    }
    async fn watch_status(
        &self,
        _: Request<api::WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        untold()
    }
    async fn drain(&self, _: Request<api::DrainRequest>) -> Result<Response<api::DrainReply>, Status> {
        untold()
    }
    async fn resume(&self, _: Request<api::ResumeRequest>) -> Result<Response<api::ResumeReply>, Status> {
        untold()
    }
    async fn remove(&self, _: Request<api::RemoveRequest>) -> Result<Response<api::RemoveReply>, Status> {
        untold()
    }
    async fn transfer_leader(
        &self,
        _: Request<api::TransferLeaderRequest>,
    ) -> Result<Response<api::TransferLeaderReply>, Status> {
        untold()
    }
}

#[tonic::async_trait]
impl Commands for Fake {
    type WatchStream = Told<api::Command>;

    async fn submit(&self, request: Request<api::SubmitCommandRequest>) -> Result<Response<api::Command>, Status> {
        let key = request.into_inner().key;
        let queued = api::Command { id: 7, key, state: "queued".to_owned(), ..Default::default() };
        self.submitted.clone().map_or(Ok(Response::new(queued)), Err)
    }
    async fn get(&self, _: Request<api::GetCommandRequest>) -> Result<Response<api::Command>, Status> {
        untold()
    }
    async fn list(&self, _: Request<api::ListCommandsRequest>) -> Result<Response<api::ListCommandsReply>, Status> {
        untold()
    }
    async fn cancel(&self, _: Request<api::CancelCommandRequest>) -> Result<Response<api::Command>, Status> {
        untold()
    }
    async fn watch(&self, _: Request<api::WatchCommandRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(Box::pin(stream::iter(self.changes.clone()))))
    }
}

#[tonic::async_trait]
impl Readings for Fake {
    type WatchStream = Told<api::Reading>;
    type ExportStream = Told<api::ExportPart>;

    async fn list(&self, _: Request<api::ListReadingsRequest>) -> Result<Response<api::ListReadingsReply>, Status> {
        untold()
    }
    async fn watch(&self, _: Request<api::WatchReadingsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        untold()
    }
    async fn export(&self, _: Request<api::ExportReadingsRequest>) -> Result<Response<Self::ExportStream>, Status> {
        Ok(Response::new(Box::pin(stream::iter(self.parts.clone()))))
    }
}
