//! The connection to a node, plain or within TLS.

use std::sync::Arc;
use std::time::Duration;

use barefoot_trust::dicom;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::config::{Node, Tls};
use crate::upper_layer::Stream;

/// For the connection and for the TLS handshake, each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a node cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the node cannot be reached")]
    Connect { source: std::io::Error },
    #[error("the node does not answer")]
    Slow,
    #[error("the files for TLS with the node cannot be used")]
    Files { source: dicom::Error },
    #[error("the node's host is neither a name nor an address")]
    Host,
    #[error("TLS with the node failed")]
    Handshake { source: std::io::Error },
}

/// The files for TLS are read each time, so that a renewed certificate needs no restart.
pub(crate) async fn dial(node: &Node) -> Result<Box<dyn Stream>, DialError> {
    let connecting = TcpStream::connect((node.host.as_str(), node.port));
    let stream = timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| DialError::Slow)?
        .map_err(|source| DialError::Connect { source })?;
    // Requests are small writes that the next answer waits for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set.");
    }
    match &node.tls {
        None => Ok(Box::new(stream)),
        Some(tls) => {
            let name = ServerName::try_from(node.host.clone()).map_err(|_| DialError::Host)?;
            let handshake = connector(tls)?.connect(name, stream);
            let stream = timeout(CONNECT_TIMEOUT, handshake)
                .await
                .map_err(|_| DialError::Slow)?
                .map_err(|source| DialError::Handshake { source })?;
            Ok(Box::new(stream))
        }
    }
}

fn connector(tls: &Tls) -> Result<TlsConnector, DialError> {
    let config = dicom::client_config(&tls.trusted(), tls.own().as_ref(), OffsetDateTime::now_utc())
        .map_err(|source| DialError::Files { source })?;
    Ok(TlsConnector::from(Arc::clone(&config)))
}
