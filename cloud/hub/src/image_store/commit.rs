use barefoot_domain::{CaseId, ClinicId};
use barefoot_imaging::deidentify;
use barefoot_wire::images::{
    CANNOT_UNDERSTAND, DATA_SET_MISMATCH, Failed, HeatMapPicture, ImageSet, ImageSetResult, Instance,
    MAX_HEAT_MAP_BYTES, MAX_HEAT_MAP_SIDE, ObjectId, ObjectRef, QuickLook, decode_result_of_images,
    encode_quick_look, encode_result_of_images,
};
use tokio::task::spawn_blocking;

use super::removal::Named;
use super::{Error, ImageStore};
use crate::archive::NewImageSet;
use crate::clock::now_ms;

/// A quick look is for the first seconds on a slow line.
const QUICK_LOOK_BYTES: u64 = 4 * 1024 * 1024;

impl ImageStore {
    /// See `commit`, which runs it in a task of its own.
    pub(super) async fn commit_now(
        &self,
        clinic: &ClinicId,
        case: &CaseId,
        version: u32,
        set: &ImageSet,
    ) -> Result<Option<ImageSetResult>, Error> {
        let archive = |source| Error::Archive { source };
        let inner = &self.0;
        let earlier = inner
            .archive
            .image_set(clinic, case, version)
            .await
            .map_err(archive)?;
        if let Some(earlier) = earlier.and_then(|result| decode_result_of_images(&result).ok()) {
            return Ok(Some(earlier));
        }
        let bytes = set
            .instances
            .iter()
            .fold(0u64, |sum, instance| sum.saturating_add(instance.object.bytes));
        if inner.set_bytes < bytes {
            return Ok(None);
        }
        let objects = || set.instances.iter().map(|instance| instance.object);
        let mut named = inner
            .objects
            .name(clinic, objects().map(|object| object.id).collect());
        let mut result = ImageSetResult {
            missing: self.missing(clinic, objects()).await?,
            ..ImageSetResult::default()
        };
        if !result.missing.is_empty() {
            return Ok(Some(result));
        }
        let mut kept: Vec<(ObjectId, String)> = Vec::new();
        for instance in &set.instances {
            match self.look_at(clinic, case, instance).await? {
                None => {
                    let uid = instance.sop_instance_uid.clone();
                    kept.push((instance.object.id, uid.clone()));
                    result.referenced.push((instance.sop_class_uid.clone(), uid));
                }
                Some(failed) => {
                    self.throw_away(clinic, &mut named, instance.object.id).await;
                    result.failed.push(failed);
                }
            }
        }
        result.committed_at_ms = now_ms();
        if kept.is_empty() && !result.failed.is_empty() {
            tracing::error!(%clinic, %case, version, images = result.failed.len(), "A clinic's images were refused, all of them; its people must look.");
        } else {
            let new = NewImageSet {
                clinic,
                case,
                version,
                objects: &kept,
                withheld: set.withheld.iter().map(|(_, count)| *count).sum(),
                result: encode_result_of_images(&result),
                at_ms: result.committed_at_ms,
            };
            let stored = inner.archive.commit_images(&new).await.map_err(archive)?;
            if let Some(first) = stored.and_then(|result| decode_result_of_images(&result).ok()) {
                return Ok(Some(first));
            }
            tracing::info!(%clinic, %case, version, images = kept.len(), "A case's images were committed.");
            inner.changes.announce();
        }
        Ok(Some(result))
    }

    /// Notes the pictures to begin with, and where the model looked; the newest word counts. `None`: they are too large.
    pub(super) async fn commit_quick_look(
        &self,
        clinic: &ClinicId,
        case: &CaseId,
        version: u32,
        look: &QuickLook,
    ) -> Result<Option<ImageSetResult>, Error> {
        let bytes = look
            .pictures
            .iter()
            .fold(0u64, |sum, picture| sum.saturating_add(picture.object.bytes));
        if QUICK_LOOK_BYTES < bytes {
            return Ok(None);
        }
        // One that is too large is not even asked for.
        let heat_maps = || {
            let small = |map: &&HeatMapPicture| map.object.bytes <= MAX_HEAT_MAP_BYTES;
            look.heat_maps.iter().filter(small)
        };
        let objects = || {
            let pictures = look.pictures.iter().map(|picture| picture.object);
            pictures.chain(heat_maps().map(|map| map.object))
        };
        let mut named = self
            .0
            .objects
            .name(clinic, objects().map(|object| object.id).collect());
        let mut result = ImageSetResult {
            missing: self.missing(clinic, objects()).await?,
            committed_at_ms: now_ms(),
            ..ImageSetResult::default()
        };
        if !result.missing.is_empty() {
            return Ok(Some(result));
        }
        let mut kept = QuickLook::default();
        for picture in &look.pictures {
            let file = self.0.objects.read(clinic, picture.object.id).await?;
            if deidentify::is_bare_jpeg(&file) {
                result.referenced.push((
                    deidentify::SECONDARY_CAPTURE.to_owned(),
                    picture.sop_instance_uid.clone(),
                ));
                kept.pictures.push(picture.clone());
            } else {
                tracing::error!(%clinic, object = %picture.object.id, "A picture of a quick look was refused and thrown away.");
                self.throw_away(clinic, &mut named, picture.object.id).await;
                result.failed.push(Failed {
                    sop_class_uid: deidentify::SECONDARY_CAPTURE.to_owned(),
                    sop_instance_uid: picture.sop_instance_uid.clone(),
                    reason: CANNOT_UNDERSTAND,
                    why: "it is no JPEG without other data".to_owned(),
                });
            }
        }
        for map in heat_maps() {
            let file = self.0.objects.read(clinic, map.object.id).await?;
            if deidentify::is_bare_png(&file, MAX_HEAT_MAP_SIDE) {
                kept.heat_maps.push(map.clone());
            } else {
                tracing::error!(%clinic, object = %map.object.id, "A heat map was refused and thrown away.");
                self.throw_away(clinic, &mut named, map.object.id).await;
                result.failed.push(Failed {
                    sop_class_uid: deidentify::SECONDARY_CAPTURE.to_owned(),
                    sop_instance_uid: map.sop_instance_uid.clone(),
                    reason: CANNOT_UNDERSTAND,
                    why: "it is no PNG with transparency and without other data".to_owned(),
                });
            }
        }
        let pictures = kept.pictures.iter().map(|picture| picture.object.id);
        let objects: Vec<ObjectId> = pictures
            .chain(kept.heat_maps.iter().map(|map| map.object.id))
            .collect();
        self.0
            .archive
            .put_quick_look(
                clinic,
                case,
                version,
                &encode_quick_look(&kept),
                &objects,
                now_ms(),
            )
            .await
            .map_err(|source| Error::Archive { source })?;
        self.0.changes.announce();
        Ok(Some(result))
    }

    /// Those that are not whole. A set may name thousands, and each is asked of the disk.
    async fn missing(
        &self,
        clinic: &ClinicId,
        objects: impl Iterator<Item = ObjectRef>,
    ) -> Result<Vec<ObjectRef>, Error> {
        let (store, clinic) = (self.0.objects.clone(), clinic.clone());
        let mut missing: Vec<ObjectRef> = objects.collect();
        let looked = spawn_blocking(move || {
            missing.retain(|object| !store.is_whole(&clinic, object.id, object.bytes));
            missing
        });
        looked.await.map_err(|_| Error::Cut)
    }

    /// Whether the object is the image it is said to be, of this case, without identity. `None` when it is.
    async fn look_at(
        &self,
        clinic: &ClinicId,
        case: &CaseId,
        instance: &Instance,
    ) -> Result<Option<Failed>, Error> {
        let _place = self.0.checks.acquire().await.map_err(|_| Error::Cut)?;
        let file = self.0.objects.read(clinic, instance.object.id).await?;
        let (case, said) = (case.clone(), instance.clone());
        let judged = spawn_blocking(move || {
            let checked = deidentify::check(&file).map_err(|fault| (CANNOT_UNDERSTAND, fault.to_string()))?;
            let fits = checked.study_uid == case.as_str()
                && checked.sop_class_uid == said.sop_class_uid
                && checked.sop_instance_uid == said.sop_instance_uid
                && checked.transfer_syntax == said.transfer_syntax_uid;
            if fits {
                Ok(())
            } else {
                Err((
                    DATA_SET_MISMATCH,
                    "it is not the image it is said to be".to_owned(),
                ))
            }
        })
        .await
        .map_err(|_| Error::Cut)?;
        Ok(judged.err().map(|(reason, why)| {
            tracing::error!(%clinic, object = %instance.object.id, why, "An image was refused and thrown away.");
            Failed {
                sop_class_uid: instance.sop_class_uid.clone(),
                sop_instance_uid: instance.sop_instance_uid.clone(),
                reason,
                why,
            }
        }))
    }

    /// Nothing refused stays, unless another version names it; a commit under way that does judges it for itself. At once: what
    /// is stopped in the middle leaves nothing behind.
    async fn throw_away(&self, clinic: &ClinicId, named: &mut Named, id: ObjectId) {
        named.release(id);
        if let Err(error) = self.remove_unneeded(clinic, id).await {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%clinic, object = %id, %error, cause, "A refused image could not be removed; remove it by hand.");
        }
    }
}
