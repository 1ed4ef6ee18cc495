//! From the last round to the candidate.

use barefoot_federation::round::Stage;
use barefoot_wire::v1;

use super::run::ActiveRun;
use super::{Error, view};
use crate::archive::Archive;
use crate::model_registry::{PlanPin, Provenance, RoundTaken};

/// Where the run's outcome comes from. Counts only: who took part is not told.
pub(super) async fn provenance(archive: &Archive, run: &ActiveRun, now_ms: i64) -> Result<Provenance, Error> {
    let (id, settings): (_, &v1::RunSettings) = (&run.row.id, &run.setup.settings);
    let counts = archive.member_counts(id).await?;
    let refusals = archive.refusals(id).await?;
    let (mut rounds, mut releases) = (Vec::new(), 0);
    for attempt in archive.attempts(id).await? {
        releases += u32::from(attempt.released);
        if attempt.stage != Stage::Finished {
            continue;
        }
        let number = (attempt.key.round, attempt.key.attempt);
        let counts = counts.get(&number).copied().unwrap_or_default();
        let refused = refusals.get(&number).map_or(0, Vec::len);
        rounds.push(RoundTaken {
            round: attempt.key.round,
            participants: counts.accepted,
            declined: counts.declined,
            refused: u32::try_from(refused).unwrap_or(u32::MAX),
        });
    }
    Ok(Provenance {
        run: id.clone(),
        settings: settings.clone(),
        plan: run
            .row
            .plan
            .clone()
            .map(|(name, sha256)| PlanPin { name, sha256 }),
        rounds,
        epsilon_spent: run.setup.noise().then(|| view::epsilon(settings, releases)),
        started_at_ms: run.row.started_at_ms,
        ended_at_ms: now_ms,
    })
}
