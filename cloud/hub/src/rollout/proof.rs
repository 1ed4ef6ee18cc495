//! Is what stands in a release what was proven? The gate judged parameters, findings and a backbone; a signature over
//! anything else must not get out. Pure.

use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::CHUNK_VALUES;
use barefoot_trust::release::ReleaseDetails;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::model_registry::{FindingSetting, ModelState, Proof};

const CHUNK_BYTES: usize = CHUNK_VALUES * size_of::<f32>();

/// A manifest writes settings with four decimals.
const ROUNDING: f64 = 1e-4;

/// What of a bundle's manifest must be as it was proven.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    id: String,
    version: String,
    pub(super) head: Named,
    artefact: Vec<Artefact>,
    finding: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) file: String,
}

#[derive(Debug, Deserialize)]
struct Artefact {
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct Finding {
    code: String,
    temperature: f64,
    operating_point: f64,
}

/// # Errors
/// What is wrong, as the end of a sentence.
pub(super) fn manifest(text: &[u8]) -> Result<Manifest, String> {
    let text = std::str::from_utf8(text).map_err(|_| "its manifest is not text".to_owned())?;
    toml::from_str(text).map_err(|error| format!("its manifest cannot be read ({})", error.message()))
}

/// # Errors
/// What is wrong, as the end of a sentence.
pub(super) fn check(
    details: &ReleaseDetails,
    manifest: &Manifest,
    head: &[u8],
    proof: &Proof,
) -> Result<(), String> {
    match proof.state {
        ModelState::Base | ModelState::Passed | ModelState::Released => {}
        ModelState::Candidate | ModelState::Refused | ModelState::Withdrawn => {
            return Err(format!(
                "the registry says {}: it did not pass its gate",
                proof.state
            ));
        }
    }
    if manifest.id != details.model || manifest.version != details.version {
        return Err("its manifest names another model or version".to_owned());
    }
    if proof.report_sha256.is_some() && proof.report_sha256 != details.report_sha256 {
        return Err("it does not name the gate report the hub holds".to_owned());
    }
    let other = |artefact: &&Artefact| {
        !proof
            .backbone
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&artefact.sha256))
    };
    if manifest.artefact.iter().find(other).is_some() {
        return Err("it has another backbone than the one that was judged".to_owned());
    }
    let near = |a: f64, b: f64| (a - b).abs() <= ROUNDING;
    let same = |(finding, proven): (&Finding, &FindingSetting)| {
        finding.code == proven.code
            && near(finding.temperature, proven.temperature)
            && near(finding.operating_point, proven.operating_point)
    };
    if manifest.finding.len() != proof.findings.len()
        || !manifest.finding.iter().zip(&proof.findings).all(same)
    {
        return Err(
            "its findings' temperatures or operating points are not the ones that were judged".to_owned(),
        );
    }
    let chunks = chunks(head, proof).ok_or("its head is not the judged one's tensors")?;
    if chunks != proof.chunks {
        return Err("its head has other values than the ones that were judged".to_owned());
    }
    Ok(())
}

/// The head's parameters as the registry names them; `None` when they are other tensors.
fn chunks(head: &[u8], proof: &Proof) -> Option<Vec<ChunkId>> {
    let tensors = SafeTensors::deserialize(head).ok()?;
    let mut flat = Vec::new();
    for spec in proof.layout.specs() {
        let tensor = tensors.tensor(&spec.name).ok()?;
        let same = tensor.shape().len() == spec.shape.len()
            && tensor
                .shape()
                .iter()
                .zip(&spec.shape)
                .all(|(a, b)| *a as u64 == *b);
        if !same || tensor.dtype() != Dtype::F32 {
            return None;
        }
        flat.extend_from_slice(tensor.data());
    }
    (tensors.len() == proof.layout.specs().len()).then(|| flat.chunks(CHUNK_BYTES).map(ChunkId::of).collect())
}
