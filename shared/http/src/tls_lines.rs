//! Connections to the pages within TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::HalfOpen;

/// Sockets between accept and the end of the handshake; one more cuts the oldest.
const MOST_HALF_OPEN: usize = 256;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// When the process is out of file descriptors, accepting again at once would only spin.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// Connections after their handshakes, for the server.
#[derive(Debug)]
pub struct TlsLines {
    /// Bounded: while nobody takes them, the handshakes' tasks wait.
    greeted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsLines {
    /// Accepts until `stop`.
    pub fn new(
        listener: TcpListener,
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        stop: CancellationToken,
    ) -> Self {
        let (hand_on, greeted) = mpsc::channel(16);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = accept(listener, TlsAcceptor::from(tls), hand_on) => {}
            }
        });
        Self { greeted, address }
    }
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    hand_on: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let half_open = HalfOpen::new(MOST_HALF_OPEN);
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "A connection to the pages could not be accepted.");
                sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
                continue;
            }
        };
        let (tls, hand_on, half_open) = (tls.clone(), hand_on.clone(), half_open.clone());
        tokio::spawn(async move {
            let _ = socket.set_nodelay(true);
            let place = half_open.take_place();
            let greeted = tokio::select! {
                () = place.lost() => return,
                greeted = timeout(HANDSHAKE, tls.accept(socket)) => greeted,
            };
            if let Ok(Ok(stream)) = greeted {
                // Only fails when the server has stopped.
                let _ = hand_on.send((stream, peer)).await;
            }
        });
    }
}

impl Listener for TlsLines {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.greeted.recv().await {
            Some(greeted) => greeted,
            // The server stops: nothing comes any more.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
