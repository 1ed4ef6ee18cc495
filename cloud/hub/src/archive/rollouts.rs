//! What boxes report, and where rollouts stand.

use barefoot_domain::ClinicId;
use barefoot_wire::v1::{BoxReport, Health};
use prost::Message;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::audit::append_in;
use super::{Archive, Error};
use crate::audit::{Action, Actor, Entry, Object};
use crate::rollout::{Member, Phase, State};

/// A rollout as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RolloutRow {
    pub(crate) number: i64,
    pub(crate) model_id: String,
    pub(crate) version: String,
    /// TOML.
    pub(crate) plan: String,
    pub(crate) state: State,
    pub(crate) started_at_ms: i64,
}

impl Archive {
    /// Keeps a box's report; with `rollout`, also what its member row says from now on. One transaction.
    pub(crate) async fn keep_report(
        &self,
        clinic: &ClinicId,
        report: &BoxReport,
        member: Option<(i64, &Member)>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(commit)?;
        sqlx::query(
            "INSERT INTO boxes (clinic, model_id, active_version, report, seen_at_ms) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (clinic) DO UPDATE SET model_id = excluded.model_id, \
             active_version = excluded.active_version, report = excluded.report, seen_at_ms = excluded.seen_at_ms",
        )
        .bind(clinic.as_str())
        .bind(&report.model_id)
        .bind(&report.active_version)
        .bind(report.encode_to_vec())
        .bind(now_ms)
        .execute(&mut *transaction)
        .await
        .map_err(commit)?;
        if let Some((rollout, member)) = member {
            put_member(&mut transaction, rollout, member)
                .await
                .map_err(commit)?;
        }
        transaction.commit().await.map_err(commit)
    }

    /// Every box that ever reported, with its last report and when it came.
    pub(crate) async fn boxes(&self) -> Result<Vec<(ClinicId, BoxReport, i64)>, Error> {
        let rows = sqlx::query("SELECT clinic, report, seen_at_ms FROM boxes ORDER BY clinic")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        rows.iter()
            .map(|row| {
                let clinic = clinic_id(row.try_get("clinic").map_err(query)?)?;
                Ok((
                    clinic,
                    decoded(row, "report")?,
                    row.try_get("seen_at_ms").map_err(query)?,
                ))
            })
            .collect()
    }

    /// How many boxes run which version: model, version, boxes.
    pub(crate) async fn boxes_per_version(&self) -> Result<Vec<(String, String, u32)>, Error> {
        sqlx::query_as(
            "SELECT model_id, active_version, COUNT(*) FROM boxes WHERE model_id <> '' \
             GROUP BY model_id, active_version ORDER BY model_id, active_version",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)
    }

    /// Starts a rollout with its boxes. `false`, and nothing happens, when one of this model is on its way.
    pub(crate) async fn begin_rollout(
        &self,
        model_id: &str,
        version: &str,
        plan: &str,
        state: &State,
        members: &[Member],
        by: &Actor,
    ) -> Result<bool, Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(commit)?;
        let number: Option<i64> = sqlx::query_scalar(
            "INSERT INTO rollouts (model_id, version, plan, state, stage, since_ms, reason, started_at_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING number",
        )
        .bind(model_id)
        .bind(version)
        .bind(plan)
        .bind(state.phase.name())
        .bind(state.stage)
        .bind(state.since_ms)
        .bind(&state.reason)
        .bind(state.since_ms)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(commit)?;
        let Some(number) = number else { return Ok(false) };
        for member in members {
            put_member(&mut transaction, number, member)
                .await
                .map_err(commit)?;
        }
        journal(&mut transaction, number, state).await.map_err(commit)?;
        let what = Object::subject(&format!("{model_id} {version}"));
        let entry = Entry::new(by.clone(), Action::RolloutStarted, what);
        let entry = entry.details(&format!("{} boxes", members.len()));
        append_in(&mut transaction, &entry, state.since_ms)
            .await
            .map_err(commit)?;
        transaction.commit().await.map_err(commit)?;
        Ok(true)
    }

    /// From `from` to `to`, with an entry in the journal. `false` when it does not stand at `from` any more.
    pub(crate) async fn move_rollout(&self, row: &RolloutRow, to: &State, by: &Actor) -> Result<bool, Error> {
        let (number, from) = (row.number, &row.state);
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(commit)?;
        let moved = sqlx::query(
            "UPDATE rollouts SET state = ?, stage = ?, since_ms = ?, reason = ? \
             WHERE number = ? AND state = ? AND stage = ? AND since_ms = ?",
        )
        .bind(to.phase.name())
        .bind(to.stage)
        .bind(to.since_ms)
        .bind(&to.reason)
        .bind(number)
        .bind(from.phase.name())
        .bind(from.stage)
        .bind(from.since_ms)
        .execute(&mut *transaction)
        .await
        .map_err(commit)?;
        if moved.rows_affected() != 1 {
            return Ok(false);
        }
        journal(&mut transaction, number, to).await.map_err(commit)?;
        let what = Object::subject(&format!("{} {}", row.model_id, row.version));
        let entry = Entry::new(by.clone(), Action::RolloutMoved, what);
        let entry = entry.details(&format!("{}, stage {} {}", to.phase, to.stage, to.reason));
        append_in(&mut transaction, &entry, to.since_ms)
            .await
            .map_err(commit)?;
        transaction.commit().await.map_err(commit)?;
        Ok(true)
    }

    /// Notes that the hub lives, every `every_ms`. True after it did not for longer than `pause_ms`: that time then
    /// counts for no stage that is on its way.
    pub(crate) async fn keep_rollouts_alive(
        &self,
        now_ms: i64,
        every_ms: i64,
        pause_ms: i64,
    ) -> Result<bool, Error> {
        let alive_ms: Option<i64> = sqlx::query_scalar("SELECT at_ms FROM rollouts_alive")
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?;
        let gone_ms = alive_ms.map_or(0, |alive_ms| now_ms.saturating_sub(alive_ms));
        if alive_ms.is_some() && (0..every_ms).contains(&gone_ms) {
            return Ok(false);
        }
        let paused = pause_ms < gone_ms;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(commit)?;
        if paused {
            sqlx::query(
                "UPDATE rollouts SET since_ms = since_ms + ?1 - MAX(?2, since_ms) \
                 WHERE state IN ('canary', 'ring', 'fleet', 'rolling_back') AND since_ms <= ?1",
            )
            .bind(now_ms)
            .bind(alive_ms)
            .execute(&mut *transaction)
            .await
            .map_err(commit)?;
        }
        sqlx::query(
            "INSERT INTO rollouts_alive (id, at_ms) VALUES (1, ?) ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms",
        )
        .bind(now_ms)
        .execute(&mut *transaction)
        .await
        .map_err(commit)?;
        transaction.commit().await.map_err(commit)?;
        Ok(paused)
    }

    /// Versions whose rollout went back and that the registry still calls released: model, version.
    pub(crate) async fn gone_back_and_released(&self) -> Result<Vec<(String, String)>, Error> {
        sqlx::query_as(
            "SELECT DISTINCT m.id, m.version FROM rollouts r JOIN models m ON m.id = r.model_id AND m.version = r.version \
             WHERE r.state IN ('rolling_back', 'rolled_back') AND m.state = 'released' ORDER BY m.id, m.version",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)
    }

    /// The newest rollout of each model.
    pub(crate) async fn newest_rollouts(&self) -> Result<Vec<RolloutRow>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM rollouts WHERE number IN (SELECT MAX(number) FROM rollouts GROUP BY model_id) \
             ORDER BY number DESC",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(rollout).collect()
    }

    /// The newest rollout of this version.
    pub(crate) async fn rollout_of(
        &self,
        model_id: &str,
        version: &str,
    ) -> Result<Option<RolloutRow>, Error> {
        sqlx::query("SELECT * FROM rollouts WHERE model_id = ? AND version = ? ORDER BY number DESC LIMIT 1")
            .bind(model_id)
            .bind(version)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?
            .as_ref()
            .map(rollout)
            .transpose()
    }

    /// Its boxes with their last reports, in the order of their rings.
    pub(crate) async fn rollout_members(&self, number: i64) -> Result<Vec<Member>, Error> {
        let rows = sqlx::query(
            "SELECT m.*, b.report, b.seen_at_ms FROM rollout_boxes m LEFT JOIN boxes b ON b.clinic = m.clinic \
             WHERE m.rollout = ? ORDER BY m.ring, m.clinic",
        )
        .bind(number)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(member).collect()
    }

    /// One of them; `None` where this box does not belong to it.
    pub(crate) async fn rollout_member(
        &self,
        number: i64,
        clinic: &ClinicId,
    ) -> Result<Option<Member>, Error> {
        sqlx::query(
            "SELECT m.*, b.report, b.seen_at_ms FROM rollout_boxes m LEFT JOIN boxes b ON b.clinic = m.clinic \
             WHERE m.rollout = ? AND m.clinic = ?",
        )
        .bind(number)
        .bind(clinic.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?
        .as_ref()
        .map(member)
        .transpose()
    }
}

async fn put_member(
    transaction: &mut Transaction<'static, Sqlite>,
    rollout: i64,
    member: &Member,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO rollout_boxes (rollout, clinic, ring, before_version, before_health, shadow_health) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (rollout, clinic) DO UPDATE SET \
         before_version = excluded.before_version, before_health = excluded.before_health, \
         shadow_health = excluded.shadow_health",
    )
    .bind(rollout)
    .bind(member.clinic.as_str())
    .bind(member.ring)
    .bind(&member.before_version)
    .bind(member.before.as_ref().map(Message::encode_to_vec))
    .bind(member.shadow.as_ref().map(Message::encode_to_vec))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn journal(
    transaction: &mut Transaction<'static, Sqlite>,
    rollout: i64,
    state: &State,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO rollout_steps (rollout, at_ms, state, stage, reason) VALUES (?, ?, ?, ?, ?)")
        .bind(rollout)
        .bind(state.since_ms)
        .bind(state.phase.name())
        .bind(state.stage)
        .bind(&state.reason)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn rollout(row: &SqliteRow) -> Result<RolloutRow, Error> {
    let name: String = row.try_get("state").map_err(query)?;
    Ok(RolloutRow {
        number: row.try_get("number").map_err(query)?,
        model_id: row.try_get("model_id").map_err(query)?,
        version: row.try_get("version").map_err(query)?,
        plan: row.try_get("plan").map_err(query)?,
        state: State {
            phase: Phase::named(&name).ok_or(Error::Stored { what: "rollout" })?,
            stage: row.try_get("stage").map_err(query)?,
            since_ms: row.try_get("since_ms").map_err(query)?,
            reason: row.try_get("reason").map_err(query)?,
        },
        started_at_ms: row.try_get("started_at_ms").map_err(query)?,
    })
}

fn member(row: &SqliteRow) -> Result<Member, Error> {
    let health = |column| -> Result<Option<Health>, Error> {
        let bytes: Option<Vec<u8>> = row.try_get(column).map_err(query)?;
        let decoded = bytes.map(|bytes| Health::decode(bytes.as_slice()));
        decoded.transpose().map_err(|_| Error::Stored { what: "health" })
    };
    let seen_at_ms: Option<i64> = row.try_get("seen_at_ms").map_err(query)?;
    Ok(Member {
        clinic: clinic_id(row.try_get("clinic").map_err(query)?)?,
        ring: row.try_get("ring").map_err(query)?,
        before_version: row.try_get("before_version").map_err(query)?,
        before: health("before_health")?,
        shadow: health("shadow_health")?,
        report: match seen_at_ms {
            Some(at_ms) => Some((decoded(row, "report")?, at_ms)),
            None => None,
        },
    })
}

fn decoded(row: &SqliteRow, column: &str) -> Result<BoxReport, Error> {
    let bytes: Vec<u8> = row.try_get(column).map_err(query)?;
    BoxReport::decode(bytes.as_slice()).map_err(|_| Error::Stored { what: "report" })
}

fn clinic_id(text: String) -> Result<ClinicId, Error> {
    ClinicId::new(text).map_err(|_| Error::Stored { what: "clinic id" })
}

fn query(source: sqlx::Error) -> Error {
    Error::Query { source }
}

fn commit(source: sqlx::Error) -> Error {
    Error::Commit { source }
}
