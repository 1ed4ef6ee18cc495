//! A candidate as it was fetched from the hub: one folder, to carry to where bundles are made and keys are.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use barefoot_federation::chunk::ChunkId;
use serde::{Deserialize, Serialize};

use super::{Head, Report};

const RECORD: &str = "candidate.json";
const HEAD: &str = "head.safetensors";
const REPORT_JSON: &str = "report.json";
const REPORT_HTML: &str = "report.html";

/// How the score of a finding becomes a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    pub(crate) code: String,
    pub(crate) temperature: f64,
    pub(crate) operating_point: f64,
}

/// What the hub says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Candidate {
    pub(crate) schema: u32,
    pub(crate) model: String,
    pub(crate) version: String,
    pub(crate) base_version: String,
    /// In the order of the head's rows.
    pub(crate) findings: Vec<Setting>,
    /// SHA-256 (hex) of report.json.
    pub(crate) report_sha256: String,
}

impl Candidate {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.model, self.version)
    }

    /// Takes the numbers from the report, whose hash is what people sign on; the hub's message only repeats them.
    fn hold_to(&mut self, report: &Report) -> anyhow::Result<()> {
        let codes: Vec<&str> = self
            .findings
            .iter()
            .map(|setting| setting.code.as_str())
            .collect();
        let judged = |code: &str| {
            report
                .recalibrated
                .iter()
                .filter(|one| one.finding == code)
                .count()
        };
        if let Some(other) = report
            .recalibrated
            .iter()
            .find(|one| !codes.contains(&one.finding.as_str()) || judged(&one.finding) != 1)
        {
            bail!(
                "{REPORT_JSON} judged {} otherwise than {RECORD} lists it: fetch the candidate again",
                other.finding
            );
        }
        for setting in &mut self.findings {
            let Some(judged) = report.recalibrated(&setting.code) else {
                continue;
            };
            if !same(setting.temperature, judged.temperature)
                || !same(setting.operating_point, judged.operating_point)
            {
                bail!(
                    "{}: temperature {} and operating point {} are not those that were judged ({} and {}): fetch the candidate again, and ask who runs the hub when they stay",
                    setting.code,
                    setting.temperature,
                    setting.operating_point,
                    judged.temperature,
                    judged.operating_point
                );
            }
            (setting.temperature, setting.operating_point) = (judged.temperature, judged.operating_point);
        }
        Ok(())
    }
}

/// One number written and read a few times: its last binary digit may differ.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-12 * other.abs()
}

/// The folder, read and checked against itself.
#[derive(Debug)]
pub(crate) struct CandidateFolder {
    pub(crate) record: Candidate,
    pub(crate) head: Head,
    pub(crate) report: Report,
}

impl CandidateFolder {
    /// Writes a folder that must not exist.
    pub(crate) fn save(
        directory: &Path,
        record: &Candidate,
        head: &Head,
        report: (&str, &str),
    ) -> anyhow::Result<()> {
        if directory.exists() {
            bail!("{} exists already: nothing is overwritten", directory.display());
        }
        let (json, html) = report;
        let files: [(&str, Vec<u8>); 4] = [
            (RECORD, serde_json::to_vec_pretty(record)?),
            (HEAD, head.to_bytes()?),
            (REPORT_JSON, json.into()),
            (REPORT_HTML, html.into()),
        ];
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        for (name, bytes) in files {
            let path = directory.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    pub(crate) fn load(directory: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = directory.join(name);
            fs::read(&path).with_context(|| {
                format!(
                    "cannot read {}: fetch the candidate with `barefootctl model candidate`",
                    path.display()
                )
            })
        };
        let mut record: Candidate = serde_json::from_slice(&read(RECORD)?)
            .with_context(|| format!("{RECORD} is damaged: fetch the candidate again"))?;
        if record.schema != 1 {
            bail!("{RECORD} has schema {}, this program reads 1", record.schema);
        }
        let json = read(REPORT_JSON)?;
        if ChunkId::of(&json).to_string() != record.report_sha256 {
            bail!("{REPORT_JSON} is not the report the hub named: fetch the candidate again");
        }
        let report = Report::parse(&json)?;
        if !report.is_of(&record.model, &record.version) {
            bail!("{REPORT_JSON} is another candidate's, or of one that did not pass its gate");
        }
        record.hold_to(&report)?;
        let head = Head::load(&directory.join(HEAD))?;
        if head.chunks().map(|(id, _)| id.to_string()).collect::<Vec<_>>() != report.chunks() {
            bail!("{HEAD} holds other values than those that were judged: fetch the candidate again");
        }
        Ok(Self { record, head, report })
    }
    /// What the gate did not fit must be as the base has it.
    pub(super) fn check_kept(&self, base: &[Setting]) -> anyhow::Result<()> {
        for setting in &self.record.findings {
            if self.report.recalibrated(&setting.code).is_some() {
                continue;
            }
            let kept = base.iter().any(|before| {
                before.code == setting.code
                    && same(setting.temperature, before.temperature)
                    && same(setting.operating_point, before.operating_point)
            });
            if !kept {
                bail!(
                    "{}: the gate report names no temperature and operating point, and the candidate's are not the base's: fetch the candidate again",
                    setting.code
                );
            }
        }
        Ok(())
    }
}
