//! All versions at a glance, for the page.

use serde::{Deserialize, Serialize};

use super::gate::Check;
use super::record::from_json;
use super::registry::{Registry, record};
use super::report::Report;
use super::{Error, ModelState};

/// One version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VersionOverview {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) state: ModelState,
    pub(crate) made_at_ms: i64,
    pub(crate) run: Option<String>,
    pub(crate) base_version: Option<String>,
    /// None for a base and for a candidate that is being judged.
    pub(crate) gate: Option<GateSummary>,
}

/// The gate's word in short; stored beside the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GateSummary {
    pub(crate) passed: bool,
    /// How many bounds are held, and those that are not.
    pub(crate) held: usize,
    pub(crate) broken: Vec<Check>,
    /// Subgroups too small to be judged.
    pub(crate) uncovered: usize,
    pub(crate) figures: Vec<FigureSummary>,
}

/// AUC on one set, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FigureSummary {
    pub(crate) set: String,
    pub(crate) finding: String,
    pub(crate) base_auc: Option<f64>,
    pub(crate) candidate_auc: Option<f64>,
}

impl GateSummary {
    pub(super) fn of(report: &Report) -> Self {
        let figures = report.sets.iter().flat_map(|set| {
            set.findings.iter().map(|finding| FigureSummary {
                set: set.name.clone(),
                finding: finding.finding.clone(),
                base_auc: finding.base.measures.auc.map(|auc| auc.value),
                candidate_auc: finding.candidate.measures.auc.map(|auc| auc.value),
            })
        });
        Self {
            passed: report.passed,
            held: report.checks.iter().filter(|check| check.held).count(),
            broken: report
                .checks
                .iter()
                .filter(|check| !check.held)
                .cloned()
                .collect(),
            uncovered: report.uncovered.len(),
            figures: figures.collect(),
        }
    }
}

impl Registry {
    /// All versions of all models, the newest first.
    ///
    /// # Errors
    /// When the archive does not answer.
    pub(crate) async fn overview(&self) -> Result<Vec<VersionOverview>, Error> {
        let summaries = self.archive.gate_summaries().await?;
        let summary = |id: &str, version: &str| {
            let found = summaries.get(&(id.to_owned(), version.to_owned()));
            found.map(|json| from_json(json, "gate summary")).transpose()
        };
        let versions = self.archive.models().await?.into_iter().map(|row| {
            Ok(VersionOverview {
                base_version: record(&row)?.provenance.map(|provenance| provenance.base_version),
                gate: summary(&row.id, &row.version)?,
                id: row.id,
                version: row.version,
                state: row.state,
                made_at_ms: row.made_at_ms,
                run: row.run,
            })
        });
        versions.collect()
    }
}
