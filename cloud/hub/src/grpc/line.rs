use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// One connection after its handshake, and what methods may know of it. It ends by itself when it is over, whatever the peer
/// does.
pub(super) struct Line<I> {
    stream: TlsStream<TcpStream>,
    known: I,
    /// `None` once it was: a future that has ended is not asked again.
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<I> Line<I> {
    /// `over` holds what the connection has taken: it goes when the line does.
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        known: I,
        over: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self {
            stream,
            known,
            over: Some(Box::pin(over)),
        }
    }

    /// Ready with an error once the line is over.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let waits = self
            .over
            .as_mut()
            .is_some_and(|over| over.as_mut().poll(cx).is_pending());
        if waits {
            return Ok(());
        }
        self.over = None;
        Err(ErrorKind::ConnectionAborted.into())
    }
}

impl<I: Clone + Send + Sync + 'static> Connected for Line<I> {
    type ConnectInfo = I;

    fn connect_info(&self) -> I {
        self.known.clone()
    }
}

impl<I: Unpin> AsyncRead for Line<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<I: Unpin> AsyncWrite for Line<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
