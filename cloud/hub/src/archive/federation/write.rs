use barefoot_federation::round::Duty;
use sqlx::{Sqlite, Transaction as Sql};

use super::super::audit::append_in;
use super::super::{Archive, Error};
use super::rows::{blob, commit};
use super::{AttemptKey, AttemptRow, GlobalRow, Next, RefusalRow, RunEnd, RunRow, Transition};
use crate::audit::{Action, Actor, Entry, Object};

/// A clinic that repeats its fault fills no more of the journal than this, in one attempt.
const REFUSALS_PER_CLINIC: i64 = 20;

type Step<'a> = &'a mut Sql<'static, Sqlite>;

impl Archive {
    /// Writes down a new run with what its first round starts from.
    pub(crate) async fn start_run(
        &self,
        model_id: &str,
        run: &RunRow,
        global: &GlobalRow,
        attempt: &AttemptRow,
    ) -> Result<(), Error> {
        let write = async {
            let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            insert_run(&mut step, run).await?;
            insert_global(&mut step, &run.id, global).await?;
            upsert_attempt(&mut step, attempt).await?;
            let by = Actor::person(&format!("maintainer {}", run.started_by), &run.started_by);
            let plan = run.plan.as_ref().map_or("none", |(name, _)| name);
            let entry = Entry::new(by, Action::RunStarted, Object::subject(&run.id));
            let entry = entry.details(&format!("model {model_id}, plan {plan}"));
            append_in(&mut step, &entry, run.started_at_ms).await?;
            step.commit().await
        };
        let written: Result<(), sqlx::Error> = write.await;
        written.map_err(commit)?;
        tracing::info!(run = run.id, model = model_id, "A run was started.");
        Ok(())
    }

    /// When it returns, the transition survives a power cut; when it fails, nothing of it happened.
    pub(crate) async fn write_transition(&self, transition: &Transition) -> Result<(), Error> {
        self.try_transition(transition).await.map_err(commit)
    }

    async fn try_transition(&self, transition: &Transition) -> Result<(), sqlx::Error> {
        let key = &transition.attempt.key;
        let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        upsert_attempt(&mut step, &transition.attempt).await?;
        for (clinic, member) in &transition.members {
            sqlx::query(
                "INSERT INTO round_members (run, round, attempt, clinic, progress, left) VALUES (?, ?, ?, ?, ?, ?) \
                 ON CONFLICT DO UPDATE SET progress = excluded.progress, left = excluded.left",
            )
            .bind(&key.run)
            .bind(key.round)
            .bind(key.attempt)
            .bind(clinic.as_str())
            .bind(member.progress.name())
            .bind(member.left.map(|left| left.name()))
            .execute(&mut *step)
            .await?;
        }
        if let Some(reply) = &transition.reply {
            sqlx::query(
                "INSERT INTO round_replies (run, round, attempt, clinic, duty, sha256, body, norm, at_ms) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&key.run)
            .bind(key.round)
            .bind(key.attempt)
            .bind(reply.clinic.as_str())
            .bind(reply.duty.name())
            .bind(reply.sha256.0.as_slice())
            .bind(&reply.body)
            .bind(reply.norm)
            .bind(reply.at_ms)
            .execute(&mut *step)
            .await?;
            if reply.duty == Duty::Fit {
                // Named by the reply now.
                sqlx::query("DELETE FROM uploads WHERE clinic = ?")
                    .bind(reply.clinic.as_str())
                    .execute(&mut *step)
                    .await?;
            }
        }
        for refusal in &transition.refusals {
            insert_refusal(&mut step, key, refusal).await?;
        }
        for (name, value) in &transition.metrics {
            sqlx::query(
                "INSERT INTO round_metrics (run, round, attempt, name, value) VALUES (?, ?, ?, ?, ?) \
                 ON CONFLICT DO UPDATE SET value = excluded.value",
            )
            .bind(&key.run)
            .bind(key.round)
            .bind(key.attempt)
            .bind(name)
            .bind(value)
            .execute(&mut *step)
            .await?;
        }
        if let Some(global) = &transition.global {
            insert_global(&mut step, &key.run, global).await?;
        }
        if transition.attempt.ended_at_ms.is_some() {
            forget_secrets(&mut step, key).await?;
        }
        match &transition.next {
            Some(Next::Attempt(next)) => upsert_attempt(&mut step, next).await?,
            Some(Next::Run(end)) => update_run(&mut step, &key.run, end).await?,
            None => {}
        }
        step.commit().await
    }

    /// A refusal that changes nothing else.
    pub(crate) async fn write_refusal(&self, key: &AttemptKey, refusal: &RefusalRow) -> Result<(), Error> {
        let write = async {
            let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            insert_refusal(&mut step, key, refusal).await?;
            step.commit().await
        };
        write.await.map_err(commit)
    }

    /// The state of a run without an open attempt.
    pub(crate) async fn end_run(&self, run: &str, end: &RunEnd) -> Result<(), Error> {
        let write = async {
            let mut step = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            update_run(&mut step, run, end).await?;
            step.commit().await
        };
        write.await.map_err(commit)
    }

    /// The hub runs at this time.
    pub(crate) async fn write_alive(&self, now_ms: i64) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO federation_alive (id, at_ms) VALUES (1, ?) ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms",
        )
        .bind(now_ms)
        .execute(&self.pool)
        .await
        .map_err(commit)?;
        Ok(())
    }
}

async fn insert_run(step: Step<'_>, run: &RunRow) -> Result<(), sqlx::Error> {
    let (plan_name, plan_sha256) = run.plan.clone().unzip();
    sqlx::query(
        "INSERT INTO runs (id, settings, tensors, backbone, plan_name, plan_sha256, started_by, started_at_ms, \
         ended_at_ms, state, reason, candidate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&run.id)
    .bind(&run.settings)
    .bind(&run.tensors)
    .bind(serde_json::json!(run.backbone).to_string())
    .bind(plan_name)
    .bind(plan_sha256)
    .bind(&run.started_by)
    .bind(run.started_at_ms)
    .bind(run.ended_at_ms)
    .bind(run.state.name())
    .bind(&run.reason)
    .bind(&run.candidate)
    .execute(&mut **step)
    .await?;
    Ok(())
}

async fn insert_global(step: Step<'_>, run: &str, global: &GlobalRow) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO run_globals (run, round, chunks, first, second) VALUES (?, ?, ?, ?, ?)")
        .bind(run)
        .bind(global.round)
        .bind(blob(&global.chunks))
        .bind(global.first.as_deref().map(blob))
        .bind(global.second.as_deref().map(blob))
        .execute(&mut **step)
        .await?;
    Ok(())
}

async fn upsert_attempt(step: Step<'_>, row: &AttemptRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO attempts (run, round, attempt, stage, reason, started_at_ms, ended_at_ms, deadline_ms, \
         extended, released) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
         stage = excluded.stage, reason = excluded.reason, ended_at_ms = excluded.ended_at_ms, \
         deadline_ms = excluded.deadline_ms, extended = excluded.extended, released = excluded.released",
    )
    .bind(&row.key.run)
    .bind(row.key.round)
    .bind(row.key.attempt)
    .bind(row.stage.name())
    .bind(&row.reason)
    .bind(row.started_at_ms)
    .bind(row.ended_at_ms)
    .bind(row.deadline_ms)
    .bind(row.extended)
    .bind(row.released)
    .execute(&mut **step)
    .await?;
    Ok(())
}

async fn insert_refusal(step: Step<'_>, key: &AttemptKey, refusal: &RefusalRow) -> Result<(), sqlx::Error> {
    let so_far: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM round_refusals WHERE run = ? AND round = ? AND attempt = ? AND clinic = ?",
    )
    .bind(&key.run)
    .bind(key.round)
    .bind(key.attempt)
    .bind(refusal.clinic.as_str())
    .fetch_one(&mut **step)
    .await?;
    if REFUSALS_PER_CLINIC <= so_far {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO round_refusals (run, round, attempt, clinic, code, reason, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&key.run)
    .bind(key.round)
    .bind(key.attempt)
    .bind(refusal.clinic.as_str())
    .bind(&refusal.code)
    .bind(&refusal.reason)
    .bind(refusal.at_ms)
    .execute(&mut **step)
    .await?;
    Ok(())
}

/// With the shares of an attempt, what it kept secret could be rebuilt; and what its updates say has been used. Hashes
/// stay, for repeated replies.
async fn forget_secrets(step: Step<'_>, key: &AttemptKey) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE round_replies SET body = x'' WHERE run = ? AND round = ? AND attempt = ? \
         AND duty IN ('keys', 'shares', 'fit', 'unmask')",
    )
    .bind(&key.run)
    .bind(key.round)
    .bind(key.attempt)
    .execute(&mut **step)
    .await?;
    Ok(())
}

async fn update_run(step: Step<'_>, run: &str, end: &RunEnd) -> Result<(), sqlx::Error> {
    let ended_at_ms = (!end.state.is_active()).then_some(end.at_ms);
    sqlx::query("UPDATE runs SET state = ?, reason = ?, candidate = ?, ended_at_ms = ? WHERE id = ?")
        .bind(end.state.name())
        .bind(&end.reason)
        .bind(&end.candidate)
        .bind(ended_at_ms)
        .bind(run)
        .execute(&mut **step)
        .await?;
    if !end.state.is_active() {
        let entry = Entry::new(Actor::Hub("rounds"), Action::RunEnded, Object::subject(run));
        let more = match end.candidate.as_str() {
            "" => end.reason.clone(),
            candidate => format!("candidate {candidate}"),
        };
        let entry = entry.details(&format!("{}: {more}", end.state.name()));
        append_in(step, &entry, end.at_ms).await?;
    }
    Ok(())
}
