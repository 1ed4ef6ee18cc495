//! Unified procedure steps that clients made, and who wants to hear of which.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::read::query;
use super::{Archive, Error};
use crate::at_rest::Cell;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkitemRow {
    pub(crate) uid: String,
    pub(crate) state: String,
    pub(crate) transaction_uid: Option<String>,
    pub(crate) created_by: String,
    pub(crate) claimed_by: Option<String>,
    pub(crate) created_at_ms: i64,
    pub(crate) changed_at_ms: i64,
    /// DICOM JSON model; `None` once it was removed.
    pub(crate) attributes: Option<String>,
}

/// What a decision about a workitem comes to.
#[derive(Debug)]
pub(crate) struct WorkitemChange<T> {
    /// What is to stand instead of it; `None` leaves it as it is.
    pub(crate) row: Option<WorkitemRow>,
    pub(crate) answer: T,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubscriptionRow {
    pub(crate) ae_title: String,
    pub(crate) target: String,
    pub(crate) owner: String,
    pub(crate) filter: Option<String>,
    pub(crate) deletion_lock: bool,
    pub(crate) wanted: bool,
    pub(crate) suspended_at_ms: Option<i64>,
}

const COLUMNS: &str =
    "uid, state, transaction_uid, created_by, claimed_by, created_at_ms, changed_at_ms, attributes";

impl Archive {
    /// `false` where the UID is, or was, there already.
    pub(crate) async fn insert_workitem(&self, row: &WorkitemRow) -> Result<bool, Error> {
        let done = sqlx::query(
            "INSERT INTO workitems (uid, state, transaction_uid, created_by, claimed_by, created_at_ms, \
             changed_at_ms, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&row.uid)
        .bind(&row.state)
        .bind(&row.transaction_uid)
        .bind(&row.created_by)
        .bind(&row.claimed_by)
        .bind(row.created_at_ms)
        .bind(row.changed_at_ms)
        .bind(
            self.seal_attributes(row)
                .map_err(|source| Error::Commit { source })?,
        )
        .execute(&self.pool)
        .await
        .map_err(|source| Error::Commit { source })?;
        Ok(done.rows_affected() == 1)
    }

    pub(crate) async fn workitem(&self, uid: &str) -> Result<Option<WorkitemRow>, Error> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM workitems WHERE uid = ?"
        )))
        .bind(uid)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        row.as_ref().map(|row| self.workitem_of(row)).transpose()
    }

    /// Those in one of the states, the oldest first.
    pub(crate) async fn workitems(&self, states: &[&str], limit: u32) -> Result<Vec<WorkitemRow>, Error> {
        let mut sql = sqlx::QueryBuilder::<sqlx::Sqlite>::new(format!(
            "SELECT {COLUMNS} FROM workitems WHERE attributes IS NOT NULL AND state IN ("
        ));
        let mut list = sql.separated(", ");
        for state in states {
            list.push_bind((*state).to_owned());
        }
        sql.push(") ORDER BY created_at_ms, uid LIMIT ").push_bind(limit);
        let rows = sql.build().fetch_all(&self.pool).await.map_err(query)?;
        rows.iter().map(|row| self.workitem_of(row)).collect()
    }

    /// Decides about the workitem and writes what was decided, as one step: of two that ask at once the second decides on
    /// what the first wrote.
    pub(crate) async fn change_workitem<T: Send>(
        &self,
        uid: &str,
        decide: impl FnOnce(Option<WorkitemRow>) -> WorkitemChange<T> + Send,
    ) -> Result<T, Error> {
        let commit = |source| Error::Commit { source };
        let mut step = self.step().await.map_err(commit)?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM workitems WHERE uid = ?"
        )))
        .bind(uid)
        .fetch_optional(&mut *step)
        .await
        .map_err(query)?;
        let change = decide(row.as_ref().map(|row| self.workitem_of(row)).transpose()?);
        if let Some(row) = &change.row {
            sqlx::query(
                "UPDATE workitems SET state = ?, transaction_uid = ?, claimed_by = ?, changed_at_ms = ?, \
                 attributes = ? WHERE uid = ?",
            )
            .bind(&row.state)
            .bind(&row.transaction_uid)
            .bind(&row.claimed_by)
            .bind(row.changed_at_ms)
            .bind(self.seal_attributes(row).map_err(commit)?)
            .bind(uid)
            .execute(&mut *step)
            .await
            .map_err(commit)?;
        }
        step.commit().await.map_err(commit)?;
        Ok(change.answer)
    }

    /// Removes the content of what ended before `before_ms` and nobody holds by a deletion lock; how many.
    pub(crate) async fn forget_workitems(&self, before_ms: i64) -> Result<u64, Error> {
        let done = sqlx::query(
            "UPDATE workitems SET attributes = NULL, transaction_uid = NULL \
             WHERE state IN ('COMPLETED', 'CANCELED') AND changed_at_ms < ? AND attributes IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM workitem_subscriptions s \
                             WHERE s.target = workitems.uid AND s.wanted = 1 AND s.deletion_lock = 1)",
        )
        .bind(before_ms)
        .execute(&self.pool)
        .await
        .map_err(|source| Error::Commit { source })?;
        Ok(done.rows_affected())
    }

    fn seal_attributes(&self, row: &WorkitemRow) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let attributes = row.attributes.as_deref();
        attributes
            .map(|text| self.seal(&Cell::workitem(&row.uid), text.as_bytes()))
            .transpose()
    }

    fn workitem_of(&self, row: &SqliteRow) -> Result<WorkitemRow, Error> {
        let sealed: Option<Vec<u8>> = row.try_get("attributes").map_err(query)?;
        let uid: String = row.try_get("uid").map_err(query)?;
        let attributes = sealed.map(|sealed| {
            String::from_utf8(self.unseal(&Cell::workitem(&uid), sealed)?)
                .map_err(|_| Error::Stored { what: "workitem" })
        });
        Ok(WorkitemRow {
            uid,
            state: row.try_get("state").map_err(query)?,
            transaction_uid: row.try_get("transaction_uid").map_err(query)?,
            created_by: row.try_get("created_by").map_err(query)?,
            claimed_by: row.try_get("claimed_by").map_err(query)?,
            created_at_ms: row.try_get("created_at_ms").map_err(query)?,
            changed_at_ms: row.try_get("changed_at_ms").map_err(query)?,
            attributes: attributes.transpose()?,
        })
    }

    /// `false` where another owner has the AE title.
    pub(crate) async fn put_subscription(&self, row: &SubscriptionRow) -> Result<bool, Error> {
        let write = async {
            let mut step = self.step().await?;
            let other: i64 = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM workitem_subscriptions WHERE ae_title = ? AND owner <> ?)",
            )
            .bind(&row.ae_title)
            .bind(&row.owner)
            .fetch_one(&mut *step)
            .await?;
            if other != 0 {
                return Ok(false);
            }
            sqlx::query(
                "INSERT INTO workitem_subscriptions (ae_title, target, owner, filter, deletion_lock, wanted, \
                 suspended_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ae_title, target) DO UPDATE SET \
                 filter = excluded.filter, deletion_lock = excluded.deletion_lock, wanted = excluded.wanted, \
                 suspended_at_ms = excluded.suspended_at_ms",
            )
            .bind(&row.ae_title)
            .bind(&row.target)
            .bind(&row.owner)
            .bind(&row.filter)
            .bind(row.deletion_lock)
            .bind(row.wanted)
            .bind(row.suspended_at_ms)
            .execute(&mut *step)
            .await?;
            step.commit().await?;
            Ok(true)
        };
        write.await.map_err(|source| Error::Commit { source })
    }

    /// All of one AE title.
    pub(crate) async fn subscriptions(&self, ae_title: &str) -> Result<Vec<SubscriptionRow>, Error> {
        let rows = sqlx::query(
            "SELECT ae_title, target, owner, filter, deletion_lock, wanted, suspended_at_ms \
             FROM workitem_subscriptions WHERE ae_title = ?",
        )
        .bind(ae_title)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter()
            .map(|row| {
                Ok(SubscriptionRow {
                    ae_title: row.try_get("ae_title").map_err(query)?,
                    target: row.try_get("target").map_err(query)?,
                    owner: row.try_get("owner").map_err(query)?,
                    filter: row.try_get("filter").map_err(query)?,
                    deletion_lock: row.try_get("deletion_lock").map_err(query)?,
                    wanted: row.try_get("wanted").map_err(query)?,
                    suspended_at_ms: row.try_get("suspended_at_ms").map_err(query)?,
                })
            })
            .collect()
    }

    /// `None` as the target removes all of the AE title; how many went.
    pub(crate) async fn remove_subscriptions(
        &self,
        ae_title: &str,
        target: Option<&str>,
    ) -> Result<u64, Error> {
        let done = sqlx::query(
            "DELETE FROM workitem_subscriptions WHERE ae_title = ?1 AND (?2 IS NULL OR target = ?2)",
        )
        .bind(ae_title)
        .bind(target)
        .execute(&self.pool)
        .await
        .map_err(|source| Error::Commit { source })?;
        Ok(done.rows_affected())
    }
}
