//! The hub's gRPC port: HTTP/2 over mutual TLS 1.3, for clinics' boxes and for people with a role.
//!
//! `listener` accepts, shakes hands and serves; `line` is one connection that knows whose
//! certificate it shows;
//! `caller` is how a method learns who calls. A service is open to one kind of caller: boxes get rounds and releases,
//! maintainers get runs and models, experts get corrections, operators get boxes. Nothing that a message says about its sender is believed.

mod caller;
mod enrolment;
mod line;
mod listener;
mod maintenance;
mod sites;
mod status;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;

use barefoot_trust::Role;
use barefoot_wire::v1::corrections_server::{Corrections, CorrectionsServer};
use barefoot_wire::v1::federation_server::{Federation, FederationServer};
use barefoot_wire::v1::maintenance_server::MaintenanceServer;
use barefoot_wire::v1::releases_server::{Releases, ReleasesServer};
use barefoot_wire::v1::sites_server::{Sites, SitesServer};
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::{Request, Status};

pub(crate) use caller::{calling_clinic, calling_person};
pub(crate) use enrolment::EnrolmentPort;
pub(crate) use listener::Listener;
pub(crate) use maintenance::Maintenance;
pub(crate) use sites::SitesService;

/// The largest message of ours is a chunk of 1 MiB; a list of the chunks of a billion parameters is 140 KB.
const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// A maintainer registers a base in one message, with its parameters: up to sixteen million of them.
const MAX_MAINTENANCE_BYTES: usize = 64 * 1024 * 1024;

/// Why the port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for gRPC on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
}

/// What a method answers as a stream.
pub(crate) type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The services of the port. One that is not added answers `UNIMPLEMENTED`.
#[derive(Debug, Default)]
pub(crate) struct Services(RoutesBuilder);

impl Services {
    /// For clinics' boxes.
    pub(crate) fn federation(mut self, service: impl Federation) -> Self {
        let server = FederationServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.add(server, caller::only_clinics);
        self
    }

    /// For clinics' boxes.
    pub(crate) fn releases(mut self, service: impl Releases) -> Self {
        let server = ReleasesServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.add(server, caller::only_clinics);
        self
    }

    /// For maintainers.
    pub(crate) fn maintenance(mut self, service: Maintenance) -> Self {
        let server = MaintenanceServer::new(service).max_decoding_message_size(MAX_MAINTENANCE_BYTES);
        self.add(server, |request| caller::only(Role::Maintainer, request));
        self
    }

    /// For experts.
    pub(crate) fn corrections(mut self, service: impl Corrections) -> Self {
        let server = CorrectionsServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.add(server, |request| caller::only(Role::Expert, request));
        self
    }

    /// For operators.
    pub(crate) fn sites(mut self, service: impl Sites) -> Self {
        let server = SitesServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.add(server, |request| caller::only(Role::Operator, request));
        self
    }

    fn add<S, B>(&mut self, server: S, admit: fn(Request<()>) -> Result<Request<()>, Status>)
    where
        S: tonic::codegen::Service<
                tonic::codegen::http::Request<Body>,
                Response = tonic::codegen::http::Response<B>,
                Error = Infallible,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: tonic::codegen::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        self.0.add_service(InterceptedService::new(server, admit));
    }

    fn routes(self) -> Routes {
        self.0.routes()
    }
}
