use std::io;
use std::sync::Arc;
use std::time::Duration;

use barefoot_trust::enrolment::Binding;
use barefoot_wire::v1::enrolment_client::EnrolmentClient;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// TCP, TLS, HTTP/2 each.
const CONNECT: Duration = Duration::from_secs(20);
const CALL: Duration = Duration::from_secs(30);

/// Why the hub could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLine {
    #[error("the address is not host:port")]
    Address,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer in time")]
    Slow,
    #[error("{0}")]
    Protocol(String),
}

/// A connection of its own, with what only its two ends know.
pub(super) async fn open(
    address: &str,
    tls: Arc<ClientConfig>,
) -> Result<(EnrolmentClient<Channel>, Binding), NoLine> {
    let (host, port) = host_and_port(address).ok_or(NoLine::Address)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| NoLine::Address)?;
    let connect = async {
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        TlsConnector::from(tls).connect(name, socket).await
    };
    let stream = timeout(CONNECT, connect).await.map_err(|_| NoLine::Slow)??;
    let protocol = |error: &dyn std::error::Error| NoLine::Protocol(error.to_string());
    let binding = Binding::of_client(stream.get_ref().1).map_err(|error| protocol(&error))?;
    let mut one = Some(TokioIo::new(stream));
    let endpoint = Endpoint::from_shared(format!("https://{address}"))
        .map_err(|_| NoLine::Address)?
        .timeout(CALL);
    // The binding is this connection's: there is no second one.
    let handed = tower::service_fn(move |_: Uri| {
        let stream = one.take().ok_or(io::ErrorKind::ConnectionAborted);
        async move { stream.map_err(io::Error::from) }
    });
    let channel = timeout(CONNECT, endpoint.connect_with_connector(handed)).await;
    let channel = channel
        .map_err(|_| NoLine::Slow)?
        .map_err(|error| protocol(&error))?;
    Ok((EnrolmentClient::new(channel), binding))
}

pub(super) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}
