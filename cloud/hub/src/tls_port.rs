//! A port behind mutual TLS: who comes is greeted, known by a certificate, and given a place, all within limits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barefoot_http::HalfOpen;
use barefoot_trust::{Peer, peer_of};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Shutdown;
use crate::places::{Place, Places};
use crate::revocation::{Admission, Revocations, Revoked};

/// When the process is out of file descriptors, accepting again at once would only spin.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// How much a port takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Sockets between accept and the end of the handshake; one more cuts the oldest.
    pub(crate) half_open: usize,
    /// Connections after their handshakes.
    pub(crate) connections: usize,
    /// Of these, of one certificate's holder: what it has open, and what a bad line has left behind.
    pub(crate) per_peer: usize,
    /// Time for the handshake.
    pub(crate) handshake: Duration,
}

/// A connection after its handshake. It gives its place back with `place`, and must end when `admission` is cut.
pub(crate) struct Greeted {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) who: Peer,
    pub(crate) admission: Admission,
    pub(crate) place: Place,
}

/// The port, bound.
pub(crate) struct TlsPort {
    listener: TcpListener,
    address: SocketAddr,
    door: Door,
}

/// What the task of a new connection needs; cheap to clone.
#[derive(Clone)]
struct Door {
    /// What the port is for, for the log.
    port: &'static str,
    tls: TlsAcceptor,
    handshake: Duration,
    half_open: HalfOpen,
    /// Taken after the handshake only: whoever shows no certificate takes none.
    places: Places,
    revocations: Revocations,
}

impl TlsPort {
    pub(crate) async fn bind(
        port: &'static str,
        listen: SocketAddr,
        limits: Limits,
        tls: Arc<ServerConfig>,
        revocations: Revocations,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            door: Door {
                port,
                tls: TlsAcceptor::from(tls),
                handshake: limits.handshake,
                half_open: HalfOpen::new(limits.half_open),
                places: Places::new(limits.connections, limits.per_peer),
                revocations,
            },
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the shutdown; afterwards it only keeps quiet. While `greeted` is full, the handshakes' tasks wait.
    pub(crate) async fn accept(self, greeted: mpsc::Sender<Greeted>, shutdown: &Shutdown) {
        let Self { listener, door, .. } = self;
        loop {
            let accepted = tokio::select! {
                () = shutdown.triggered() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    tokio::spawn(door.clone().receive(socket, peer, greeted.clone()));
                }
                Err(error) => {
                    tracing::warn!(port = door.port, %error, "A connection could not be accepted.");
                    sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
                }
            }
        }
        drop((listener, door, greeted));
        std::future::pending::<()>().await;
    }
}

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
enum NotLetIn {
    #[error("newer ones took its place")]
    Crowded,
    #[error("its handshake took too long")]
    Slow,
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("it showed no certificate")]
    Nameless,
    #[error("its certificate: {0}")]
    Certificate(barefoot_trust::Error),
    #[error("{who:?}: {revoked}")]
    Revoked { who: Peer, revoked: Revoked },
}

impl Door {
    async fn receive(self, socket: TcpStream, peer: SocketAddr, greeted: mpsc::Sender<Greeted>) {
        // Answers are small and awaited; without this they may wait for an acknowledgement of TCP.
        let _ = socket.set_nodelay(true);
        let (stream, who, admission) = match self.greet(socket).await {
            Ok(known) => known,
            Err(reason) => {
                tracing::info!(port = self.port, %peer, %reason, "A connection was not let in.");
                return;
            }
        };
        let place = match self.places.take(&who) {
            Ok(place) => place,
            Err(full) => {
                tracing::warn!(port = self.port, %peer, %full, "A connection was not let in.");
                return;
            }
        };
        // Only fails when the server has stopped; the peer sees its connection close.
        let one = Greeted {
            stream,
            who,
            admission,
            place,
        };
        let _ = greeted.send(one).await;
    }

    async fn greet(&self, socket: TcpStream) -> Result<(TlsStream<TcpStream>, Peer, Admission), NotLetIn> {
        let half_open = self.half_open.take_place();
        let accepted = tokio::select! {
            () = half_open.lost() => return Err(NotLetIn::Crowded),
            accepted = timeout(self.handshake, self.tls.accept(socket)) => accepted,
        };
        let stream = accepted
            .map_err(|_| NotLetIn::Slow)?
            .map_err(NotLetIn::Handshake)?;
        let shown = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first())
            .ok_or(NotLetIn::Nameless)?;
        let who = peer_of(shown).map_err(NotLetIn::Certificate)?;
        match self.revocations.admit(&who, shown) {
            Ok(admission) => Ok((stream, who, admission)),
            Err(revoked) => Err(NotLetIn::Revoked { who, revoked }),
        }
    }
}
