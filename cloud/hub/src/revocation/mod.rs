//! Certificates that are not let in any more, on every port that asks for one.
//!
//! Who comes is compared after the handshake, and what is open is cut as soon as its holder is revoked. The archive is
//! read again every [`READ_AGAIN`], so that another process on the same archive is heeded too: whatever the way, a
//! revocation holds everywhere within a minute.

mod holder;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_trust::enrolment::key_of;
use barefoot_trust::{Fingerprint, Peer, Person};
use rustls::pki_types::CertificateDer;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::Shutdown;
use crate::archive::{Archive, BoxRow, Error, Hash, RevocationRow};
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
    /// Clinics whose box was enrolled.
    boxes: HashMap<ClinicId, Enrolled>,
    open: HashMap<u64, Open>,
    opened: u64,
}

/// The one key that is let in for a clinic.
#[derive(Debug)]
struct Enrolled {
    key: Hash,
    /// There are two boxes with it: then neither is.
    copied: bool,
}

#[derive(Debug)]
struct Open {
    /// The peer, and its certificate.
    holders: [Holder; 2],
    /// Of the certificate's public key.
    key: Hash,
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
pub(crate) enum Revoked {
    #[error("the certificate was revoked")]
    Certificate,
    #[error("another box was enrolled for the clinic")]
    OtherBox,
    #[error("there are two boxes with its key")]
    Copied,
    #[error("the certificate cannot be parsed")]
    Unreadable,
}

impl Known {
    fn check(&self, holders: &[Holder], key: &Hash) -> Result<(), Revoked> {
        if holders.iter().any(|holder| self.revoked.contains(holder)) {
            return Err(Revoked::Certificate);
        }
        let enrolled = holders.iter().find_map(|holder| match holder {
            Holder::Clinic(clinic) => self.boxes.get(clinic),
            Holder::Person(_) | Holder::Certificate(_) => None,
        });
        match enrolled {
            Some(one) if one.key != *key => Err(Revoked::OtherBox),
            Some(one) if one.copied => Err(Revoked::Copied),
            Some(_) | None => Ok(()),
        }
    }
}

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
        let key = key_of(certificate).map_err(|_| Revoked::Unreadable)?;
        let mut known = lock(&self.known);
        known.check(&holders, &key)?;
        known.opened += 1;
        let (number, cut) = (known.opened, CancellationToken::new());
        known.open.insert(
            number,
            Open {
                holders,
                key,
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

    /// Whether all of the holder's certificates are revoked.
    pub(crate) fn has(&self, holder: &Holder) -> bool {
        lock(&self.known).revoked.contains(holder)
    }

    /// Whether nothing of the clinic is let in: for what comes without its certificate, through a broker.
    pub(crate) fn shuts_out(&self, clinic: &ClinicId) -> bool {
        let known = lock(&self.known);
        known.boxes.get(clinic).is_some_and(|one| one.copied)
            || known.revoked.contains(&Holder::Clinic(clinic.clone()))
    }

    /// Heeds at once what was written about boxes.
    ///
    /// # Errors
    /// When the archive does not answer.
    pub(crate) async fn reread(&self) -> Result<(), Error> {
        self.read().await
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
        let (rows, boxes) = (
            self.archive.revocations().await?,
            self.archive.enrolled_boxes().await?,
        );
        let mut known = lock(&self.known);
        known.revoked = rows.into_iter().map(|row| row.holder).collect();
        let enrolled = |one: BoxRow| {
            let copied = one.copied_at_ms.is_some();
            (one.clinic, Enrolled { key: one.key, copied })
        };
        known.boxes = boxes.into_iter().map(enrolled).collect();
        for open in known.open.values() {
            if known.check(&open.holders, &open.key).is_err() {
                open.cut.cancel();
            }
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
