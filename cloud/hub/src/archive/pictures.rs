use barefoot_wire::images::ObjectId;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::cases::CaseKey;
use super::read::query;
use super::{Archive, Error};

/// One image of a case, as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseImage {
    pub(crate) series_uid: String,
    pub(crate) series: String,
    pub(crate) modality: String,
    pub(crate) sop_instance_uid: String,
    pub(crate) sop_class_uid: String,
    /// 0 where the image has none.
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    pub(crate) frames: u32,
    pub(crate) object: ObjectId,
}

/// An earlier study of the same patient of the same clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prior {
    pub(crate) key: CaseKey,
    /// `20261122`; empty where unknown.
    pub(crate) date: String,
    pub(crate) description: String,
    pub(crate) modalities: String,
}

/// What the index says of a study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CaseStudy {
    pub(crate) version: u32,
    pub(crate) patient_id: String,
    pub(crate) date: String,
    pub(crate) time: String,
    pub(crate) description: String,
}

impl Archive {
    /// What is known of the study of a case whose images are here.
    pub(crate) async fn case_study(&self, key: &CaseKey) -> Result<Option<CaseStudy>, Error> {
        let row = sqlx::query(
            "SELECT version, patient_id, study_date, study_time, study_description FROM dicom_studies \
             WHERE clinic = ? AND study_uid = ?",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        row.map(|row| {
            Ok(CaseStudy {
                version: row.try_get("version").map_err(query)?,
                patient_id: row.try_get("patient_id").map_err(query)?,
                date: row.try_get("study_date").map_err(query)?,
                time: row.try_get("study_time").map_err(query)?,
                description: row.try_get("study_description").map_err(query)?,
            })
        })
        .transpose()
    }

    /// A case's images in the order of their series and numbers.
    pub(crate) async fn case_images(&self, key: &CaseKey) -> Result<Vec<CaseImage>, Error> {
        let rows = sqlx::query(
            "SELECT se.series_uid, se.series_description, se.modality, i.sop_instance_uid, i.sop_class_uid, \
             CAST(i.image_rows AS INTEGER) AS image_rows, CAST(i.image_columns AS INTEGER) AS image_columns, \
             CAST(i.number_of_frames AS INTEGER) AS frames, i.sha256 \
             FROM dicom_studies st JOIN dicom_series se ON se.study = st.number \
             JOIN dicom_instances i ON i.series = se.number WHERE st.clinic = ? AND st.study_uid = ? \
             ORDER BY CAST(se.series_number AS INTEGER), se.number, CAST(i.instance_number AS INTEGER), i.number",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(case_image).collect()
    }

    /// Other studies of the same patient here, the newest first.
    pub(crate) async fn priors(&self, key: &CaseKey, most: u32) -> Result<Vec<Prior>, Error> {
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(
            "SELECT st.study_uid, st.study_date, st.study_description, st.modalities FROM dicom_studies st \
             JOIN dicom_studies own ON own.clinic = st.clinic AND own.patient_id = st.patient_id \
             WHERE own.clinic = ? AND own.study_uid = ? AND st.number <> own.number AND own.patient_id <> '' \
             ORDER BY st.study_date DESC, st.study_time DESC LIMIT ?",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .bind(most)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.into_iter()
            .map(|(case, date, description, modalities)| {
                Ok(Prior {
                    key: CaseKey {
                        clinic: key.clinic.clone(),
                        case: barefoot_domain::CaseId::new(case)
                            .map_err(|_| Error::Stored { what: "case id" })?,
                    },
                    date,
                    description,
                    modalities: modalities.trim_matches('\\').replace('\\', ", "),
                })
            })
            .collect()
    }
}

fn case_image(row: &SqliteRow) -> Result<CaseImage, Error> {
    let number = |name: &str| -> Result<u32, Error> {
        let value: Option<i64> = row.try_get(name).map_err(query)?;
        Ok(value
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or_default())
    };
    let hash: Vec<u8> = row.try_get("sha256").map_err(query)?;
    Ok(CaseImage {
        series_uid: row.try_get("series_uid").map_err(query)?,
        series: row.try_get("series_description").map_err(query)?,
        modality: row.try_get("modality").map_err(query)?,
        sop_instance_uid: row.try_get("sop_instance_uid").map_err(query)?,
        sop_class_uid: row.try_get("sop_class_uid").map_err(query)?,
        rows: number("image_rows")?,
        columns: number("image_columns")?,
        frames: number("frames")?.max(1),
        object: ObjectId(hash.try_into().map_err(|_| Error::Stored {
            what: "object's hash",
        })?),
    })
}
