//! Is a round one this clinic takes part in? Decided from the terms, the site's policy and what the box can train.

use std::time::Duration;

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::Encoding;
use barefoot_federation::layout::Layout;
use barefoot_federation::round::SecureTerms;
use barefoot_federation::secagg::Params;
use barefoot_wire::v1;
use prost::Message;

use crate::local_training::{FitOrder, Policy, ReleaseId, SecureAggregation, Trainable};

const MOST_EPOCHS: u32 = 1000;
const MOST_RUN_NAME: usize = 64;
/// A stage longer than this is asked about again.
const LONGEST_STAGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a clinic does not do what the hub asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declined {
    pub reason: v1::DeclineReason,
    /// For the log; names nothing of a patient.
    pub why: String,
}

impl Declined {
    pub(super) fn new(reason: v1::DeclineReason, why: impl Into<String>) -> Self {
        Self {
            reason,
            why: why.into(),
        }
    }

    /// The hub's task cannot be done as it stands.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::new(v1::DeclineReason::Failed, why)
    }

    fn policy(why: impl Into<String>) -> Self {
        Self::new(v1::DeclineReason::Policy, why)
    }

    /// The reason's name on the page and in logs.
    pub(super) fn code(&self) -> &'static str {
        match self.reason {
            v1::DeclineReason::NoPolicy => "no_policy",
            v1::DeclineReason::Policy => "policy",
            v1::DeclineReason::Budget => "budget",
            v1::DeclineReason::TooFewExamples => "too_few_examples",
            v1::DeclineReason::OtherModel => "other_model",
            v1::DeclineReason::Failed | v1::DeclineReason::Unspecified => "failed",
        }
    }
}

/// What leaves is protected how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Protection {
    /// `None`: not clipped.
    pub clip_norm: Option<f64>,
    /// Standard deviation on the sum, in clip norms; 0 for none.
    pub noise_multiplier: f64,
    pub secure: bool,
}

impl Protection {
    pub(super) fn has_noise(&self) -> bool {
        0.0 < self.noise_multiplier
    }

    /// Exact figures about this clinic would undo what masks or noise protect.
    pub(super) fn hides_figures(&self) -> bool {
        self.secure || self.has_noise()
    }
}

/// A round's terms, every rule checked.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub id: ReleaseId,
    pub layout: Layout,
    /// Chunks of the round's global parameters.
    pub global: Vec<ChunkId>,
    pub quorum: u32,
    pub participants: u32,
    pub protection: Protection,
    pub order: FitOrder,
    pub encoding: Encoding,
    pub minimum_examples: u32,
    pub example_cap: u32,
    pub ends_in: Duration,
    /// Of everything but the time left: the same at every stage of the attempt.
    pub fingerprint: ChunkId,
}

impl Terms {
    /// # Errors
    /// The first rule the terms break, with the reason the hub is told.
    pub(super) fn check(
        terms: &v1::RoundTerms,
        policy: Option<&Policy>,
        trainable: Option<&Trainable>,
    ) -> Result<Self, Declined> {
        let Some(policy) = policy else {
            return Err(Declined::new(
                v1::DeclineReason::NoPolicy,
                "the site's policy has no [learning]",
            ));
        };
        if !policy.rounds {
            return Err(Declined::policy("the site's policy joins no rounds"));
        }
        if !policy.takes_model(&terms.model_id) {
            return Err(Declined::policy("the site's policy does not name this model"));
        }
        let trainable = suits(terms, trainable)?;
        let id =
            release_id(terms.id.as_ref()).ok_or_else(|| Declined::failed("the round has no proper name"))?;
        if terms.rounds < id.round {
            return Err(Declined::failed(
                "the run has fewer rounds than this one's number",
            ));
        }
        let layout = trainable
            .layout()
            .map_err(|error| Declined::failed(error.to_string()))?;
        let global = global(terms, &layout)?;
        let protection = protection(terms)?;
        accepts(policy, terms.quorum, protection)?;
        let fit = terms
            .fit
            .as_ref()
            .ok_or_else(|| Declined::failed("the terms do not say how to fit"))?;
        let checked = Self {
            layout,
            global,
            quorum: terms.quorum,
            participants: terms.participants,
            protection,
            order: order(fit)?,
            encoding: encoding(fit, protection.secure)?,
            minimum_examples: fit.minimum_examples.max(policy.minimum_examples),
            example_cap: fit.example_cap.max(1),
            ends_in: Duration::from_millis(terms.stage_ends_in_ms).min(LONGEST_STAGE),
            fingerprint: fingerprint(terms),
            id,
        };
        if protection.secure {
            let params = checked.secure_params()?;
            if u32::from(params.threshold()) < policy.minimum_cohort {
                return Err(Declined::policy(
                    "fewer clinics than the site's minimum cohort could unmask",
                ));
            }
        }
        Ok(checked)
    }

    /// # Errors
    /// When the terms do not fit secure aggregation.
    pub(super) fn secure_params(&self) -> Result<Params, Declined> {
        self.secure_terms()
            .params()
            .map_err(|error| Declined::failed(error.to_string()))
    }

    pub(super) fn secure_terms(&self) -> SecureTerms<'_> {
        SecureTerms {
            run: &self.id.run,
            round: self.id.round,
            attempt: self.id.attempt,
            global: &self.global,
            values: self.layout.elements(),
            participants: self.participants,
            quorum: self.quorum,
            clip_norm: self.protection.clip_norm.unwrap_or(0.0),
            noise_multiplier: self.protection.noise_multiplier,
            example_cap: self.example_cap,
        }
    }
}

/// `None` when it is no attempt of a round.
pub(super) fn release_id(id: Option<&v1::RoundId>) -> Option<ReleaseId> {
    let id = id.filter(|id| 0 < id.round && 0 < id.attempt)?;
    let named = (1..=MOST_RUN_NAME).contains(&id.run.len());
    named.then(|| ReleaseId {
        run: id.run.clone(),
        round: id.round,
        attempt: id.attempt,
    })
}

pub(super) fn wire_id(id: &ReleaseId) -> v1::RoundId {
    v1::RoundId {
        run: id.run.clone(),
        round: id.round,
        attempt: id.attempt,
    }
}

pub(super) fn wire_encoding(encoding: Encoding) -> v1::Encoding {
    match encoding {
        Encoding::F32 => v1::Encoding::F32,
        Encoding::F16 => v1::Encoding::F16,
        Encoding::Int8 => v1::Encoding::Int8,
        Encoding::Masked => v1::Encoding::Masked,
    }
}

fn suits<'a>(terms: &v1::RoundTerms, trainable: Option<&'a Trainable>) -> Result<&'a Trainable, Declined> {
    let other = |why: &str| Declined::new(v1::DeclineReason::OtherModel, why);
    let trainable = trainable.ok_or_else(|| other("no model works on this box"))?;
    if terms.model_id != trainable.id {
        return Err(other("the round is about another model"));
    }
    if !terms.backbone.contains(&trainable.backbone) {
        return Err(other("the round's features are another artefact's"));
    }
    Ok(trainable)
}

/// The sizes are the box's own: nothing is ever allocated by the hub's numbers.
fn global(terms: &v1::RoundTerms, layout: &Layout) -> Result<Vec<ChunkId>, Declined> {
    let global = terms
        .global
        .as_ref()
        .ok_or_else(|| Declined::failed("the terms name no global parameters"))?;
    let specs = layout.specs();
    let same = global.tensors.len() == specs.len()
        && global
            .tensors
            .iter()
            .zip(specs)
            .all(|(tensor, spec)| tensor.name == spec.name && tensor.shape == spec.shape);
    if !same {
        return Err(Declined::failed(
            "the global parameters have another shape than the model's head",
        ));
    }
    if global.encoding() != v1::Encoding::F32 || global.chunk.len() != layout.chunks() {
        return Err(Declined::failed(
            "the global parameters are not float32 in chunks",
        ));
    }
    let chunks = global.chunk.iter().map(|id| ChunkId::try_from(id.as_slice()));
    chunks
        .collect::<Result<_, _>>()
        .map_err(|error| Declined::failed(error.to_string()))
}

fn protection(terms: &v1::RoundTerms) -> Result<Protection, Declined> {
    // Absent is the weakest there is.
    let privacy = terms.privacy.unwrap_or_default();
    let usable = |value: f64| value.is_finite() && 0.0 <= value;
    if !usable(privacy.clip_norm) || !usable(privacy.noise_multiplier) {
        return Err(Declined::failed("clip norm or noise is no number"));
    }
    let clip_norm = (0.0 < privacy.clip_norm).then_some(privacy.clip_norm);
    if clip_norm.is_none() && (0.0 < privacy.noise_multiplier || privacy.secure_aggregation) {
        return Err(Declined::failed("noise and masks need a clip norm"));
    }
    Ok(Protection {
        clip_norm,
        noise_multiplier: privacy.noise_multiplier,
        secure: privacy.secure_aggregation,
    })
}

/// The round protects at least as well as the site demands.
fn accepts(policy: &Policy, quorum: u32, offered: Protection) -> Result<(), Declined> {
    let wanted = policy.secure_aggregation;
    let clip_norm = offered.clip_norm.unwrap_or(f64::INFINITY);
    let rules = [
        (
            policy.minimum_cohort <= quorum,
            "fewer clinics make the round than the site's minimum cohort",
        ),
        (
            clip_norm <= policy.clip_norm,
            "updates are clipped to more than the site's clip norm, or not at all",
        ),
        (
            policy.noise_multiplier <= offered.noise_multiplier,
            "less noise than the site demands",
        ),
        (
            wanted != SecureAggregation::Required || offered.secure,
            "no secure aggregation, which the site demands",
        ),
        (
            wanted != SecureAggregation::Refused || !offered.secure,
            "secure aggregation, which the site refuses",
        ),
    ];
    match rules.iter().find(|(kept, _)| !kept) {
        None => Ok(()),
        Some((_, why)) => Err(Declined::policy(*why)),
    }
}

/// Learning rate, momentum and batch size are for trainers that draw batches; the head's finds its own step.
fn order(fit: &v1::FitSettings) -> Result<FitOrder, Declined> {
    let usable = |value: f64| value.is_finite() && 0.0 <= value;
    if !(1..=MOST_EPOCHS).contains(&fit.epochs) {
        return Err(Declined::failed(
            "the number of epochs is 0 or beyond what a box does",
        ));
    }
    if !usable(fit.l2) || !usable(fit.proximal_mu) {
        return Err(Declined::failed("l2 or proximal_mu is negative or no number"));
    }
    Ok(FitOrder {
        epochs: fit.epochs,
        l2: fit.l2,
        proximal_mu: fit.proximal_mu,
        class_weights: fit.class_weights,
    })
}

fn encoding(fit: &v1::FitSettings, secure: bool) -> Result<Encoding, Declined> {
    let encoding = match fit.encoding() {
        v1::Encoding::F32 => Encoding::F32,
        v1::Encoding::F16 => Encoding::F16,
        v1::Encoding::Int8 => Encoding::Int8,
        v1::Encoding::Masked => Encoding::Masked,
        v1::Encoding::Unspecified => return Err(Declined::failed("the encoding is unknown")),
    };
    if (encoding == Encoding::Masked) != secure {
        return Err(Declined::failed("the encoding contradicts secure aggregation"));
    }
    Ok(encoding)
}

fn fingerprint(terms: &v1::RoundTerms) -> ChunkId {
    let timeless = v1::RoundTerms {
        stage_ends_in_ms: 0,
        ..terms.clone()
    };
    ChunkId::of(&timeless.encode_to_vec())
}

#[cfg(test)]
pub(super) mod tests;
