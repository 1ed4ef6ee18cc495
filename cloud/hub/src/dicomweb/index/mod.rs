//! What can be asked of images, made from the images themselves.
//!
//! A reconciler: the database notes in the transaction of a commit which case changed; here the newest version's headers are
//! read and put in the place of what the index had. A restart goes on with what is noted.

mod attributes;

use std::time::Duration;

use barefoot_imaging::data_set::{Limits, read_before_pixels};
use barefoot_imaging::header::read_header;
use barefoot_wire::images::ObjectId;
use tokio::task::spawn_blocking;

use crate::Shutdown;
use crate::archive::{Archive, Error, Indexed, IndexedStudy, Pending};
use crate::at_rest::Kept;
use crate::changes::Changes;
use crate::image_store::ImageStore;
use attributes::{Read, study_of};

/// Cases taken at once.
const BATCH: u32 = 64;

/// After a fault of the database, before it is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Attributes of one image; its pixels are not among them.
pub(super) const ATTRIBUTES: Limits = Limits {
    bytes: 32 * 1024 * 1024,
    elements: 2_000_000,
    depth: 16,
};

/// Keeps the index beside the images.
#[derive(Debug)]
pub(crate) struct Indexer {
    archive: Archive,
    store: ImageStore,
    changes: Changes,
}

impl Indexer {
    pub(crate) fn new(archive: Archive, store: ImageStore, changes: Changes) -> Self {
        Self {
            archive,
            store,
            changes,
        }
    }

    /// Until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut changes = self.changes.subscribe();
        loop {
            let pause = match self.catch_up().await {
                Ok(()) => None,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "The index of images could not be brought up to date; it is tried again.");
                    Some(PAUSE)
                }
            };
            tokio::select! {
                () = shutdown.triggered() => return,
                changed = changes.changed(), if pause.is_none() => if changed.is_err() { return },
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    /// Brings the index to what is committed now.
    pub(super) async fn catch_up(&self) -> Result<(), Error> {
        loop {
            let pending = self.archive.pending_index(BATCH).await?;
            if pending.is_empty() {
                return Ok(());
            }
            for case in pending {
                self.make(&case).await?;
            }
        }
    }

    async fn make(&self, case: &Pending) -> Result<(), Error> {
        let newest = self.archive.newest_images(&case.clinic, &case.case).await?;
        let study = match newest {
            None => None,
            Some(newest) => {
                let study = self.read(case, newest.objects).await;
                (!study.series.is_empty()).then_some((newest.version, study))
            }
        };
        let study = study.as_ref().map(|(version, study)| (*version, study));
        let brought = ImageStore::brought();
        // What other systems brought makes way for a clinic's own.
        if self.archive.put_index(case, study, brought.as_ref()).await? == Indexed::OfAnother {
            tracing::error!(clinic = %case.clinic, case = %case.case, "Two clinics have a study of the same UID: the images of this one are not shown by DICOMweb; find out which box makes wrong names.");
        }
        Ok(())
    }

    /// An image that cannot be read hides no other.
    async fn read(&self, case: &Pending, objects: Vec<(ObjectId, String)>) -> IndexedStudy {
        let files: Vec<(ObjectId, String, Kept)> = objects
            .into_iter()
            .map(|(id, uid)| (id, uid, self.store.kept(&case.clinic, id)))
            .collect();
        let wanted = case.case.as_str().to_owned();
        let (clinic, name) = (case.clinic.clone(), case.case.clone());
        let read = spawn_blocking(move || {
            let mut images = Vec::with_capacity(files.len());
            for (id, uid, kept) in files {
                match one(id, &kept) {
                    Ok(image) if image.study_uid() == wanted && image.uid() == uid => images.push(image),
                    Ok(_) => {
                        tracing::error!(%clinic, case = %name, object = %id, "A kept image is not the one it was committed as; it is not shown. Compare the file with a backup.");
                    }
                    Err(error) => {
                        tracing::error!(%clinic, case = %name, object = %id, %error, "A kept image cannot be read; it is not shown. Look at the disk, restore the file from a backup.");
                    }
                }
            }
            study_of(images)
        });
        read.await.unwrap_or_else(|_| study_of(Vec::new()))
    }
}

fn one(id: ObjectId, kept: &Kept) -> Result<Read, Box<dyn std::error::Error + Send + Sync>> {
    let bytes = kept.open()?.length();
    let header = read_header(kept)?;
    let set = read_before_pixels(kept, &header, &ATTRIBUTES)?;
    Ok(Read::new(id, bytes, header.transfer_syntax(), &set))
}
