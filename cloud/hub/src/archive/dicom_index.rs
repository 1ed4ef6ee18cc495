//! What is asked of images: studies, series, instances, made from the newest version of each case.

use barefoot_domain::{CaseId, ClinicId};
use barefoot_wire::images::ObjectId;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, Sqlite, Transaction};

use super::read::{clinic_id, query};
use super::{Archive, Error};

/// Text columns in the order of [`IndexedStudy::values`].
pub(crate) const STUDY_COLUMNS: [&str; 9] = [
    "study_date",
    "study_time",
    "accession_number",
    "patient_name",
    "patient_id",
    "patient_birth_date",
    "patient_sex",
    "study_id",
    "study_description",
];

pub(crate) const SERIES_COLUMNS: [&str; 9] = [
    "modality",
    "series_number",
    "series_description",
    "series_date",
    "series_time",
    "body_part",
    "laterality",
    "manufacturer",
    "protocol_name",
];

pub(crate) const INSTANCE_COLUMNS: [&str; 9] = [
    "sop_class_uid",
    "instance_number",
    "content_date",
    "content_time",
    "number_of_frames",
    "image_rows",
    "image_columns",
    "bits_allocated",
    "transfer_syntax",
];

/// A case whose index must be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) clinic: ClinicId,
    pub(crate) case: CaseId,
    changes: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexedStudy {
    pub(crate) values: [String; 9],
    pub(crate) series: Vec<IndexedSeries>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexedSeries {
    pub(crate) uid: String,
    pub(crate) values: [String; 9],
    pub(crate) instances: Vec<IndexedInstance>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexedInstance {
    pub(crate) uid: String,
    pub(crate) object: ObjectId,
    pub(crate) bytes: u64,
    pub(crate) values: [String; 9],
}

/// What became of a study on its way into the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexed {
    Done,
    /// Another clinic has a study of this UID: this one is not shown.
    OfAnother,
}

/// An instance where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) clinic: ClinicId,
    pub(crate) study_uid: String,
    pub(crate) series_uid: String,
    pub(crate) sop_instance_uid: String,
    pub(crate) sop_class_uid: String,
    pub(crate) transfer_syntax: String,
    pub(crate) object: ObjectId,
    pub(crate) bytes: u64,
}

/// The version of a case that is shown, and its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewestImages {
    pub(crate) version: u32,
    pub(crate) objects: Vec<(ObjectId, String)>,
}

impl Archive {
    /// Cases whose index must be made again, some of them.
    pub(crate) async fn pending_index(&self, limit: u32) -> Result<Vec<Pending>, Error> {
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT clinic, case_id, changes FROM dicom_pending LIMIT ?")
                .bind(limit)
                .fetch_all(&self.pool)
                .await
                .map_err(query)?;
        rows.into_iter()
            .map(|(clinic, case, changes)| {
                Ok(Pending {
                    clinic: clinic_id(clinic)?,
                    case: CaseId::new(case).map_err(|_| Error::Stored { what: "case id" })?,
                    changes,
                })
            })
            .collect()
    }

    /// `None` where no version has images any more.
    pub(crate) async fn newest_images(
        &self,
        clinic: &ClinicId,
        case: &CaseId,
    ) -> Result<Option<NewestImages>, Error> {
        let version: Option<u32> =
            sqlx::query_scalar("SELECT MAX(version) FROM image_sets WHERE clinic = ? AND case_id = ?")
                .bind(clinic.as_str())
                .bind(case.as_str())
                .fetch_one(&self.pool)
                .await
                .map_err(query)?;
        let Some(version) = version else {
            return Ok(None);
        };
        let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(
            "SELECT sha256, sop_instance_uid FROM image_objects \
             WHERE clinic = ? AND case_id = ? AND version = ? AND sop_instance_uid IS NOT NULL",
        )
        .bind(clinic.as_str())
        .bind(case.as_str())
        .bind(version)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        let objects = rows
            .into_iter()
            .map(|(sha256, uid)| Ok((object_id(sha256)?, uid)))
            .collect::<Result<_, Error>>()?;
        Ok(Some(NewestImages { version, objects }))
    }

    /// Puts the study in the place of what the index had of it; `None` takes it out.
    /// Another clinic's study of the same UID stays, but for one of `yields`.
    pub(crate) async fn put_index(
        &self,
        pending: &Pending,
        study: Option<(u32, &IndexedStudy)>,
        yields: Option<&ClinicId>,
    ) -> Result<Indexed, Error> {
        self.try_put_index(pending, study, yields)
            .await
            .map_err(|source| Error::Commit { source })
    }

    async fn try_put_index(
        &self,
        pending: &Pending,
        study: Option<(u32, &IndexedStudy)>,
        yields: Option<&ClinicId>,
    ) -> Result<Indexed, sqlx::Error> {
        let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM dicom_pending WHERE clinic = ? AND case_id = ? AND changes = ?")
            .bind(pending.clinic.as_str())
            .bind(pending.case.as_str())
            .bind(pending.changes)
            .execute(&mut *step)
            .await?;
        let owner: Option<String> =
            sqlx::query_scalar("SELECT clinic FROM dicom_studies WHERE study_uid = ?")
                .bind(pending.case.as_str())
                .fetch_optional(&mut *step)
                .await?;
        let stays = |owner: String| {
            owner != pending.clinic.as_str() && yields.is_none_or(|yields| owner != yields.as_str())
        };
        let outcome = if owner.is_some_and(stays) {
            Indexed::OfAnother
        } else {
            sqlx::query("DELETE FROM dicom_studies WHERE study_uid = ?")
                .bind(pending.case.as_str())
                .execute(&mut *step)
                .await?;
            if let Some((version, study)) = study {
                insert_study(&mut step, pending, version, study).await?;
            }
            Indexed::Done
        };
        step.commit().await?;
        Ok(outcome)
    }

    /// Whether a clinic other than `but` has a case of this name, with images or without.
    pub(crate) async fn is_case_of_clinic(&self, study_uid: &str, but: &ClinicId) -> Result<bool, Error> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM results WHERE case_id = ?1) \
             OR EXISTS (SELECT 1 FROM image_sets WHERE case_id = ?1 AND clinic <> ?2)",
        )
        .bind(study_uid)
        .bind(but.as_str())
        .fetch_one(&self.pool)
        .await
        .map_err(query)
    }

    /// The instances of a study, or of a series of it, or one of them, in the order of series and instance number.
    pub(crate) async fn locate_images(
        &self,
        study_uid: &str,
        series_uid: Option<&str>,
        sop_instance_uid: Option<&str>,
    ) -> Result<Vec<Located>, Error> {
        let rows = sqlx::query(
            "SELECT st.clinic, st.study_uid, se.series_uid, i.sop_instance_uid, i.sop_class_uid, \
             i.transfer_syntax, i.sha256, i.bytes \
             FROM dicom_studies st JOIN dicom_series se ON se.study = st.number \
             JOIN dicom_instances i ON i.series = se.number \
             WHERE st.study_uid = ?1 AND (?2 IS NULL OR se.series_uid = ?2) \
             AND (?3 IS NULL OR i.sop_instance_uid = ?3) \
             ORDER BY CAST(se.series_number AS INTEGER), se.number, \
             CAST(i.instance_number AS INTEGER), i.number",
        )
        .bind(study_uid)
        .bind(series_uid)
        .bind(sop_instance_uid)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(located).collect()
    }

    /// The instance of this UID, of whichever study; several only where clinics' studies share one.
    pub(crate) async fn locate_instance(&self, sop_instance_uid: &str) -> Result<Vec<Located>, Error> {
        let rows = sqlx::query(
            "SELECT st.clinic, st.study_uid, se.series_uid, i.sop_instance_uid, i.sop_class_uid, \
             i.transfer_syntax, i.sha256, i.bytes \
             FROM dicom_instances i JOIN dicom_series se ON se.number = i.series \
             JOIN dicom_studies st ON st.number = i.study WHERE i.sop_instance_uid = ? LIMIT 2",
        )
        .bind(sop_instance_uid)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(located).collect()
    }

    /// Adds an image to a study that other systems bring, a version that grows. `false`: its UID is there with other bytes.
    pub(crate) async fn add_brought_image(
        &self,
        clinic: &ClinicId,
        study: &CaseId,
        (object, uid): (ObjectId, &str),
        at_ms: i64,
    ) -> Result<bool, Error> {
        let write = async {
            let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let other: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM image_objects \
                 WHERE clinic = ? AND sop_instance_uid = ? AND (sha256 <> ? OR case_id <> ?))",
            )
            .bind(clinic.as_str())
            .bind(uid)
            .bind(object.0.as_slice())
            .bind(study.as_str())
            .fetch_one(&mut *step)
            .await?;
            if other {
                return Ok(false);
            }
            sqlx::query(
                "INSERT INTO image_objects (clinic, case_id, version, sha256, sop_instance_uid) \
                 VALUES (?, ?, 1, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(clinic.as_str())
            .bind(study.as_str())
            .bind(object.0.as_slice())
            .bind(uid)
            .execute(&mut *step)
            .await?;
            // After the object: the trigger on this table is what makes the index see it.
            sqlx::query(
                "INSERT INTO image_sets (clinic, case_id, version, instances, withheld, committed_at_ms, result) \
                 VALUES (?1, ?2, 1, 1, 0, ?3, x'') ON CONFLICT (clinic, case_id, version) DO UPDATE SET \
                 instances = (SELECT COUNT(*) FROM image_objects o \
                              WHERE o.clinic = ?1 AND o.case_id = ?2 AND o.version = 1), \
                 committed_at_ms = excluded.committed_at_ms",
            )
            .bind(clinic.as_str())
            .bind(study.as_str())
            .bind(at_ms)
            .execute(&mut *step)
            .await?;
            step.commit().await?;
            Ok(true)
        };
        write.await.map_err(|source| Error::Commit { source })
    }
}

fn located(row: &SqliteRow) -> Result<Located, Error> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(query);
    let bytes: i64 = row.try_get("bytes").map_err(query)?;
    Ok(Located {
        clinic: clinic_id(text("clinic")?)?,
        study_uid: text("study_uid")?,
        series_uid: text("series_uid")?,
        sop_instance_uid: text("sop_instance_uid")?,
        sop_class_uid: text("sop_class_uid")?,
        transfer_syntax: text("transfer_syntax")?,
        object: object_id(row.try_get("sha256").map_err(query)?)?,
        bytes: u64::try_from(bytes).map_err(|_| Error::Stored { what: "object size" })?,
    })
}

fn object_id(sha256: Vec<u8>) -> Result<ObjectId, Error> {
    let id = <[u8; 32]>::try_from(sha256).map_err(|_| Error::Stored { what: "object id" })?;
    Ok(ObjectId(id))
}

async fn insert_study(
    step: &mut Transaction<'_, Sqlite>,
    pending: &Pending,
    version: u32,
    study: &IndexedStudy,
) -> Result<(), sqlx::Error> {
    let mut modalities: Vec<&str> = study
        .series
        .iter()
        .filter_map(|series| series.values.first().map(String::as_str))
        .filter(|modality| !modality.is_empty())
        .collect();
    modalities.sort_unstable();
    modalities.dedup();
    let modalities = match modalities.is_empty() {
        true => String::new(),
        false => format!("\\{}\\", modalities.join("\\")),
    };
    let instances: usize = study.series.iter().map(|series| series.instances.len()).sum();
    let sql = insert(
        "dicom_studies",
        &[
            "study_uid",
            "clinic",
            "version",
            "modalities",
            "series",
            "instances",
        ],
        &STUDY_COLUMNS,
    );
    let mut row = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(pending.case.as_str())
        .bind(pending.clinic.as_str())
        .bind(version)
        .bind(modalities)
        .bind(count(study.series.len()))
        .bind(count(instances));
    for value in &study.values {
        row = row.bind(value);
    }
    let number: i64 = row.fetch_one(&mut **step).await?;
    for series in &study.series {
        let sql = insert(
            "dicom_series",
            &["study", "series_uid", "instances"],
            &SERIES_COLUMNS,
        );
        let mut row = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(number)
            .bind(&series.uid)
            .bind(count(series.instances.len()));
        for value in &series.values {
            row = row.bind(value);
        }
        let series_number: i64 = row.fetch_one(&mut **step).await?;
        let sql = insert(
            "dicom_instances",
            &["study", "series", "sop_instance_uid", "sha256", "bytes"],
            &INSTANCE_COLUMNS,
        );
        for instance in &series.instances {
            let mut row = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql.clone()))
                .bind(number)
                .bind(series_number)
                .bind(&instance.uid)
                .bind(instance.object.0.as_slice())
                .bind(i64::try_from(instance.bytes).unwrap_or(i64::MAX));
            for value in &instance.values {
                row = row.bind(value);
            }
            row.fetch_one(&mut **step).await?;
        }
    }
    Ok(())
}

/// The names are ours; every value is a parameter.
fn insert(table: &str, fixed: &[&str], text: &[&str]) -> String {
    let columns: Vec<&str> = fixed.iter().chain(text).copied().collect();
    let places = vec!["?"; columns.len()].join(", ");
    format!(
        "INSERT INTO {table} ({}) VALUES ({places}) RETURNING number",
        columns.join(", ")
    )
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
