use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barefoot_trust::Peer;
use rustls::ServerConfig;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::line::Line;
use super::{Error, Services};
use crate::Shutdown;
use crate::config::Grpc;
use crate::revocation::Revocations;
use crate::tls_port::{Greeted, Limits, TlsPort};

/// Sockets between accept and the end of the handshake; one more cuts the oldest.
const MOST_HALF_OPEN: usize = 1024;

/// Connections of one certificate's holder: what it has open, and what a bad line has left behind.
const MOST_PER_PEER: usize = 32;

/// On shutdown: time for calls to end before their connections are cut.
const FAREWELL: Duration = Duration::from_secs(10);

/// A silent peer is asked whether it is there after the first, and gone when it says nothing for the second.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection is not kept for longer, so that it cannot outlive its certificate for long.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(12 * 3600);
const MAX_CONNECTION_AGE_GRACE: Duration = Duration::from_secs(600);

/// Several chunks of 1 MiB travel while the first is hashed and written.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
const FRAME_BYTES: u32 = 256 * 1024;

/// A box has a handful of calls open; more on one connection wait or are refused.
const STREAMS_PER_CONNECTION: u32 = 32;
const HEADER_BYTES: u32 = 16 * 1024;

/// The port, bound.
pub(crate) struct Listener {
    port: TlsPort,
    shutdown: Shutdown,
}

impl Listener {
    pub(crate) async fn bind(
        config: &Grpc,
        tls: Arc<ServerConfig>,
        revocations: Revocations,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let limits = Limits {
            half_open: MOST_HALF_OPEN,
            connections: config.max_connections,
            per_peer: MOST_PER_PEER,
            handshake: Duration::from_millis(config.connect_timeout_ms),
        };
        let port = TlsPort::bind("gRPC", config.listen, limits, tls, revocations).await;
        let port = port.map_err(|source| Error::Listen {
            address: config.listen,
            source,
        })?;
        Ok(Self { port, shutdown })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Serves until the shutdown, then lets running calls end.
    pub(crate) async fn run(self, services: Services) {
        let (greeted, arriving) = mpsc::channel(16);
        let cut = CancellationToken::new();
        let cuts = cut.clone();
        let lines =
            ReceiverStream::new(arriving).map(move |one| Ok::<_, Infallible>(line(one, cuts.clone())));
        let serving = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .http2_max_header_list_size(HEADER_BYTES)
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .max_connection_age(MAX_CONNECTION_AGE)
            .max_connection_age_grace(MAX_CONNECTION_AGE_GRACE)
            .add_routes(services.routes())
            .serve_with_incoming_shutdown(lines, self.shutdown.triggered());
        let farewell = async {
            self.shutdown.triggered().await;
            tokio::time::sleep(FAREWELL).await;
            tracing::warn!("Some gRPC calls did not end in time and were cut; their callers try again.");
            cut.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!(%error, "The gRPC port stopped serving; restart the hub.");
            },
            () = farewell => {}
            () = self.port.accept(greeted, &self.shutdown) => {}
        }
    }
}

/// Over when the port is cut or its certificate revoked.
fn line(greeted: Greeted, cut: CancellationToken) -> Line<Peer> {
    let Greeted {
        stream,
        who,
        admission,
        place,
    } = greeted;
    Line::new(stream, who, async move {
        tokio::select! {
            () = cut.cancelled() => {}
            () = admission.cut() => {}
        }
        drop(place);
    })
}
