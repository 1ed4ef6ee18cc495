//! The plan of allowed changes: what a run may alter and how good the outcome must be, written down before the run,
//! in the spirit of a predetermined change control plan (FDA guidance, December 2024). One TOML file; the example is
//! `provisioning/plans/example.toml`.

use std::collections::{BTreeMap, BTreeSet};

use barefoot_domain::FindingCode;
use barefoot_federation::chunk::ChunkId;
use serde::{Deserialize, Serialize};

use super::model::is_name;
use super::test_set::is_subgroup;

const MAX_BYTES: usize = 64 * 1024;

/// A checked plan.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// Always 1.
    schema: u32,
    /// 1 to 64 of letters, digits, `.`, `_`, `-`. Never used for another content.
    pub(super) name: String,
    /// The model the plan is for.
    pub(super) model: String,
    /// Why these changes are allowed; stands in the report.
    pub(super) rationale: String,
    pub(super) change: Change,
    pub(super) recalibration: Recalibration,
    /// At least one; every finding of the model must be judged by one.
    #[serde(rename = "gate")]
    pub(super) gates: Vec<Gate>,
    pub(super) subgroups: Subgroups,
}

/// What may differ from the base version.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Names of the tensors that may change; every other one stays bit by bit what it was.
    pub(super) tensors: Vec<String>,
    /// Largest L2 distance of all parameters from the base's, divided by the L2 norm of the base's; `inf` for any.
    pub(super) largest_relative_distance: f64,
}

/// What is fitted after training, on a calibration set only.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recalibration {
    pub(super) temperature: TemperatureRule,
    pub(super) operating_point: OperatingRule,
    /// Smallest sensitivity on the calibration set, by finding; with `operating_point = "at_sensitivity"` only.
    #[serde(default)]
    pub(super) sensitivity: BTreeMap<String, f64>,
    /// Name of the calibration set; needed unless both are kept.
    #[serde(default)]
    pub(super) set: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TemperatureRule {
    /// The base's.
    Keep,
    /// Least negative log-likelihood on the calibration set.
    Fit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OperatingRule {
    /// The base's.
    Keep,
    /// The highest threshold that keeps the given sensitivity on the calibration set.
    AtSensitivity,
}

/// Bounds on one evaluation set. Each is optional; one at least is given.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gate {
    /// Name of an evaluation set that is registered before the plan.
    pub(super) set: String,
    /// The finding judged; each one the set labels when left out.
    #[serde(default)]
    pub(super) finding: Option<String>,
    /// Fewest cases with and without the finding; a smaller set judges nothing and the gate is not held.
    pub(super) minimum_present: u32,
    pub(super) minimum_absent: u32,
    /// Area under the ROC curve.
    #[serde(default)]
    pub(super) auc: Option<AtLeast>,
    #[serde(default)]
    pub(super) sensitivity: Option<AtLeast>,
    #[serde(default)]
    pub(super) specificity: Option<AtLeast>,
    /// Mean squared error of the probability.
    #[serde(default)]
    pub(super) brier: Option<AtMost>,
    /// Expected calibration error.
    #[serde(default)]
    pub(super) ece: Option<AtMost>,
    /// How far each may fall below the base's on the same set.
    #[serde(default)]
    pub(super) largest_drop: Drops,
}

/// A floor.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtLeast {
    pub(super) at_least: f64,
    pub(super) judged_by: JudgedBy,
}

/// A ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtMost {
    pub(super) at_most: f64,
    pub(super) judged_by: JudgedBy,
}

/// The floors and ceilings of a gate or of the subgroups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) auc: Option<AtLeast>,
    pub(super) sensitivity: Option<AtLeast>,
    pub(super) specificity: Option<AtLeast>,
    pub(super) brier: Option<AtMost>,
    pub(super) ece: Option<AtMost>,
}

/// Which number is held against a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JudgedBy {
    /// What was measured.
    Point,
    /// The worse end of its 95 % confidence interval.
    Interval,
}

/// Differences base minus candidate, as measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drops {
    #[serde(default)]
    pub(super) auc: Option<f64>,
    #[serde(default)]
    pub(super) sensitivity: Option<f64>,
    #[serde(default)]
    pub(super) specificity: Option<f64>,
}

/// What every subgroup that is large enough is held to, for each set and finding that a gate judges. A gate's own bounds
/// are on the whole set; a subgroup is held to the largest drops here, and to the floors and ceilings given here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subgroups {
    /// Fewest cases with and without the finding for a subgroup to be judged.
    pub(super) minimum_present: u32,
    pub(super) minimum_absent: u32,
    /// At least one of the three.
    pub(super) largest_drop: Drops,
    #[serde(default)]
    pub(super) auc: Option<AtLeast>,
    #[serde(default)]
    pub(super) sensitivity: Option<AtLeast>,
    #[serde(default)]
    pub(super) specificity: Option<AtLeast>,
    #[serde(default)]
    pub(super) brier: Option<AtMost>,
    #[serde(default)]
    pub(super) ece: Option<AtMost>,
    /// Subgroups that must be judged on every set that gates; one that is missing or too small is a bound not held.
    #[serde(default)]
    pub(super) required: Vec<String>,
    /// What a subgroup that is present but too small means.
    pub(super) not_covered: NotCovered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NotCovered {
    /// Named in the report as not judged.
    Report,
    /// A bound not held.
    Refuse,
}

/// Why a text is no plan.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    #[error("A plan has at most 64 KiB.")]
    Long,
    #[error("{0}")]
    Toml(#[source] Box<toml::de::Error>),
    #[error("{0}")]
    Rule(&'static str),
}

impl Plan {
    pub(super) fn parse(text: &str) -> Result<Self, PlanError> {
        if MAX_BYTES < text.len() {
            return Err(PlanError::Long);
        }
        let plan: Self = toml::from_str(text).map_err(|error| PlanError::Toml(Box::new(error)))?;
        plan.check().map_err(PlanError::Rule)?;
        Ok(plan)
    }

    /// SHA-256 (hex) of a plan's text.
    pub(super) fn sha256(text: &str) -> String {
        ChunkId::of(text.as_bytes()).to_string()
    }

    /// Every test set the plan names.
    pub(super) fn sets(&self) -> BTreeSet<&str> {
        let gates = self.gates.iter().map(|gate| gate.set.as_str());
        gates.chain(self.recalibration.set.as_deref()).collect()
    }

    fn check(&self) -> Result<(), &'static str> {
        let distance = self.change.largest_relative_distance;
        let rules = [
            (self.schema == 1, "This program reads plans of schema 1."),
            (
                is_name(&self.name) && is_name(&self.model),
                "A plan's name and its model's id are 1 to 64 letters, digits, dots, dashes or underscores.",
            ),
            (
                !self.rationale.trim().is_empty(),
                "A plan says why its changes are allowed: `rationale`.",
            ),
            (
                !self.change.tensors.is_empty(),
                "A plan names the tensors that may change.",
            ),
            (
                0.0 < distance,
                "`largest_relative_distance` is a positive number or `inf`.",
            ),
            ((1..=64).contains(&self.gates.len()), "A plan has 1 to 64 gates."),
            (
                self.subgroups.required.iter().all(|name| is_subgroup(name)),
                "A required subgroup is `key=value`.",
            ),
            (
                1 <= self.subgroups.minimum_present && 1 <= self.subgroups.minimum_absent,
                "A subgroup is judged with at least one case with and one without the finding.",
            ),
        ];
        if let Some((_, rule)) = rules.iter().find(|(kept, _)| !kept) {
            return Err(rule);
        }
        self.recalibration.check()?;
        self.subgroups.check()?;
        self.gates.iter().try_for_each(Gate::check)
    }
}

impl Recalibration {
    fn check(&self) -> Result<(), &'static str> {
        let fits = self.temperature == TemperatureRule::Fit || self.operating_point != OperatingRule::Keep;
        if fits != self.set.is_some() {
            return Err("`recalibration.set` is given exactly when something is fitted.");
        }
        let at_sensitivity = self.operating_point == OperatingRule::AtSensitivity;
        if at_sensitivity == self.sensitivity.is_empty() {
            return Err("`recalibration.sensitivity` is given exactly with `at_sensitivity`.");
        }
        for (finding, sensitivity) in &self.sensitivity {
            if FindingCode::new(finding.as_str()).is_err() || !(0.0 < *sensitivity && *sensitivity <= 1.0) {
                return Err("`recalibration.sensitivity` gives findings a number above 0, up to 1.");
            }
        }
        Ok(())
    }
}

impl Gate {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            auc: self.auc,
            sensitivity: self.sensitivity,
            specificity: self.specificity,
            brier: self.brier,
            ece: self.ece,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let bounds = self.bounds().check()?;
        if self.minimum_present == 0 || self.minimum_absent == 0 {
            return Err("A gate needs at least one case with and one without the finding.");
        }
        if bounds == 0 && self.largest_drop == Drops::default() {
            return Err("A gate without a bound judges nothing.");
        }
        self.largest_drop.check()
    }
}

impl Subgroups {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            auc: self.auc,
            sensitivity: self.sensitivity,
            specificity: self.specificity,
            brier: self.brier,
            ece: self.ece,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        self.bounds().check()?;
        if self.largest_drop == Drops::default() {
            return Err("`subgroups.largest_drop` bounds at least one of auc, sensitivity and specificity.");
        }
        self.largest_drop.check()
    }
}

impl Bounds {
    /// How many there are.
    fn check(self) -> Result<usize, &'static str> {
        let floors = [self.auc, self.sensitivity, self.specificity];
        let ceilings = [self.brier, self.ece];
        let bounds: Vec<f64> = floors
            .iter()
            .flatten()
            .map(|floor| floor.at_least)
            .chain(ceilings.iter().flatten().map(|ceiling| ceiling.at_most))
            .collect();
        if bounds.iter().all(|bound| (0.0..=1.0).contains(bound)) {
            Ok(bounds.len())
        } else {
            Err("Floors and ceilings are within 0 and 1.")
        }
    }
}

impl Drops {
    fn check(self) -> Result<(), &'static str> {
        let given = [self.auc, self.sensitivity, self.specificity];
        if given.iter().flatten().all(|drop| (0.0..=1.0).contains(drop)) {
            Ok(())
        } else {
            Err("A largest drop is within 0 and 1.")
        }
    }
}
