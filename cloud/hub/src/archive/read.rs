use barefoot_domain::ClinicId;
use barefoot_wire::decode_result;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Archive, Counts, Error, StoredResult};
use crate::at_rest::Column;

impl Archive {
    /// The newest results first.
    pub(crate) async fn results(&self, limit: u32) -> Result<Vec<StoredResult>, Error> {
        let rows = sqlx::query(
            "SELECT r.clinic, r.envelope_id, r.committed_at_ms, r.detected_at_ms, e.body, \
             (SELECT MAX(version) FROM results n WHERE n.clinic = r.clinic AND n.case_id = r.case_id) AS newest \
             FROM results r JOIN envelopes e ON e.clinic = r.clinic AND e.id = r.envelope_id \
             ORDER BY r.number DESC LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(|row| self.stored_result(row)).collect()
    }

    pub(crate) async fn counts(&self) -> Result<Counts, Error> {
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT name, value FROM counters")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        let value = |wanted: &str| {
            rows.iter()
                .find(|(name, _)| name == wanted)
                .and_then(|(_, value)| u64::try_from(*value).ok())
                .unwrap_or_default()
        };
        Ok(Counts {
            results: value("results"),
            envelopes: value("envelopes"),
            duplicates: value("duplicates"),
            refused: value("refused"),
        })
    }

    /// Every clinic that ever had a result stored, with the time of the last one.
    pub(crate) async fn clinics(&self) -> Result<Vec<(ClinicId, i64)>, Error> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT clinic, MAX(committed_at_ms) FROM results GROUP BY clinic")
                .fetch_all(&self.pool)
                .await
                .map_err(query)?;
        rows.into_iter()
            .map(|(clinic, at)| Ok((clinic_id(clinic)?, at)))
            .collect()
    }

    fn stored_result(&self, row: &SqliteRow) -> Result<StoredResult, Error> {
        let body = self.unseal(Column::Result, row.try_get("body").map_err(query)?)?;
        Ok(StoredResult {
            clinic: clinic_id(row.try_get("clinic").map_err(query)?)?,
            envelope_id: row.try_get("envelope_id").map_err(query)?,
            committed_at_ms: row.try_get("committed_at_ms").map_err(query)?,
            detected_at_ms: row.try_get("detected_at_ms").map_err(query)?,
            newest_version: row.try_get("newest").map_err(query)?,
            result: decode_result(&body).map_err(|_| Error::Stored { what: "result" })?,
        })
    }
}

pub(super) fn clinic_id(text: String) -> Result<ClinicId, Error> {
    ClinicId::new(text).map_err(|_| Error::Stored { what: "clinic id" })
}

pub(super) fn query(source: sqlx::Error) -> Error {
    Error::Query { source }
}
