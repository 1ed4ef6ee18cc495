//! Looks through everything that is stored, as a maintainer would after a power cut: brought in order as at every start,
//! then each image against its seal, and the index against the folders. Needs neither ports nor model.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use barefoot_imaging::header;
use barefoot_trust::PseudonymKey;
use ring::digest;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::at_rest;
use crate::case_book::CaseBook;
use crate::case_index::CaseIndex;
use crate::character_sets::CharacterSets;
use crate::config::Config;
use crate::membership::Membership;
use crate::pipeline::{Error, open_queue, pseudonym_key};
use crate::spool::{Spool, whole};
use crate::status::Status;
use crate::study_folder::{StateDirectory, StudyKey, hex, instance_stem};

/// What was found. Names are hashes: no identity is in it.
#[derive(Debug, Default, Serialize)]
pub struct StoreReport {
    pub studies: usize,
    pub instances: usize,
    /// Whole instances that had been received but not been given their place.
    pub placed: usize,
    /// Unfinished files that nobody was told are kept.
    pub cleared: usize,
    pub quarantined: u64,
    /// Stored before files carried a seal: only their structure could be checked.
    pub unsealed: usize,
    /// For people: what is wrong, and where.
    pub problems: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<StoredFile>,
}

#[derive(Debug, Serialize)]
pub struct StoredFile {
    pub study: String,
    pub file: String,
    /// The first 16 bytes of the SHA-256 of its SOP Instance UID, in hex.
    pub sop_instance_uid_hash: String,
    pub sha256_of_data_set: String,
}

/// The daemon must not run meanwhile. `list`: also names every stored file.
///
/// # Errors
/// When the store cannot be opened; what is wrong inside stands in the report.
pub fn check(config: &Config, list: bool) -> Result<StoreReport, Error> {
    let directory = &config.storage.directory;
    let in_state = |source| Error::State {
        path: directory.display().to_string(),
        source,
    };
    let state = StateDirectory::open(directory).map_err(in_state)?;
    at_rest::unlock(directory, &config.at_rest).map_err(|source| Error::AtRest { source })?;
    let membership = Membership::required(config).map_err(|source| Error::Membership { source })?;
    let pseudonyms: PseudonymKey = pseudonym_key(&state)?;
    let status = Status::new(open_queue(&state)?);
    let (stored, _nobody) = mpsc::channel(1);
    let (_spool, recovered) =
        Spool::open(&config.storage, state.clone(), stored, status.clone()).map_err(in_state)?;
    let index = CaseIndex::default();
    let book = CaseBook::new(
        state.clone(),
        membership.clinic,
        pseudonyms,
        index.clone(),
        CharacterSets::new(config.dicom.character_sets()),
    );
    book.recover().map_err(in_state)?;
    let mut report = StoreReport {
        placed: recovered.placed,
        cleared: recovered.cleared,
        quarantined: status.quarantined(),
        ..StoreReport::default()
    };
    for entry in fs::read_dir(state.studies()).map_err(in_state)? {
        let name = entry.map_err(in_state)?.file_name();
        let Some(study) = name.to_str().and_then(StudyKey::parse) else {
            report
                .problems
                .push("studies/ holds something that is no study".to_owned());
            continue;
        };
        report.studies += 1;
        let files = look_through(&state, &study, list, &mut report);
        let indexed = index.get(&study).map_or(0, |view| view.instances);
        if indexed != files {
            let problem =
                format!("study {study}: the index counts {indexed} images, the folder holds {files}");
            report.problems.push(problem);
        }
    }
    Ok(report)
}

/// How many images the study has, conflicting copies left out.
fn look_through(state: &StateDirectory, study: &StudyKey, list: bool, report: &mut StoreReport) -> usize {
    let directory = state.instances(study);
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return 0,
        Err(error) => {
            report
                .problems
                .push(format!("study {study}: its images cannot be listed: {error}"));
            return 0;
        }
    };
    let mut images = 0;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match look_at(&entry.path(), &name, study) {
            Ok((file, sealed)) => {
                report.instances += 1;
                report.unsealed += usize::from(!sealed);
                if list {
                    report.stored.push(file);
                }
            }
            Err(problem) => report.problems.push(format!("study {study}, {name}: {problem}")),
        }
        images += usize::from(!name.contains(".conflict-"));
    }
    images
}

/// The file, and whether it carries a seal.
fn look_at(path: &Path, name: &str, study: &StudyKey) -> Result<(StoredFile, bool), String> {
    let sealed = whole(path).map_err(|error| format!("it cannot be read: {error}"))?;
    if sealed == Some(false) {
        return Err("it is not what was received".to_owned());
    }
    let header = header::read_header(&at_rest::stored(path))
        .map_err(|error| format!("it is no whole DICOM object: {error}"))?;
    let stem = instance_stem(header.sop_instance_uid());
    if StudyKey::of(header.study_uid()) != *study || !name.starts_with(&stem) {
        return Err("it lies under another image's name".to_owned());
    }
    let digest = data_set_sha256(path, header.data_set_offset())
        .map_err(|error| format!("it cannot be read: {error}"))?;
    let file = StoredFile {
        study: study.to_string(),
        file: name.to_owned(),
        sop_instance_uid_hash: stem,
        sha256_of_data_set: digest,
    };
    Ok((file, sealed.is_some()))
}

fn data_set_sha256(path: &Path, offset: u64) -> io::Result<String> {
    let mut file = at_rest::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut block = vec![0; 256 * 1024];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(context.finish().as_ref().iter())),
            count => context.update(block.get(..count).unwrap_or_default()),
        }
    }
}
