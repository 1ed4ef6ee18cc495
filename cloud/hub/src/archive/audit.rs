use barefoot_trust::audit::{AuditEntry, Hash, Head, NOTHING};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row};

use super::{Archive, Error};
use crate::audit::Entry;

/// What of the log is asked for; the newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditFilter {
    /// Id of a person, program or part of the hub.
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) case: Option<String>,
    /// Only entries before this number.
    pub(crate) before: Option<u64>,
}

/// An entry with its hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredEntry {
    pub(crate) entry: AuditEntry,
    pub(crate) previous: Hash,
    pub(crate) hash: Hash,
}

/// Adds an entry within the caller's transaction, which must be an immediate one: the log has one writer at a time.
pub(super) async fn append_in(
    connection: &mut SqliteConnection,
    entry: &Entry,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let last: Option<(i64, i64, Vec<u8>)> =
        sqlx::query_as("SELECT number, at_ms, hash FROM audit ORDER BY number DESC LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
    let (number, last_ms, previous) = match last {
        Some((number, at_ms, hash)) => (number, at_ms, hash_of(hash)?),
        None => (0, i64::MIN, NOTHING),
    };
    let (actor_kind, actor, actor_name) = entry.actor.words();
    let written = AuditEntry {
        number: u64::try_from(number).unwrap_or_default() + 1,
        at_ms: now_ms,
        clock_went_back: now_ms < last_ms,
        actor_kind: actor_kind.to_owned(),
        actor: actor.to_owned(),
        actor_name: actor_name.to_owned(),
        action: entry.action.word().to_owned(),
        clinic: entry
            .object
            .clinic
            .as_ref()
            .map_or("", |clinic| clinic.as_str())
            .to_owned(),
        case: entry
            .object
            .case
            .as_ref()
            .map_or("", |case| case.as_str())
            .to_owned(),
        subject: entry.object.subject.clone(),
        details: entry.details.clone(),
    };
    let hash = written.hash(&previous);
    sqlx::query(
        "INSERT INTO audit (number, at_ms, clock_went_back, actor_kind, actor, actor_name, action, clinic, case_id, \
         subject, details, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(number + 1)
    .bind(written.at_ms)
    .bind(written.clock_went_back)
    .bind(&written.actor_kind)
    .bind(&written.actor)
    .bind(&written.actor_name)
    .bind(&written.action)
    .bind(&written.clinic)
    .bind(&written.case)
    .bind(&written.subject)
    .bind(&written.details)
    .bind(previous.as_slice())
    .bind(hash.as_slice())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

impl Archive {
    /// Adds one entry in a transaction of its own.
    pub(crate) async fn append_audit(&self, entry: &Entry, now_ms: i64) -> Result<(), Error> {
        let append = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await
        };
        append.await.map_err(|source| Error::Commit { source })
    }

    pub(crate) async fn audit_entries(
        &self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, Error> {
        let mut query = QueryBuilder::new("SELECT * FROM audit WHERE TRUE");
        for (column, wanted) in [
            (" AND actor = ", &filter.actor),
            (" AND action = ", &filter.action),
            (" AND case_id = ", &filter.case),
        ] {
            if let Some(wanted) = wanted {
                query.push(column).push_bind(wanted);
            }
        }
        if let Some(before) = filter.before {
            query
                .push(" AND number < ")
                .push_bind(i64::try_from(before).unwrap_or(i64::MAX));
        }
        query.push(" ORDER BY number DESC LIMIT ").push_bind(limit);
        let rows = query.build().fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| entry(row).map_err(failed)).collect()
    }

    /// In their order, from `number` on, none after `until`.
    pub(crate) async fn audit_from(
        &self,
        number: u64,
        until: u64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, Error> {
        let rows = sqlx::query("SELECT * FROM audit WHERE number BETWEEN ? AND ? ORDER BY number LIMIT ?")
            .bind(i64::try_from(number).unwrap_or(i64::MAX))
            .bind(i64::try_from(until).unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| entry(row).map_err(failed)).collect()
    }

    /// The newest entry's number, 0 where there is none.
    pub(crate) async fn newest_audit(&self) -> Result<u64, Error> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(number) FROM audit")
            .fetch_one(&self.pool)
            .await
            .map_err(failed)?;
        Ok(newest
            .and_then(|number| u64::try_from(number).ok())
            .unwrap_or_default())
    }

    /// The last entry that the audit record repository has, by number and hash.
    pub(crate) async fn audit_told(&self) -> Result<Option<(u64, Hash)>, Error> {
        let told: Option<(i64, Vec<u8>)> = sqlx::query_as("SELECT number, hash FROM audit_told")
            .fetch_optional(&self.pool)
            .await
            .map_err(failed)?;
        let read = |(number, hash)| Ok((u64::try_from(number).unwrap_or_default(), hash_of(hash)?));
        told.map(read).transpose().map_err(failed)
    }

    pub(crate) async fn put_audit_told(&self, number: u64, hash: Hash) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO audit_told (id, number, hash) VALUES (1, ?, ?) \
             ON CONFLICT DO UPDATE SET number = excluded.number, hash = excluded.hash",
        )
        .bind(i64::try_from(number).unwrap_or(i64::MAX))
        .bind(hash.as_slice())
        .execute(&self.pool)
        .await
        .map_err(|source| Error::Commit { source })?;
        Ok(())
    }

    /// All of them, the oldest first.
    pub(crate) async fn audit_heads(&self) -> Result<Vec<Head>, Error> {
        let rows = sqlx::query("SELECT * FROM audit_heads ORDER BY sequence")
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| head_of(row).map_err(failed)).collect()
    }

    /// Signs the newest hash with `sign(number, hash, previous head)` and keeps the head; the last head again where nothing
    /// came since and `again` does not ask for another.
    pub(crate) async fn sign_audit_head(
        &self,
        again: bool,
        sign: impl FnOnce(u64, Hash, Hash) -> Result<Head, barefoot_trust::Error> + Send,
    ) -> Result<Result<Head, barefoot_trust::Error>, Error> {
        let attempt = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let last: Option<(i64, Vec<u8>)> =
                sqlx::query_as("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
                    .fetch_optional(&mut *transaction)
                    .await?;
            let (number, hash) = match last {
                Some((number, hash)) => (u64::try_from(number).unwrap_or_default(), hash_of(hash)?),
                None => (0, NOTHING),
            };
            let before = sqlx::query("SELECT * FROM audit_heads ORDER BY sequence DESC LIMIT 1")
                .fetch_optional(&mut *transaction)
                .await?
                .map(|row| head_of(&row))
                .transpose()?;
            let previous = match before {
                Some(before) if !again && before.number == number && before.hash == hash => {
                    return Ok(Ok(before));
                }
                Some(before) => before.name(),
                None => NOTHING,
            };
            let head = match sign(number, hash, previous) {
                Ok(head) => head,
                Err(error) => return Ok(Err(error)),
            };
            sqlx::query(
                "INSERT INTO audit_heads (number, hash, at_ms, previous, certificate, signature) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(i64::try_from(head.number).unwrap_or(i64::MAX))
            .bind(head.hash.as_slice())
            .bind(head.at_ms)
            .bind(head.previous.as_slice())
            .bind(&head.certificate)
            .bind(&head.signature)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(Ok(head))
        };
        attempt.await.map_err(|source| Error::Commit { source })
    }
}

fn failed(source: sqlx::Error) -> Error {
    Error::Query { source }
}

fn hash_of(bytes: Vec<u8>) -> Result<Hash, sqlx::Error> {
    bytes
        .try_into()
        .map_err(|_| sqlx::Error::Decode("a stored hash has another length".into()))
}

fn entry(row: &SqliteRow) -> Result<StoredEntry, sqlx::Error> {
    let number: i64 = row.try_get("number")?;
    Ok(StoredEntry {
        entry: AuditEntry {
            number: u64::try_from(number).unwrap_or_default(),
            at_ms: row.try_get("at_ms")?,
            clock_went_back: row.try_get("clock_went_back")?,
            actor_kind: row.try_get("actor_kind")?,
            actor: row.try_get("actor")?,
            actor_name: row.try_get("actor_name")?,
            action: row.try_get("action")?,
            clinic: row.try_get("clinic")?,
            case: row.try_get("case_id")?,
            subject: row.try_get("subject")?,
            details: row.try_get("details")?,
        },
        previous: hash_of(row.try_get("previous")?)?,
        hash: hash_of(row.try_get("hash")?)?,
    })
}

fn head_of(row: &SqliteRow) -> Result<Head, sqlx::Error> {
    let number: i64 = row.try_get("number")?;
    Ok(Head {
        number: u64::try_from(number).unwrap_or_default(),
        hash: hash_of(row.try_get("hash")?)?,
        at_ms: row.try_get("at_ms")?,
        previous: hash_of(row.try_get("previous")?)?,
        certificate: row.try_get("certificate")?,
        signature: row.try_get("signature")?,
    })
}
