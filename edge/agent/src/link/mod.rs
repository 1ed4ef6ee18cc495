//! The line to the hub: MQTT 5, QoS 1, mutual TLS.
//!
//! The client library's buffers are never storage. What must arrive stays in the queue until the hub's own receipt; on
//! any doubt (a lost session, a receipt that does not come) the client is thrown away and a new one sends everything
//! that is still unreceipted again. The hub drops what it has already.
//!
//! A session begins with a birth: the hub answers with its time and with what it understands, a hub that is older than
//! births refuses it and gets one envelope a message. Records then travel in batches, critical ones first and never behind
//! a full line (`plan`). What the hub cannot read comes back by its place in the message, and the queue counts how often.

mod birth;
mod client;
mod downlink;
mod health;
mod machine;
mod plan;
mod rest;
mod session;
mod session_number;
mod starts;
mod uplink;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barefoot_domain::ClinicId;
use barefoot_queue::Queue;
use barefoot_trust::{TlsIdentity, TlsPaths};
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::handoff::{Acknowledgement, FromHub};
use crate::hub_clock::HubClock;
use crate::status::Status;
use session_number::SessionNumbers;
use starts::Starts;

/// Where the hub is and who we are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `host:port` of the hub or its broker. Default: as the hub told when the box was enrolled.
    #[serde(default)]
    pub hub: Option<String>,
    /// Who we are. Default: as the hub told when the box was enrolled.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Seconds between two looks whether the certificate of an enrolled box is to be renewed. Default 43200.
    #[serde(default = "default_identity_check_s")]
    pub identity_check_s: u64,
    /// Seconds within which the hub must receipt what was sent, before the session is rebuilt and everything
    /// unreceipted is sent again. Default 30.
    #[serde(default = "default_receipt_timeout_s")]
    pub receipt_timeout_s: u64,
    /// Messages under way without a receipt, at most; 2 to 1000. A quarter of them is kept for critical results.
    /// Default 32.
    #[serde(default = "default_in_flight")]
    pub in_flight: u16,
    /// KiB under way without a receipt, beyond which only critical results are sent: what a critical one may find before
    /// it on a slow line. Default 16.
    #[serde(default = "default_routine_in_flight_kib")]
    pub routine_in_flight_kib: usize,
    /// Seconds without any other message after which the line is tried with a ping, at least 5. A line on which nothing
    /// is heard for two and a half times as long is given up. Default 20.
    #[serde(default = "default_keep_alive_s")]
    pub keep_alive_s: u16,
    /// Seconds between the records that tell the hub how this box is; 0 for none. Default 300.
    #[serde(default = "default_health_interval_s")]
    pub health_interval_s: u32,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            hub: None,
            tls: None,
            identity_check_s: default_identity_check_s(),
            receipt_timeout_s: default_receipt_timeout_s(),
            in_flight: default_in_flight(),
            routine_in_flight_kib: default_routine_in_flight_kib(),
            keep_alive_s: default_keep_alive_s(),
            health_interval_s: default_health_interval_s(),
            max_backoff_s: default_max_backoff_s(),
        }
    }
}

fn default_identity_check_s() -> u64 {
    12 * 3600
}

fn default_receipt_timeout_s() -> u64 {
    30
}

fn default_in_flight() -> u16 {
    32
}

fn default_routine_in_flight_kib() -> usize {
    16
}

fn default_keep_alive_s() -> u16 {
    20
}

fn default_health_interval_s() -> u32 {
    300
}

fn default_max_backoff_s() -> u64 {
    60
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.hub.is_some() && self.host_and_port().is_none() {
            return Err("[link] hub must be host:port, for instance hub.example:8883".to_owned());
        }
        if self.identity_check_s == 0 {
            return Err("[link] identity_check_s must not be 0".to_owned());
        }
        if self.receipt_timeout_s == 0 || self.max_backoff_s == 0 || self.routine_in_flight_kib == 0 {
            return Err(
                "[link] receipt_timeout_s, max_backoff_s and routine_in_flight_kib must not be 0".to_owned(),
            );
        }
        if !(2..=1000).contains(&self.in_flight) {
            return Err(
                "[link] in_flight must be 2 to 1000: one place is kept for critical results".to_owned(),
            );
        }
        if self.keep_alive_s < 5 {
            return Err("[link] keep_alive_s must be at least 5".to_owned());
        }
        Ok(())
    }

    fn host_and_port(&self) -> Option<(String, u16)> {
        let (host, port) = self.hub.as_deref()?.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty()).then(|| (host.to_owned(), port))
    }

    fn receipt_timeout(&self) -> Duration {
        Duration::from_secs(self.receipt_timeout_s)
    }

    fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_s.into())
    }

    /// Two pings without an answer, and a little.
    fn silence(&self) -> Duration {
        self.keep_alive() * 5 / 2
    }

    fn health_interval(&self) -> Duration {
        Duration::from_secs(self.health_interval_s.into())
    }

    /// Until the next one but one is there.
    fn health_expiry_s(&self) -> u32 {
        self.health_interval_s.saturating_mul(2).max(1)
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
    hub_clock: HubClock,
    identity: Arc<TlsIdentity>,
    /// The state directory: the number of the last session, and the hub's certificate.
    state: PathBuf,
    numbers: SessionNumbers,
    starts: Starts,
    started: Instant,
}

/// What the link shares with other parts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub queue: Queue,
    /// Gets the hub's word on each envelope and what it has to say by itself.
    pub from_hub: mpsc::Sender<FromHub>,
    /// Our words on the latter. One that is lost with its session does no harm: the hub sends again.
    pub acknowledgements: mpsc::Receiver<Acknowledgement>,
    pub status: Status,
    pub hub_clock: HubClock,
    /// The state directory.
    pub state: PathBuf,
}

impl Link {
    /// # Errors
    /// When the identity cannot be used or is another clinic's.
    pub(crate) fn new(
        config: Config,
        clinic: ClinicId,
        identity: Arc<TlsIdentity>,
        parts: Parts,
    ) -> Result<Self, Error> {
        let (host, port) = config.host_and_port().ok_or(Error::Address)?;
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
            queue: parts.queue,
            from_hub: parts.from_hub,
            acknowledgements: Mutex::new(parts.acknowledgements),
            status: parts.status,
            hub_clock: parts.hub_clock,
            identity,
            state: parts.state,
            numbers: SessionNumbers::default(),
            starts: Starts::default(),
            started: Instant::now(),
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

#[cfg(test)]
mod tests;
