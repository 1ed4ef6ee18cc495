//! A model bundle: a directory with a manifest that names and hashes everything else.

mod error;
mod files;
pub mod fuzzing;
mod golden_file;
mod input;
mod manifest;
mod output;
mod weights;

use std::fs::File;
use std::path::{Path, PathBuf};

use barefoot_domain::{FindingCode, ModelVersion};

pub use error::BundleError;

pub(crate) use golden_file::GoldenCase;
pub(crate) use input::{InputForm, Layout};
pub(crate) use manifest::{Crop, Preprocessing, Takes};
pub(crate) use output::{Gives, MaskOutput, Output};
pub(crate) use weights::{HeadWeights, floats};

use crate::Precision;
use crate::scope::Scope;

const MANIFEST: &str = "manifest.toml";

/// A graph in one precision, whose hash was right. It stays on disk: a box needs one of them, and only while it is loaded.
pub(crate) struct Artefact {
    pub(crate) precision: Precision,
    /// Lower-case hex.
    pub(crate) sha256: String,
    directory: PathBuf,
    file: String,
}

impl Artefact {
    /// Its bytes, the hash looked at again.
    pub(crate) fn read(&self) -> Result<Vec<u8>, BundleError> {
        files::read_checked(&self.directory, &self.file, &self.sha256)
    }

    /// The file, the hash of what it holds looked at again.
    pub(crate) fn open(&self) -> Result<File, BundleError> {
        files::open_checked(&self.directory, &self.file, &self.sha256)
    }
}

/// One thing the model looks for.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) code: FindingCode,
    pub(crate) name_en: String,
    pub(crate) name_zh: String,
    pub(crate) urgent: bool,
    /// Which of the graph's classes it is, where the graph has classes.
    pub(crate) class: usize,
    /// Of a mask: the probability from which a pixel belongs to the finding.
    pub(crate) threshold: f32,
    /// Calibrated score from which the call is positive.
    pub(crate) operating_point: f32,
    pub(crate) temperature: f32,
}

/// A bundle that was read whole, with every hash right.
pub struct Bundle {
    /// SHA-256 of the manifest, and by it of everything the manifest hashes.
    pub(crate) digest: String,
    pub(crate) version: ModelVersion,
    pub(crate) title: String,
    pub(crate) takes: Takes,
    pub(crate) preprocessing: Preprocessing,
    /// Without it every picture is inside.
    pub(crate) scope: Option<Scope>,
    pub(crate) input: InputForm,
    pub(crate) output: Output,
    pub(crate) findings: Vec<Finding>,
    /// Of `features+head`.
    pub(crate) head: Option<HeadWeights>,
    pub(crate) artefacts: Vec<Artefact>,
    /// Empty where the engines are held against the one every box has.
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
        let golden = manifest.golden.as_ref().map(|named| {
            golden_file::parse(&read(named)?, manifest.findings.len(), |file, sha256| {
                files::read_checked(directory, file, sha256)
            })
            .map_err(|fault| fault.in_file(&named.file))
        });
        let head = manifest.head.as_ref().zip(manifest.output.features());
        let head = head.map(|(named, features)| {
            HeadWeights::parse(&read(named)?, manifest.findings.len(), features.channels).map_err(|what| {
                BundleError::Content {
                    file: named.file.clone(),
                    what,
                }
            })
        });
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
                let artefact = Artefact {
                    precision: *precision,
                    sha256: named.sha256.to_ascii_lowercase(),
                    directory: directory.to_owned(),
                    file: named.file.clone(),
                };
                artefact.open()?;
                Ok(artefact)
            })
            .collect::<Result<_, BundleError>>()?;
        Ok(Self {
            digest: files::sha256(text.as_bytes()),
            version: manifest.version,
            title: manifest.title,
            takes: manifest.takes,
            preprocessing: manifest.preprocessing,
            scope: scope.transpose()?,
            input: manifest.input,
            output: manifest.output,
            findings: manifest.findings,
            head: head.transpose()?,
            artefacts,
            golden: golden.transpose()?.unwrap_or_default(),
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

    /// `features+head`, `scores` or `mask`.
    #[must_use]
    pub fn output_kind(&self) -> &'static str {
        self.output.kind()
    }

    /// The precisions it brings, in the manifest's order.
    pub fn precisions(&self) -> impl Iterator<Item = Precision> {
        self.artefacts.iter().map(|artefact| artefact.precision)
    }

    /// How many golden cases it brings. Without any, engines are held against tract.
    #[must_use]
    pub fn golden_cases(&self) -> usize {
        self.golden.len()
    }

    /// Every finding's code with its English and its Chinese name.
    pub fn finding_names(&self) -> impl Iterator<Item = (&FindingCode, &str, &str)> {
        self.findings
            .iter()
            .map(|finding| (&finding.code, finding.name_en.as_str(), finding.name_zh.as_str()))
    }
}
