use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barefoot_trust::peer_of;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::line::Line;
use super::{Error, Services};
use crate::Shutdown;
use crate::config::Grpc;
use crate::half_open::HalfOpen;
use crate::places::Places;

/// Sockets between accept and the end of the handshake; one more cuts the oldest.
const MOST_HALF_OPEN: usize = 1024;

/// Connections of one certificate's holder: what it has open, and what a bad line has left behind.
const MOST_PER_PEER: usize = 32;

/// When the process is out of file descriptors, accepting again at once would only spin.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);

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
    listener: TcpListener,
    address: SocketAddr,
    handshake: Duration,
    places: Places,
    tls: TlsAcceptor,
    shutdown: Shutdown,
}

/// What the task of a new connection needs; cheap to clone.
#[derive(Clone)]
struct Door {
    tls: TlsAcceptor,
    handshake: Duration,
    half_open: HalfOpen,
    /// Taken after the handshake only: whoever shows no certificate takes none.
    places: Places,
    /// Greeted connections on their way to the server. Full: the handshake's task waits.
    lines: mpsc::Sender<Result<Line, Infallible>>,
    cut: CancellationToken,
}

impl Listener {
    pub(crate) async fn bind(
        config: &Grpc,
        tls: Arc<ServerConfig>,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            handshake: Duration::from_millis(config.connect_timeout_ms),
            places: Places::new(config.max_connections, MOST_PER_PEER),
            tls: TlsAcceptor::from(tls),
            shutdown,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the shutdown, then lets running calls end.
    pub(crate) async fn run(self, services: Services) {
        let (lines, arriving) = mpsc::channel(16);
        let cut = CancellationToken::new();
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
            .serve_with_incoming_shutdown(ReceiverStream::new(arriving), self.shutdown.triggered());
        let farewell = async {
            self.shutdown.triggered().await;
            tokio::time::sleep(FAREWELL).await;
            tracing::warn!("Some gRPC calls did not end in time and were cut; their callers try again.");
            cut.cancel();
            std::future::pending::<()>().await;
        };
        let door = Door {
            tls: self.tls,
            handshake: self.handshake,
            half_open: HalfOpen::new(MOST_HALF_OPEN),
            places: self.places,
            lines,
            cut: cut.clone(),
        };
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!(%error, "The gRPC port stopped serving; restart the hub.");
            },
            () = farewell => {}
            () = accept(self.listener, door, &self.shutdown) => {}
        }
    }
}

/// Accepts until the shutdown; afterwards it only keeps quiet.
async fn accept(listener: TcpListener, door: Door, shutdown: &Shutdown) {
    loop {
        let accepted = tokio::select! {
            () = shutdown.triggered() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                tokio::spawn(door.clone().receive(socket, peer));
            }
            Err(error) => {
                tracing::warn!(%error, "A gRPC connection could not be accepted.");
                tokio::time::sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
            }
        }
    }
    drop((listener, door));
    std::future::pending::<()>().await;
}

impl Door {
    async fn receive(self, socket: TcpStream, peer: SocketAddr) {
        // Answers are small and awaited; without this they may wait for an acknowledgement of TCP.
        let _ = socket.set_nodelay(true);
        let half_open = self.half_open.take_place();
        let greeted = tokio::select! {
            () = half_open.lost() => {
                tracing::info!(%peer, "A gRPC connection was not let in: newer ones took its place.");
                return;
            }
            greeted = timeout(self.handshake, self.tls.accept(socket)) => greeted,
        };
        drop(half_open);
        let stream = match greeted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!(%peer, %error, "A gRPC connection was not let in.");
                return;
            }
            Err(_) => {
                tracing::info!(%peer, "A gRPC connection was not let in: its handshake took too long.");
                return;
            }
        };
        let shown = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first());
        let who = match shown.map(peer_of) {
            Some(Ok(who)) => who,
            Some(Err(error)) => {
                tracing::info!(%peer, %error, "A gRPC connection was not let in.");
                return;
            }
            None => {
                tracing::info!(%peer, "A gRPC connection was not let in: it showed no certificate.");
                return;
            }
        };
        let place = match self.places.take(&who) {
            Ok(place) => place,
            Err(full) => {
                tracing::warn!(%peer, %full, "A gRPC connection was not let in.");
                return;
            }
        };
        let line = Line::new(stream, who, self.cut.cancelled_owned(), place);
        // Only fails when the server has stopped; the peer sees its connection close.
        let _ = self.lines.send(Ok(line)).await;
    }
}
