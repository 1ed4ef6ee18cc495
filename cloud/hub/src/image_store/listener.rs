use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use barefoot_domain::ClinicId;
use barefoot_trust::Peer;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Error, ImageStore, service};
use crate::Shutdown;
use crate::config::Images;
use crate::places::Place;
use crate::revocation::{Admission, Revocations};
use crate::tls_port::{Greeted, Limits, TlsPort};

/// Sockets between accept and the end of the handshake; one more cuts the oldest.
const MOST_HALF_OPEN: usize = 256;

/// Connections of one clinic: the one that sends, and what a bad line has left behind.
const MOST_PER_CLINIC: usize = 8;

/// On shutdown: time for a range on its way.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection on which nothing moves for this long is gone. Boxes pace themselves, but never this slowly.
const STALLED: Duration = Duration::from_secs(120);

/// The port, bound.
pub(crate) struct Listener {
    port: TlsPort,
    shutdown: Shutdown,
}

impl Listener {
    pub(crate) async fn bind(
        config: &Images,
        tls: Arc<ServerConfig>,
        revocations: Revocations,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let limits = Limits {
            half_open: MOST_HALF_OPEN,
            connections: config.max_connections,
            per_peer: MOST_PER_CLINIC,
            handshake: Duration::from_millis(config.connect_timeout_ms),
        };
        let port = TlsPort::bind("images", config.listen, limits, tls, revocations).await;
        let port = port.map_err(|source| Error::Listen {
            address: config.listen,
            source,
        })?;
        Ok(Self { port, shutdown })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Serves until the shutdown.
    pub(crate) async fn run(self, store: ImageStore) {
        let (greeted, arriving) = mpsc::channel(16);
        let lines = Lines {
            arriving,
            address: self.port.address(),
        };
        let stopping = self.shutdown.clone();
        let router = service::router(store.clone()).into_make_service_with_connect_info::<Caller>();
        let serving = axum::serve(lines, router)
            .with_graceful_shutdown(async move { stopping.triggered().await })
            .into_future();
        let farewell = async {
            self.shutdown.triggered().await;
            sleep(FAREWELL).await;
        };
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!(%error, "The port for images stopped serving; restart the hub.");
            },
            () = farewell => {}
            () = self.port.accept(greeted, &self.shutdown) => {}
            () = async { store.tidy(self.shutdown.clone()).await; std::future::pending().await } => {}
        }
    }
}

/// Connections after their handshakes, for the server.
struct Lines {
    arriving: mpsc::Receiver<Greeted>,
    address: SocketAddr,
}

impl axum::serve::Listener for Lines {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        while let Some(greeted) = self.arriving.recv().await {
            let Peer::Clinic(clinic) = greeted.who else {
                tracing::info!("A connection for images was not let in: its certificate is no clinic's.");
                continue;
            };
            if clinic.as_str() == super::brought::BROUGHT {
                tracing::error!(%clinic, "A clinic's certificate has the name that is kept for images of other systems: issue it another name.");
                continue;
            }
            let line = Line {
                stream: greeted.stream,
                clinic,
                idle: Box::pin(sleep(STALLED)),
                revoked: Box::pin(greeted.admission.until_cut()),
                _admission: greeted.admission,
                _place: greeted.place,
            };
            return (line, self.address);
        }
        // The port is closed: nothing comes any more.
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The clinic whose box calls, from the certificate of its connection.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) ClinicId);

impl Connected<IncomingStream<'_, Lines>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        Self(stream.io().clinic.clone())
    }
}

/// One connection. It ends by itself when nothing moves, or its certificate is revoked.
struct Line {
    stream: TlsStream<TcpStream>,
    clinic: ClinicId,
    idle: Pin<Box<Sleep>>,
    revoked: Pin<Box<WaitForCancellationFutureOwned>>,
    _admission: Admission,
    _place: Place,
}

impl Line {
    /// Something moved, or the time for it is over.
    fn watch<T>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if self.revoked.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if moved.is_ready() {
            self.idle.as_mut().reset(Instant::now() + STALLED);
            return moved;
        }
        match self.idle.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch(cx, moved)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, moved)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
