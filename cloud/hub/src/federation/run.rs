use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::Layout;
use barefoot_federation::round::{Duty, Progress, Round, SecureTerms, Stage};
use barefoot_federation::secagg::{Params, Server};
use barefoot_wire::v1;

use super::Error;
use super::settings::Setup;
use super::wire;
use crate::archive::{AttemptKey, AttemptRow, GlobalRow, RunRow, RunState};

/// What a clinic reports: its weight, and metrics by name.
pub(super) type Weighted = (f64, Vec<(String, f64)>);

/// A run that goes on, as the journal says.
#[derive(Debug)]
pub(super) struct ActiveRun {
    pub(super) row: RunRow,
    pub(super) setup: Arc<Setup>,
    pub(super) layout: Arc<Layout>,
    pub(super) state: RunState,
    pub(super) attempt: Attempt,
    /// Clinics whose shares broke an attempt: they would break the next one too.
    pub(super) banned: HashSet<ClinicId>,
    pub(super) job: Option<Job>,
    /// How often the candidate could not be made.
    pub(super) finishing_failures: u32,
}

/// The attempt that is going on.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) key: AttemptKey,
    pub(super) started_at_ms: i64,
    pub(super) released: bool,
    pub(super) round: Round,
    /// What the round starts from.
    pub(super) global: GlobalRow,
    /// What the next one will, once it is made.
    pub(super) next_global: Option<GlobalRow>,
    /// Norms of the accepted updates.
    pub(super) norms: BTreeMap<ClinicId, f64>,
    /// Accepted evaluations.
    pub(super) evaluations: BTreeMap<ClinicId, Weighted>,
    /// The hub's side of secure aggregation, played back from the journal for the stage beside it.
    pub(super) server: Option<(Stage, Server)>,
}

/// The hub's own work for a run, on its way.
#[derive(Debug)]
pub(super) struct Job(Arc<AtomicBool>);

impl Job {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Tells the work to stop soon.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Attempt {
    pub(super) fn start(key: AttemptKey, round: Round, global: GlobalRow, now_ms: i64) -> Self {
        Self {
            key,
            started_at_ms: now_ms,
            released: false,
            round,
            global,
            next_global: None,
            norms: BTreeMap::new(),
            evaluations: BTreeMap::new(),
            server: None,
        }
    }

    /// As a new attempt is journalled.
    pub(super) fn row(&self) -> AttemptRow {
        AttemptRow {
            key: self.key.clone(),
            stage: self.round.stage(),
            reason: self.round.failure().map(ToString::to_string).unwrap_or_default(),
            started_at_ms: self.started_at_ms,
            ended_at_ms: None,
            deadline_ms: self.round.deadline_ms(),
            extended: self.round.extended(),
            released: self.released,
        }
    }

    /// Chunks clinics may fetch now.
    pub(super) fn offered(&self) -> impl Iterator<Item = &ChunkId> {
        let next = self.next_global.iter().flat_map(|global| &global.chunks);
        self.global.chunks.iter().chain(next)
    }

    /// The parameters clinics are shown now: those they start from, later those they measure.
    pub(super) fn shown(&self) -> &GlobalRow {
        self.next_global.as_ref().unwrap_or(&self.global)
    }
}

impl ActiveRun {
    /// Whether this clinic's box could train the run's model.
    pub(super) fn suits(&self, models: &[v1::TrainableModel]) -> bool {
        models.iter().any(|model| {
            model.id == self.setup.settings.model_id
                && model.backbone.iter().any(|hash| self.row.backbone.contains(hash))
        })
    }

    pub(super) fn duty_of(&self, clinic: &ClinicId) -> Option<Duty> {
        let open = self.state == RunState::Running && !self.banned.contains(clinic);
        open.then(|| self.attempt.round.duty_of(clinic)).flatten()
    }

    /// Secure aggregation's parameters in this attempt.
    pub(super) fn params(&self) -> Result<Params, Error> {
        let (setup, attempt) = (&self.setup, &self.attempt);
        let terms = SecureTerms {
            run: &attempt.key.run,
            round: attempt.key.round,
            attempt: attempt.key.attempt,
            global: &attempt.global.chunks,
            values: self.layout.elements(),
            participants: setup.rules.target,
            quorum: setup.rules.quorum,
            clip_norm: setup.privacy.clip_norm,
            noise_multiplier: setup.privacy.noise_multiplier,
            example_cap: setup.fit.example_cap,
        };
        terms.params().map_err(Error::settings)
    }

    pub(super) fn terms(&self, now_ms: i64) -> v1::RoundTerms {
        let (setup, attempt) = (&self.setup, &self.attempt);
        let left = attempt.round.deadline_ms().saturating_sub(now_ms);
        v1::RoundTerms {
            id: Some(wire::round_id(&attempt.key)),
            model_id: setup.settings.model_id.clone(),
            base_version: setup.settings.base_version.clone(),
            backbone: self.row.backbone.clone(),
            global: Some(wire::parameters(
                &self.layout,
                barefoot_federation::encoding::Encoding::F32,
                &attempt.shown().chunks,
            )),
            stage_ends_in_ms: u64::try_from(left).unwrap_or_default(),
            quorum: setup.rules.quorum,
            privacy: Some(setup.privacy),
            fit: Some(setup.fit),
            rounds: setup.run.rounds,
            participants: if setup.rules.secure { setup.rules.target } else { 0 },
        }
    }

    /// The lengths chunks of an update have, in the order of the chunks.
    pub(super) fn chunk_bytes(&self) -> Result<Vec<usize>, Error> {
        let encoding = self.setup.encoding;
        if self.setup.rules.secure {
            let params = self.params()?;
            let lengths = (0..params.chunks()).map(|chunk| params.chunk_length(chunk));
            let lengths: Result<Vec<_>, _> = lengths.collect();
            let lengths = lengths.map_err(Error::settings)?;
            return Ok(lengths
                .into_iter()
                .map(|values| encoding.bytes_of(values))
                .collect());
        }
        let chunks = 0..self.layout.chunks();
        Ok(chunks
            .map(|chunk| encoding.bytes_of(self.layout.chunk_values(chunk)))
            .collect())
    }

    /// Clinics whose updates count, in the order of their ids.
    pub(super) fn contributors(&self) -> Vec<ClinicId> {
        self.attempt.round.reached(Progress::Fitted).cloned().collect()
    }
}
