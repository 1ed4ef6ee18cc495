use std::collections::{BTreeMap, HashSet};

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::round::{Duty, Member};

use super::super::{Archive, Error};
use super::rows::{self, clinic, get, query};
use super::{AttemptKey, AttemptRow, GlobalRow, MemberCounts, RefusalRow, ReplyRow, RunRow};

impl Archive {
    /// Runs in which something still happens, the oldest first.
    pub(crate) async fn active_runs(&self) -> Result<Vec<RunRow>, Error> {
        sqlx::query("SELECT * FROM runs WHERE state IN ('running', 'finishing') ORDER BY number")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?
            .iter()
            .map(rows::run)
            .collect()
    }

    /// The newest runs first.
    pub(crate) async fn runs(&self, limit: u32) -> Result<Vec<RunRow>, Error> {
        sqlx::query("SELECT * FROM runs ORDER BY number DESC LIMIT ?")
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(query)?
            .iter()
            .map(rows::run)
            .collect()
    }

    pub(crate) async fn run(&self, id: &str) -> Result<Option<RunRow>, Error> {
        sqlx::query("SELECT * FROM runs WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?
            .as_ref()
            .map(rows::run)
            .transpose()
    }

    /// A run's attempts in the order of time.
    pub(crate) async fn attempts(&self, run: &str) -> Result<Vec<AttemptRow>, Error> {
        sqlx::query("SELECT * FROM attempts WHERE run = ? ORDER BY round, attempt")
            .bind(run)
            .fetch_all(&self.pool)
            .await
            .map_err(query)?
            .iter()
            .map(rows::attempt)
            .collect()
    }

    pub(crate) async fn global(&self, run: &str, round: u32) -> Result<Option<GlobalRow>, Error> {
        sqlx::query("SELECT * FROM run_globals WHERE run = ? AND round = ?")
            .bind(run)
            .bind(round)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?
            .as_ref()
            .map(rows::global)
            .transpose()
    }

    /// Everybody who was heard of in an attempt.
    pub(crate) async fn members(&self, key: &AttemptKey) -> Result<BTreeMap<ClinicId, Member>, Error> {
        sqlx::query("SELECT * FROM round_members WHERE run = ? AND round = ? AND attempt = ?")
            .bind(&key.run)
            .bind(key.round)
            .bind(key.attempt)
            .fetch_all(&self.pool)
            .await
            .map_err(query)?
            .iter()
            .map(rows::member)
            .collect()
    }

    /// How many clinics each attempt of a run counts, and how many declined before they could be.
    pub(crate) async fn member_counts(&self, run: &str) -> Result<BTreeMap<(u32, u32), MemberCounts>, Error> {
        let rows = sqlx::query(
            "SELECT round, attempt, SUM(fitted) AS accepted, SUM(left = 'declined' AND NOT fitted) AS declined FROM \
             (SELECT round, attempt, left, progress IN ('fitted', 'unmasked', 'evaluated') AS fitted \
             FROM round_members WHERE run = ?) GROUP BY round, attempt",
        )
        .bind(run)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        let mut counts = BTreeMap::new();
        for row in &rows {
            let declined: Option<u32> = get(row, "declined")?;
            let count = MemberCounts {
                accepted: get(row, "accepted")?,
                declined: declined.unwrap_or_default(),
            };
            counts.insert((get(row, "round")?, get(row, "attempt")?), count);
        }
        Ok(counts)
    }

    /// The refusals of all attempts of a run, in the order of time.
    pub(crate) async fn refusals(&self, run: &str) -> Result<BTreeMap<(u32, u32), Vec<RefusalRow>>, Error> {
        let rows = sqlx::query("SELECT * FROM round_refusals WHERE run = ? ORDER BY number")
            .bind(run)
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        let mut refusals: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in &rows {
            let attempt = (get(row, "round")?, get(row, "attempt")?);
            refusals.entry(attempt).or_default().push(rows::refusal(row)?);
        }
        Ok(refusals)
    }

    /// The metrics of all attempts of a run, by name.
    pub(crate) async fn metrics(&self, run: &str) -> Result<BTreeMap<(u32, u32), Vec<(String, f64)>>, Error> {
        let rows = sqlx::query("SELECT * FROM round_metrics WHERE run = ? ORDER BY name")
            .bind(run)
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        let mut metrics: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in &rows {
            let attempt = (get(row, "round")?, get(row, "attempt")?);
            let metric = (get(row, "name")?, get(row, "value")?);
            metrics.entry(attempt).or_default().push(metric);
        }
        Ok(metrics)
    }

    /// Accepted replies of one kind, by clinic.
    pub(crate) async fn replies(&self, key: &AttemptKey, duty: Duty) -> Result<Vec<ReplyRow>, Error> {
        sqlx::query(
            "SELECT * FROM round_replies WHERE run = ? AND round = ? AND attempt = ? AND duty = ? ORDER BY clinic",
        )
        .bind(&key.run)
        .bind(key.round)
        .bind(key.attempt)
        .bind(duty.name())
        .fetch_all(&self.pool)
        .await
        .map_err(query)?
        .iter()
        .map(rows::reply)
        .collect()
    }

    /// What this clinic sent for this and was accepted.
    pub(crate) async fn reply(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        duty: Duty,
    ) -> Result<Option<ReplyRow>, Error> {
        sqlx::query(
            "SELECT * FROM round_replies WHERE run = ? AND round = ? AND attempt = ? AND clinic = ? AND duty = ?",
        )
        .bind(&key.run)
        .bind(key.round)
        .bind(key.attempt)
        .bind(clinic.as_str())
        .bind(duty.name())
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?
        .as_ref()
        .map(rows::reply)
        .transpose()
    }

    /// Whether there ever was this attempt.
    pub(crate) async fn knows_attempt(&self, key: &AttemptKey) -> Result<bool, Error> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM attempts WHERE run = ? AND round = ? AND attempt = ?")
                .bind(&key.run)
                .bind(key.round)
                .bind(key.attempt)
                .fetch_optional(&self.pool)
                .await
                .map_err(query)?;
        Ok(found.is_some())
    }

    /// Clinics of which something with one of these codes was refused in the run.
    pub(crate) async fn clinics_refused_for(
        &self,
        run: &str,
        code: &str,
    ) -> Result<HashSet<ClinicId>, Error> {
        sqlx::query("SELECT DISTINCT clinic FROM round_refusals WHERE run = ? AND code = ?")
            .bind(run)
            .bind(code)
            .fetch_all(&self.pool)
            .await
            .map_err(query)?
            .iter()
            .map(clinic)
            .collect()
    }

    /// Chunks of the parameters active runs go on with, and of uploads; beside them the accepted updates of open
    /// attempts, as protobuf `FitReply`, name chunks that are needed.
    pub(crate) async fn chunks_in_rounds(&self) -> Result<(HashSet<ChunkId>, Vec<Vec<u8>>), Error> {
        let mut needed = HashSet::new();
        let globals = sqlx::query(
            "SELECT g.* FROM run_globals g JOIN runs r ON r.id = g.run WHERE r.state IN ('running', 'finishing') \
             AND g.round >= (SELECT MAX(round) FROM attempts a WHERE a.run = g.run)",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        for row in &globals {
            let global = rows::global(row)?;
            needed.extend(global.chunks);
            needed.extend(global.first.into_iter().chain(global.second).flatten());
        }
        let uploads: Vec<Vec<u8>> = sqlx::query_scalar("SELECT chunk FROM uploads")
            .fetch_all(&self.pool)
            .await
            .map_err(query)?;
        for upload in uploads {
            needed.extend(rows::chunk_ids(&upload)?);
        }
        let updates = sqlx::query_scalar(
            "SELECT p.body FROM round_replies p JOIN attempts a ON a.run = p.run AND a.round = p.round \
             AND a.attempt = p.attempt WHERE p.duty = 'fit' AND a.ended_at_ms IS NULL",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        Ok((needed, updates))
    }

    /// When the hub was last known to run.
    pub(crate) async fn alive_at(&self) -> Result<Option<i64>, Error> {
        sqlx::query_scalar("SELECT at_ms FROM federation_alive")
            .fetch_optional(&self.pool)
            .await
            .map_err(query)
    }
}
