//! A model bundle: a directory with a manifest that names and hashes everything else.

mod error;
mod files;
mod golden_file;
mod manifest;
mod weights;

use std::path::Path;

use barefoot_domain::{FindingCode, ModelVersion};

pub use error::BundleError;

pub(crate) use golden_file::GoldenCase;
pub(crate) use manifest::{Crop, OutputNames, Preprocessing, Takes};
pub(crate) use weights::{HeadWeights, floats};

use crate::Precision;
use crate::scope::Scope;

const MANIFEST: &str = "manifest.toml";

/// A graph in one precision, as bytes whose hash was right.
pub(crate) struct Artefact {
    pub(crate) precision: Precision,
    /// Lower-case hex.
    pub(crate) sha256: String,
    pub(crate) bytes: Vec<u8>,
}

/// One thing the model looks for.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) code: FindingCode,
    pub(crate) name_en: String,
    pub(crate) name_zh: String,
    pub(crate) urgent: bool,
    /// Calibrated score from which the call is positive.
    pub(crate) operating_point: f32,
    pub(crate) temperature: f32,
}

/// A bundle that was read whole, with every hash right.
pub struct Bundle {
    pub(crate) version: ModelVersion,
    pub(crate) title: String,
    pub(crate) takes: Takes,
    pub(crate) preprocessing: Preprocessing,
    /// Without it every picture is inside.
    pub(crate) scope: Option<Scope>,
    pub(crate) output: OutputNames,
    pub(crate) findings: Vec<Finding>,
    pub(crate) head: HeadWeights,
    pub(crate) artefacts: Vec<Artefact>,
    pub(crate) golden: Vec<GoldenCase>,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Bundle {
    /// Reads `manifest.toml` in `directory` and everything it names.
    ///
    /// # Errors
    /// When anything is missing, damaged, outside the directory or contradicts itself.
    pub fn load(directory: &Path) -> Result<Self, BundleError> {
        let text = files::read_text(directory, MANIFEST)?;
        let manifest = manifest::parse(&text)?;
        let read = |named: &manifest::NamedFile| files::read_checked(directory, &named.file, &named.sha256);
        let golden_text = read(&manifest.golden)?;
        let golden = golden_file::parse(&golden_text, manifest.findings.len(), |file, sha256| {
            files::read_checked(directory, file, sha256)
        })
        .map_err(|fault| fault.in_file(&manifest.golden.file))?;
        let head = HeadWeights::parse(
            &read(&manifest.head)?,
            manifest.findings.len(),
            manifest.output.channels,
        )
        .map_err(|what| BundleError::Content {
            file: manifest.head.file.clone(),
            what,
        })?;
        let scope = manifest.scope.as_ref().map(|record| {
            let bytes = files::read_checked(directory, &record.file, &record.sha256)?;
            Scope::parse(record, &bytes).map_err(|what| BundleError::Content {
                file: record.file.clone(),
                what,
            })
        });
        let artefacts = manifest
            .artefacts
            .iter()
            .map(|(precision, named)| {
                Ok(Artefact {
                    precision: *precision,
                    sha256: named.sha256.to_ascii_lowercase(),
                    bytes: read(named)?,
                })
            })
            .collect::<Result<_, BundleError>>()?;
        Ok(Self {
            version: manifest.version,
            title: manifest.title,
            takes: manifest.takes,
            preprocessing: manifest.preprocessing,
            scope: scope.transpose()?,
            output: manifest.output,
            findings: manifest.findings,
            head,
            artefacts,
            golden,
        })
    }

    #[must_use]
    pub fn version(&self) -> &ModelVersion {
        &self.version
    }

    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Every finding's code with its English and its Chinese name.
    pub fn finding_names(&self) -> impl Iterator<Item = (&FindingCode, &str, &str)> {
        self.findings
            .iter()
            .map(|finding| (&finding.code, finding.name_en.as_str(), finding.name_zh.as_str()))
    }
}
