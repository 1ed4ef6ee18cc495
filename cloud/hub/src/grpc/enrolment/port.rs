use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barefoot_http::HalfOpen;
use barefoot_trust::enrolment::Binding;
use barefoot_wire::v1::enrolment_server::EnrolmentServer;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::service::EnrolmentService;
use crate::Shutdown;
use crate::config::Enrolment;
use crate::enrolment::Desk;
use crate::grpc::Error;
use crate::grpc::line::Line;

/// A certificate, a request, a sum.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
const HEADER_BYTES: u32 = 8 * 1024;
const STREAMS_PER_CONNECTION: u32 = 2;

/// A box needs a second; a very slow line some more.
const LIFE: Duration = Duration::from_secs(60);
const CALL: Duration = Duration::from_secs(30);

const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// The port, bound.
pub(crate) struct EnrolmentPort {
    listener: TcpListener,
    address: SocketAddr,
    door: Door,
}

#[derive(Clone)]
struct Door {
    tls: TlsAcceptor,
    handshake: Duration,
    /// All of its callers are unknown: one more than there is room for cuts the oldest.
    places: HalfOpen,
}

impl EnrolmentPort {
    pub(crate) async fn bind(settings: &Enrolment, tls: Arc<ServerConfig>) -> Result<Self, Error> {
        let listen = |source| Error::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        Ok(Self {
            address: listener.local_addr().map_err(listen)?,
            listener,
            door: Door {
                tls: TlsAcceptor::from(tls),
                handshake: Duration::from_millis(settings.connect_timeout_ms),
                places: HalfOpen::new(settings.max_connections),
            },
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the shutdown.
    pub(crate) async fn run(self, desk: Desk, shutdown: Shutdown) {
        let Self { listener, door, .. } = self;
        let (greeted, arriving) = mpsc::channel(16);
        let service = EnrolmentServer::new(EnrolmentService(desk))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(4 * MAX_MESSAGE_BYTES);
        let serving = Server::builder()
            .timeout(CALL)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .http2_max_header_list_size(HEADER_BYTES)
            .add_service(service)
            .serve_with_incoming_shutdown(
                ReceiverStream::new(arriving).map(Ok::<Line<Binding>, Infallible>),
                shutdown.triggered(),
            );
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((socket, peer)) => {
                        tokio::spawn(door.clone().receive(socket, peer, greeted.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "A connection for enrolment could not be accepted.");
                        sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
                    }
                }
            }
        };
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!(%error, "The port for enrolment stopped serving; restart the hub.");
            },
            () = accepting => {}
        }
    }
}

impl Door {
    async fn receive(self, socket: TcpStream, peer: SocketAddr, greeted: mpsc::Sender<Line<Binding>>) {
        let _ = socket.set_nodelay(true);
        let place = self.places.take_place();
        let accepted = tokio::select! {
            () = place.lost() => return,
            accepted = timeout(self.handshake, self.tls.accept(socket)) => accepted,
        };
        let Ok(Ok(stream)) = accepted else {
            tracing::info!(%peer, "A handshake for enrolment failed.");
            return;
        };
        match Binding::of_server(stream.get_ref().1) {
            Ok(binding) => {
                let over = async move {
                    tokio::select! {
                        () = sleep(LIFE) => {}
                        () = place.lost() => {}
                    }
                };
                // Only fails when the server has stopped; the peer sees its connection close.
                let _ = greeted.send(Line::new(stream, binding, over)).await;
            }
            Err(error) => tracing::warn!(%peer, %error, "A connection for enrolment cannot be used."),
        }
    }
}
