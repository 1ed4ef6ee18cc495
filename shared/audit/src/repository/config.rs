use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_trust::{TlsIdentity, TlsPaths};
use serde::Deserialize;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Where audit messages go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `host:port` of the audit record repository; 6514 is the registered port. Required.
    pub address: String,
    /// PEM: whose certificates the repository may show; the name must be the host's. Default: the region's authority.
    #[serde(default)]
    pub authority: Option<PathBuf>,
    /// PEM: the certificate that the repository is shown, with those above it. Default: our own of the region.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM: its key. Needs `certificate`, which needs it.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The facility as the repository knows it (AuditEnterpriseSiteID), 1 to 64 characters. Default none.
    #[serde(default)]
    pub site: Option<String>,
    /// The longest pause before the repository is tried again, seconds, 1 to 3600. Default 300.
    #[serde(default = "default_max_backoff_s")]
    pub max_backoff_s: u64,
}

fn default_max_backoff_s() -> u64 {
    300
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.host_and_port().is_none() {
            return Err(
                "[audit.repository] address must be host:port, for instance arr.example:6514".to_owned(),
            );
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err("[audit.repository] certificate and key belong together".to_owned());
        }
        if self.certificate.is_some() && self.authority.is_none() {
            return Err(
                "[audit.repository] certificate needs authority: whom is the repository's from?".to_owned(),
            );
        }
        if let Some(site) = &self.site
            && !(1..=64).contains(&site.trim().chars().count())
        {
            return Err("[audit.repository] site must have 1 to 64 characters".to_owned());
        }
        if !(1..=3600).contains(&self.max_backoff_s) {
            return Err("[audit.repository] max_backoff_s must lie between 1 and 3600".to_owned());
        }
        Ok(())
    }

    /// Relative paths are taken from `base`.
    #[must_use]
    pub fn below(self, base: &Path) -> Self {
        let below = |path: Option<PathBuf>| path.map(|path| base.join(path));
        Self {
            authority: below(self.authority),
            certificate: below(self.certificate),
            key: below(self.key),
            ..self
        }
    }

    pub(super) fn host_and_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        ServerName::try_from(host).ok()?;
        Some((host, port))
    }

    /// `own`: who we are in the region.
    pub(super) fn tls(&self, own: &TlsIdentity) -> Result<Arc<ClientConfig>, barefoot_trust::Error> {
        match (&self.authority, &self.certificate, &self.key) {
            (Some(authority), Some(certificate), Some(key)) => {
                let paths = TlsPaths {
                    authority: authority.clone(),
                    certificate: certificate.clone(),
                    key: key.clone(),
                };
                TlsIdentity::load(&paths)?.client_config_trusting(authority)
            }
            (Some(authority), ..) => own.client_config_trusting(authority),
            (None, ..) => own.client_config(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(address: &str) -> Config {
        Config {
            address: address.to_owned(),
            authority: None,
            certificate: None,
            key: None,
            site: None,
            max_backoff_s: 300,
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        for good in ["arr.example:6514", "10.0.0.7:6514", "[::1]:6514"] {
            config(good).check().unwrap();
        }
        for bad in ["arr.example", "arr.example:0", ":6514", "a b:6514"] {
            assert!(config(bad).check().unwrap_err().contains("address"), "{bad}");
        }
        let pair = Config {
            certificate: Some("a.crt".into()),
            ..config("arr.example:6514")
        };
        assert!(pair.check().unwrap_err().contains("certificate and key"));
        let unknown = Config {
            key: Some("a.key".into()),
            ..pair
        };
        assert!(unknown.check().unwrap_err().contains("needs authority"));
        let slow = Config {
            max_backoff_s: 0,
            ..config("arr.example:6514")
        };
        assert!(slow.check().unwrap_err().contains("max_backoff_s"));
    }
}
