//! The images of hard cases: taken by HTTPS with mutual TLS, checked, kept.
//!
//! ```text
//! listener   who calls: a clinic's certificate, and whose clinic
//! service    what is asked (`shared/wire/proto/images.proto`)
//! objects    files named by their SHA-256, arriving in ranges, kept per clinic
//! brought    objects whose name is not known before they are here, from other systems
//! under_way  each commit in a task of its own, which a box that asks again joins
//! commit     a version of a case, once: every object there, every image de-identified, then one transaction
//! ```
//! `<state>/images/<clinic>/open/<sha256>.<length>` is what arrives (`partial`), `…/objects/ab/<sha256>` what is whole: a file
//! gets that name only when its content has its hash and is on disk. Both are sealed (`crate::at_rest`). What no committed
//! version names goes after a while (`removal`).
//!
//! Identity must not come here. Every image is looked at for that before its version is committed; one that does not say
//! that it is de-identified, or holds what the profile removes, is refused by name and its object removed.

mod brought;
mod commit;
mod files;
mod listener;
mod objects;
mod partial;
mod removal;
mod service;
mod under_way;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_wire::images::ObjectId;
use tokio::sync::Semaphore;

use crate::Shutdown;
use crate::archive::{self, Archive};
use crate::at_rest::{Kept, Vault};
use crate::changes::Changes;
use crate::config::Images;
pub(crate) use brought::{Arriving, Judged, NotKept};
pub(crate) use listener::Listener;
use objects::{Limits, Objects};
use under_way::UnderWay;

/// Between two looks for what nobody needs.
const SWEEP: Duration = Duration::from_secs(6 * 3600);

/// Images looked at at once; each is in memory meanwhile.
const CHECKS_AT_ONCE: usize = 2;

/// Why there is no image store, or it did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot use the folder of images {path}: check its rights and the free space")]
    Open { path: String, source: std::io::Error },
    #[error("cannot listen for images on {address}")]
    Listen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error("an object cannot be read or written")]
    Disk { source: std::io::Error },
    #[error("the archive did not do it")]
    Archive { source: archive::Error },
    #[error("the work was cut off")]
    Cut,
    #[error("the clinic has as many commits under way as it may")]
    Busy,
}

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ImageStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    archive: Archive,
    objects: Objects,
    changes: Changes,
    under_way: UnderWay,
    checks: Semaphore,
    /// Bytes of all images of one version.
    set_bytes: u64,
    keep_unneeded: Duration,
}

impl ImageStore {
    /// Reads what there is below `directory`.
    pub(crate) fn open(
        config: &Images,
        directory: PathBuf,
        vault: Arc<Vault>,
        archive: Archive,
        changes: Changes,
    ) -> Result<Self, Error> {
        let path = directory.display().to_string();
        let mib = |mib: u64| mib.saturating_mul(1024 * 1024);
        let limits = Limits {
            object_bytes: mib(config.max_object_mib),
            clinic_bytes: mib(config.clinic_quota_mib),
            open_uploads: config.max_open_uploads,
        };
        let store = Self(Arc::new(Inner {
            objects: Objects::open(directory, limits, vault)?,
            archive,
            changes,
            under_way: UnderWay::default(),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            set_bytes: mib(config.max_case_mib),
            keep_unneeded: Duration::from_secs(config.keep_unneeded_days.saturating_mul(24 * 3600)),
        }));
        store
            .remove_incoming()
            .map_err(|source| Error::Open { path, source })?;
        Ok(store)
    }

    /// The bytes of an object that a committed version or quick look names.
    pub(crate) async fn read(&self, clinic: &ClinicId, id: ObjectId) -> Result<Vec<u8>, Error> {
        self.0.objects.read(clinic, id).await
    }

    /// A committed object: for who reads a part of it.
    pub(crate) fn kept(&self, clinic: &ClinicId, id: ObjectId) -> Kept {
        self.0.objects.kept(clinic, id)
    }

    /// Of each clinic: how many uploads its quota did not allow since the start.
    pub(crate) fn over_quota(&self) -> Vec<(ClinicId, u64)> {
        self.0.objects.over_quota()
    }

    /// Removes what nobody needs, again and again, until the shutdown.
    pub(crate) async fn tidy(self, shutdown: Shutdown) {
        loop {
            self.sweep(self.0.keep_unneeded).await;
            tokio::select! {
                () = shutdown.triggered() => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
