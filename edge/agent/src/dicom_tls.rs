//! The DICOM port within TLS (PS3.15 annex B.12): its settings, and the handshake with a caller.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barefoot_trust::dicom::{
    self, ClientCertificates, Fingerprint, OwnCertificate, Trusted, peer_fingerprint,
};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// A certificate that ends sooner than this is spoken of at the start.
const SOON: time::Duration = time::Duration::days(30);

/// A second DICOM port, within TLS 1.2 or 1.3.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on. Required; 2762 is DICOM's registered port for TLS.
    pub listen: SocketAddr,
    /// PEM: our certificate, and those up to its authority. Required.
    pub certificate: PathBuf,
    /// PEM: its key, not locked by a passphrase. Required.
    pub key: PathBuf,
    /// PEM: whose certificates callers may show. Default none: only those that a scanner's `certificate_sha256` names.
    #[serde(default)]
    pub authority: Option<PathBuf>,
    /// `off`: callers are asked for none. `optional`: one that is shown must be trusted. `required`. Default `off`.
    #[serde(default)]
    pub client_certificates: Wish,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    #[default]
    Off,
    Optional,
    Required,
}

impl Config {
    /// What the types cannot say. `pinned`: whether a scanner is known by its certificate.
    ///
    /// # Errors
    /// A sentence naming the key and what to do.
    pub(crate) fn check(&self, pinned: bool) -> Result<(), String> {
        match self.client_certificates {
            Wish::Off if pinned => Err(
                "[dicom.tls] a scanner has certificate_sha256: set client_certificates to \"optional\" or \"required\""
                    .to_owned(),
            ),
            Wish::Off if self.authority.is_some() => Err(
                "[dicom.tls] authority has no effect while client_certificates is \"off\"".to_owned(),
            ),
            Wish::Optional | Wish::Required if !pinned && self.authority.is_none() => Err(
                "[dicom.tls] client_certificates needs authority, or a scanner with certificate_sha256".to_owned(),
            ),
            _ => Ok(()),
        }
    }

    fn own(&self) -> OwnCertificate {
        OwnCertificate {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }
}

/// Whether a scanner may come in by this certificate: one that is known by its own must show it, over TLS.
#[must_use]
pub(crate) fn is_shown(demanded: Option<&Fingerprint>, shown: Option<&Fingerprint>) -> bool {
    demanded.is_none() || demanded == shown
}

/// Why a connection did not get to TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the caller did not finish the TLS handshake in time")]
    Slow,
    #[error("the TLS handshake failed")]
    Failed { source: std::io::Error },
}

/// Does the box's part of handshakes; cheap to clone.
#[derive(Clone)]
pub(crate) struct Handshake {
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handshake")
    }
}

impl Handshake {
    /// Reads certificate and key. `pinned`: the certificates that scanners are known by.
    ///
    /// # Errors
    /// When a file cannot be used, or the certificate is not valid now.
    pub(crate) fn open(
        config: &Config,
        pinned: Vec<Fingerprint>,
        now: OffsetDateTime,
    ) -> Result<Self, dicom::Error> {
        let trusted = || Trusted {
            authority: config.authority.clone(),
            pinned: pinned.clone(),
        };
        let clients = match config.client_certificates {
            Wish::Off => ClientCertificates::Off,
            Wish::Optional => ClientCertificates::Optional(trusted()),
            Wish::Required => ClientCertificates::Required(trusted()),
        };
        let own = config.own();
        let server: Arc<ServerConfig> = dicom::server_config(&own, &clients, now)?;
        let until = own.valid_until()?;
        if until < now + SOON {
            tracing::warn!(until = %until.date(), "The certificate of the DICOM port ends soon; have a new one issued.");
        }
        Ok(Self {
            acceptor: TlsAcceptor::from(server),
        })
    }

    /// The caller's connection within TLS, and the certificate it has shown.
    ///
    /// # Errors
    /// When the caller is too slow, speaks no TLS of today, or is not trusted.
    pub(crate) async fn with(
        &self,
        socket: TcpStream,
        within: Duration,
    ) -> Result<(TlsStream<TcpStream>, Option<Fingerprint>), HandshakeError> {
        let stream = timeout(within, self.acceptor.accept(socket))
            .await
            .map_err(|_| HandshakeError::Slow)?
            .map_err(|source| HandshakeError::Failed { source })?;
        let shown = peer_fingerprint(stream.get_ref().1.peer_certificates());
        Ok((stream, shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(more: &str, pinned: bool) -> Result<(), String> {
        let text = format!("listen = \"0.0.0.0:2762\"\ncertificate = \"c\"\nkey = \"k\"\n{more}");
        let config: Config = toml::from_str(&text).map_err(|error| error.to_string())?;
        config.check(pinned)
    }

    #[test]
    fn wishes_that_contradict_each_other_are_named() {
        assert_eq!(checked("", false), Ok(()));
        assert_eq!(checked("client_certificates = \"required\"", true), Ok(()));
        assert_eq!(
            checked("client_certificates = \"optional\"\nauthority = \"a\"", false),
            Ok(())
        );
        for (more, pinned, expected) in [
            ("", true, "certificate_sha256"),
            ("authority = \"a\"", false, "no effect"),
            ("client_certificates = \"required\"", false, "authority"),
            ("client_certificates = \"sometimes\"", false, "optional"),
        ] {
            let error = checked(more, pinned).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_scanner_known_by_its_certificate_must_show_it() {
        let [one, other]: [Fingerprint; 2] = ["11", "22"].map(|byte| byte.repeat(32).parse().unwrap());
        for (demanded, shown, may) in [
            (None, None, true),
            (None, Some(&one), true),
            (Some(&one), Some(&one), true),
            (Some(&one), Some(&other), false),
            (Some(&one), None, false),
        ] {
            assert_eq!(is_shown(demanded, shown), may);
        }
    }
}
