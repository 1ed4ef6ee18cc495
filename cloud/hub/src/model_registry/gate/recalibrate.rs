use barefoot_federation::metrics;
use serde::{Deserialize, Serialize};

use super::super::FindingSetting;
use super::super::head::{Head, score};
use super::super::plan::{OperatingRule, Plan, Recalibration, TemperatureRule};
use super::super::test_set::TestSet;

/// What became of one finding's temperature and operating point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recalibrated {
    pub(crate) finding: String,
    pub(crate) temperature_before: f64,
    pub(crate) temperature: f64,
    pub(crate) operating_point_before: f64,
    pub(crate) operating_point: f64,
    /// The calibration set, where anything was fitted.
    pub(crate) set: Option<String>,
    /// The sensitivity the operating point was chosen for.
    pub(crate) sensitivity: Option<f64>,
}

/// The candidate's findings after the plan's recalibration.
///
/// # Errors
/// Says which finding cannot be fitted and why: the gate is then not passed.
pub(in super::super) fn recalibrate(
    plan: &Plan,
    base: &[FindingSetting],
    head: &Head,
    set: Option<&TestSet>,
) -> Result<Vec<Recalibrated>, String> {
    let rule = &plan.recalibration;
    let foreign = |code: &&String| !base.iter().any(|setting| setting.code == **code);
    if let Some(code) = rule.sensitivity.keys().find(foreign) {
        return Err(format!(
            "{code}: a sensitivity is wanted, and the model has no such finding"
        ));
    }
    base.iter()
        .enumerate()
        .map(|(row, setting)| finding(rule, row, setting, head, set))
        .collect()
}

fn finding(
    rule: &Recalibration,
    row: usize,
    setting: &FindingSetting,
    head: &Head,
    set: Option<&TestSet>,
) -> Result<Recalibrated, String> {
    let kept = Recalibrated {
        finding: setting.code.clone(),
        temperature_before: setting.temperature,
        temperature: setting.temperature,
        operating_point_before: setting.operating_point,
        operating_point: setting.operating_point,
        set: None,
        sensitivity: None,
    };
    let code = &setting.code;
    let wanted = rule.sensitivity.get(code).copied();
    // A finding the set does not label keeps what it has, unless something is wanted of it; the report shows it as kept.
    let Some((set, present)) = set.and_then(|set| Some((set, set.labels(code)?))) else {
        return match wanted {
            Some(_) => Err(format!(
                "{code}: a sensitivity is wanted, and the calibration set does not label it"
            )),
            None => Ok(kept),
        };
    };
    let logits: Vec<f64> = set
        .features()
        .map(|features| head.logit(row, features))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{code}: the calibration set's features do not fit the head"))?;
    let temperature = match rule.temperature {
        TemperatureRule::Keep => setting.temperature,
        TemperatureRule::Fit => metrics::fit_temperature(&logits, &present)
            .map_err(|error| format!("{code}: no temperature can be fitted: {error}"))?,
    };
    let operating_point = match (rule.operating_point, wanted) {
        (OperatingRule::AtSensitivity, Some(wanted)) => {
            let scores: Vec<f64> = logits
                .iter()
                .map(|logit| f64::from(score(*logit, temperature)))
                .collect();
            metrics::threshold_for_sensitivity(&scores, &present, wanted)
                .map_err(|error| format!("{code}: no operating point can be chosen: {error}"))?
        }
        (OperatingRule::AtSensitivity, None) | (OperatingRule::Keep, _) => setting.operating_point,
    };
    let fitted = rule.temperature == TemperatureRule::Fit || wanted.is_some();
    Ok(Recalibrated {
        temperature,
        operating_point,
        set: fitted.then(|| set.name.clone()),
        sensitivity: wanted,
        ..kept
    })
}
