//! What the gate found, for people and for programs: one JSON document, and one HTML document that needs nothing
//! else, runs no script and prints. Both are stored with their SHA-256 and never change.

mod charts;
mod view;
mod words;

pub(crate) use words::quantity as quantity_label;

use askama::Template;
use barefoot_federation::chunk::ChunkId;
use serde::{Deserialize, Serialize};

use super::gate::{Check, Recalibrated, SetReport, Uncovered};
use super::provenance::ProvenanceRecord;
use super::record::to_json;
use super::{Error, GateSummary, PlanPin};
use crate::archive::ReportRow;

/// The report. What programs read changes only with `schema`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) model_id: String,
    pub(crate) version: String,
    pub(crate) base_version: String,
    pub(crate) judged_at_ms: i64,
    /// Every check is held.
    pub(crate) passed: bool,
    pub(crate) checks: Vec<Check>,
    /// Subgroups too small to be judged.
    pub(crate) uncovered: Vec<Uncovered>,
    pub(crate) recalibrated: Vec<Recalibrated>,
    pub(crate) sets: Vec<SetReport>,
    /// None when the run had no plan that counts.
    pub(crate) plan: Option<PlanUsed>,
    pub(crate) provenance: ProvenanceRecord,
}

/// The plan as it was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanUsed {
    #[serde(flatten)]
    pub(crate) pin: PlanPin,
    pub(crate) registered_at_ms: i64,
    pub(crate) rationale: String,
    pub(crate) toml: String,
}

impl Report {
    /// The bounds that are not held, as sentences.
    pub(crate) fn failed(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|check| !check.held);
        failed.map(ToString::to_string).collect()
    }

    /// Both documents with their hashes.
    pub(super) fn documents(&self) -> Result<ReportRow, Error> {
        let json = to_json(self, "gate report")?;
        let html = view::ReportView::new(self)
            .render()
            .map_err(|_| Error::Stored { what: "gate report" })?;
        Ok(ReportRow {
            json_sha256: ChunkId::of(json.as_bytes()).to_string(),
            html_sha256: ChunkId::of(html.as_bytes()).to_string(),
            summary: to_json(&GateSummary::of(self), "gate summary")?,
            json,
            html,
        })
    }
}
