//! Where a candidate comes from: everything that is needed to say how it was made, and nothing about who.

use std::collections::BTreeMap;

use barefoot_wire::v1;
use serde::{Deserialize, Serialize};

/// What a finished run hands over beside its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Provenance {
    pub(crate) run: String,
    /// As the run was started; names model, base version and plan.
    pub(crate) settings: v1::RunSettings,
    /// The plan as it was pinned when the run started; without one the candidate is refused.
    pub(crate) plan: Option<PlanPin>,
    /// The finished rounds in order.
    pub(crate) rounds: Vec<RoundTaken>,
    /// What the noised sums of all rounds have spent, at the delta of the settings; none where no noise was asked for.
    pub(crate) epsilon_spent: Option<f64>,
    /// Hub time, Unix milliseconds.
    pub(crate) started_at_ms: i64,
    pub(crate) ended_at_ms: i64,
}

/// A plan by name and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanPin {
    pub(crate) name: String,
    /// SHA-256 (hex) of its TOML.
    pub(crate) sha256: String,
}

/// How many took part in one round; who did is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoundTaken {
    pub(crate) round: u32,
    /// Clinics whose updates are in the aggregate.
    pub(crate) participants: u32,
    pub(crate) declined: u32,
    pub(crate) refused: u32,
}

/// The provenance as it is stored, reported and handed to the signer. JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProvenanceRecord {
    pub(crate) schema: u32,
    pub(crate) run: String,
    pub(crate) model_id: String,
    pub(crate) base_version: String,
    /// SHA-256 (hex) of the base's and the candidate's F32 chunks, in order.
    pub(crate) base_chunks: Vec<String>,
    pub(crate) chunks: Vec<String>,
    pub(crate) backbone: Vec<String>,
    pub(crate) plan: Option<PlanPin>,
    pub(crate) rounds: Vec<RoundTaken>,
    pub(crate) strategy: Strategy,
    pub(crate) fit: Fit,
    pub(crate) cohort: Cohort,
    pub(crate) privacy: Privacy,
    pub(crate) code: String,
    pub(crate) started_at_ms: i64,
    pub(crate) ended_at_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Strategy {
    pub(crate) name: String,
    pub(crate) parameters: BTreeMap<String, f64>,
    pub(crate) from_zero: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fit {
    pub(crate) epochs: u32,
    pub(crate) batch_size: u32,
    pub(crate) learning_rate: f64,
    pub(crate) momentum: f64,
    pub(crate) l2: f64,
    pub(crate) proximal_mu: f64,
    pub(crate) class_weights: bool,
    pub(crate) encoding: String,
    pub(crate) minimum_examples: u32,
    pub(crate) example_cap: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cohort {
    pub(crate) quorum: u32,
    pub(crate) target: u32,
    pub(crate) stage_ms: u64,
    pub(crate) late: String,
    pub(crate) norm_limit: f64,
    pub(crate) retries: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Privacy {
    pub(crate) clip_norm: f64,
    pub(crate) noise_multiplier: f64,
    pub(crate) secure_aggregation: bool,
    pub(crate) delta: f64,
    /// None: no noise, so no figure bounds what an update tells about a clinic.
    pub(crate) epsilon_spent: Option<f64>,
}

impl ProvenanceRecord {
    pub(super) fn new(
        provenance: &Provenance,
        base_chunks: Vec<String>,
        chunks: Vec<String>,
        backbone: Vec<String>,
    ) -> Self {
        let settings = &provenance.settings;
        let fit = settings.fit.unwrap_or_default();
        let privacy = settings.privacy.unwrap_or_default();
        Self {
            schema: 1,
            run: provenance.run.clone(),
            model_id: settings.model_id.clone(),
            base_version: settings.base_version.clone(),
            base_chunks,
            chunks,
            backbone,
            plan: provenance.plan.clone(),
            rounds: provenance.rounds.clone(),
            strategy: Strategy {
                name: settings.strategy.clone(),
                parameters: settings
                    .strategy_parameter
                    .iter()
                    .map(|parameter| (parameter.name.clone(), parameter.value))
                    .collect(),
                from_zero: settings.from_zero,
            },
            fit: Fit {
                epochs: fit.epochs,
                batch_size: fit.batch_size,
                learning_rate: fit.learning_rate,
                momentum: fit.momentum,
                l2: fit.l2,
                proximal_mu: fit.proximal_mu,
                class_weights: fit.class_weights,
                encoding: match fit.encoding() {
                    v1::Encoding::Unspecified => "unspecified",
                    v1::Encoding::F32 => "f32",
                    v1::Encoding::F16 => "f16",
                    v1::Encoding::Int8 => "int8",
                    v1::Encoding::Masked => "masked",
                }
                .to_owned(),
                minimum_examples: fit.minimum_examples,
                example_cap: fit.example_cap,
            },
            cohort: Cohort {
                quorum: settings.quorum,
                target: settings.target,
                stage_ms: settings.stage_ms,
                late: match settings.late() {
                    v1::LatePolicy::Unspecified => "unspecified",
                    v1::LatePolicy::Drop => "drop",
                    v1::LatePolicy::AcceptUntilAggregation => "accept_until_aggregation",
                }
                .to_owned(),
                norm_limit: settings.norm_limit,
                retries: settings.retries,
            },
            privacy: Privacy {
                clip_norm: privacy.clip_norm,
                noise_multiplier: privacy.noise_multiplier,
                secure_aggregation: privacy.secure_aggregation,
                delta: settings.delta,
                epsilon_spent: provenance.epsilon_spent,
            },
            code: code_version(),
            started_at_ms: provenance.started_at_ms,
            ended_at_ms: provenance.ended_at_ms,
        }
    }
}

/// Which program made the candidate: `barefoot-hub 0.1.0`, with the commit where the build was told it.
fn code_version() -> String {
    let version = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    option_env!("BAREFOOT_COMMIT")
        .map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
}
