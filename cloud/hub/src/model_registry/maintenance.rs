//! What maintainers ask from afar, in the messages of the wire.

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::{Layout, TensorSpec};
use barefoot_wire::v1;
use bytes::Bytes;

use super::record::{ModelRecord, from_json, to_json};
use super::registry::{Registry, record};
use super::report::Report;
use super::{BaseModel, Error, FindingSetting};
use crate::archive::ModelRow;

/// Chunks asked for in one call.
const MAX_ASKED: usize = 4096;

impl Registry {
    /// # Errors
    /// As [`Registry::register_base`].
    pub(crate) async fn register_model(
        &self,
        request: v1::RegisterModelRequest,
    ) -> Result<v1::RegisterModelReply, Error> {
        let parameters = request
            .parameters
            .ok_or_else(|| Error::invalid("A model comes with its parameters."))?;
        if parameters.encoding() != v1::Encoding::F32 {
            return Err(Error::invalid("A base's parameters are F32."));
        }
        let specs = parameters.tensors.into_iter().map(|tensor| TensorSpec {
            name: tensor.name,
            shape: tensor.shape,
        });
        let chunks = parameters.chunk.iter().map(|id| ChunkId::try_from(id.as_slice()));
        let model = BaseModel {
            layout: Layout::new(specs.collect()).map_err(|error| Error::invalid(error.to_string()))?,
            chunks: chunks
                .collect::<Result<_, _>>()
                .map_err(|error| Error::invalid(error.to_string()))?,
            backbone: request.backbone,
            findings: request
                .finding
                .into_iter()
                .map(|finding| FindingSetting {
                    code: finding.code,
                    temperature: finding.temperature,
                    operating_point: finding.operating_point,
                })
                .collect(),
        };
        let known_before = self
            .register_base(&request.id, &request.version, model, request.content)
            .await?;
        Ok(v1::RegisterModelReply { known_before })
    }

    /// `boxes` says how many boxes run a version (model id, version).
    ///
    /// # Errors
    /// When the archive does not answer.
    pub(crate) async fn list_models(
        &self,
        boxes: impl Fn(&str, &str) -> u32,
    ) -> Result<v1::ModelList, Error> {
        let model = self.versions().await?.into_iter().map(|row| v1::ModelView {
            boxes: boxes(&row.id, &row.version),
            id: row.id,
            version: row.version,
            state: row.state.name().to_owned(),
            run: row.run.unwrap_or_default(),
            made_at_ms: row.made_at_ms,
        });
        Ok(v1::ModelList {
            model: model.collect(),
        })
    }

    /// # Errors
    /// [`Error::Unknown`] for a version that was not judged.
    pub(crate) async fn report(&self, name: &v1::ModelName) -> Result<v1::GateReport, Error> {
        let row = self.row(&name.id, &name.version).await?;
        let documents = self
            .archive
            .gate_report(&row.id, &row.version)
            .await?
            .ok_or(Error::Unknown { what: "gate report" })?;
        let as_stored = |text: &str, sha256: &str| ChunkId::of(text.as_bytes()).to_string() == sha256;
        if !as_stored(&documents.json, &documents.json_sha256)
            || !as_stored(&documents.html, &documents.html_sha256)
        {
            return Err(Error::Stored { what: "gate report" });
        }
        let report: Report = from_json(&documents.json, "gate report")?;
        Ok(v1::GateReport {
            passed: report.passed,
            json: documents.json,
            html: documents.html,
        })
    }

    /// # Errors
    /// [`Error::OutsideBounds`] with every bound that is not held, [`Error::State`] for what is no candidate.
    pub(crate) async fn candidate(&self, name: &v1::ModelName) -> Result<v1::Candidate, Error> {
        let row = self.row(&name.id, &name.version).await?;
        let documents = self.archive.gate_report(&row.id, &row.version).await?;
        if !row.state.may_be_signed() {
            return Err(self.why_not(&row, documents.as_ref().map(|documents| documents.json.as_str())));
        }
        let documents = documents.ok_or(Error::Stored { what: "gate report" })?;
        let record = record(&row)?;
        let provenance = record
            .provenance
            .as_ref()
            .ok_or(Error::Stored { what: "provenance" })?;
        Ok(v1::Candidate {
            name: Some(name.clone()),
            base_version: provenance.base_version.clone(),
            parameters: Some(parameters(&record)?),
            finding: record
                .findings
                .iter()
                .map(|finding| v1::FindingSetting {
                    code: finding.code.clone(),
                    temperature: finding.temperature,
                    operating_point: finding.operating_point,
                })
                .collect(),
            provenance_json: to_json(provenance, "provenance")?,
            report_sha256: documents.json_sha256,
        })
    }

    /// Chunks of candidates that may be signed, one by one. Checked before the first is read.
    ///
    /// # Errors
    /// [`Error::Unknown`] when one of them belongs to no such candidate.
    pub(crate) async fn candidate_chunks(&self, asked: &v1::ChunkIds) -> Result<Vec<ChunkId>, Error> {
        if MAX_ASKED < asked.id.len() {
            return Err(Error::invalid("One call asks for at most 4096 chunks."));
        }
        let mut offered = std::collections::HashSet::new();
        for row in self.versions().await? {
            if row.state.may_be_signed() {
                offered.extend(record(&row)?.chunks);
            }
        }
        let asked = asked.id.iter().map(|id| {
            let id = ChunkId::try_from(id.as_slice()).map_err(|error| Error::invalid(error.to_string()))?;
            if offered.contains(&id.to_string()) {
                Ok(id)
            } else {
                Err(Error::Unknown { what: "chunk" })
            }
        });
        asked.collect()
    }

    /// One chunk's content.
    ///
    /// # Errors
    /// When the store cannot give it.
    pub(crate) async fn chunk(&self, id: ChunkId) -> Result<Bytes, Error> {
        self.chunks
            .read(id)
            .await
            .map_err(|source| Error::Chunks { source })
    }

    fn why_not(&self, row: &ModelRow, report: Option<&str>) -> Error {
        let failed = report
            .and_then(|json| from_json::<Report>(json, "gate report").ok())
            .map(|report| report.failed())
            .unwrap_or_default();
        if failed.is_empty() {
            Error::State {
                version: row.version.clone(),
                state: row.state.name(),
                why: "only a candidate that passed its gate is handed out for signing",
            }
        } else {
            Error::OutsideBounds { failed }
        }
    }
}

fn parameters(record: &ModelRecord) -> Result<v1::Parameters, Error> {
    let model = record.model()?;
    Ok(v1::Parameters {
        tensors: record
            .tensors
            .iter()
            .map(|tensor| v1::TensorSpec {
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
            })
            .collect(),
        encoding: v1::Encoding::F32.into(),
        chunk: model.chunks.iter().map(|id| id.0.to_vec()).collect(),
    })
}
