//! The answers every engine must give with the new head, computed on this machine.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use barefoot_inference::Bundle;
use serde::{Deserialize, Serialize};

use super::{CandidateFolder, Manifest, open};
use crate::test_set::load_png;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    schema: u32,
    cases: Vec<Case>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    sha256: String,
    scores: Scores,
    tolerance: f64,
    /// No matter of the head: it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outside: Option<bool>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scores {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f32: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    int8: Option<Vec<f64>>,
}

/// The golden file for the new head: same pictures, same tolerances, new scores for each artefact. Opening the base's
/// artefacts proves first that this machine's engine is right about what was there before.
pub(super) fn recompute(
    base: &Path,
    file: &str,
    bundle: &Bundle,
    manifest: &Manifest,
    candidate: &CandidateFolder,
) -> anyhow::Result<Vec<u8>> {
    let path = base.join(file);
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut record: Record = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let pictures = record
        .cases
        .iter()
        .map(|case| load_png(&base.join(&case.file)).with_context(|| case.file.clone()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for case in &mut record.cases {
        case.scores = Scores::default();
    }
    for artefact in manifest.artefacts()? {
        let (model, precision) = open(bundle, &artefact.precision)?;
        for (case, picture) in record.cases.iter_mut().zip(&pictures) {
            let scores = scores(&model.pooled_features(picture)?.values, candidate)?;
            match precision.as_str() {
                "f32" => case.scores.f32 = Some(scores),
                _ => case.scores.int8 = Some(scores),
            }
        }
    }
    let mut json = serde_json::to_vec_pretty(&record)?;
    json.push(b'\n');
    Ok(json)
}

/// As a box scores: float32 throughout. Six decimals are far within any tolerance.
fn scores(features: &[f32], candidate: &CandidateFolder) -> anyhow::Result<Vec<f64>> {
    let rows = candidate.head.rows();
    if rows.len() != candidate.record.findings.len() {
        bail!("the candidate's head has not one row for each finding");
    }
    rows.iter()
        .zip(&candidate.record.findings)
        .map(|((weights, bias), setting)| {
            let products = weights.iter().zip(features).map(|(weight, value)| weight * value);
            let logit = products.sum::<f32>() + bias;
            let score = 1.0 / (1.0 + (-logit / setting.temperature as f32).exp());
            if !score.is_finite() {
                bail!("the candidate's head gives something that is no number");
            }
            Ok((f64::from(score) * 1e6).round() / 1e6)
        })
        .collect()
}
