//! Removing objects that nothing needs, while commits may be about to name them.
//!
//! A commit says first which objects it names ([`Objects::name`]), then looks whether they are here, then writes to the
//! database. Whoever removes one says so first, which it may only where no commit under way names it, and then asks the
//! database. So either the commit finds the object missing, or whoever would remove it finds it needed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_wire::images::ObjectId;
use tokio::task::spawn_blocking;

use super::objects::Objects;
use super::{Error, ImageStore, files};
use crate::at_rest::{destroy, length_of};

/// While a clinic sends, objects without a commit stay so many times as long: the parts of a large study come over weeks on
/// a slow line, and the first must not go before the last is here.
const PATIENCE: u32 = 4;

/// Objects that a commit under way names: until this is dropped they stay.
#[derive(Debug)]
pub(super) struct Named {
    objects: Objects,
    clinic: ClinicId,
    ids: Vec<ObjectId>,
}

/// An object about to be removed: a commit that begins now does not find it.
#[derive(Debug)]
pub(super) struct Going {
    objects: Objects,
    clinic: ClinicId,
    id: ObjectId,
}

impl ImageStore {
    /// Removes what nobody needs and has lain long enough.
    pub(super) async fn sweep(&self, keep: Duration) {
        let clinics: Vec<ClinicId> = self.0.objects.lock().keys().cloned().collect();
        let mut removed = 0;
        for clinic in clinics {
            match self.sweep_clinic(&clinic, keep).await {
                Ok(of_clinic) => removed += of_clinic,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%clinic, %error, cause, "Images that no case names could not be removed.");
                }
            }
        }
        if 0 < removed {
            tracing::info!(removed, "Images that no case names were removed.");
        }
    }

    async fn sweep_clinic(&self, clinic: &ClinicId, keep: Duration) -> Result<usize, Error> {
        let needed = self.0.archive.needed_objects(clinic).await;
        let needed = needed.map_err(|source| Error::Archive { source })?;
        let (objects, of) = (self.0.objects.clone(), clinic.clone());
        let found = spawn_blocking(move || {
            let unfinished = objects.remove_unfinished(&of, keep)?;
            Ok((unfinished, objects.aged(&of, &needed, keep)?))
        });
        let (mut removed, aged) = found
            .await
            .map_err(|_| Error::Cut)?
            .map_err(|source| Error::Disk { source })?;
        for id in aged {
            removed += usize::from(self.remove_unneeded(clinic, id).await?);
        }
        Ok(removed)
    }

    /// Removes an object that no version names, nor any commit under way; whether it did.
    pub(super) async fn remove_unneeded(&self, clinic: &ClinicId, id: ObjectId) -> Result<bool, Error> {
        let Some(going) = self.0.objects.going(clinic, id) else {
            return Ok(false);
        };
        let needed = self.0.archive.is_needed(clinic, id).await;
        if needed.map_err(|source| Error::Archive { source })? {
            return Ok(false);
        }
        // With it go the words that it is going: not before it is gone, whoever waits for this or does not.
        let removed = spawn_blocking(move || going.remove()).await;
        removed
            .map_err(|_| Error::Cut)?
            .map_err(|source| Error::Disk { source })?;
        Ok(true)
    }
}

impl Objects {
    /// To be said by a commit before it looks for its objects.
    pub(super) fn name(&self, clinic: &ClinicId, ids: Vec<ObjectId>) -> Named {
        let mut clinics = self.lock();
        let found = clinics.entry(clinic.clone()).or_default();
        found.heard = Some(std::time::SystemTime::now());
        for id in &ids {
            *found.named.entry(*id).or_default() += 1;
        }
        drop(clinics);
        Named {
            objects: self.clone(),
            clinic: clinic.clone(),
            ids,
        }
    }

    /// `None` where a commit under way names it, or it is going already.
    pub(super) fn going(&self, clinic: &ClinicId, id: ObjectId) -> Option<Going> {
        let mut clinics = self.lock();
        let found = clinics.get_mut(clinic)?;
        if found.named.contains_key(&id) || !found.going.insert(id) {
            return None;
        }
        Some(Going {
            objects: self.clone(),
            clinic: clinic.clone(),
            id,
        })
    }

    /// Blocking. Whole objects that are not in `needed` and old enough.
    fn aged(
        &self,
        clinic: &ClinicId,
        needed: &HashSet<ObjectId>,
        keep: Duration,
    ) -> io::Result<Vec<ObjectId>> {
        let heard = self.lock().get(clinic).and_then(|found| found.heard);
        let quiet = heard.is_none_or(|heard| files::is_past(heard, keep));
        let keep = if quiet {
            keep
        } else {
            keep.saturating_mul(PATIENCE)
        };
        let mut aged = Vec::new();
        for (id, path) in files::whole(&self.folder(clinic))? {
            if !needed.contains(&id) && files::is_older(&path, keep)? {
                aged.push(id);
            }
        }
        Ok(aged)
    }

    /// Blocking. How many objects went that stopped arriving long ago.
    fn remove_unfinished(&self, clinic: &ClinicId, keep: Duration) -> io::Result<usize> {
        let mut removed = 0;
        for (id, _, path) in files::open(&self.folder(clinic))? {
            if !files::is_older(&path, keep)? {
                continue;
            }
            // As a connection would: none goes on with it meanwhile.
            let free = self
                .lock()
                .get_mut(clinic)
                .is_some_and(|found| found.busy.insert(id));
            if !free {
                continue;
            }
            let gone = fs::remove_file(path);
            if let Some(found) = self.lock().get_mut(clinic) {
                found.busy.remove(&id);
                if gone.is_ok() {
                    found.open.remove(&id);
                }
            }
            gone?;
            removed += 1;
        }
        Ok(removed)
    }
}

impl Named {
    /// The commit names this one no more: it was refused.
    pub(super) fn release(&mut self, id: ObjectId) {
        if let Some(at) = self.ids.iter().position(|named| *named == id) {
            self.ids.swap_remove(at);
            self.forget(&[id]);
        }
    }

    fn forget(&self, ids: &[ObjectId]) {
        let mut clinics = self.objects.lock();
        let Some(found) = clinics.get_mut(&self.clinic) else {
            return;
        };
        for id in ids {
            match found.named.get_mut(id) {
                Some(times) if 1 < *times => *times -= 1,
                _ => {
                    found.named.remove(id);
                }
            }
        }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.forget(&self.ids);
    }
}

impl Going {
    fn remove(self) -> io::Result<()> {
        let path = self.objects.whole(&self.clinic, self.id);
        let Some(length) = length_of(&path)? else {
            return Ok(());
        };
        destroy(&path)?;
        if let Some(found) = self.objects.lock().get_mut(&self.clinic) {
            found.bytes = found.bytes.saturating_sub(length);
        }
        Ok(())
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if let Some(found) = self.objects.lock().get_mut(&self.clinic) {
            found.going.remove(&self.id);
        }
    }
}
