//! Accounts. What decides, such as how long somebody waits, is told by `people`; here it is kept in one transaction with
//! its line in the audit log.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};

use super::audit::append_in;
use super::{Archive, Error};
use crate::audit::Entry;
use crate::people::{PersonView, Profile, Roles, language_word, parse_language, parse_tier, tier_word};

/// A person with what it takes to know one.
#[derive(Clone)]
pub(crate) struct PersonRow {
    pub(crate) view: PersonView,
    /// `None` until the account is set up.
    pub(crate) secrets: Option<Credentials>,
    /// The newest time step whose code was accepted.
    pub(crate) code_step: i64,
}

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

pub(crate) struct NewPerson<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) profile: &'a Profile,
    /// SHA-256 of the one-time code.
    pub(crate) set_up: &'a [u8; 32],
    pub(crate) set_up_expires_ms: i64,
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
    /// `false` when the name is taken.
    pub(crate) async fn add_person(
        &self,
        new: &NewPerson<'_>,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let profile = new.profile;
            let added = sqlx::query(
                "INSERT INTO people (id, name, display_name, title, institution, roles, tier, subspecialties, \
                 language, active, made_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
            )
            .bind(new.id)
            .bind(new.name)
            .bind(&profile.display_name)
            .bind(&profile.title)
            .bind(&profile.institution)
            .bind(profile.roles.to_string())
            .bind(tier_word(profile.tier))
            .bind(profile.subspecialties.join(" "))
            .bind(language_word(profile.language))
            .bind(profile.active)
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
            if added.rows_affected() == 0 {
                return Ok(false);
            }
            put_set_up(&mut transaction, new.id, new.set_up, new.set_up_expires_ms).await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    pub(crate) async fn people(&self) -> Result<Vec<PersonView>, Error> {
        let rows = sqlx::query("SELECT * FROM people ORDER BY name")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        rows.iter().map(|row| view(row).map_err(query)).collect()
    }

    pub(crate) async fn person(&self, id: &str) -> Result<Option<PersonRow>, Error> {
        self.one_person("SELECT * FROM people WHERE id = ?", id).await
    }

    pub(crate) async fn person_by_name(&self, name: &str) -> Result<Option<PersonRow>, Error> {
        self.one_person("SELECT * FROM people WHERE name = ?", name).await
    }

    async fn one_person(&self, sql: &'static str, key: &str) -> Result<Option<PersonRow>, Error> {
        let row = sqlx::query(sql)
            .bind(key)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?;
        row.map(|row| person_row(&row).map_err(query)).transpose()
    }

    /// An account that is no longer active loses its sessions and its one-time code at once.
    pub(crate) async fn change_person(
        &self,
        id: &str,
        profile: &Profile,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let changed = sqlx::query(
                "UPDATE people SET display_name = ?, title = ?, institution = ?, roles = ?, tier = ?, \
                 subspecialties = ?, language = ?, active = ? WHERE id = ?",
            )
            .bind(&profile.display_name)
            .bind(&profile.title)
            .bind(&profile.institution)
            .bind(profile.roles.to_string())
            .bind(tier_word(profile.tier))
            .bind(profile.subspecialties.join(" "))
            .bind(language_word(profile.language))
            .bind(profile.active)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            if !profile.active {
                lock_out(&mut transaction, id).await?;
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    /// Password, authenticator and key are gone; a new one-time code stands in their place.
    pub(crate) async fn reset_person(
        &self,
        id: &str,
        set_up: (&[u8; 32], i64),
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let reset = sqlx::query(
                "UPDATE people SET password = NULL, seal_salt = NULL, code_secret = NULL WHERE id = ?",
            )
            .bind(id)
            .execute(&mut *transaction)
            .await?;
            if reset.rows_affected() == 0 {
                return Ok(false);
            }
            lock_out(&mut transaction, id).await?;
            end_key(&mut transaction, id, now_ms).await?;
            sqlx::query("DELETE FROM failures WHERE person = ?")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            put_set_up(&mut transaction, id, set_up.0, set_up.1).await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

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

    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
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

async fn put_set_up(
    connection: &mut SqliteConnection,
    person: &str,
    code: &[u8; 32],
    expires_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM set_ups WHERE person = ?")
        .bind(person)
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO set_ups (code, person, expires_at_ms) VALUES (?, ?, ?)")
        .bind(code.as_slice())
        .bind(person)
        .bind(expires_ms)
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

async fn end_key(connection: &mut SqliteConnection, person: &str, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE person_keys SET seed = NULL, until_ms = ? WHERE person = ? AND until_ms IS NULL")
        .bind(now_ms)
        .bind(person)
        .execute(connection)
        .await?;
    Ok(())
}

async fn lock_out(connection: &mut SqliteConnection, person: &str) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM sessions WHERE person = ?",
        "DELETE FROM set_ups WHERE person = ?",
    ] {
        sqlx::query(sql).bind(person).execute(&mut *connection).await?;
    }
    Ok(())
}

fn unreadable(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("a stored {what} cannot be read back").into())
}

pub(super) fn view(row: &SqliteRow) -> Result<PersonView, sqlx::Error> {
    let text = |name: &str| row.try_get::<String, _>(name);
    Ok(PersonView {
        id: text("id")?,
        name: text("name")?,
        display_name: text("display_name")?,
        title: text("title")?,
        institution: text("institution")?,
        roles: Roles::parse(&text("roles")?).ok_or_else(|| unreadable("role"))?,
        tier: parse_tier(&text("tier")?).ok_or_else(|| unreadable("tier"))?,
        subspecialties: text("subspecialties")?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        language: parse_language(&text("language")?).ok_or_else(|| unreadable("language"))?,
        active: row.try_get("active")?,
        set_up: row.try_get::<Option<String>, _>("password")?.is_some(),
    })
}

fn person_row(row: &SqliteRow) -> Result<PersonRow, sqlx::Error> {
    let password: Option<String> = row.try_get("password")?;
    let salt: Option<Vec<u8>> = row.try_get("seal_salt")?;
    let code_secret: Option<Vec<u8>> = row.try_get("code_secret")?;
    let secrets = match (password, salt, code_secret) {
        (Some(password), Some(seal_salt), Some(code_secret)) => Some(Credentials {
            password,
            seal_salt,
            code_secret,
        }),
        _ => None,
    };
    Ok(PersonRow {
        view: view(row)?,
        secrets,
        code_step: row.try_get("code_step")?,
    })
}

pub(super) fn commit(source: sqlx::Error) -> Error {
    Error::Commit { source }
}

pub(super) fn query(source: sqlx::Error) -> Error {
    Error::Query { source }
}
