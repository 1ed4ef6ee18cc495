use barefoot_domain::ClinicId;
use barefoot_wire::{StudyResult, decode_result};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Archive, Counts, Error, StoredResult};
use crate::at_rest::{Cell, Vault};

impl Archive {
    /// The newest results first.
    pub(crate) async fn results(&self, limit: u32) -> Result<Vec<StoredResult>, Error> {
        let rows = sqlx::query(
            "SELECT r.clinic, r.case_id, r.version, r.envelope_id, r.committed_at_ms, r.detected_at_ms, e.body, \
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
        Ok(StoredResult {
            clinic: clinic_id(row.try_get("clinic").map_err(query)?)?,
            envelope_id: row.try_get("envelope_id").map_err(query)?,
            committed_at_ms: row.try_get("committed_at_ms").map_err(query)?,
            detected_at_ms: row.try_get("detected_at_ms").map_err(query)?,
            newest_version: row.try_get("newest").map_err(query)?,
            result: result_of(&self.vault, row)?,
        })
    }
}

/// The result of a row with `clinic`, `case_id` and `version` of `results`, and `envelope_id` and `body` of its envelope. That the
/// index names another case's envelope is seen by what the result itself says.
pub(super) fn result_of(vault: &Vault, row: &SqliteRow) -> Result<StudyResult, Error> {
    let text = |name: &str| row.try_get::<String, _>(name).map_err(query);
    let cell = Cell::result(&text("clinic")?, &text("envelope_id")?);
    let body = vault
        .unseal(&cell, row.try_get("body").map_err(query)?)
        .map_err(|source| Error::Sealed { source })?;
    let result = decode_result(&body).map_err(|_| Error::Stored { what: "result" })?;
    let version: u32 = row.try_get("version").map_err(query)?;
    if result.case.as_str() != text("case_id")? || result.version != version {
        return Err(Error::Stored { what: "result" });
    }
    Ok(result)
}

pub(super) fn clinic_id(text: String) -> Result<ClinicId, Error> {
    ClinicId::new(text).map_err(|_| Error::Stored { what: "clinic id" })
}

pub(super) fn query(source: sqlx::Error) -> Error {
    Error::Query { source }
}
