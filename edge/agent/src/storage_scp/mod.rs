//! The clinic's door for images: C-ECHO and C-STORE (PS3.4 annexes A and B).
//!
//! Accepts associations, checks who calls, streams each data set to whoever keeps it and answers with the keeper's
//! verdict. It decides nothing about content and touches no disk.

mod access;
mod association;
mod command;
mod dimse_status;
mod sop_classes;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handoff::{AssociationId, Incoming, Intake, StudyInput};
use crate::scanners::Scanners;

/// Starts to keep an instance.
pub(crate) type Opener = Arc<dyn Fn(Incoming) -> Intake + Send + Sync>;

/// The DICOM port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on. Required; 11112 is DICOM's registered port.
    pub listen: SocketAddr,
    /// Our AE title, 1 to 16 characters; scanners must call it. Required.
    pub ae_title: String,
    /// What happens to a scanner not listed here and not allowed on the clinic page. Default `refuse`.
    #[serde(default)]
    pub unknown_scanners: UnknownScanners,
    /// The scanners that may send. Default none.
    #[serde(default, rename = "scanner")]
    pub scanners: Vec<Scanner>,
    /// Associations at the same time; further callers are turned away and try again. Default 64.
    #[serde(default = "default_max_associations")]
    pub max_associations: usize,
    /// The largest PDU we announce and accept, bytes, 4096 to 1048576. Default 262144.
    #[serde(default = "default_max_pdu_bytes")]
    pub max_pdu_bytes: u32,
    /// Seconds an association may be silent before it is aborted. Default 60.
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
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownScanners {
    #[default]
    Refuse,
    /// For a network nobody else is on.
    Accept,
}

fn default_max_associations() -> usize {
    64
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
            if !access::is_ae_title(title) || title.trim() != title {
                return Err(format!(
                    "[dicom] \"{title}\" is no AE title: use 1 to 16 printable characters without backslash or outer spaces"
                ));
            }
        }
        if !(4096..=1_048_576).contains(&self.max_pdu_bytes) {
            return Err("[dicom] max_pdu_bytes must lie between 4096 and 1048576".to_owned());
        }
        if self.max_associations == 0 || self.idle_timeout_s == 0 || self.establish_timeout_s == 0 {
            return Err("[dicom] max_associations and the time-outs must not be 0".to_owned());
        }
        Ok(())
    }

    fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_s)
    }

    fn establish_timeout(&self) -> Duration {
        Duration::from_secs(self.establish_timeout_s)
    }
}

/// The listening door.
pub(crate) struct StorageScp {
    config: Arc<Config>,
    listener: TcpListener,
    scanners: Scanners,
    open: Opener,
    studies: mpsc::Sender<StudyInput>,
}

impl fmt::Debug for StorageScp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageScp")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl StorageScp {
    /// # Errors
    /// When the port cannot be bound.
    pub(crate) async fn bind(
        config: Config,
        scanners: Scanners,
        open: Opener,
        studies: mpsc::Sender<StudyInput>,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        Ok(Self {
            config: Arc::new(config),
            listener,
            scanners,
            open,
            studies,
        })
    }

    /// # Errors
    /// When the operating system does not say.
    pub(crate) fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`; associations under way then are cut, what they had acknowledged is kept.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(self.config.max_associations));
        let next_id = AtomicU64::new(1);
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted.");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                tracing::warn!(address = %peer.ip(), "Too many associations at once; a connection was closed.");
                continue;
            };
            let id = AssociationId(next_id.fetch_add(1, Ordering::Relaxed));
            let (config, scanners) = (Arc::clone(&self.config), self.scanners.clone());
            let (open, studies) = (Arc::clone(&self.open), self.studies.clone());
            let cut = shutdown.clone();
            tasks.spawn(async move {
                let serve = association::serve(socket, peer.ip(), id, &config, scanners, &open);
                tokio::select! {
                    () = cut.cancelled() => {}
                    outcome = serve => log_end(peer, outcome),
                }
                let _ = studies.send(StudyInput::AssociationEnded(id)).await;
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
    }
}

fn log_end(peer: SocketAddr, outcome: Result<(), association::Error>) {
    if let Err(error) = outcome {
        // The library's text below our own would print PDUs, and with them what a caller wrote: kind only.
        tracing::warn!(address = %peer.ip(), reason = %error, "An association ended early; nothing acknowledged is lost.");
    }
}
