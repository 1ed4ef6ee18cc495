//! How a release goes out: who is first, how long each stage lasts, what stops it. TOML; see
//! `provisioning/rollouts/example.toml`.

use std::collections::BTreeSet;

use barefoot_domain::ClinicId;
use serde::{Deserialize, Deserializer};

/// Longest plan accepted, bytes.
pub(super) const PLAN_BYTES: usize = 64 * 1024;

/// A plan with every rule checked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// The boxes that go first.
    pub(super) canary: Canary,
    /// Percent of all boxes, canaries included, that have the release after each ring; rises to 100, the fleet.
    pub(super) rings: Vec<u32>,
    pub(super) soak: Soak,
    pub(super) limits: Limits,
    /// What happens when a limit is broken.
    pub(super) on_limit: OnLimit,
}

/// Either of the two.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Canary {
    #[serde(default, deserialize_with = "clinics")]
    pub(super) clinics: Vec<ClinicId>,
    #[serde(default)]
    pub(super) count: u32,
}

/// How long each stage lasts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Soak {
    /// On each box: studies beside the model before, ahead of the first answer.
    pub(super) shadow_studies: u32,
    /// On each box: studies answered before the release counts as good there.
    pub(super) trial_studies: u32,
    /// Studies the release must have answered on all boxes together before a stage ends.
    pub(super) studies: u64,
    /// A stage lasts at least so long.
    pub(super) minimum_minutes: u32,
    /// After this a stage is judged by the boxes that have answered.
    pub(super) deadline_minutes: u32,
    /// Part (0 to 1) of a stage's boxes on which the release must be good.
    pub(super) quorum: f64,
}

/// What the release may do to the boxes that have it, all of them together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Rates are judged from so many studies on.
    pub(super) minimum_studies: u64,
    /// Studies with a failure, of all studies; answering or beside.
    pub(super) error_rate: f64,
    /// 95th percentile of a picture's time against the same box before; the median box counts.
    pub(super) latency_ratio: f64,
    /// Studies sent to a person, of all studies: change against before, in either direction.
    pub(super) review_rate_change: f64,
    /// Population stability index of the scores against before, and beside against before: beyond what chance gives.
    pub(super) drift: f64,
    /// Studies called otherwise than by the model before, of all seen beside it.
    pub(super) disagreement: f64,
    /// Boxes on which the release was refused or went back.
    pub(super) refusing_boxes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnLimit {
    /// Nobody else gets it; boxes keep what they run.
    Halt,
    /// Every box goes back to what it had marked good before.
    RollBack,
}

/// Why a plan is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("the rollout plan is not what it must be: {message}")]
    Parse { message: String },
    #[error("the rollout plan: {rule}")]
    Rule { rule: &'static str },
}

impl Plan {
    /// # Errors
    /// The first rule that is broken.
    pub(crate) fn parse(toml: &str) -> Result<Self, PlanError> {
        if PLAN_BYTES < toml.len() {
            return Err(PlanError::Rule {
                rule: "64 KiB at most",
            });
        }
        let plan: Self = toml::from_str(toml).map_err(|error| PlanError::Parse {
            message: error.message().to_owned(),
        })?;
        let Self {
            canary,
            rings,
            soak,
            limits,
            ..
        } = &plan;
        let rate = |value: f64| (0.0..=1.0).contains(&value);
        let distinct: BTreeSet<_> = canary.clinics.iter().map(ClinicId::as_str).collect();
        let rules = [
            (
                canary.clinics.is_empty() != (canary.count == 0),
                "canary has either clinics or a count of at least 1",
            ),
            (
                distinct.len() == canary.clinics.len(),
                "canary names a clinic twice",
            ),
            (
                (1..=100).contains(&rings.len()) && rings.is_sorted_by(|a, b| a < b),
                "rings rise, each above the one before",
            ),
            (
                rings.first() != Some(&0) && rings.last() == Some(&100),
                "rings are percentages above 0, the last is 100",
            ),
            (
                1 <= soak.deadline_minutes && soak.minimum_minutes <= soak.deadline_minutes,
                "soak.deadline_minutes is at least 1 and not before soak.minimum_minutes",
            ),
            (
                0.0 < soak.quorum && soak.quorum <= 1.0,
                "soak.quorum is above 0 and at most 1",
            ),
            (1 <= soak.trial_studies, "soak.trial_studies is at least 1"),
            (
                1 <= limits.minimum_studies,
                "limits.minimum_studies is at least 1",
            ),
            (
                limits.minimum_studies <= soak.studies,
                "soak.studies is at least limits.minimum_studies: a stage must not end unjudged",
            ),
            (
                rate(limits.error_rate) && rate(limits.review_rate_change) && rate(limits.disagreement),
                "limits.error_rate, review_rate_change and disagreement are within 0 and 1",
            ),
            (
                limits.latency_ratio.is_finite() && 1.0 <= limits.latency_ratio,
                "limits.latency_ratio is at least 1",
            ),
            (
                limits.drift.is_finite() && 0.0 <= limits.drift,
                "limits.drift is at least 0",
            ),
        ];
        match rules.iter().find(|(kept, _)| !kept) {
            None => Ok(plan),
            Some((_, rule)) => Err(PlanError::Rule { rule }),
        }
    }

    /// The fleet's stage: the last ring.
    pub(super) fn last_stage(&self) -> u32 {
        u32::try_from(self.rings.len()).unwrap_or(u32::MAX)
    }
}

fn clinics<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ClinicId>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let parsed = names
        .into_iter()
        .map(|name| ClinicId::new(name).map_err(serde::de::Error::custom));
    parsed.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const EXAMPLE: &str = include_str!("../../../../provisioning/rollouts/example.toml");

    #[test]
    fn the_example_is_a_plan() {
        let plan = Plan::parse(EXAMPLE).unwrap();
        assert_eq!((plan.canary.count, plan.last_stage()), (2, 3));
        assert_eq!(plan.on_limit, OnLimit::RollBack);
    }

    #[test]
    fn a_plan_that_cannot_be_is_refused_with_its_rule() {
        for (good, bad, expected) in [
            (
                "canary = { count = 2 }",
                "canary = {}",
                "either clinics or a count",
            ),
            (
                "canary = { count = 2 }",
                "canary = { count = 2, clinics = [\"a\"] }",
                "either clinics or a count",
            ),
            (
                "canary = { count = 2 }",
                "canary = { clinics = [\"a\", \"a\"] }",
                "twice",
            ),
            (
                "canary = { count = 2 }",
                "canary = { clinics = [\"No Clinic\"] }",
                "clinic",
            ),
            ("rings = [10, 50, 100]", "rings = []", "rise"),
            ("rings = [10, 50, 100]", "rings = [50, 10, 100]", "rise"),
            ("rings = [10, 50, 100]", "rings = [10, 50]", "last is 100"),
            ("quorum = 0.8", "quorum = 0.0", "quorum"),
            ("quorum = 0.8", "quorum = 0.8\nquorums = 1", "unknown field"),
            ("minimum_studies = 50", "minimum_studies = 61", "unjudged"),
            ("error_rate = 0.02", "error_rate = 2.0", "error_rate"),
            ("latency_ratio = 2.0", "latency_ratio = nan", "latency_ratio"),
            ("\"roll_back\"", "\"hope\"", "unknown variant"),
        ] {
            assert!(EXAMPLE.contains(good), "{good}");
            let error = Plan::parse(&EXAMPLE.replace(good, bad)).unwrap_err().to_string();
            assert!(error.contains(expected), "{bad}: {error}");
        }
        assert!(Plan::parse(&" ".repeat(PLAN_BYTES + 1)).is_err());
    }
}
