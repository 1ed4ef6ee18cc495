//! Certificates that are not let in any more, on every port that asks for one.
//!
//! Who comes is compared after the handshake, and what is open is cut as soon as its holder is revoked. The archive is
//! read again every [`READ_AGAIN`], so that another process on the same archive is heeded too: whatever the way, a
//! revocation holds everywhere within a minute.

mod holder;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barefoot_trust::{Fingerprint, Peer, Person};
use rustls::pki_types::CertificateDer;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::Shutdown;
use crate::archive::{Archive, Error, RevocationRow};
use crate::audit::{Action, Actor, Entry};
use crate::clock::now_ms;

pub(crate) use holder::{Holder, Unnamed};

const READ_AGAIN: Duration = Duration::from_secs(20);

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Revocations {
    archive: Archive,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    revoked: HashSet<Holder>,
    open: HashMap<u64, Open>,
    opened: u64,
}

#[derive(Debug)]
struct Open {
    /// The peer, and its certificate.
    holders: [Holder; 2],
    cut: CancellationToken,
}

/// A connection that was let in; dropping it says that it has ended.
#[derive(Debug)]
pub(crate) struct Admission {
    known: Arc<Mutex<Known>>,
    number: u64,
    cut: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
#[error("the certificate was revoked")]
pub(crate) struct Revoked;

impl Revocations {
    pub(crate) async fn open(archive: Archive) -> Result<Self, Error> {
        let opened = Self {
            archive,
            known: Arc::default(),
        };
        opened.read().await?;
        Ok(opened)
    }

    /// Lets somebody in who showed this certificate in the handshake.
    pub(crate) fn admit(&self, who: &Peer, certificate: &CertificateDer<'_>) -> Result<Admission, Revoked> {
        let holders = [
            Holder::of_peer(who),
            Holder::Certificate(Fingerprint::of(certificate)),
        ];
        let mut known = lock(&self.known);
        if holders.iter().any(|holder| known.revoked.contains(holder)) {
            return Err(Revoked);
        }
        known.opened += 1;
        let (number, cut) = (known.opened, CancellationToken::new());
        known.open.insert(
            number,
            Open {
                holders,
                cut: cut.clone(),
            },
        );
        drop(known);
        Ok(Admission {
            known: Arc::clone(&self.known),
            number,
            cut,
        })
    }

    /// Whether all of the holder's certificates are revoked: for what comes without its certificate, through a broker.
    pub(crate) fn has(&self, holder: &Holder) -> bool {
        lock(&self.known).revoked.contains(holder)
    }

    /// `false` when the holder was revoked already.
    ///
    /// # Errors
    /// When the archive did not commit: then nothing has changed.
    pub(crate) async fn revoke(&self, holder: Holder, by: &Person, reason: &str) -> Result<bool, Error> {
        let entry = entry(by, Action::CertificateRevoked, &holder).details(reason);
        let row = RevocationRow {
            holder,
            at_ms: now_ms(),
            by: by.name.clone(),
            reason: reason.to_owned(),
        };
        let is_new = self.archive.revoke(&row, &entry).await?;
        self.read().await?;
        if is_new {
            tracing::warn!(holder = %row.holder, by = by.name, "Certificates were revoked.");
        }
        Ok(is_new)
    }

    /// `false` when the holder is not revoked.
    ///
    /// # Errors
    /// When the archive did not commit: then nothing has changed.
    pub(crate) async fn restore(&self, holder: &Holder, by: &Person) -> Result<bool, Error> {
        let entry = entry(by, Action::CertificateRestored, holder);
        let was = self.archive.restore(holder, &entry, now_ms()).await?;
        self.read().await?;
        if was {
            tracing::warn!(%holder, by = by.name, "A revocation was taken back.");
        }
        Ok(was)
    }

    /// The newest first.
    ///
    /// # Errors
    /// When the archive does not answer.
    pub(crate) async fn list(&self) -> Result<Vec<RevocationRow>, Error> {
        self.archive.revocations().await
    }

    /// Heeds what others wrote, until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.triggered() => return,
                () = tokio::time::sleep(READ_AGAIN) => {}
            }
            if let Err(error) = self.read().await {
                tracing::error!(%error, "The revocations cannot be read; those known so far hold.");
            }
        }
    }

    /// What is written becomes what holds; what is open and must not be is cut.
    async fn read(&self) -> Result<(), Error> {
        let rows = self.archive.revocations().await?;
        let mut known = lock(&self.known);
        known.revoked = rows.into_iter().map(|row| row.holder).collect();
        let Known { revoked, open, .. } = &*known;
        let must_not = |open: &&Open| open.holders.iter().any(|holder| revoked.contains(holder));
        for open in open.values().filter(must_not) {
            open.cut.cancel();
        }
        Ok(())
    }
}

impl Admission {
    /// Returns once its holder is revoked.
    pub(crate) async fn cut(&self) {
        self.cut.cancelled().await;
    }

    /// The same, owned.
    pub(crate) fn until_cut(&self) -> WaitForCancellationFutureOwned {
        self.cut.clone().cancelled_owned()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        lock(&self.known).open.remove(&self.number);
    }
}

fn entry(by: &Person, action: Action, holder: &Holder) -> Entry {
    let id = format!("{} {}", by.role.unit(), by.name);
    Entry::new(Actor::person(&id, &by.name), action, holder.object())
}

/// Whole after any panic: every change is one assignment or one call.
fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
