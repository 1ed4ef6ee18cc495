use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::audit::append_in;
use super::people::{commit, query};
use super::{Archive, Error};
use crate::audit::Entry;
use crate::people::ProgramRole;

pub(crate) struct NewProgram<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    /// SHA-256 of the token.
    pub(crate) token: &'a [u8; 32],
    pub(crate) role: ProgramRole,
    pub(crate) expires_at_ms: i64,
}

/// A program's token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgramRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: ProgramRole,
    pub(crate) made_at_ms: i64,
    pub(crate) expires_at_ms: i64,
    pub(crate) revoked_at_ms: Option<i64>,
}

impl Archive {
    /// `false` when the name is taken.
    pub(crate) async fn add_program(
        &self,
        new: &NewProgram<'_>,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let added = sqlx::query(
                "INSERT INTO program_tokens (id, name, token, role, made_at_ms, expires_at_ms) \
                 VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
            )
            .bind(new.id)
            .bind(new.name)
            .bind(new.token.as_slice())
            .bind(new.role.word())
            .bind(now_ms)
            .bind(new.expires_at_ms)
            .execute(&mut *transaction)
            .await?;
            if added.rows_affected() == 0 {
                return Ok(false);
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    pub(crate) async fn programs(&self) -> Result<Vec<ProgramRow>, Error> {
        let rows = sqlx::query("SELECT * FROM program_tokens ORDER BY name")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        rows.iter().map(|row| program(row).map_err(query)).collect()
    }

    /// Whose token it is, while it may be used.
    pub(crate) async fn program(&self, token: &[u8; 32], now_ms: i64) -> Result<Option<ProgramRow>, Error> {
        let row = sqlx::query(
            "SELECT * FROM program_tokens WHERE token = ? AND revoked_at_ms IS NULL AND ? < expires_at_ms",
        )
        .bind(token.as_slice())
        .bind(now_ms)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        row.map(|row| program(&row).map_err(query)).transpose()
    }

    /// `false` when there is none of this name that could be used.
    pub(crate) async fn revoke_program(&self, name: &str, entry: &Entry, now_ms: i64) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let revoked = sqlx::query(
                "UPDATE program_tokens SET revoked_at_ms = ? WHERE name = ? AND revoked_at_ms IS NULL",
            )
            .bind(now_ms)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
            if revoked.rows_affected() == 0 {
                return Ok(false);
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }
}

fn program(row: &SqliteRow) -> Result<ProgramRow, sqlx::Error> {
    let role: String = row.try_get("role")?;
    Ok(ProgramRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        role: ProgramRole::parse(&role)
            .ok_or_else(|| sqlx::Error::Decode("a stored role cannot be read back".into()))?,
        made_at_ms: row.try_get("made_at_ms")?,
        expires_at_ms: row.try_get("expires_at_ms")?,
        revoked_at_ms: row.try_get("revoked_at_ms")?,
    })
}
