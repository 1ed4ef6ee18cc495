use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use barefoot_trust::TlsIdentity;
use barefoot_trust::audit::{AuditEntry, Hash};
use tokio::time::sleep;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::line::{self, Line};
use super::standing::Standing;
use crate::Source;
use crate::syslog::frame;

/// How often the log is looked at for something new.
const LOOK: Duration = Duration::from_secs(2);
/// Entries read at once.
const READ: usize = 100;
/// Entries of one connection: what breaks off before its end is sent again.
const MOST: usize = 1000;

/// An entry with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub entry: AuditEntry,
    pub hash: Hash,
}

/// How far the repository has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub number: u64,
    /// Of that entry.
    pub hash: Hash,
}

/// A log that is told of.
pub trait Log: Send + Sync + 'static {
    type Error: std::error::Error + Send + Sync + 'static;

    /// The entries behind `number` in their order, at most so many. Only such as survive a power cut.
    fn behind(
        &self,
        number: u64,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Logged>, Self::Error>> + Send;

    /// The newest entry's number; 0 where there is none.
    fn newest(&self) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// What [`Self::keep`] kept last. `None` also where the log does not hold that entry any more as it was: another log
    /// lies there now, and all of it is told.
    fn mark(&self) -> impl Future<Output = Result<Option<Mark>, Self::Error>> + Send;

    /// After `Ok` it survives a power cut.
    fn keep(&self, mark: Mark) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Tells a log to a repository.
pub struct Forwarding<L> {
    log: L,
    config: Config,
    source: Source,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    standing: Standing,
}

impl<L> fmt::Debug for Forwarding<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarding")
            .field("address", &self.config.address)
            .finish_non_exhaustive()
    }
}

/// Why nothing can be told at all.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("[audit.repository] address must be host:port")]
    Address,
    #[error("[audit.repository] the certificates cannot be used")]
    Identity { source: barefoot_trust::Error },
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Error<E: std::error::Error + 'static> {
    #[error("the log cannot be read, or the mark not be kept")]
    Log { source: E },
    #[error(transparent)]
    Line(#[from] line::Error),
}

impl<L: Log> Forwarding<L> {
    /// `own`: who we are in the region.
    ///
    /// # Errors
    /// When the address is none, or a certificate cannot be used.
    pub fn new(
        log: L,
        config: Config,
        source: Source,
        own: &TlsIdentity,
        standing: Standing,
    ) -> Result<Self, SettingsError> {
        let (host, _) = config.host_and_port().ok_or(SettingsError::Address)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| SettingsError::Address)?;
        let tls = config
            .tls(own)
            .map_err(|source| SettingsError::Identity { source })?;
        Ok(Self {
            log,
            source: source.at_site(config.site.clone()),
            config,
            name,
            tls,
            standing,
        })
    }

    /// Tells what is new until `shutdown`; what is under way then is told again after the next start.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut failures = 0u32;
        loop {
            let outcome = tokio::select! {
                () = shutdown.cancelled() => return,
                outcome = self.tell() => outcome,
            };
            let pause = match outcome {
                Ok(0) => {
                    failures = 0;
                    LOOK
                }
                Ok(entries) => {
                    failures = 0;
                    self.standing.arrived(entries);
                    continue;
                }
                Err(error) => {
                    let reason = chain(&error);
                    // Once: a repository that is away for days shall not fill the journal.
                    if failures == 0 {
                        tracing::warn!(
                            reason,
                            "The audit record repository was not told; what it lacks waits in the log."
                        );
                    }
                    self.standing.failed(reason);
                    failures = failures.saturating_add(1);
                    pause_after(failures, self.config.max_backoff_s)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wait(pause) => {}
            }
        }
    }

    /// How many entries arrived by one connection; none where there is nothing new.
    async fn tell(&self) -> Result<u64, Error<L::Error>> {
        let log = |source| Error::Log { source };
        let mark = self.log.mark().await.map_err(log)?;
        let mut last = mark.map_or(0, |mark| mark.number);
        let mut batch = self.log.behind(last, READ).await.map_err(log)?;
        self.look(last, batch.first()).await;
        if batch.is_empty() {
            return Ok(0);
        }
        let (host, port) = self.config.host_and_port().unwrap_or_default();
        let mut line = Line::open((host, port), self.name.clone(), Arc::clone(&self.tls)).await?;
        let (mut entries, mut reached) = (0, mark);
        while let Some(newest) = batch.last() {
            (last, reached) = (
                newest.entry.number,
                Some(Mark {
                    number: newest.entry.number,
                    hash: newest.hash,
                }),
            );
            entries += batch.len();
            let frames: Vec<u8> = batch
                .iter()
                .flat_map(|logged| frame(&logged.entry, &logged.hash, &self.source))
                .collect();
            line.send(&frames).await?;
            if MOST <= entries {
                break;
            }
            batch = self.log.behind(last, READ).await.map_err(log)?;
        }
        line.finish().await?;
        if let Some(reached) = reached {
            self.log.keep(reached).await.map_err(log)?;
        }
        self.look(last, None).await;
        Ok(u64::try_from(entries).unwrap_or(u64::MAX))
    }

    /// Says how far behind the repository is.
    async fn look(&self, last: u64, oldest: Option<&Logged>) {
        if let Ok(newest) = self.log.newest().await {
            let oldest = oldest.map(|logged| logged.entry.at_ms);
            self.standing.lacks(newest.saturating_sub(last), oldest);
        }
    }

    /// Meanwhile the log grows.
    async fn wait(&self, pause: Duration) {
        let mut left = pause;
        while !left.is_zero() {
            let step = left.min(LOOK);
            sleep(step).await;
            left -= step;
            if let (Ok(mark), Ok(newest)) = (self.log.mark().await, self.log.newest().await) {
                let view = self.standing.view();
                let last = mark.map_or(0, |mark| mark.number);
                self.standing.lacks(newest.saturating_sub(last), view.oldest_ms);
            }
        }
    }
}

/// One second, two, four, … up to `most_s`.
fn pause_after(failures: u32, most_s: u64) -> Duration {
    let doubled = 1u64 << failures.saturating_sub(1).min(16);
    Duration::from_secs(doubled.min(most_s))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
