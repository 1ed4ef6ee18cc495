//! The clinic's door for DICOM: listens, checks who calls, and gives each request to the service that answers it.
//!
//! It knows no service but C-ECHO: `pipeline` hands the others in.

mod association;
mod refusals;
mod registry;
mod verification;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use barefoot_imaging::text::is_character_set;
use barefoot_trust::dicom::Fingerprint;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::PeerLog;
use crate::dicom_tls::{self, Handshake};
use crate::dimse::Service;
use crate::error_chain;
use crate::handoff::{AssociationId, StudyInput};
use crate::scanners::Scanners;
use crate::upper_layer::{Ended, Stream, is_ae_title};
use association::House;
use refusals::Refusals;
use registry::{Place, Registry};
use verification::Verification;

/// How long a peer may take to close after our last word.
const LAST_WORD: Duration = Duration::from_secs(2);
/// How long a message under way may take when the daemon stops.
const GRACE: Duration = Duration::from_secs(5);

/// The DICOM port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on without TLS; 11112 is DICOM's registered port. Default none: then `[dicom.tls]` must
    /// be there.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// The port within TLS. Default none.
    #[serde(default)]
    pub tls: Option<dicom_tls::Config>,
    /// Our AE title, 1 to 16 characters; scanners must call it. Required.
    pub ae_title: String,
    /// What happens to a scanner not listed here and not allowed on the clinic page. Default `refuse`.
    #[serde(default)]
    pub unknown_scanners: UnknownScanners,
    /// What happens to images of classes the standard does not know. Default `keep`.
    #[serde(default)]
    pub private_classes: PrivateClasses,
    /// The scanners that may send. Default none.
    #[serde(default, rename = "scanner")]
    pub scanners: Vec<Scanner>,
    /// Associations at the same time, 1 to 10000. Where all are taken, the one that has been idle longest makes room.
    /// Default 1024.
    #[serde(default = "default_max_associations")]
    pub max_associations: usize,
    /// Associations of one scanner at the same time; as above. Default 256.
    #[serde(default = "default_max_per_scanner")]
    pub max_per_scanner: usize,
    /// The largest PDU we announce and accept, bytes, 4096 to 1048576. Default 262144.
    #[serde(default = "default_max_pdu_bytes")]
    pub max_pdu_bytes: u32,
    /// Seconds a peer may take for its next PDU before the association is aborted. Default 60.
    #[serde(default = "default_idle_timeout_s")]
    pub idle_timeout_s: u64,
    /// Seconds a connection may take to ask for its association (the standard's ARTIM timer). Default 10.
    #[serde(default = "default_establish_timeout_s")]
    pub establish_timeout_s: u64,
}

/// A scanner of the clinic.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// The AE title it calls with.
    pub ae_title: String,
    /// SHA-256 of its certificate, hexadecimal: it is let in within TLS only, and by this certificate only. Default: it
    /// needs none.
    #[serde(default)]
    pub certificate_sha256: Option<Fingerprint>,
    /// The character set it really writes in, a term of the standard such as `GB18030`, or `GBK`, `BIG5`: text of its
    /// images is read by it, whatever they declare. Default: as they declare.
    #[serde(default)]
    pub character_set: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownScanners {
    #[default]
    Refuse,
    /// For a network nobody else is on.
    Accept,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivateClasses {
    /// Kept as they are; nothing is read out of them but who and which study they are of.
    #[default]
    Keep,
    Refuse,
}

fn default_max_associations() -> usize {
    1024
}

fn default_max_per_scanner() -> usize {
    256
}

fn default_max_pdu_bytes() -> u32 {
    262_144
}

fn default_idle_timeout_s() -> u64 {
    60
}

fn default_establish_timeout_s() -> u64 {
    10
}

impl Config {
    /// What the types cannot say.
    ///
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        let titles = self
            .scanners
            .iter()
            .map(|scanner| &scanner.ae_title)
            .chain([&self.ae_title]);
        for title in titles {
            if !is_ae_title(title) || title.trim() != title {
                return Err(format!(
                    "[dicom] \"{title}\" is no AE title: use 1 to 16 printable characters without backslash or outer spaces"
                ));
            }
        }
        for scanner in &self.scanners {
            if let Some(term) = &scanner.character_set
                && !is_character_set(term)
            {
                return Err(format!(
                    "[[dicom.scanner]] \"{}\": \"{term}\" is no character set: write for instance \"GB18030\" or \"ISO_IR 192\"",
                    scanner.ae_title
                ));
            }
        }
        let pinned = !self.pinned().is_empty();
        match &self.tls {
            Some(tls) => tls.check(pinned)?,
            None if self.listen.is_none() => {
                return Err("[dicom] listen or [dicom.tls] must be there: nobody could send".to_owned());
            }
            None if pinned => {
                return Err("[[dicom.scanner]] certificate_sha256 needs [dicom.tls]".to_owned());
            }
            None => {}
        }
        if !(4096..=1_048_576).contains(&self.max_pdu_bytes) {
            return Err("[dicom] max_pdu_bytes must lie between 4096 and 1048576".to_owned());
        }
        if !(1..=10_000).contains(&self.max_associations) || self.max_per_scanner == 0 {
            return Err(
                "[dicom] max_associations must lie between 1 and 10000, max_per_scanner must not be 0"
                    .to_owned(),
            );
        }
        if self.idle_timeout_s == 0 || self.establish_timeout_s == 0 {
            return Err("[dicom] the time-outs must not be 0".to_owned());
        }
        Ok(())
    }

    /// The certificates that scanners are known by.
    #[must_use]
    pub fn pinned(&self) -> Vec<Fingerprint> {
        let pinned = self
            .scanners
            .iter()
            .filter_map(|scanner| scanner.certificate_sha256);
        pinned.collect()
    }

    /// The character sets of scanners that declare the wrong one.
    pub fn character_sets(&self) -> impl Iterator<Item = (String, String)> {
        let all = self.scanners.iter();
        all.filter_map(|scanner| Some((scanner.ae_title.clone(), scanner.character_set.clone()?)))
    }

    /// Whether images of classes the standard does not know are kept.
    #[must_use]
    pub(crate) fn keeps_private_classes(&self) -> bool {
        self.private_classes == PrivateClasses::Keep
    }

    fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_s)
    }

    fn establish_timeout(&self) -> Duration {
        Duration::from_secs(self.establish_timeout_s)
    }
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen for scanners on {address}: another program may have the port")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("[dicom.tls] the certificate cannot be used, and there is no other port")]
    Certificate { source: barefoot_trust::dicom::Error },
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    address: IpAddr,
    /// Shown and proved within TLS.
    certificate: Option<Fingerprint>,
}

/// The listening door.
pub(crate) struct FrontDoor {
    house: Arc<House>,
    registry: Registry,
    plain: Option<TcpListener>,
    tls: Option<(TcpListener, Handshake)>,
    studies: mpsc::Sender<StudyInput>,
}

impl fmt::Debug for FrontDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontDoor")
            .field("config", &self.house.config)
            .finish_non_exhaustive()
    }
}

impl FrontDoor {
    /// A certificate that cannot be used closes the port within TLS only: while there is another, scanners can send.
    ///
    /// # Errors
    /// When a port cannot be bound, or the only one has no certificate.
    pub(crate) async fn bind(
        config: Config,
        scanners: Scanners,
        mut services: Vec<Arc<dyn Service>>,
        studies: mpsc::Sender<StudyInput>,
        log: PeerLog,
    ) -> Result<Self, BindError> {
        services.push(Arc::new(Verification));
        let plain = match config.listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let tls = match &config.tls {
            Some(settings) => match Handshake::open(settings, config.pinned(), OffsetDateTime::now_utc()) {
                Ok(handshake) => Some((listen(settings.listen).await?, handshake)),
                Err(source) if plain.is_none() => return Err(BindError::Certificate { source }),
                Err(error) => {
                    tracing::error!(
                        reason = error_chain::chain(&error),
                        "The DICOM port within TLS stays closed."
                    );
                    None
                }
            },
            None => None,
        };
        Ok(Self {
            registry: Registry::new(config.max_associations, config.max_per_scanner),
            house: Arc::new(House {
                config,
                scanners,
                services,
                refusals: Refusals::new(log.clone()),
                log,
            }),
            plain,
            tls,
            studies,
        })
    }

    /// Where the port without TLS is.
    #[must_use]
    pub(crate) fn plain_addr(&self) -> Option<SocketAddr> {
        self.plain.as_ref()?.local_addr().ok()
    }

    /// Where the port within TLS is.
    #[must_use]
    pub(crate) fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref()?.0.local_addr().ok()
    }

    /// Serves until `shutdown`. A message under way then may end; what was acknowledged is kept in any case.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let next_id = AtomicU64::new(1);
        let tasks = TaskTracker::new();
        loop {
            let (accepted, handshake) = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = accept(self.plain.as_ref()) => (accepted, None),
                accepted = accept(self.tls.as_ref().map(|(listener, _)| listener)) => {
                    (accepted, self.tls.as_ref().map(|(_, handshake)| handshake.clone()))
                }
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted.");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let id = AssociationId(next_id.fetch_add(1, Ordering::Relaxed));
            let Some(place) = self.registry.enter(id, Instant::now()) else {
                tracing::warn!(address = %peer.ip(), "Too many associations at once; a connection was closed.");
                continue;
            };
            tasks.spawn(self.serve(socket, handshake, peer, id, place, shutdown.clone()));
        }
        tasks.close();
        tasks.wait().await;
        self.house.refusals.write().await;
    }

    fn serve(
        &self,
        socket: TcpStream,
        handshake: Option<Handshake>,
        peer: SocketAddr,
        id: AssociationId,
        place: Place,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let (house, studies) = (Arc::clone(&self.house), self.studies.clone());
        async move {
            // Each answer is one small write that a scanner waits for.
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set.");
            }
            // Also of one that is cut in the middle.
            let done = OnceLock::new();
            let cut = async {
                shutdown.cancelled().await;
                tokio::time::sleep(GRACE).await;
            };
            let serve = async {
                let (stream, shown): (Box<dyn Stream>, _) = match handshake {
                    None => (Box::new(socket), None),
                    Some(handshake) => match handshake.with(socket, house.config.establish_timeout()).await {
                        Ok((stream, shown)) => (Box::new(stream), shown),
                        Err(error) => {
                            tracing::warn!(address = %peer.ip(), reason = error_chain::chain(&error), "A connection within TLS was refused.");
                            house
                                .refusals
                                .note("", peer.ip(), "the TLS handshake failed")
                                .await;
                            return;
                        }
                    },
                };
                let from = Origin {
                    address: peer.ip(),
                    certificate: shown,
                };
                let outcome = association::serve(stream, from, id, &house, &place, &done, &shutdown).await;
                log_end(peer, outcome);
            };
            tokio::select! {
                () = cut => {}
                () = serve => {}
            }
            if let Some(acts) = done.get() {
                acts.write().await;
            }
            let _ = studies.send(StudyInput::AssociationEnded(id)).await;
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| BindError::Listen { address, source })
}

/// Of a port that is not there nothing comes.
async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

fn log_end(peer: SocketAddr, outcome: Result<(), Ended>) {
    if let Err(error) = outcome {
        // The library's text below our own would print PDUs, and with them what a caller wrote: kind only.
        tracing::warn!(address = %peer.ip(), reason = %error, "An association ended early; nothing acknowledged is lost.");
    }
}
