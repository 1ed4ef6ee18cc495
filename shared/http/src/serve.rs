use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::{Response, StatusCode};
use axum::serve::Listener;
use futures_util::FutureExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::Limits;
use crate::seats::{Seat, Seats, Working};
use crate::slow_body::Paced;

/// All that is said where there is no place. It shows nothing of anybody.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncache-control: no-store\r\n\
                      content-length: 0\r\nconnection: close\r\n\r\n";

/// Serves until `stop`; then answers what was asked, and returns when all connections have ended.
///
/// Handlers find the caller's address as [`ConnectInfo`] of a [`SocketAddr`].
pub async fn serve<L>(mut listener: L, router: Router, limits: Limits, stop: CancellationToken)
where
    L: Listener<Addr = SocketAddr>,
{
    let seats = Seats::new(&limits);
    let connections = TaskTracker::new();
    loop {
        let (mut io, remote) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match seats.take(remote.ip()) {
            Ok(seat) => {
                let attended = attend(io, seat, remote, router.clone(), limits, stop.clone());
                connections.spawn(attended);
            }
            Err(full) => {
                tracing::warn!(%remote, %full, "A connection was turned away.");
                // What does not fit into an empty socket's buffer at once is not waited for.
                let _ = async {
                    io.write_all(BUSY).await?;
                    io.flush().await
                }
                .now_or_never();
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// One connection, to its end.
async fn attend<I>(
    io: I,
    seat: Seat,
    remote: SocketAddr,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let seat = Arc::new(seat);
    let line = Line {
        io,
        seat: Arc::clone(&seat),
    };
    let service =
        service_fn(|request: Request<Incoming>| answer(request, remote, router.clone(), seat.work(), limits));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .serve_connection(TokioIo::new(line), service)
            .with_upgrades()
    );
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%remote, %error, "A connection ended in the middle.");
                }
                return;
            }
            () = seat.lost() => return,
            () = seat.quiet_for(limits.quiet) => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    remote: SocketAddr,
    mut router: Router,
    working: Working,
    limits: Limits,
) -> Result<Response<Answer>, Infallible> {
    let mut request = request.map(|body| Body::new(Paced::new(body, limits.body)));
    request.extensions_mut().insert(ConnectInfo(remote));
    let response = router.call(request).await?;
    let working = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        working.for_ever();
        None
    } else {
        Some(working)
    };
    Ok(response.map(|body| Answer {
        body,
        _working: working,
    }))
}

/// An answer's body; its connection works until it is given out.
struct Answer {
    body: Body,
    _working: Option<Working>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection's bytes. It keeps the seat, also where it outlives HTTP.
struct Line<I> {
    io: I,
    seat: Arc<Seat>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Line<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        if before < buffer.filled().len() {
            self.seat.moved();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> Line<I> {
    fn wrote(&self, bytes: usize) -> Poll<io::Result<usize>> {
        if 0 < bytes {
            self.seat.moved();
        }
        Poll::Ready(Ok(bytes))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Line<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(context, bytes))?;
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(context, pieces))?;
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
