use std::collections::{HashMap, HashSet};

use barefoot_domain::{CaseId, ClinicId};
use barefoot_wire::images::ObjectId;
use sqlx::Row;

use super::audit::append_in;
use super::read::{clinic_id, query};
use super::{Archive, Error};
use crate::audit::{Action, Actor, Entry, Object};

/// Images of one version on their way into the database.
#[derive(Debug)]
pub(crate) struct NewImageSet<'a> {
    pub(crate) clinic: &'a ClinicId,
    pub(crate) case: &'a CaseId,
    pub(crate) version: u32,
    /// Objects with the SOP Instance UIDs of the images in them.
    pub(crate) objects: &'a [(ObjectId, String)],
    pub(crate) withheld: u32,
    /// The answer, as it is given.
    pub(crate) result: Vec<u8>,
    pub(crate) at_ms: i64,
}

/// What is here of one version's images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ImagesHere {
    /// `None` until the whole set was committed.
    pub(crate) instances: Option<u32>,
    pub(crate) withheld: u32,
    pub(crate) has_quick_look: bool,
}

/// A version of a clinic's case.
pub(crate) type VersionKey = (ClinicId, String, u32);

impl Archive {
    /// The answer that was given when the version's images were committed.
    pub(crate) async fn image_set(
        &self,
        clinic: &ClinicId,
        case: &CaseId,
        version: u32,
    ) -> Result<Option<Vec<u8>>, Error> {
        sqlx::query_scalar("SELECT result FROM image_sets WHERE clinic = ? AND case_id = ? AND version = ?")
            .bind(clinic.as_str())
            .bind(case.as_str())
            .bind(version)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)
    }

    /// Commits a version's images; the answer that stands already, where another call was faster.
    pub(crate) async fn commit_images(&self, new: &NewImageSet<'_>) -> Result<Option<Vec<u8>>, Error> {
        let write = async {
            let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let earlier: Option<Vec<u8>> = sqlx::query_scalar(
                "SELECT result FROM image_sets WHERE clinic = ? AND case_id = ? AND version = ?",
            )
            .bind(new.clinic.as_str())
            .bind(new.case.as_str())
            .bind(new.version)
            .fetch_optional(&mut *step)
            .await?;
            if earlier.is_some() {
                return Ok(earlier);
            }
            sqlx::query(
                "INSERT INTO image_sets (clinic, case_id, version, instances, withheld, committed_at_ms, result) \
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(new.clinic.as_str())
            .bind(new.case.as_str())
            .bind(new.version)
            .bind(i64::try_from(new.objects.len()).unwrap_or(i64::MAX))
            .bind(new.withheld)
            .bind(new.at_ms)
            .bind(&new.result)
            .execute(&mut *step)
            .await?;
            for (object, uid) in new.objects {
                sqlx::query(
                    "INSERT INTO image_objects (clinic, case_id, version, sha256, sop_instance_uid) \
                     VALUES (?, ?, ?, ?, ?) \
                     ON CONFLICT DO UPDATE SET sop_instance_uid = excluded.sop_instance_uid",
                )
                .bind(new.clinic.as_str())
                .bind(new.case.as_str())
                .bind(new.version)
                .bind(object.0.as_slice())
                .bind(uid)
                .execute(&mut *step)
                .await?;
            }
            let what = Object::case(new.clinic, new.case);
            let entry = Entry::new(Actor::Clinic(new.clinic.clone()), Action::ImagesReceived, what);
            let details = format!(
                "{} images of version {}, {} stay in the clinic",
                new.objects.len(),
                new.version,
                new.withheld
            );
            append_in(&mut step, &entry.details(&details), new.at_ms).await?;
            step.commit().await?;
            Ok(None)
        };
        write.await.map_err(|source| Error::Commit { source })
    }

    pub(crate) async fn put_quick_look(
        &self,
        clinic: &ClinicId,
        case: &CaseId,
        version: u32,
        pictures: &[u8],
        objects: &[ObjectId],
        at_ms: i64,
    ) -> Result<(), Error> {
        let write = async {
            let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(
                "INSERT INTO quick_looks (clinic, case_id, version, committed_at_ms, pictures) \
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT (clinic, case_id, version) \
                 DO UPDATE SET pictures = excluded.pictures, committed_at_ms = excluded.committed_at_ms",
            )
            .bind(clinic.as_str())
            .bind(case.as_str())
            .bind(version)
            .bind(at_ms)
            .bind(pictures)
            .execute(&mut *step)
            .await?;
            // What the older word named and this one does not is needed no more.
            sqlx::query(
                "DELETE FROM image_objects \
                 WHERE clinic = ? AND case_id = ? AND version = ? AND sop_instance_uid IS NULL",
            )
            .bind(clinic.as_str())
            .bind(case.as_str())
            .bind(version)
            .execute(&mut *step)
            .await?;
            for object in objects {
                sqlx::query(
                    "INSERT INTO image_objects (clinic, case_id, version, sha256) VALUES (?, ?, ?, ?) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(clinic.as_str())
                .bind(case.as_str())
                .bind(version)
                .bind(object.0.as_slice())
                .execute(&mut *step)
                .await?;
            }
            step.commit().await
        };
        write.await.map_err(|source| Error::Commit { source })
    }

    /// The pictures of a quick look, as protobuf; `None` where there is none.
    pub(crate) async fn quick_look(
        &self,
        clinic: &ClinicId,
        case: &CaseId,
        version: u32,
    ) -> Result<Option<Vec<u8>>, Error> {
        sqlx::query_scalar(
            "SELECT pictures FROM quick_looks WHERE clinic = ? AND case_id = ? AND version = ?",
        )
        .bind(clinic.as_str())
        .bind(case.as_str())
        .bind(version)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)
    }

    /// What is here of the images of the newest results.
    pub(crate) async fn images_of_results(
        &self,
        limit: u32,
    ) -> Result<HashMap<VersionKey, ImagesHere>, Error> {
        let rows = sqlx::query(
            "SELECT r.clinic, r.case_id, r.version, s.instances, s.withheld, q.version AS looked \
             FROM (SELECT clinic, case_id, version FROM results ORDER BY number DESC LIMIT ?) r \
             LEFT JOIN image_sets s ON s.clinic = r.clinic AND s.case_id = r.case_id AND s.version = r.version \
             LEFT JOIN quick_looks q ON q.clinic = r.clinic AND q.case_id = r.case_id AND q.version = r.version \
             WHERE s.version IS NOT NULL OR q.version IS NOT NULL",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter()
            .map(|row| {
                let clinic = clinic_id(row.try_get("clinic").map_err(query)?)?;
                let case: String = row.try_get("case_id").map_err(query)?;
                let version: u32 = row.try_get("version").map_err(query)?;
                let withheld: Option<u32> = row.try_get("withheld").map_err(query)?;
                let looked: Option<u32> = row.try_get("looked").map_err(query)?;
                let here = ImagesHere {
                    instances: row.try_get("instances").map_err(query)?,
                    withheld: withheld.unwrap_or_default(),
                    has_quick_look: looked.is_some(),
                };
                Ok(((clinic, case, version), here))
            })
            .collect()
    }

    /// Whether some version or quick look of the clinic names the object.
    pub(crate) async fn is_needed(&self, clinic: &ClinicId, object: ObjectId) -> Result<bool, Error> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM image_objects WHERE clinic = ? AND sha256 = ?)")
            .bind(clinic.as_str())
            .bind(object.0.as_slice())
            .fetch_one(&self.pool)
            .await
            .map_err(query)
    }

    /// Every object that some version or quick look of the clinic names.
    pub(crate) async fn needed_objects(&self, clinic: &ClinicId) -> Result<HashSet<ObjectId>, Error> {
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT DISTINCT sha256 FROM image_objects WHERE clinic = ?")
                .bind(clinic.as_str())
                .fetch_all(&self.pool)
                .await
                .map_err(query)?;
        rows.into_iter()
            .map(|sha256| {
                let id = <[u8; 32]>::try_from(sha256).map_err(|_| Error::Stored { what: "object id" })?;
                Ok(ObjectId(id))
            })
            .collect()
    }
}
