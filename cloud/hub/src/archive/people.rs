//! Accounts. What decides, such as how long somebody waits, is told by `people`; here it is kept in one transaction with
//! its line in the audit log.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};

use super::audit::append_in;
use super::secrets::Credentials;
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

pub(crate) struct NewPerson<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) profile: &'a Profile,
    /// SHA-256 of the one-time code.
    pub(crate) set_up: &'a [u8; 32],
    pub(crate) set_up_expires_ms: i64,
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

    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }
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

pub(super) async fn end_key(
    connection: &mut SqliteConnection,
    person: &str,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
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
