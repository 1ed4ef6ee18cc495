//! The pooled features of labelled studies on disk: what is learnt from, in place of the pictures.
//!
//! ```text
//! features/<sha256 of the artefact>/<study key>-<version>
//! ```
//! They can be made again from the pictures at any time; a damaged file is.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use barefoot_imaging::{header, pixels};
use barefoot_inference::Model;
use prost::Message;

use crate::at_rest;
use crate::case_log::{self, Entry};
use crate::durable;
use crate::study_folder::{StateDirectory, StudyKey, sync_directory};

/// A version of a study.
pub(super) type Reference = (StudyKey, u32);

/// Features of one version of one study: for each finding, of the picture on which it scored highest.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StudyFeatures {
    #[prost(message, repeated, tag = "1")]
    pub findings: Vec<FindingFeatures>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FindingFeatures {
    #[prost(string, tag = "1")]
    pub code: String,
    /// The file stem of the picture, which is a hash.
    #[prost(string, tag = "2")]
    pub instance: String,
    #[prost(float, tag = "3")]
    pub score: f32,
    #[prost(float, repeated, tag = "4")]
    pub features: Vec<f32>,
}

/// Why a version has no features.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the case log or the features cannot be read or written")]
    Disk(#[from] io::Error),
    #[error("the case log does not hold this version")]
    NoVersion,
    #[error("it is not certain whose images these are")]
    Identity,
    #[error("the model takes none of the images")]
    NothingTaken,
}

/// The features of one artefact.
#[derive(Debug, Clone)]
pub(super) struct Cabinet {
    directory: PathBuf,
}

impl Cabinet {
    /// Those of `backbone` below `root`; features of other artefacts are of no use any more and go.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn open(root: &Path, backbone: &str) -> io::Result<Self> {
        let directory = root.join(backbone);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        for entry in fs::read_dir(root)? {
            let path = entry?.path();
            if path != directory {
                fs::remove_dir_all(path)?;
            }
        }
        sync_directory(root)?;
        Ok(Self { directory })
    }

    fn path(&self, (study, version): &Reference) -> PathBuf {
        self.directory.join(format!("{study}-{version}"))
    }

    /// Removes everything that is not in `keep`; gives how many.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn keep_only(&self, keep: &HashSet<Reference>) -> io::Result<usize> {
        let names: HashSet<PathBuf> = keep.iter().map(|reference| self.path(reference)).collect();
        let mut removed = 0;
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if !names.contains(&path) {
                fs::remove_file(&path)?;
                removed += 1;
            }
        }
        if 0 < removed {
            sync_directory(&self.directory)?;
        }
        Ok(removed)
    }

    /// What was kept; `None` where nothing usable is.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn get(&self, reference: &Reference) -> io::Result<Option<StudyFeatures>> {
        let bytes = durable::read(&self.path(reference))?;
        Ok(bytes.and_then(|bytes| StudyFeatures::decode(bytes.as_slice()).ok()))
    }

    /// # Errors
    /// When the disk fails.
    pub(super) fn put(&self, reference: &Reference, features: &StudyFeatures) -> io::Result<()> {
        durable::replace(&self.path(reference), &features.encode_to_vec())
    }
}

/// Removes from every artefact's features what is not in `keep`; gives how many.
///
/// # Errors
/// When the disk fails.
pub(super) fn keep_only(root: &Path, keep: &HashSet<Reference>) -> io::Result<usize> {
    let artefacts = match fs::read_dir(root) {
        Ok(artefacts) => artefacts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for artefact in artefacts {
        let directory = artefact?.path();
        removed += Cabinet { directory }.keep_only(keep)?;
    }
    Ok(removed)
}

/// Removes all features of all artefacts.
///
/// # Errors
/// When the disk fails.
pub(super) fn remove_all(root: &Path) -> io::Result<()> {
    match fs::remove_dir_all(root) {
        Ok(()) => root.parent().map_or(Ok(()), sync_directory),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Runs the model over the version's pictures. Busy, for as long as assessing takes.
///
/// # Errors
/// [`Error`].
pub(super) fn compute(
    model: &Model,
    state: &StateDirectory,
    (study, version): &Reference,
) -> Result<StudyFeatures, Error> {
    let mut best: Vec<Option<FindingFeatures>> = model.findings().map(|_| None).collect();
    for name in instances(state, study, *version)? {
        let path = state.instances(study).join(&name);
        let Ok(header) = header::read_header(&at_rest::stored(&path)) else {
            continue;
        };
        if model.takes(&header).is_err() {
            continue;
        }
        let pooled = match pixels::load_gray(&at_rest::stored(&path), &header) {
            Ok(image) => model.pooled_features(&image),
            Err(_) => continue,
        };
        let Ok(pooled) = pooled else {
            continue;
        };
        for ((best, code), score) in best.iter_mut().zip(model.findings()).zip(&pooled.scores) {
            if best.as_ref().is_none_or(|best| best.score < score.value()) {
                *best = Some(FindingFeatures {
                    code: code.as_str().to_owned(),
                    instance: name.trim_end_matches(".dcm").to_owned(),
                    score: score.value(),
                    features: pooled.values.clone(),
                });
            }
        }
    }
    let findings: Vec<FindingFeatures> = best.into_iter().flatten().collect();
    if findings.is_empty() {
        return Err(Error::NothingTaken);
    }
    Ok(StudyFeatures { findings })
}

/// The files of a version, as the case log names them.
fn instances(state: &StateDirectory, study: &StudyKey, wanted: u32) -> Result<Vec<String>, Error> {
    let replay = case_log::replay(&state.case_log(study))?;
    let settled = replay.entries.into_iter().rev().find_map(|entry| match entry {
        Entry::Settled {
            version,
            instances,
            conflicts,
            strangers,
            ..
        } if version == wanted => Some((instances, conflicts + strangers)),
        _ => None,
    });
    match settled {
        None => Err(Error::NoVersion),
        Some((_, 1..)) => Err(Error::Identity),
        Some((instances, 0)) => Ok(instances),
    }
}
