use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use barefoot_domain::ClinicId;
use barefoot_trust::{Peer, peer_of};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Error, ImageStore, service};
use crate::Shutdown;
use crate::config::Images;
use crate::half_open::HalfOpen;
use crate::places::{Place, Places};

/// Sockets between accept and the end of the handshake; one more cuts the oldest.
const MOST_HALF_OPEN: usize = 256;

/// Connections of one clinic: the one that sends, and what a bad line has left behind.
const MOST_PER_CLINIC: usize = 8;

/// When the process is out of file descriptors, accepting again at once would only spin.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// On shutdown: time for a range on its way.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection on which nothing moves for this long is gone. Boxes pace themselves, but never this slowly.
const STALLED: Duration = Duration::from_secs(120);

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
    places: Places,
    /// Greeted connections on their way to the server. Full: the handshake's task waits.
    lines: mpsc::Sender<Line>,
}

impl Listener {
    pub(crate) async fn bind(
        config: &Images,
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
            places: Places::new(config.max_connections, MOST_PER_CLINIC),
            tls: TlsAcceptor::from(tls),
            shutdown,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the shutdown.
    pub(crate) async fn run(self, store: ImageStore) {
        let (lines, arriving) = mpsc::channel(16);
        let door = Door {
            tls: self.tls,
            handshake: self.handshake,
            half_open: HalfOpen::new(MOST_HALF_OPEN),
            places: self.places,
            lines,
        };
        let greeted = Greeted {
            arriving,
            address: self.address,
        };
        let stopping = self.shutdown.clone();
        let router = service::router(store.clone()).into_make_service_with_connect_info::<Caller>();
        let serving = axum::serve(greeted, router)
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
            () = accept(self.listener, door, &self.shutdown) => {}
            () = async { store.tidy(self.shutdown.clone()).await; std::future::pending().await } => {}
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
                tracing::warn!(%error, "A connection for images could not be accepted.");
                sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
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
                tracing::info!(%peer, "A connection for images was not let in: newer ones took its place.");
                return;
            }
            greeted = timeout(self.handshake, self.tls.accept(socket)) => greeted,
        };
        drop(half_open);
        let stream = match greeted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!(%peer, %error, "A connection for images was not let in.");
                return;
            }
            Err(_) => {
                tracing::info!(%peer, "A connection for images was not let in: its handshake took too long.");
                return;
            }
        };
        let shown = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first());
        let who = shown.and_then(|certificate| peer_of(certificate).ok());
        let Some(Peer::Clinic(clinic)) = who else {
            tracing::info!(%peer, "A connection for images was not let in: its certificate is no clinic's.");
            return;
        };
        let place = match self.places.take(&Peer::Clinic(clinic.clone())) {
            Ok(place) => place,
            Err(full) => {
                tracing::warn!(%peer, %full, "A connection for images was not let in.");
                return;
            }
        };
        let line = Line {
            stream,
            clinic,
            idle: Box::pin(sleep(STALLED)),
            _place: place,
        };
        // Only fails when the server has stopped; the peer sees its connection close.
        let _ = self.lines.send(line).await;
    }
}

/// Connections after their handshakes, for the server.
struct Greeted {
    arriving: mpsc::Receiver<Line>,
    address: SocketAddr,
}

impl axum::serve::Listener for Greeted {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        match self.arriving.recv().await {
            Some(line) => (line, self.address),
            // The door is closed: nothing comes any more.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The clinic whose box calls, from the certificate of its connection.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) ClinicId);

impl Connected<IncomingStream<'_, Greeted>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Greeted>) -> Self {
        Self(stream.io().clinic.clone())
    }
}

/// One connection. It ends by itself when nothing moves.
struct Line {
    stream: TlsStream<TcpStream>,
    clinic: ClinicId,
    idle: Pin<Box<Sleep>>,
    _place: Place,
}

impl Line {
    /// Something moved, or the time for it is over.
    fn watch<T>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
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
