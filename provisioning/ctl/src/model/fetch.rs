//! A candidate from the hub into a folder.

use std::path::Path;

use anyhow::{Context, bail};
use barefoot_wire::v1;

use super::name;
use crate::bundle::{Candidate, CandidateFolder, Head, Setting};
use crate::hub;

pub(super) async fn candidate(
    model: &str,
    version: &str,
    out: &Path,
    options: &hub::Options,
) -> anyhow::Result<String> {
    if out.exists() {
        bail!("{} exists already: nothing is overwritten", out.display());
    }
    let hub = options.hub()?;
    let mut client = hub.maintenance();
    let asked = name(model, version);
    let candidate = client.get_candidate(asked.clone()).await;
    let candidate = candidate.map_err(|status| hub.told(&status))?.into_inner();
    let report = client.get_report(asked).await;
    let report = report.map_err(|status| hub.told(&status))?.into_inner();
    let parameters = candidate.parameters.context("the hub gave no parameters")?;
    let asked = v1::ChunkIds {
        id: parameters.chunk.clone(),
    };
    let pulled = client.pull_candidate_chunks(asked).await;
    let mut stream = pulled.map_err(|status| hub.told(&status))?.into_inner();
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.message().await.map_err(|status| hub.told(&status))? {
        if parameters.chunk.len() <= chunks.len() {
            bail!("the hub gave more parameters than it named");
        }
        chunks.push(chunk.content.into());
    }
    let head = Head::from_chunks(&parameters, &chunks)?;
    let record = Candidate {
        schema: 1,
        model: model.to_owned(),
        version: version.to_owned(),
        base_version: candidate.base_version,
        findings: candidate
            .finding
            .into_iter()
            .map(|finding| Setting {
                code: finding.code,
                temperature: finding.temperature,
                operating_point: finding.operating_point,
            })
            .collect(),
        report_sha256: candidate.report_sha256,
    };
    CandidateFolder::save(out, &record, &head, (&report.json, &report.html))?;
    CandidateFolder::load(out)?;
    Ok(format!(
        "Fetched {model} {version} into {0}. Read {0}/report.html, then `barefootctl model bundle --base BUNDLE --candidate {0} --out DIR`.",
        out.display()
    ))
}
