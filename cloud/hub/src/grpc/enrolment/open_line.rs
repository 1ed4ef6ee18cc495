use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use barefoot_trust::enrolment::Binding;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::half_open::Place;

/// One connection of somebody nobody knows. It ends by itself when its time is over or newer ones need its place.
pub(super) struct OpenLine {
    stream: TlsStream<TcpStream>,
    binding: Binding,
    end: Pin<Box<Sleep>>,
    lost: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl OpenLine {
    pub(super) fn new(stream: TlsStream<TcpStream>, binding: Binding, place: Place, end: Sleep) -> Self {
        Self {
            stream,
            binding,
            end: Box::pin(end),
            lost: Box::pin(async move { place.lost().await }),
        }
    }

    /// Ready with an error once the line is over.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match (self.end.as_mut().poll(cx), self.lost.as_mut().poll(cx)) {
            (Poll::Pending, Poll::Pending) => Ok(()),
            _ => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl Connected for OpenLine {
    type ConnectInfo = Binding;

    fn connect_info(&self) -> Binding {
        self.binding.clone()
    }
}

impl AsyncRead for OpenLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for OpenLine {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
