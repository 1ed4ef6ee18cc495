//! One connection to the repository.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// For the connection and its handshake.
const OPEN: Duration = Duration::from_secs(15);
/// For a piece of what is sent, and for the repository's end.
const ANSWER: Duration = Duration::from_secs(30);
/// A reset follows what it answers within a round trip.
const RESET: Duration = Duration::from_millis(500);

/// Why a connection did not carry what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the repository cannot be reached")]
    Connect { source: io::Error },
    #[error("the TLS handshake with the repository failed")]
    Handshake { source: io::Error },
    #[error("the connection to the repository broke")]
    Broken { source: io::Error },
    #[error("the repository hung up before it had read everything")]
    HungUp { source: io::Error },
    #[error("the repository did not answer in time")]
    Slow,
    #[error("the repository did not end the connection in time: it is not known what it has")]
    NoEnd,
}

#[derive(Debug)]
pub(super) struct Line(TlsStream<TcpStream>);

impl Line {
    pub(super) async fn open(
        (host, port): (&str, u16),
        name: ServerName<'static>,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, Error> {
        let open = async {
            let tcp = TcpStream::connect((host, port))
                .await
                .map_err(|source| Error::Connect { source })?;
            TlsConnector::from(tls)
                .connect(name, tcp)
                .await
                .map_err(|source| Error::Handshake { source })
        };
        timeout(OPEN, open).await.map_err(|_| Error::Slow)?.map(Self)
    }

    pub(super) async fn send(&mut self, frames: &[u8]) -> Result<(), Error> {
        let write = async {
            self.0.write_all(frames).await?;
            self.0.flush().await
        };
        let written = timeout(ANSWER, write).await.map_err(|_| Error::Slow)?;
        written.map_err(|source| Error::Broken { source })
    }

    /// Ends our side and waits for the other end's. After `Ok` the repository's program has read all that was sent: it
    /// closed after our end, and nothing was left unread, which its kernel would have answered with a reset. A program that
    /// reads the end without a word of TLS is as good as one that says farewell; many do.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let end = async {
            self.0.shutdown().await?;
            let mut ignored = [0; 256];
            // Syslog has no answers: what comes all the same is passed over.
            while self.0.read(&mut ignored).await? != 0 {}
            Ok::<(), io::Error>(())
        };
        match timeout(ANSWER, end).await {
            Err(_) => return Err(Error::NoEnd),
            Ok(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(Error::Broken { source: error });
            }
            Ok(_) => {}
        }
        // One that had closed before our last bytes reached it looks the same until its reset comes.
        sleep(RESET).await;
        match self.0.get_ref().0.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(source)) | Err(source) => Err(Error::HungUp { source }),
        }
    }
}
