//! The gRPC connection to the hub, shared by federated rounds and releases.
//!
//! HTTP/2 over mutual TLS 1.3, always begun by the clinic. The connection is made when the first call needs it and made
//! again after it broke; nobody waits for it at start. What limits a call is lack of progress, never its whole length: a
//! slow line may take a day for a large model.

mod config;
pub(crate) use config::Config;

mod progress;
pub(crate) use progress::{Progress, answered};

use std::sync::Arc;
use std::time::Duration;

use barefoot_trust::TlsIdentity;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(20);

/// A line on which nothing comes is asked this often, and given up when no answer comes in as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// No answer, or no further piece of one, for this long: the call failed and may be made again.
pub(crate) const STALLED: Duration = Duration::from_secs(60);

/// The largest message taken from the hub: a chunk of 1 MiB and what stands around it. Replies without content are far
/// smaller, except a task's list of chunks: 64 bytes a chunk leaves room for 10^10 parameters.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Why the hub's services cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("[services] hub must be host:port, for instance hub.example:8443")]
    Address,
    #[error("the identity cannot be used")]
    Identity { source: barefoot_trust::Error },
}

/// Makes connections that know who is at the other end.
#[derive(Clone)]
struct Connector {
    host: Arc<str>,
    port: u16,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
}

impl Connector {
    async fn connect(self) -> std::io::Result<TokioIo<TlsStream<TcpStream>>> {
        let socket = TcpStream::connect((&*self.host, self.port)).await?;
        socket.set_nodelay(true)?;
        let stream = TlsConnector::from(self.tls).connect(self.name, socket).await?;
        Ok(TokioIo::new(stream))
    }
}

/// The hub's services as one channel; every clone shares the connection. Must be called inside a Tokio runtime.
///
/// # Errors
/// When the address or the identity cannot be used. An unreachable hub is no error here: calls fail then.
pub(crate) fn channel(config: &Config, identity: &TlsIdentity) -> Result<Channel, Error> {
    let (host, port) = config.host_and_port().ok_or(Error::Address)?;
    let connector = Connector {
        name: ServerName::try_from(host.to_owned()).map_err(|_| Error::Address)?,
        host: host.into(),
        port,
        tls: identity
            .http2_client_config()
            .map_err(|source| Error::Identity { source })?,
    };
    // The scheme names the requests; encryption is the connector's.
    let endpoint = Endpoint::from_shared(format!("https://{}", config.hub.as_deref().unwrap_or_default()))
        .map_err(|_| Error::Address)?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    let connect = tower::service_fn(move |_: Uri| connector.clone().connect());
    Ok(endpoint.connect_with_connector_lazy(connect))
}
