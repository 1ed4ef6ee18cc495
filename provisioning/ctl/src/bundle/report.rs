//! What of the hub's gate report goes into a bundle. Fields we do not name may come and go.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Report {
    model_id: String,
    version: String,
    passed: bool,
    checks: Vec<Check>,
    pub(super) sets: Vec<Set>,
    pub(super) recalibrated: Vec<Recalibrated>,
    pub(super) uncovered: Vec<Uncovered>,
    pub(super) provenance: Provenance,
}

#[derive(Debug, Clone, Deserialize)]
struct Check {
    quantity: String,
    set: Option<String>,
    finding: Option<String>,
    subgroup: Option<String>,
    subject: Option<String>,
    value: Option<f64>,
    held: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) cases: u32,
    pub(super) gates: bool,
    pub(super) findings: Vec<Finding>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Finding {
    pub(super) finding: String,
    pub(super) present: u32,
    pub(super) base: Measured,
    pub(super) candidate: Measured,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Measured {
    pub(super) measures: Measures,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Measures {
    pub(super) auc: Option<Estimate>,
    pub(super) sensitivity: Option<Estimate>,
    pub(super) specificity: Option<Estimate>,
    pub(super) brier: Option<Estimate>,
    pub(super) ece: Option<Estimate>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Recalibrated {
    pub(super) finding: String,
    pub(super) temperature: f64,
    pub(super) operating_point: f64,
    pub(super) set: Option<String>,
    pub(super) sensitivity: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Uncovered {
    pub(super) set: String,
    pub(super) finding: String,
    pub(super) subgroup: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Provenance {
    pub(super) run: String,
    backbone: Vec<String>,
    chunks: Vec<String>,
    pub(super) rounds: Vec<Round>,
    pub(super) strategy: Strategy,
    pub(super) privacy: Privacy,
    pub(super) code: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Round {
    pub(super) participants: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Strategy {
    pub(super) name: String,
    pub(super) parameters: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Privacy {
    pub(super) clip_norm: f64,
    pub(super) noise_multiplier: f64,
    pub(super) secure_aggregation: bool,
    pub(super) delta: f64,
    pub(super) epsilon_spent: Option<f64>,
}

impl Report {
    pub(crate) fn parse(json: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(json)
            .context("the gate report cannot be read: is this program as new as the hub?")
    }

    pub(crate) fn is_of(&self, model: &str, version: &str) -> bool {
        self.passed && self.model_id == model && self.version == version
    }

    /// Every bound that is not held, one line each.
    pub(crate) fn failed(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|check| !check.held);
        failed
            .map(|check| {
                let places = [&check.set, &check.finding, &check.subgroup, &check.subject];
                let places: Vec<&str> = places.into_iter().flatten().map(String::as_str).collect();
                let value = check.value.map_or(String::new(), |value| format!(": {value:.4}"));
                format!("{} {}{value}", check.quantity, places.join(", "))
            })
            .collect()
    }

    pub(crate) fn held(&self) -> usize {
        self.checks.iter().filter(|check| check.held).count()
    }

    /// What the gate measured a finding's calls with.
    pub(super) fn recalibrated(&self, code: &str) -> Option<&Recalibrated> {
        self.recalibrated.iter().find(|one| one.finding == code)
    }

    /// SHA-256 (hex) of the artefacts it was trained on.
    pub(super) fn backbone(&self) -> &[String] {
        &self.provenance.backbone
    }

    /// SHA-256 (hex) of the candidate's chunks, in order.
    pub(super) fn chunks(&self) -> &[String] {
        &self.provenance.chunks
    }

    /// Fewest and most clinics in a round.
    pub(super) fn participants(&self) -> (u32, u32) {
        let counts = || self.provenance.rounds.iter().map(|round| round.participants);
        (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
    }
}
