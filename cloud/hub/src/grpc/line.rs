use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use barefoot_trust::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use crate::places::Place;
use crate::revocation::Admission;
use crate::tls_port::Greeted;

/// One connection after its handshake. It ends by itself when the port is cut or its certificate revoked, whatever the
/// peer does.
pub(super) struct Line {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    revoked: Pin<Box<WaitForCancellationFutureOwned>>,
    _admission: Admission,
    _place: Place,
}

impl Line {
    pub(super) fn new(greeted: Greeted, cut: WaitForCancellationFutureOwned) -> Self {
        Self {
            stream: greeted.stream,
            peer: greeted.who,
            cut: Box::pin(cut),
            revoked: Box::pin(greeted.admission.until_cut()),
            _admission: greeted.admission,
            _place: greeted.place,
        }
    }

    /// Ready with an error once the line is cut.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match (self.cut.as_mut().poll(cx), self.revoked.as_mut().poll(cx)) {
            (Poll::Pending, Poll::Pending) => Ok(()),
            _ => Err(ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Connected for Line {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
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
