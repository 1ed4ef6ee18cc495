use barefoot_domain::ClinicId;
use barefoot_wire::{decode_health, v1};
use prost::Message;
use sqlx::Row;

use super::{Archive, Error};

/// Deleted in one go, so that no commit waits long.
const FORGOTTEN_AT_ONCE: i64 = 1000;

/// What a clinic's box last told of its line and of itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LineRow {
    pub(crate) clinic: ClinicId,
    pub(crate) session: u64,
    pub(crate) up: bool,
    pub(crate) since_ms: i64,
    pub(crate) heard_ms: i64,
    pub(crate) client_version: String,
    pub(crate) health: Option<(v1::BoxHealth, i64)>,
}

impl Archive {
    pub(crate) async fn lines(&self) -> Result<Vec<LineRow>, Error> {
        let query = |source| Error::Query { source };
        let rows = sqlx::query(
            "SELECT clinic, session, up, since_ms, heard_ms, client_version, health, health_at_ms FROM lines",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let clinic: String = row.try_get("clinic").map_err(query)?;
            let session: i64 = row.try_get("session").map_err(query)?;
            let health: Option<Vec<u8>> = row.try_get("health").map_err(query)?;
            let health_at_ms: Option<i64> = row.try_get("health_at_ms").map_err(query)?;
            lines.push(LineRow {
                clinic: ClinicId::new(clinic).map_err(|_| Error::Stored { what: "clinic id" })?,
                session: u64::try_from(session).unwrap_or_default(),
                up: row.try_get("up").map_err(query)?,
                since_ms: row.try_get("since_ms").map_err(query)?,
                heard_ms: row.try_get("heard_ms").map_err(query)?,
                client_version: row.try_get("client_version").map_err(query)?,
                // One that cannot be read any more is replaced within minutes.
                health: health
                    .and_then(|bytes| decode_health(&bytes).ok())
                    .zip(health_at_ms),
            });
        }
        Ok(lines)
    }

    /// A session began, still stands or ended. What is older than the newest session changes nothing.
    pub(crate) async fn note_presence(
        &self,
        clinic: &ClinicId,
        presence: &v1::Presence,
        now_ms: i64,
    ) -> Result<(), Error> {
        let up = presence.state() == v1::PresenceState::Up;
        sqlx::query(
            "INSERT INTO lines (clinic, session, up, since_ms, heard_ms, client_version) VALUES (?1, ?2, ?3, ?4, ?4, ?5) \
             ON CONFLICT (clinic) DO UPDATE SET \
             since_ms = CASE WHEN lines.session = excluded.session AND lines.up = excluded.up THEN lines.since_ms \
             ELSE excluded.since_ms END, \
             session = excluded.session, up = excluded.up, heard_ms = excluded.heard_ms, \
             client_version = excluded.client_version \
             WHERE lines.session < excluded.session \
             OR (lines.session = excluded.session AND excluded.up <= lines.up)",
        )
        .bind(clinic.as_str())
        .bind(i64::try_from(presence.session).unwrap_or(i64::MAX))
        .bind(up)
        .bind(now_ms)
        .bind(&presence.client_version)
        .execute(&self.pool)
        .await
        .map_err(|source| Error::Commit { source })?;
        Ok(())
    }

    /// Only the newest is kept.
    pub(crate) async fn note_health(
        &self,
        clinic: &ClinicId,
        health: &v1::BoxHealth,
        now_ms: i64,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO lines (clinic, session, up, since_ms, heard_ms, client_version, health, health_at_ms) \
             VALUES (?1, ?2, 1, ?3, ?3, ?4, ?5, ?3) \
             ON CONFLICT (clinic) DO UPDATE SET heard_ms = ?3, health = ?5, health_at_ms = ?3",
        )
        .bind(clinic.as_str())
        .bind(i64::try_from(health.session).unwrap_or(i64::MAX))
        .bind(now_ms)
        .bind(&health.client_version)
        .bind(health.encode_to_vec())
        .execute(&self.pool)
        .await
        .map_err(|source| Error::Commit { source })?;
        Ok(())
    }

    /// Forgets ids under which nothing came but what was there already, if they are older than `before_ms`. Some at
    /// once: call again while there are any.
    pub(crate) async fn forget_duplicates(&self, before_ms: i64) -> Result<u64, Error> {
        let deleted = sqlx::query(
            "DELETE FROM envelopes WHERE rowid IN (SELECT rowid FROM envelopes \
             WHERE carries_result = 0 AND committed_at_ms < ? LIMIT ?)",
        )
        .bind(before_ms)
        .bind(FORGOTTEN_AT_ONCE)
        .execute(&self.pool)
        .await
        .map_err(|source| Error::Commit { source })?;
        Ok(deleted.rows_affected())
    }
}
