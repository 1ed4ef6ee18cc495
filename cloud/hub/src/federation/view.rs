//! A run as people see it.

use barefoot_federation::privacy;
use barefoot_wire::v1;
use prost::Message;

use super::Error;
use crate::archive::{Archive, AttemptRow, MemberCounts, RunRow, RunState};

/// The whole run, from the journal.
pub(super) async fn of(archive: &Archive, row: RunRow) -> Result<v1::RunView, Error> {
    let settings = v1::RunSettings::decode(row.settings.as_slice());
    let settings = settings.map_err(|_| Error::Stored {
        what: "list of settings",
    })?;
    let mut counts = archive.member_counts(&row.id).await?;
    let mut refusals = archive.refusals(&row.id).await?;
    let mut metrics = archive.metrics(&row.id).await?;
    let mut releases = 0;
    let mut rounds = Vec::new();
    for attempt in archive.attempts(&row.id).await? {
        releases += u32::from(attempt.released);
        let number = (attempt.key.round, attempt.key.attempt);
        let counts = counts.remove(&number).unwrap_or_default();
        let refused = refusals.remove(&number).unwrap_or_default();
        let metric = metrics.remove(&number).unwrap_or_default();
        let refused = refused.into_iter().map(|refusal| v1::RefusalView {
            clinic: refusal.clinic.as_str().to_owned(),
            code: refusal.code,
            reason: refusal.reason,
            at_ms: refusal.at_ms,
        });
        let metric = metric.into_iter().map(|(name, value)| v1::Metric { name, value });
        rounds.push(v1::RoundView {
            refused: refused.collect(),
            metric: metric.collect(),
            epsilon_spent: epsilon(&settings, releases),
            ..round(attempt, counts)
        });
    }
    Ok(v1::RunView {
        run: row.id,
        // Making the candidate is part of running.
        state: match row.state {
            RunState::Finishing => RunState::Running.name(),
            state => state.name(),
        }
        .to_owned(),
        reason: row.reason,
        round: rounds,
        epsilon_spent: epsilon(&settings, releases),
        settings: Some(settings),
        candidate_version: row.candidate,
        started_at_ms: row.started_at_ms,
        ended_at_ms: row.ended_at_ms.unwrap_or_default(),
    })
}

fn round(attempt: AttemptRow, counts: MemberCounts) -> v1::RoundView {
    v1::RoundView {
        round: attempt.key.round,
        attempt: attempt.key.attempt,
        stage: attempt.stage.name().to_owned(),
        reason: attempt.reason,
        accepted: counts.accepted,
        declined: counts.declined,
        started_at_ms: attempt.started_at_ms,
        ended_at_ms: attempt.ended_at_ms.unwrap_or_default(),
        ..v1::RoundView::default()
    }
}

/// What so many releases have spent at the run's delta; 0 where no noise was asked for, and nothing is promised.
pub(super) fn epsilon(settings: &v1::RunSettings, releases: u32) -> f64 {
    let noise = settings.privacy.unwrap_or_default().noise_multiplier;
    if noise == 0.0 {
        return 0.0;
    }
    privacy::spent(noise, releases, settings.delta).map_or(f64::INFINITY, privacy::Epsilon::value)
}
