use sqlx::AssertSqlSafe;

use super::count;
use crate::archive::read::query;
use crate::archive::{Archive, Error};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A device that sent nothing for so long is forgotten.
const REMEMBERED_MS: i64 = 365 * DAY_MS;

/// A period, and where its days begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Days {
    pub(crate) since_ms: i64,
    pub(crate) now_ms: i64,
    /// Minutes the days' midnight is ahead of UTC.
    pub(crate) utc_offset_minutes: i32,
}

/// How much a box, or one of its scanners, is used, and how good its images are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) clinic: String,
    /// The AE title, empty where unknown; `None` for the whole box.
    pub(crate) scanner: Option<String>,
    pub(crate) modality: String,
    /// In the period.
    pub(crate) studies: u32,
    /// Days of the period with a study.
    pub(crate) days: u32,
    /// Whole days since the last one, whenever that was.
    pub(crate) silent_days: u32,
    /// Of the period's results.
    pub(crate) grades: [u32; 3],
}

/// Who operated scanners, and how good the images were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) clinic: String,
    /// A pseudonym that only the clinic can resolve.
    pub(crate) operator: String,
    pub(crate) modality: String,
    pub(crate) grades: [u32; 3],
}

type Row = (String, String, String, i64, i64, i64, i64, i64, i64);

impl Archive {
    /// Each box, and after it its scanners. Who was silent for the whole period is there too, for a year.
    pub(crate) async fn devices(&self, days: Days) -> Result<Vec<Device>, Error> {
        let mut devices = self.devices_by("''", "''", days).await?;
        for device in &mut devices {
            device.scanner = None;
        }
        devices.extend(self.devices_by("scanner", "modality", days).await?);
        // The sort keeps scanners in the order they came in.
        devices.sort_by(|one, other| {
            (&one.clinic, one.scanner.is_some()).cmp(&(&other.clinic, other.scanner.is_some()))
        });
        Ok(devices)
    }

    /// By the moment of assessment, by this hub's clock: a box's own may be wrong.
    async fn devices_by(
        &self,
        scanner: &'static str,
        modality: &'static str,
        days: Days,
    ) -> Result<Vec<Device>, Error> {
        let sql = format!(
            "SELECT clinic, {scanner}, {modality}, \
             COUNT(DISTINCT CASE WHEN ?1 <= detected_at_ms THEN case_id END), \
             COUNT(DISTINCT CASE WHEN ?1 <= detected_at_ms THEN (detected_at_ms + ?2) / {DAY_MS} END), \
             MAX(detected_at_ms), \
             SUM(quality = 'A' AND ?1 <= detected_at_ms), SUM(quality = 'B' AND ?1 <= detected_at_ms), \
             SUM(quality = 'C' AND ?1 <= detected_at_ms) \
             FROM results WHERE ?3 <= detected_at_ms GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        );
        let offset_ms = i64::from(days.utc_offset_minutes) * 60_000;
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(days.since_ms)
            .bind(offset_ms)
            .bind(days.now_ms.saturating_sub(REMEMBERED_MS))
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        let day = |ms: i64| ms.saturating_add(offset_ms).div_euclid(DAY_MS);
        Ok(rows
            .into_iter()
            .map(
                |(clinic, scanner, modality, studies, used, last_ms, a, b, c)| Device {
                    clinic,
                    scanner: Some(scanner),
                    modality,
                    studies: count(studies),
                    days: count(used),
                    silent_days: count((day(days.now_ms) - day(last_ms)).max(0)),
                    grades: [count(a), count(b), count(c)],
                },
            )
            .collect())
    }

    /// Grades of the results assessed since `since_ms` whose images name an operator.
    pub(crate) async fn quality_by_operator(&self, since_ms: i64) -> Result<Vec<Operator>, Error> {
        let rows: Vec<(String, String, String, i64, i64, i64)> = sqlx::query_as(
            "SELECT clinic, operator, modality, SUM(quality = 'A'), SUM(quality = 'B'), SUM(quality = 'C') \
             FROM results WHERE ? <= detected_at_ms AND operator <> '' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        )
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        Ok(rows
            .into_iter()
            .map(|(clinic, operator, modality, a, b, c)| Operator {
                clinic,
                operator,
                modality,
                grades: [count(a), count(b), count(c)],
            })
            .collect())
    }
}
