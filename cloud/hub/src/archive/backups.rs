//! Copies of the whole database, and what a hub must know and say that goes on from one.

use std::collections::BTreeSet;
use std::path::Path;

use barefoot_domain::ClinicId;
use barefoot_wire::images::ObjectId;
use barefoot_wire::{MAX_RESTORATIONS, RESTORATION_BYTES, v1};
use ring::rand::{SecureRandom, SystemRandom};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Row, SqlitePool};

use super::audit::append_in;
use super::{Archive, Error, schema};
use crate::audit::Entry;

/// Restorations that boxes are told of; what earlier ones asked for, the oldest of these asks too.
const TOLD: usize = MAX_RESTORATIONS;

/// By so much a case's number of changes rises at a restoration: more than a case ever has, so that what its clinic heard before,
/// and the backup does not know, never stands against what the hub says next.
const CHANGES_LOST: i64 = 1_000_000;

/// The hub went on from an older state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restoration {
    pub(crate) id: [u8; RESTORATION_BYTES],
    /// What was receipted at this time or later, by the clock of the hub that was, may be missing.
    pub(crate) since_ms: i64,
}

impl From<Restoration> for v1::Restoration {
    fn from(restoration: Restoration) -> Self {
        Self {
            id: restoration.id.to_vec(),
            since_ms: restoration.since_ms,
        }
    }
}

/// The version of databases that this program writes.
pub(crate) fn known_version() -> i64 {
    schema::known()
}

/// A copy of a database, opened to be looked at only.
#[derive(Debug)]
pub(crate) struct DatabaseCopy {
    pool: SqlitePool,
}

/// Opens a copy of a database as it is, without bringing it to another version.
pub(crate) async fn database_of_backup(path: &Path) -> Result<DatabaseCopy, Error> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .map_err(|source| Error::Open {
            path: path.display().to_string(),
            source,
        })?;
    Ok(DatabaseCopy { pool })
}

impl DatabaseCopy {
    pub(crate) async fn version(&self) -> Result<i64, Error> {
        sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&self.pool)
            .await
            .map_err(query)
    }

    /// What SQLite finds wrong with it; nothing where all is well.
    pub(crate) async fn faults(&self) -> Result<Vec<String>, Error> {
        let mut faults: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        faults.retain(|said| said != "ok");
        let dangling = sqlx::query("PRAGMA foreign_key_check")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        for row in dangling {
            let table: String = row.try_get(0).map_err(query)?;
            faults.push(format!("a row of {table} names another that is not there"));
        }
        Ok(faults)
    }

    /// Every object of images that a version names.
    pub(crate) async fn needed_objects(&self) -> Result<BTreeSet<(ClinicId, ObjectId)>, Error> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT DISTINCT clinic, sha256 FROM image_objects")
                .fetch_all(&self.pool)
                .await
                .map_err(query)?;
        let read = |(clinic, sha256): (String, Vec<u8>)| {
            let clinic = ClinicId::new(clinic).map_err(|_| Error::Stored { what: "clinic id" })?;
            let id = <[u8; 32]>::try_from(sha256).map_err(|_| Error::Stored { what: "object id" })?;
            Ok((clinic, ObjectId(id)))
        };
        rows.into_iter().map(read).collect()
    }

    pub(crate) async fn close(self) {
        self.pool.close().await;
    }
}

impl Archive {
    /// Writes the database as it is at one moment into a new file, while others go on reading and writing. The file is not
    /// synced.
    pub(crate) async fn copy_into(&self, path: &Path) -> Result<(), Error> {
        let path = path.to_str().ok_or(Error::Stored { what: "path" })?;
        sqlx::query("VACUUM INTO ?")
            .bind(path)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(query)
    }

    /// Those that boxes are told of, the newest last.
    pub(crate) async fn restorations(&self) -> Result<Vec<Restoration>, Error> {
        let rows: Vec<(Vec<u8>, i64)> =
            sqlx::query_as("SELECT id, since_ms FROM restorations ORDER BY number DESC")
                .fetch_all(&self.pool)
                .await
                .map_err(query)?;
        let mut told = Vec::with_capacity(rows.len().min(TOLD));
        for (place, (id, since_ms)) in rows.into_iter().enumerate() {
            if place < TOLD {
                let id = id.try_into().map_err(|_| Error::Stored { what: "restoration" })?;
                told.push(Restoration { id, since_ms });
            } else if let Some(oldest) = told.last_mut() {
                oldest.since_ms = oldest.since_ms.min(since_ms);
            }
        }
        told.reverse();
        Ok(told)
    }

    /// From now on boxes are asked to send again what was receipted since then.
    pub(crate) async fn ask_again(&self, since_ms: i64, entry: &Entry, now_ms: i64) -> Result<(), Error> {
        let attempt = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let mut id = [0; RESTORATION_BYTES];
            SystemRandom::new()
                .fill(&mut id)
                .map_err(|_| sqlx::Error::Encode("the system gives no random numbers".into()))?;
            sqlx::query("INSERT INTO restorations (id, since_ms, restored_at_ms) VALUES (?, ?, ?)")
                .bind(id.as_slice())
                .bind(since_ms)
                .bind(now_ms)
                .execute(&mut *transaction)
                .await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await
        };
        attempt.await.map_err(|source| Error::Commit { source })
    }

    /// What was open when the backup was made and must not be open again: sign-ins, one-time codes, what was known of boxes'
    /// starts, which went on since. What clinics heard of their cases since is no newer than what they hear next.
    pub(crate) async fn close_what_was_open(&self) -> Result<(), Error> {
        let attempt = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            for table in ["sessions", "set_ups", "box_starts"] {
                sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DELETE FROM {table}")))
                    .execute(&mut *transaction)
                    .await?;
            }
            sqlx::query("UPDATE enrolments SET ended = 'cancelled', secret = NULL WHERE ended IS NULL")
                .execute(&mut *transaction)
                .await?;
            sqlx::query("UPDATE cases SET change = change + ?")
                .bind(CHANGES_LOST)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        };
        attempt.await.map_err(|source| Error::Commit { source })
    }
}

#[cfg(test)]
impl Archive {
    /// Sign-ins, codes and boxes' starts that count.
    pub(crate) async fn open_things(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM sessions) + (SELECT COUNT(*) FROM set_ups) + (SELECT COUNT(*) FROM box_starts) \
             + (SELECT COUNT(*) FROM enrolments WHERE ended IS NULL OR secret IS NOT NULL)",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }
}

fn query(source: sqlx::Error) -> Error {
    Error::Query { source }
}
