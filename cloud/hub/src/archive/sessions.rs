use sqlx::Row;

use super::audit::append_in;
use super::identities::{AtProvider, still_linked};
use super::people::{commit, query, view};
use super::secrets::{AtWhat, forgive, put_step};
use super::{Archive, Error};
use crate::audit::Entry;
use crate::people::PersonView;

pub(crate) struct NewSession<'a> {
    pub(crate) id: &'a str,
    /// SHA-256 of what the browser holds.
    pub(crate) token: &'a [u8; 32],
    pub(crate) person: &'a str,
    /// The time step of the code that was given; `None`: only the provider was asked.
    pub(crate) code_step: Option<i64>,
    pub(crate) at_provider: Option<AtProvider<'a>>,
    pub(crate) address: &'a str,
    pub(crate) agent: &'a str,
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) made_at_ms: i64,
    pub(crate) seen_at_ms: i64,
    /// When a code was last given to sign a report; 0: never.
    pub(crate) coded_at_ms: i64,
    pub(crate) address: String,
    pub(crate) agent: String,
    /// It began at the sign-in provider.
    pub(crate) by_provider: bool,
}

impl Archive {
    /// `false` when the code's time step was used meanwhile, or the provider's account is no longer this person's: then
    /// nothing began.
    pub(crate) async fn begin_session(
        &self,
        new: &NewSession<'_>,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            if let Some(step) = new.code_step {
                if !put_step(&mut transaction, new.person, step).await? {
                    return Ok(false);
                }
                forgive(&mut transaction, new.person, AtWhat::SignIn).await?;
            }
            if let Some(at) = &new.at_provider {
                let confirms = new.code_step.is_some();
                if !still_linked(&mut transaction, new.person, at, confirms, now_ms).await? {
                    return Ok(false);
                }
            }
            sqlx::query(
                "INSERT INTO sessions (token, id, person, made_at_ms, seen_at_ms, address, agent, by_provider, \
                 provider_session) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8)",
            )
            .bind(new.token.as_slice())
            .bind(new.id)
            .bind(new.person)
            .bind(now_ms)
            .bind(new.address)
            .bind(new.agent)
            .bind(new.at_provider.is_some())
            .bind(new.at_provider.and_then(|at| at.session))
            .execute(&mut *transaction)
            .await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }

    /// The session that was made after `made_after_ms` and seen after `seen_after_ms`, with its person if that one is active.
    pub(crate) async fn session(
        &self,
        token: &[u8; 32],
        made_after_ms: i64,
        seen_after_ms: i64,
    ) -> Result<Option<(SessionRow, PersonView)>, Error> {
        let row = sqlx::query(
            "SELECT p.*, s.id AS session, s.made_at_ms AS began_at_ms, s.seen_at_ms, s.coded_at_ms, s.address, s.agent, \
             s.by_provider \
             FROM sessions s JOIN people p ON p.id = s.person \
             WHERE s.token = ? AND ? < s.made_at_ms AND ? < s.seen_at_ms AND p.active = 1",
        )
        .bind(token.as_slice())
        .bind(made_after_ms)
        .bind(seen_after_ms)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        let Some(row) = row else { return Ok(None) };
        let read = || {
            let session = SessionRow {
                id: row.try_get("session")?,
                made_at_ms: row.try_get("began_at_ms")?,
                seen_at_ms: row.try_get("seen_at_ms")?,
                coded_at_ms: row.try_get("coded_at_ms")?,
                address: row.try_get("address")?,
                agent: row.try_get("agent")?,
                by_provider: row.try_get("by_provider")?,
            };
            Ok((session, view(&row)?))
        };
        read().map(Some).map_err(query)
    }

    pub(crate) async fn session_seen(&self, id: &str, now_ms: i64) -> Result<(), Error> {
        sqlx::query("UPDATE sessions SET seen_at_ms = ? WHERE id = ?")
            .bind(now_ms)
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(commit)?;
        Ok(())
    }

    /// A person's sessions that are not over, the newest first.
    pub(crate) async fn sessions_of(
        &self,
        person: &str,
        made_after_ms: i64,
        seen_after_ms: i64,
    ) -> Result<Vec<SessionRow>, Error> {
        let rows = sqlx::query(
            "SELECT id, made_at_ms, seen_at_ms, coded_at_ms, address, agent, by_provider FROM sessions \
             WHERE person = ? AND ? < made_at_ms AND ? < seen_at_ms ORDER BY seen_at_ms DESC",
        )
        .bind(person)
        .bind(made_after_ms)
        .bind(seen_after_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(SessionRow {
                id: row.try_get("id")?,
                made_at_ms: row.try_get("made_at_ms")?,
                seen_at_ms: row.try_get("seen_at_ms")?,
                coded_at_ms: row.try_get("coded_at_ms")?,
                address: row.try_get("address")?,
                agent: row.try_get("agent")?,
                by_provider: row.try_get("by_provider")?,
            })
        };
        rows.iter().map(|row| read(row).map_err(query)).collect()
    }

    /// Ends one session of this person, or all of them.
    pub(crate) async fn end_sessions(
        &self,
        person: &str,
        only: Option<&str>,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<(), Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            sqlx::query("DELETE FROM sessions WHERE person = ?1 AND (?2 IS NULL OR id = ?2)")
                .bind(person)
                .bind(only)
                .execute(&mut *transaction)
                .await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await
        };
        attempt.await.map_err(commit)
    }

    /// Forgets what is over: sessions older than either limit, one-time codes that ran out.
    pub(crate) async fn forget_sessions(
        &self,
        made_before_ms: i64,
        seen_before_ms: i64,
        now_ms: i64,
    ) -> Result<(), Error> {
        let attempt = async {
            sqlx::query("DELETE FROM sessions WHERE made_at_ms <= ? OR seen_at_ms <= ?")
                .bind(made_before_ms)
                .bind(seen_before_ms)
                .execute(&self.pool)
                .await?;
            sqlx::query("DELETE FROM set_ups WHERE expires_at_ms <= ?")
                .bind(now_ms)
                .execute(&self.pool)
                .await
        };
        attempt.await.map_err(commit)?;
        Ok(())
    }

    /// A signature is about to be made: what was wrong before is forgiven, a code's time step used up, and it stands in the
    /// log. `false` when the step was used meanwhile: then nothing is to be signed.
    pub(crate) async fn allow_signature(
        &self,
        person: &str,
        session: &str,
        code_step: Option<i64>,
        entry: &Entry,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let attempt = async {
            let mut transaction = self.begin().await?;
            if let Some(step) = code_step {
                if !put_step(&mut transaction, person, step).await? {
                    return Ok(false);
                }
                sqlx::query("UPDATE sessions SET coded_at_ms = ? WHERE id = ?")
                    .bind(now_ms)
                    .bind(session)
                    .execute(&mut *transaction)
                    .await?;
            }
            forgive(&mut transaction, person, AtWhat::Signature).await?;
            append_in(&mut transaction, entry, now_ms).await?;
            transaction.commit().await?;
            Ok(true)
        };
        attempt.await.map_err(commit)
    }
}
