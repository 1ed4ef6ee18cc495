//! From the journal back to memory, when the hub starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use barefoot_federation::round::{Duty, Round};
use barefoot_wire::v1;
use prost::Message;

use super::run::{ActiveRun, Attempt};
use super::runs::Active;
use super::settings::Setup;
use super::{Error, wire};
use crate::archive::{Archive, AttemptRow, RunEnd, RunRow, RunState, Transition};

/// A clinic whose shares broke an attempt is left out of the run from then on; this is the refusal's code.
pub(super) const WRONG_DEALER: &str = "wrong_dealer";

/// Every run that goes on. One that cannot be read back fails, so that the others go on.
pub(super) async fn active_runs(archive: &Archive, now_ms: i64) -> Result<Active, Error> {
    let alive_ms = archive.alive_at().await?.unwrap_or(now_ms);
    let mut active = BTreeMap::new();
    for row in archive.active_runs().await? {
        let id = row.id.clone();
        match resume(archive, row, alive_ms, now_ms).await {
            Ok(run) => {
                let (round, stage) = (run.attempt.key.round, run.attempt.round.stage());
                tracing::info!(run = id, round, %stage, "A run goes on.");
                active.insert(id, run);
            }
            Err(Error::Stored { what }) => {
                tracing::error!(
                    run = id,
                    what,
                    "A run cannot be read back and has failed; start another."
                );
                let end = RunEnd {
                    state: RunState::Failed,
                    reason: format!("After a restart of the hub, a journalled {what} could not be used."),
                    candidate: String::new(),
                    at_ms: now_ms,
                };
                archive.end_run(&id, &end).await?;
            }
            Err(other) => return Err(other),
        }
    }
    archive.write_alive(now_ms).await?;
    Ok(active)
}

async fn resume(archive: &Archive, row: RunRow, alive_ms: i64, now_ms: i64) -> Result<ActiveRun, Error> {
    let settings = v1::RunSettings::decode(row.settings.as_slice());
    let settings = settings.map_err(|_| Error::Stored {
        what: "list of settings",
    })?;
    let setup = Setup::new(settings).map_err(|_| Error::Stored {
        what: "list of settings",
    })?;
    let tensors =
        v1::Parameters::decode(row.tensors.as_slice()).map_err(|_| Error::Stored { what: "layout" })?;
    let layout = wire::layout(&tensors.tensors).map_err(|_| Error::Stored { what: "layout" })?;
    let attempts = archive.attempts(&row.id).await?;
    let last = attempts
        .into_iter()
        .next_back()
        .ok_or(Error::Stored { what: "round" })?;
    let attempt = attempt(archive, &setup, last, alive_ms, now_ms).await?;
    Ok(ActiveRun {
        state: row.state,
        banned: archive.clinics_refused_for(&row.id, WRONG_DEALER).await?,
        setup: Arc::new(setup),
        layout: Arc::new(layout),
        attempt,
        row,
        job: None,
        finishing_failures: 0,
    })
}

async fn attempt(
    archive: &Archive,
    setup: &Setup,
    row: AttemptRow,
    alive_ms: i64,
    now_ms: i64,
) -> Result<Attempt, Error> {
    let key = row.key.clone();
    let members = archive.members(&key).await?;
    let mut round = Round::restore(setup.rules, row.stage, row.deadline_ms, row.extended, members);
    if !row.stage.is_end() {
        round.resume(alive_ms, now_ms);
        let resumed = Transition::unchanged(AttemptRow {
            deadline_ms: round.deadline_ms(),
            ..row.clone()
        });
        archive.write_transition(&resumed).await?;
    }
    let norms = archive.replies(&key, Duty::Fit).await?;
    let norms = norms
        .into_iter()
        .map(|reply| (reply.clinic, reply.norm))
        .collect();
    let mut evaluations = BTreeMap::new();
    for reply in archive.replies(&key, Duty::Evaluate).await? {
        let said = v1::EvaluateReply::decode(reply.body.as_slice());
        let said = said.map_err(|_| Error::Stored { what: "evaluation" })?;
        let weighted = (setup.weight(said.examples), wire::metrics(&said.metric));
        evaluations.insert(reply.clinic, weighted);
    }
    let global = archive.global(&key.run, key.round).await?;
    Ok(Attempt {
        started_at_ms: row.started_at_ms,
        released: row.released,
        round,
        global: global.ok_or(Error::Stored { what: "global model" })?,
        next_global: archive.global(&key.run, key.round + 1).await?,
        norms,
        evaluations,
        server: None,
        key,
    })
}
