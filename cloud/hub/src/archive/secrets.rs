//! What people know and hold: passwords, authenticators, signing keys, and how often they were wrong. All of it comes here
//! hashed or sealed.

use sqlx::sqlite::SqliteConnection;

use super::audit::append_in;
use super::people::{commit, end_key, query, view};
use super::{Archive, Error};
use crate::audit::Entry;
use crate::people::PersonView;

/// What a person sets up; all of it but the salts is secret or sealed.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// PHC string.
    pub(crate) password: String,
    pub(crate) seal_salt: Vec<u8>,
    /// Sealed with the password.
    pub(crate) code_secret: Vec<u8>,
}

/// New secrets, and the time step of the code that came with them.
pub(crate) struct NewSecrets {
    pub(crate) credentials: Credentials,
    pub(crate) code_step: i64,
}

/// A new signing key, its seed sealed.
pub(crate) struct NewKey {
    pub(crate) public_key: Vec<u8>,
    pub(crate) seed: Vec<u8>,
}

/// The key that a person signs with now.
pub(crate) struct SigningRow {
    pub(crate) public_key: Vec<u8>,
    /// Sealed with the password.
    pub(crate) seed: Vec<u8>,
    pub(crate) from_ms: i64,
}

/// What somebody was wrong at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtWhat {
    SignIn,
    Signature,
}

impl AtWhat {
    fn word(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Signature => "signature",
        }
    }
}

impl Archive {
    /// Whose one-time code it is, while it may be used.
    pub(crate) async fn person_to_set_up(
        &self,
        code: &[u8; 32],
        now_ms: i64,
    ) -> Result<Option<PersonView>, Error> {
        let row = sqlx::query(
            "SELECT p.* FROM people p JOIN set_ups s ON s.person = p.id \
             WHERE s.code = ? AND ? < s.expires_at_ms AND p.active = 1",
        )
        .bind(code.as_slice())
        .bind(now_ms)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        row.map(|row| view(&row).map_err(query)).transpose()
    }

    /// Uses up the one-time code. `false` when somebody did before.
    pub(crate) async fn finish_set_up(
        &self,
        code: &[u8; 32],
        person: &str,
        new: &NewSecrets,
        key: Option<&NewKey>,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let used = sqlx::query("DELETE FROM set_ups WHERE code = ? AND person = ? AND ? < expires_at_ms")
                .bind(code.as_slice())
                .bind(person)
                .bind(now_ms)
                .execute(&mut *transaction)
                .await?;
            if used.rows_affected() == 0 {
                return Ok(false);
            }
            put_credentials(&mut transaction, person, &new.credentials).await?;
            put_step(&mut transaction, person, new.code_step).await?;
            end_key(&mut transaction, person, now_ms).await?;
            if let Some(key) = key {
                put_key(&mut transaction, person, key, now_ms).await?;
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    /// A new password or authenticator, everything sealed anew; the other sessions end. `false` when the code's time step
    /// was used meanwhile.
    pub(crate) async fn change_credentials(
        &self,
        person: &str,
        new: &NewSecrets,
        resealed: Option<&SigningRow>,
        kept_session: &str,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            if !put_step(&mut transaction, person, new.code_step).await? {
                return Ok(false);
            }
            put_credentials(&mut transaction, person, &new.credentials).await?;
            if let Some(key) = resealed {
                sqlx::query("UPDATE person_keys SET seed = ? WHERE public_key = ? AND until_ms IS NULL")
                    .bind(&key.seed)
                    .bind(&key.public_key)
                    .execute(&mut *transaction)
                    .await?;
            }
            sqlx::query("DELETE FROM sessions WHERE person = ? AND id <> ?")
                .bind(person)
                .bind(kept_session)
                .execute(&mut *transaction)
                .await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    pub(crate) async fn signing_key(&self, person: &str) -> Result<Option<SigningRow>, Error> {
        let row: Option<(Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT public_key, seed, from_ms FROM person_keys WHERE person = ? AND until_ms IS NULL",
        )
        .bind(person)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        Ok(row.map(|(public_key, seed, from_ms)| SigningRow {
            public_key,
            seed,
            from_ms,
        }))
    }

    /// A key for somebody who became a reader after the account was set up.
    pub(crate) async fn add_signing_key(&self, person: &str, key: &NewKey, now_ms: i64) -> Result<(), Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            end_key(&mut transaction, person, now_ms).await?;
            put_key(&mut transaction, person, key, now_ms).await?;
            transaction.commit().await
        };
        attempt.await.map_err(commit)
    }

    /// Until when the account takes nothing.
    pub(crate) async fn locked_until(&self, person: &str, at: AtWhat) -> Result<i64, Error> {
        let until: Option<i64> =
            sqlx::query_scalar("SELECT until_ms FROM failures WHERE person = ? AND at_what = ?")
                .bind(person)
                .bind(at.word())
                .fetch_optional(&self.pool)
                .await
                .map_err(query)?;
        Ok(until.unwrap_or_default())
    }

    /// Counts a failure; `until(count, now)` says until when nothing is taken.
    pub(crate) async fn note_failure(
        &self,
        person: &str,
        at: AtWhat,
        until: fn(u32, i64) -> i64,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<(), Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let before: Option<u32> =
                sqlx::query_scalar("SELECT count FROM failures WHERE person = ? AND at_what = ?")
                    .bind(person)
                    .bind(at.word())
                    .fetch_optional(&mut *transaction)
                    .await?;
            let count = before.unwrap_or_default().saturating_add(1);
            sqlx::query(
                "INSERT INTO failures (person, at_what, count, until_ms) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (person, at_what) DO UPDATE SET count = ?3, until_ms = ?4",
            )
            .bind(person)
            .bind(at.word())
            .bind(count)
            .bind(until(count, now_ms))
            .execute(&mut *transaction)
            .await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await
        };
        attempt.await.map_err(commit)
    }
}

/// `false` when this step or a newer one was accepted before.
pub(super) async fn put_step(
    connection: &mut SqliteConnection,
    person: &str,
    step: i64,
) -> Result<bool, sqlx::Error> {
    let put = sqlx::query("UPDATE people SET code_step = ?1 WHERE id = ?2 AND code_step < ?1")
        .bind(step)
        .bind(person)
        .execute(connection)
        .await?;
    Ok(put.rows_affected() == 1)
}

pub(super) async fn forgive(
    connection: &mut SqliteConnection,
    person: &str,
    at: AtWhat,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM failures WHERE person = ? AND at_what = ?")
        .bind(person)
        .bind(at.word())
        .execute(connection)
        .await?;
    Ok(())
}

async fn put_credentials(
    connection: &mut SqliteConnection,
    person: &str,
    new: &Credentials,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE people SET password = ?, seal_salt = ?, code_secret = ? WHERE id = ?")
        .bind(&new.password)
        .bind(&new.seal_salt)
        .bind(&new.code_secret)
        .bind(person)
        .execute(connection)
        .await?;
    Ok(())
}

async fn put_key(
    connection: &mut SqliteConnection,
    person: &str,
    key: &NewKey,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO person_keys (public_key, person, seed, from_ms) VALUES (?, ?, ?, ?)")
        .bind(&key.public_key)
        .bind(person)
        .bind(&key.seed)
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(())
}
