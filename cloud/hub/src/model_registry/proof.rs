//! What a release of a version must hold to be what was judged.

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::Layout;

use super::registry::{Registry, record};
use super::{BaseModel, Error, FindingSetting, ModelState};

/// A version as the registry knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proof {
    pub(crate) state: ModelState,
    pub(crate) layout: Layout,
    /// The F32 chunks of the parameters, in order.
    pub(crate) chunks: Vec<ChunkId>,
    /// SHA-256 (hex) of the backbone artefacts.
    pub(crate) backbone: Vec<String>,
    pub(crate) findings: Vec<FindingSetting>,
    /// SHA-256 (hex) of the gate report's JSON; `None` for a base.
    pub(crate) report_sha256: Option<String>,
}

impl Registry {
    /// # Errors
    /// [`Error::Unknown`] for a version nobody registered and no run made.
    pub(crate) async fn proof(&self, id: &str, version: &str) -> Result<Proof, Error> {
        let row = self.row(id, version).await?;
        let report = self.archive.gate_report(id, version).await?;
        let BaseModel {
            layout,
            chunks,
            backbone,
            findings,
        } = record(&row)?.model()?;
        Ok(Proof {
            state: row.state,
            layout,
            chunks,
            backbone,
            findings,
            report_sha256: report.map(|report| report.json_sha256),
        })
    }
}
