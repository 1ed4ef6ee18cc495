use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConfig, crypto};

use crate::{Error, files, tls};

/// For pages that people open: TLS 1.3 with a certificate of its own, which browsers trust; nobody shows one.
///
/// # Errors
/// When a file cannot be read, holds no PEM of the wanted kind, or the two do not fit together.
pub fn browser_server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let chain = tls::certificates(certificate)?;
    let key_pem = files::read(key)?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| Error::Pem {
        path: key.display().to_string(),
        wanted: "private key",
    })?;
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|source| Error::Rustls { source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
