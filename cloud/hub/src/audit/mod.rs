//! Who did what: a log that is only ever added to, each entry bound to the one before it, its newest hash signed by the
//! hub now and then (`barefoot_trust::audit`).
//!
//! Parts of `archive` add an entry within the transaction of what it tells (`archive::audit::append_in`), everybody else
//! by [`Audit::record`]. Entries hold ids, never a patient's identity.

mod entry;
mod export;
mod one_act;
mod page;
mod telling;
mod words;

use std::sync::Arc;
use std::time::Duration;

use barefoot_trust::TlsIdentity;
use barefoot_trust::audit::Head;
use tokio::time::{MissedTickBehavior, interval};

use crate::Shutdown;
use crate::archive::{self, Archive};
use crate::clock::now_ms;

pub(crate) use entry::{Action, Actor, Entry, Object};
pub(crate) use export::{Form, export};
pub(crate) use one_act::OneAct;
pub(crate) use page::router;
pub(crate) use telling::tell;

/// How often the newest hash is signed where something came since.
const BETWEEN_HEADS: Duration = Duration::from_secs(600);

/// Why the log could not be added to, signed or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the audit log's table did not answer")]
    Archive {
        #[from]
        source: archive::Error,
    },
    #[error("the hub's key could not sign the audit log")]
    Sign { source: barefoot_trust::Error },
}

/// The log; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    archive: Archive,
    identity: Arc<TlsIdentity>,
}

impl Audit {
    pub(crate) fn new(archive: Archive, identity: Arc<TlsIdentity>) -> Self {
        Self { archive, identity }
    }

    /// Adds an entry. On an error the entry is not there, and what it tells of must not happen.
    pub(crate) async fn record(&self, entry: Entry) -> Result<(), archive::Error> {
        self.archive.append_audit(&entry, now_ms()).await
    }

    /// The hub's signature over the newest hash. `again` also where nothing came since the last.
    pub(crate) async fn sign_head(&self, again: bool) -> Result<Head, Error> {
        let identity = &self.identity;
        let head = self
            .archive
            .sign_audit_head(again, |number, hash, previous| {
                identity.sign_head(number, hash, now_ms(), previous)
            })
            .await?
            .map_err(|source| Error::Sign { source })?;
        Ok(head)
    }

    /// Signs heads until the shutdown, and a last one then.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut ticks = interval(BETWEEN_HEADS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stopping = tokio::select! {
                () = shutdown.triggered() => true,
                _ = ticks.tick() => false,
            };
            match self.sign_head(false).await {
                // The journal keeps it too: who cuts the log's end off there must cut the journal as well.
                Ok(head) if 0 < head.number => {
                    let hash = data_encoding::HEXLOWER.encode(&head.hash);
                    tracing::info!(number = head.number, %hash, "The audit log's newest hash is signed.");
                }
                Ok(_) => {}
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "The audit log could not be signed.");
                }
            }
            if stopping {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
