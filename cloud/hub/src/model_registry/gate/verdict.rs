use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::plan::{AtLeast, AtMost, Bounds, Drops, Gate, JudgedBy, NotCovered, Plan};
use super::{Estimate, FindingReport, Measures, SetReport};

/// 0.85 - 0.80 is no more than 0.05, whatever binary fractions say.
const ROUNDING: f64 = 1e-9;

/// What a bound is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quantity {
    /// A plan was registered before the run started and is the one the run was started with.
    Plan,
    /// Every parameter is a finite number.
    Finite,
    /// The parameters have the base's tensors, and these are a head the gate can measure.
    Layout,
    /// The test set's features were made with a backbone of the base.
    Backbone,
    /// The test set is the one the plan was registered with.
    Locked,
    TensorUnchanged,
    RelativeDistance,
    /// Temperature and operating point could be fitted as the plan says.
    Recalibration,
    /// Every finding is judged by some gate.
    Judged,
    /// Cases with and without the finding.
    Present,
    Absent,
    /// A subgroup is large enough to be judged.
    Covered,
    Auc,
    Sensitivity,
    Specificity,
    Brier,
    Ece,
    AucDrop,
    SensitivityDrop,
    SpecificityDrop,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// One bound and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) quantity: Quantity,
    /// The test set, finding and subgroup it was judged on; none for the candidate as a whole.
    pub(crate) set: Option<String>,
    pub(crate) finding: Option<String>,
    pub(crate) subgroup: Option<String>,
    /// What else it is about: a tensor, or why it does not hold.
    pub(crate) subject: Option<String>,
    /// None for what is simply so or not.
    pub(crate) limit: Option<Limit>,
    pub(crate) judged_by: Option<JudgedBy>,
    /// None when it could not be measured; such a bound is not held.
    pub(crate) value: Option<f64>,
    pub(crate) held: bool,
}

/// A subgroup that is too small to be judged, which must not pass silently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Uncovered {
    pub(crate) set: String,
    pub(crate) finding: String,
    pub(crate) subgroup: String,
    pub(crate) present: u32,
    pub(crate) absent: u32,
}

impl Check {
    /// About the candidate as a whole.
    pub(in super::super) fn whole(
        quantity: Quantity,
        limit: Option<Limit>,
        value: Option<f64>,
        held: bool,
    ) -> Self {
        Self {
            quantity,
            set: None,
            finding: None,
            subgroup: None,
            subject: None,
            limit,
            judged_by: None,
            value,
            held,
        }
    }

    pub(in super::super) fn about(self, subject: impl Into<String>) -> Self {
        Self {
            subject: Some(subject.into()),
            ..self
        }
    }

    pub(in super::super) fn on_set(self, set: &str) -> Self {
        Self {
            set: Some(set.to_owned()),
            ..self
        }
    }
}

/// For the log and for the maintainer who asks for a refused candidate.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.quantity.name())?;
        let places = [&self.set, &self.finding, &self.subgroup, &self.subject];
        for place in places.into_iter().flatten() {
            write!(f, " [{place}]")?;
        }
        match (self.value, self.limit) {
            (Some(value), Some(limit)) => write!(f, ": {value:.4}, {limit}"),
            (Some(value), None) => write!(f, ": {value:.4}"),
            (None, Some(limit)) => write!(f, ": not measurable, {limit}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound} wanted"),
            Self::AtMost(bound) => write!(f, "at most {bound} wanted"),
        }
    }
}

impl Quantity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Finite => "finite parameters",
            Self::Layout => "layout",
            Self::Backbone => "backbone",
            Self::Locked => "locked test set",
            Self::TensorUnchanged => "unchanged tensor",
            Self::RelativeDistance => "relative distance",
            Self::Recalibration => "recalibration",
            Self::Judged => "finding judged",
            Self::Present => "cases with the finding",
            Self::Absent => "cases without the finding",
            Self::Covered => "subgroup covered",
            Self::Auc => "AUC",
            Self::Sensitivity => "sensitivity",
            Self::Specificity => "specificity",
            Self::Brier => "Brier score",
            Self::Ece => "calibration error",
            Self::AucDrop => "AUC drop",
            Self::SensitivityDrop => "sensitivity drop",
            Self::SpecificityDrop => "specificity drop",
        }
    }
}

/// Holds what was measured against the plan. `findings` are all of the model.
pub(in super::super) fn judge(
    plan: &Plan,
    findings: &[&str],
    sets: &[SetReport],
) -> (Vec<Check>, Vec<Uncovered>) {
    let mut court = Court {
        plan,
        checks: Vec::new(),
        uncovered: Vec::new(),
        subgroups_done: BTreeSet::new(),
    };
    let mut judged = BTreeSet::new();
    for gate in &plan.gates {
        for (set, report) in reports(gate, sets) {
            court.judge_gate(gate, &set.name, report);
            judged.insert(report.finding.as_str());
        }
    }
    for finding in findings {
        court.checks.push(Check {
            finding: Some((*finding).to_owned()),
            ..Check::whole(Quantity::Judged, None, None, judged.contains(finding))
        });
    }
    (court.checks, court.uncovered)
}

fn reports<'a>(gate: &Gate, sets: &'a [SetReport]) -> Vec<(&'a SetReport, &'a FindingReport)> {
    sets.iter()
        .filter(|set| set.name == gate.set)
        .flat_map(|set| set.findings.iter().map(move |report| (set, report)))
        .filter(|(_, report)| {
            gate.finding
                .as_ref()
                .is_none_or(|finding| *finding == report.finding)
        })
        .collect()
}

/// The judgement as it grows.
struct Court<'a> {
    plan: &'a Plan,
    checks: Vec<Check>,
    uncovered: Vec<Uncovered>,
    subgroups_done: BTreeSet<(String, String)>,
}

impl Court<'_> {
    fn judge_gate(&mut self, gate: &Gate, set: &str, report: &FindingReport) {
        let on = |quantity| Place {
            quantity,
            set,
            finding: &report.finding,
            subgroup: None,
        };
        let (base, candidate) = (&report.base.measures, &report.candidate.measures);
        self.checks.extend([
            on(Quantity::Present).cases(report.present, gate.minimum_present),
            on(Quantity::Absent).cases(report.absent, gate.minimum_absent),
        ]);
        self.checks.extend(bounds(gate.bounds(), candidate, on));
        self.checks.extend(drops(&gate.largest_drop, base, candidate, on));
        self.judge_subgroups(set, report);
    }

    fn judge_subgroups(&mut self, set: &str, report: &FindingReport) {
        let plan = &self.plan.subgroups;
        if !self
            .subgroups_done
            .insert((set.to_owned(), report.finding.clone()))
        {
            return;
        }
        let covered =
            |present: u32, absent: u32| plan.minimum_present <= present && plan.minimum_absent <= absent;
        for subgroup in &report.subgroups {
            let on = |quantity| Place {
                quantity,
                set,
                finding: &report.finding,
                subgroup: Some(&subgroup.name),
            };
            if covered(subgroup.present, subgroup.absent) {
                let (base, candidate) = (&subgroup.base, &subgroup.candidate);
                self.checks.extend(bounds(plan.bounds(), candidate, on));
                self.checks.extend(drops(&plan.largest_drop, base, candidate, on));
                continue;
            }
            self.uncovered.push(Uncovered {
                set: set.to_owned(),
                finding: report.finding.clone(),
                subgroup: subgroup.name.clone(),
                present: subgroup.present,
                absent: subgroup.absent,
            });
            if plan.not_covered == NotCovered::Refuse && !plan.required.contains(&subgroup.name) {
                self.checks.push(on(Quantity::Covered).plain(false));
            }
        }
        for required in &plan.required {
            let found = report
                .subgroups
                .iter()
                .find(|subgroup| subgroup.name == *required);
            let held = found.is_some_and(|subgroup| covered(subgroup.present, subgroup.absent));
            let place = Place {
                quantity: Quantity::Covered,
                set,
                finding: &report.finding,
                subgroup: Some(required),
            };
            self.checks.push(place.plain(held));
        }
    }
}

/// What a bound is about and where.
struct Place<'a> {
    quantity: Quantity,
    set: &'a str,
    finding: &'a str,
    subgroup: Option<&'a str>,
}

impl Place<'_> {
    fn plain(&self, held: bool) -> Check {
        Check {
            quantity: self.quantity,
            set: Some(self.set.to_owned()),
            finding: Some(self.finding.to_owned()),
            subgroup: self.subgroup.map(ToOwned::to_owned),
            subject: None,
            limit: None,
            judged_by: None,
            value: None,
            held,
        }
    }

    fn bounded(&self, limit: Limit, value: Option<f64>, judged_by: Option<JudgedBy>) -> Check {
        let held = value.is_some_and(|value| match limit {
            Limit::AtLeast(bound) => bound <= value + ROUNDING,
            Limit::AtMost(bound) => value <= bound + ROUNDING,
        });
        Check {
            limit: Some(limit),
            judged_by,
            value,
            ..self.plain(held)
        }
    }

    fn cases(&self, found: u32, minimum: u32) -> Check {
        self.bounded(Limit::AtLeast(f64::from(minimum)), Some(f64::from(found)), None)
    }

    fn at_least(&self, floor: AtLeast, measured: Option<Estimate>) -> Check {
        let value = measured.map(|estimate| match floor.judged_by {
            JudgedBy::Point => estimate.value,
            JudgedBy::Interval => estimate.low,
        });
        self.bounded(Limit::AtLeast(floor.at_least), value, Some(floor.judged_by))
    }

    fn at_most(&self, ceiling: AtMost, measured: Option<Estimate>) -> Check {
        let value = measured.map(|estimate| match ceiling.judged_by {
            JudgedBy::Point => estimate.value,
            JudgedBy::Interval => estimate.high,
        });
        self.bounded(Limit::AtMost(ceiling.at_most), value, Some(ceiling.judged_by))
    }
}

/// The floors and ceilings that are given. What was not measured does not hold.
fn bounds<'a>(
    bounds: Bounds,
    candidate: &Measures,
    on: impl Fn(Quantity) -> Place<'a> + Copy,
) -> impl Iterator<Item = Check> {
    let floors = [
        (Quantity::Auc, bounds.auc, candidate.auc),
        (Quantity::Sensitivity, bounds.sensitivity, candidate.sensitivity),
        (Quantity::Specificity, bounds.specificity, candidate.specificity),
    ];
    let ceilings = [
        (Quantity::Brier, bounds.brier, candidate.brier),
        (Quantity::Ece, bounds.ece, candidate.ece),
    ];
    let floors = floors
        .into_iter()
        .filter_map(move |(quantity, floor, found)| Some(on(quantity).at_least(floor?, found)));
    let ceilings = ceilings
        .into_iter()
        .filter_map(move |(quantity, ceiling, found)| Some(on(quantity).at_most(ceiling?, found)));
    floors.chain(ceilings)
}

/// The drops that have a bound. What one of the two has not, has no drop, and the bound is not held.
fn drops<'a>(
    largest: &Drops,
    base: &Measures,
    candidate: &Measures,
    on: impl Fn(Quantity) -> Place<'a>,
) -> Vec<Check> {
    let pairs = [
        (Quantity::AucDrop, largest.auc, base.auc, candidate.auc),
        (
            Quantity::SensitivityDrop,
            largest.sensitivity,
            base.sensitivity,
            candidate.sensitivity,
        ),
        (
            Quantity::SpecificityDrop,
            largest.specificity,
            base.specificity,
            candidate.specificity,
        ),
    ];
    pairs
        .into_iter()
        .filter_map(|(quantity, largest, before, after)| {
            let drop = before
                .zip(after)
                .map(|(before, after)| before.value - after.value);
            largest.map(|largest| on(quantity).bounded(Limit::AtMost(largest), drop, Some(JudgedBy::Point)))
        })
        .collect()
}
