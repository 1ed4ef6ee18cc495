//! The line to the hub: MQTT 5, QoS 1, mutual TLS.
//!
//! The client library's buffers are never storage. What must arrive stays in the queue until the hub's own receipt; on
//! any doubt (a lost session, a receipt that does not come) the client is thrown away and a new one sends everything
//! that is still unreceipted again. The hub drops what it has already.

mod downlink;
mod session;
mod uplink;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_queue::Queue;
use barefoot_trust::{TlsIdentity, TlsPaths};
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::handoff::{Acknowledgement, FromHub};
use crate::status::Status;

/// Where the hub is and who we are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `host:port` of the hub or its broker. Required.
    pub hub: String,
    pub tls: Tls,
    /// Seconds within which the hub must receipt what was sent, before the session is rebuilt and everything
    /// unreceipted is sent again. Default 30.
    #[serde(default = "default_receipt_timeout_s")]
    pub receipt_timeout_s: u64,
    /// Records under way without a receipt, at most. Default 32.
    #[serde(default = "default_in_flight")]
    pub in_flight: u16,
    /// Seconds between sessions after a failure, at most; grows from 1 and is spread at random. Default 60.
    #[serde(default = "default_max_backoff_s")]
    pub max_backoff_s: u64,
}

/// PEM files of our identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate of the region's authority. Required.
    pub authority: PathBuf,
    /// Our certificate; its common name is the clinic. Required.
    pub certificate: PathBuf,
    /// Our private key. Required.
    pub key: PathBuf,
}

impl Tls {
    /// Where our identity lies; the hub's services use the same.
    #[must_use]
    pub(crate) fn paths(&self) -> TlsPaths {
        TlsPaths {
            authority: self.authority.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        }
    }
}

fn default_receipt_timeout_s() -> u64 {
    30
}

fn default_in_flight() -> u16 {
    32
}

fn default_max_backoff_s() -> u64 {
    60
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.host_and_port().is_none() {
            return Err("[link] hub must be host:port, for instance hub.example:8883".to_owned());
        }
        if self.in_flight == 0 || self.receipt_timeout_s == 0 || self.max_backoff_s == 0 {
            return Err("[link] in_flight, receipt_timeout_s and max_backoff_s must not be 0".to_owned());
        }
        Ok(())
    }

    fn host_and_port(&self) -> Option<(String, u16)> {
        let (host, port) = self.hub.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty()).then(|| (host.to_owned(), port))
    }

    fn receipt_timeout(&self) -> Duration {
        Duration::from_secs(self.receipt_timeout_s)
    }
}

/// Why the link cannot even try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("[link] hub must be host:port")]
    Address,
    #[error("[link.tls] the identity cannot be used")]
    Identity { source: barefoot_trust::Error },
    #[error(
        "the certificate names the clinic {certificate}, the site file says {site}: one of them is wrong"
    )]
    Clinic { certificate: ClinicId, site: ClinicId },
}

/// The link, ready to run.
#[derive(Debug)]
pub(crate) struct Link {
    clinic: ClinicId,
    host: String,
    port: u16,
    config: Config,
    tls: Arc<tokio_rustls::rustls::ClientConfig>,
    queue: Queue,
    from_hub: mpsc::Sender<FromHub>,
    /// Held by the session that runs; the next one takes it over.
    acknowledgements: Mutex<mpsc::Receiver<Acknowledgement>>,
    status: Status,
}

impl Link {
    /// `from_hub` gets the hub's word on each envelope and what it has to say by itself; `acknowledgements` are our
    /// words on the latter. One that is lost with its session does no harm: the hub sends again.
    ///
    /// # Errors
    /// When the identity cannot be read or is another clinic's.
    pub(crate) fn new(
        config: Config,
        clinic: ClinicId,
        queue: Queue,
        from_hub: mpsc::Sender<FromHub>,
        acknowledgements: mpsc::Receiver<Acknowledgement>,
        status: Status,
    ) -> Result<Self, Error> {
        let (host, port) = config.host_and_port().ok_or(Error::Address)?;
        let identity = TlsIdentity::load(&config.tls.paths()).map_err(|source| Error::Identity { source })?;
        let certificate = identity.clinic().map_err(|source| Error::Identity { source })?;
        if certificate != clinic {
            return Err(Error::Clinic {
                certificate,
                site: clinic,
            });
        }
        let tls = identity
            .client_config()
            .map_err(|source| Error::Identity { source })?;
        Ok(Self {
            clinic,
            host,
            port,
            config,
            tls,
            queue,
            from_hub,
            acknowledgements: Mutex::new(acknowledgements),
            status,
        })
    }

    /// Runs until `shutdown`, one session after the other.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = session::keep(&self) => {}
        }
        self.status.set_connected(false);
    }
}
