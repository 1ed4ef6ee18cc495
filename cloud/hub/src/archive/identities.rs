//! Which account of the sign-in provider is whose, and the sessions that began there.

use sqlx::sqlite::SqliteConnection;

use super::audit::append_in;
use super::people::{commit, query};
use super::{Archive, Error};
use crate::audit::Entry;

/// An account at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdentityRow {
    pub(crate) person: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// The person showed that it is theirs.
    pub(crate) confirmed: bool,
}

/// What became of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linked {
    Done,
    /// It is another person's.
    Taken,
    NoSuchPerson,
}

/// The sign-in at the provider that a session begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtProvider<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    /// The provider's name for its session.
    pub(crate) session: Option<&'a str>,
}

type Columns = (String, String, String, Option<i64>);

fn row((person, issuer, subject, confirmed): Columns) -> IdentityRow {
    IdentityRow {
        person,
        issuer,
        subject,
        confirmed: confirmed.is_some(),
    }
}

impl Archive {
    /// Takes the place of an older link; that one's sessions end.
    pub(crate) async fn link_identity(
        &self,
        person: &str,
        (issuer, subject): (&str, &str),
        entry: &Entry,
        now_ms: i64,
    ) -> Result<Linked, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM people WHERE id = ?")
                .bind(person)
                .fetch_one(&mut *transaction)
                .await?;
            if known == 0 {
                return Ok(Linked::NoSuchPerson);
            }
            unlink(&mut transaction, person).await?;
            let linked = sqlx::query(
                "INSERT INTO identities (person, issuer, subject, linked_at_ms) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (issuer, subject) DO NOTHING",
            )
            .bind(person)
            .bind(issuer)
            .bind(subject)
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
            if linked.rows_affected() == 0 {
                return Ok(Linked::Taken);
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(Linked::Done)
        };
        attempt.await.map_err(commit)
    }

    /// Its sessions end. `false` when there was none.
    pub(crate) async fn unlink_identity(
        &self,
        person: &str,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            if !unlink(&mut transaction, person).await? {
                return Ok(false);
            }
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    pub(crate) async fn identity_of(&self, person: &str) -> Result<Option<IdentityRow>, Error> {
        let found: Option<Columns> = sqlx::query_as(
            "SELECT person, issuer, subject, confirmed_at_ms FROM identities WHERE person = ?",
        )
        .bind(person)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        Ok(found.map(row))
    }

    pub(crate) async fn identity(&self, issuer: &str, subject: &str) -> Result<Option<IdentityRow>, Error> {
        let found: Option<Columns> = sqlx::query_as(
            "SELECT person, issuer, subject, confirmed_at_ms FROM identities WHERE issuer = ? AND subject = ?",
        )
        .bind(issuer)
        .bind(subject)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        Ok(found.map(row))
    }

    /// The provider says that this person signed out there: what began there ends here, one session of it or all.
    pub(crate) async fn end_provider_sessions(
        &self,
        person: &str,
        session: Option<&str>,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<u64, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            let ended = sqlx::query(
                "DELETE FROM sessions WHERE person = ?1 AND by_provider = 1 \
                 AND (?2 IS NULL OR provider_session = ?2)",
            )
            .bind(person)
            .bind(session)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if 0 < ended {
                append_in(&mut transaction, entry, now_ms).await?;
            }
            transaction.commit().await?;
            Ok(ended)
        };
        attempt.await.map_err(commit)
    }

    /// Whose sessions began in this session of the provider.
    pub(crate) async fn people_in_provider_session(
        &self,
        issuer: &str,
        session: &str,
    ) -> Result<Vec<String>, Error> {
        sqlx::query_scalar(
            "SELECT DISTINCT s.person FROM sessions s JOIN identities i ON i.person = s.person \
             WHERE s.by_provider = 1 AND s.provider_session = ? AND i.issuer = ?",
        )
        .bind(session)
        .bind(issuer)
        .fetch_all(&self.pool)
        .await
        .map_err(query)
    }
}

async fn unlink(connection: &mut SqliteConnection, person: &str) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query("DELETE FROM identities WHERE person = ?")
        .bind(person)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    sqlx::query("DELETE FROM sessions WHERE person = ? AND by_provider = 1")
        .bind(person)
        .execute(connection)
        .await?;
    Ok(0 < removed)
}

/// Whether the link stands and its person is active; `confirms`: the person has just shown that it is theirs.
pub(super) async fn still_linked(
    connection: &mut SqliteConnection,
    person: &str,
    at: &AtProvider<'_>,
    confirms: bool,
    now_ms: i64,
) -> Result<bool, sqlx::Error> {
    let stands: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM identities i JOIN people p ON p.id = i.person \
         WHERE i.person = ? AND i.issuer = ? AND i.subject = ? AND p.active = 1",
    )
    .bind(person)
    .bind(at.issuer)
    .bind(at.subject)
    .fetch_one(&mut *connection)
    .await?;
    if stands == 1 && confirms {
        sqlx::query("UPDATE identities SET confirmed_at_ms = ? WHERE person = ? AND confirmed_at_ms IS NULL")
            .bind(now_ms)
            .bind(person)
            .execute(connection)
            .await?;
    }
    Ok(stands == 1)
}
