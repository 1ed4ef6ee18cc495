use sqlx::Row;

use super::audit::append_in;
use super::people::{commit, query};
use super::{Archive, Error, box_starts};
use crate::audit::Entry;
use crate::revocation::Holder;

/// Who was shut out, when, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevocationRow {
    pub(crate) holder: Holder,
    pub(crate) at_ms: i64,
    /// The operator's name.
    pub(crate) by: String,
    pub(crate) reason: String,
}

impl Archive {
    /// The newest first.
    pub(crate) async fn revocations(&self) -> Result<Vec<RevocationRow>, Error> {
        let rows = sqlx::query(
            "SELECT kind, holder, at_ms, by_whom, reason FROM revocations ORDER BY at_ms DESC, kind, holder",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        let mut revocations = Vec::with_capacity(rows.len());
        for row in rows {
            let (kind, holder): (String, String) = (
                row.try_get("kind").map_err(query)?,
                row.try_get("holder").map_err(query)?,
            );
            revocations.push(RevocationRow {
                holder: Holder::of_words(&kind, &holder).ok_or(Error::Stored {
                    what: "revoked holder",
                })?,
                at_ms: row.try_get("at_ms").map_err(query)?,
                by: row.try_get("by_whom").map_err(query)?,
                reason: row.try_get("reason").map_err(query)?,
            });
        }
        Ok(revocations)
    }

    /// `false` when it was revoked already: then the first word stands.
    pub(crate) async fn revoke(&self, row: &RevocationRow, entry: &Entry) -> Result<bool, Error> {
        let (kind, holder) = row.holder.words();
        let attempt = async {
            let mut transaction = self.begin().await?;
            let added = sqlx::query(
                "INSERT INTO revocations (kind, holder, at_ms, by_whom, reason) VALUES (?, ?, ?, ?, ?) \
                 ON CONFLICT (kind, holder) DO NOTHING",
            )
            .bind(kind)
            .bind(holder)
            .bind(row.at_ms)
            .bind(&row.by)
            .bind(&row.reason)
            .execute(&mut *transaction)
            .await?;
            if added.rows_affected() == 0 {
                return Ok(false);
            }
            append_in(&mut transaction, entry, row.at_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    /// `false` when it is not revoked.
    pub(crate) async fn restore(&self, holder: &Holder, entry: &Entry, now_ms: i64) -> Result<bool, Error> {
        let (kind, name) = holder.words();
        let attempt = async {
            let mut transaction = self.begin().await?;
            let removed = sqlx::query("DELETE FROM revocations WHERE kind = ? AND holder = ?")
                .bind(kind)
                .bind(name)
                .execute(&mut *transaction)
                .await?;
            if removed.rows_affected() == 0 {
                return Ok(false);
            }
            if let Holder::Clinic(clinic) = holder {
                box_starts::forget(&mut transaction, clinic.as_str()).await?;
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }
}
