//! What people see of learning: written by `local_training` and `federation`, shown by `clinic_page`.

use std::sync::{Arc, PoisonError, RwLock};

use barefoot_domain::FindingCode;

/// How the last round went here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundOutcome {
    /// Under way.
    TakingPart,
    /// The hub has this clinic's update.
    Contributed,
    /// This clinic did not take part, with the reason's code: `policy`, `budget`, `too_few_examples`, …
    Declined(&'static str),
    /// The hub would not take the update, with the hub's code.
    Refused(String),
}

/// The newest round this clinic was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundNote {
    pub model: String,
    pub round: u32,
    /// Rounds of the run in all.
    pub of: u32,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub outcome: RoundOutcome,
}

/// Privacy spent, where noise is added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrivacySpent {
    pub epsilon: f64,
    /// `None` where no noise is demanded, and so none is promised.
    pub budget: Option<f64>,
    pub delta: f64,
}

/// A finding whose confidence follows this site's confirmed cases.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteFit {
    pub finding: FindingCode,
    /// Confirmed cases it was fitted on.
    pub cases: usize,
    /// Expected calibration error on them with the model's own confidence, and with the site's on cases it was not fitted on.
    pub error_before: f32,
    pub error_after: f32,
}

/// Everything shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LearningView {
    /// Whether the site has a privacy policy. Without one nothing is kept and no round joined.
    pub has_policy: bool,
    /// Whether a patient who said nothing is learnt from.
    pub silence_allows: bool,
    /// Whether the site names a hub to learn with.
    pub has_hub: bool,
    /// Labelled findings whose features are kept.
    pub examples: usize,
    /// Labelled findings whose features are still to be computed.
    pub pending: usize,
    pub last_round: Option<RoundNote>,
    pub privacy: Option<PrivacySpent>,
    pub site_fits: Vec<SiteFit>,
    /// Why learning is closed though there is a policy; a person must act.
    pub problem: Option<String>,
}

/// Shared by all parts; clones see the same.
#[derive(Debug, Clone, Default)]
pub struct LearningStatus(Arc<RwLock<LearningView>>);

impl LearningStatus {
    #[must_use]
    pub fn view(&self) -> LearningView {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut LearningView)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
