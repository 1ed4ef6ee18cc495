//! From a name at the hub back to the clinic's own: only here, where the key and the studies are.

use std::fs;
use std::io;

use barefoot_domain::StudyUid;
use barefoot_imaging::deidentify;
use barefoot_imaging::header;

use crate::at_rest;
use crate::case_log::{self, Entry, PatientText};
use crate::character_sets::CharacterSets;
use crate::config::Config;
use crate::pipeline::{self, load_pseudonym_key};
use crate::study_folder::{StateDirectory, StudyKey};

/// Why nothing can be looked up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state directory cannot be read")]
    State { source: io::Error },
    #[error("the key for pseudonyms cannot be used")]
    Pseudonyms { source: pipeline::Error },
    #[error("what is kept here cannot be opened")]
    AtRest { source: at_rest::Error },
    #[error("there is no key for pseudonyms here: has the daemon ever run with this site file?")]
    NoKey,
}

/// What has this name: a line each, with patient and study. The daemon may run meanwhile.
///
/// # Errors
/// When the state directory or the key cannot be read.
pub fn find(config: &Config, name: &str) -> Result<Vec<String>, Error> {
    let directory = config.storage.directory.as_path();
    let character_sets = CharacterSets::new(config.dicom.character_sets());
    let state = |source| Error::State { source };
    let key = directory.join("pseudonym.key");
    if !key.exists() {
        return Err(Error::NoKey);
    }
    let root = directory;
    let directory = StateDirectory::open(root).map_err(state)?;
    at_rest::unlock(root, &config.at_rest).map_err(|source| Error::AtRest { source })?;
    let key = load_pseudonym_key(&key).map_err(|source| Error::Pseudonyms { source })?;
    let mut found = Vec::new();
    for entry in fs::read_dir(directory.studies()).map_err(state)? {
        let entry = entry.map_err(state)?.file_name();
        let Some(study) = entry.to_str().and_then(StudyKey::parse) else {
            continue;
        };
        let Some((study_uid, patient, files)) = newest(&directory, &study).map_err(state)? else {
            continue;
        };
        let line = |what: &str| {
            let (name, id) = (&patient.name, &patient.id);
            format!("{what}\tpatient {name} ({id})\tstudy {}", study_uid.as_str())
        };
        if key.case_of(&study_uid).as_str() == name {
            found.push(line("case"));
        }
        for file in files {
            let path = directory.instances(&study).join(file);
            let Ok(mut image) = header::read_header(&at_rest::stored(&path)) else {
                continue;
            };
            // As when it was sent: the same patient, the same name.
            character_sets.apply(&mut image);
            if key.uid_of(image.sop_instance_uid()) == name {
                found.push(format!("{}\timage {}", line("image"), image.sop_instance_uid()));
            }
            if key.patient_of(&deidentify::identity(&image)) == name {
                found.push(line("patient"));
                break;
            }
        }
    }
    Ok(found)
}

/// What the newest version of a study says of itself.
fn newest(
    state: &StateDirectory,
    study: &StudyKey,
) -> io::Result<Option<(StudyUid, PatientText, Vec<String>)>> {
    let replay = case_log::replay(&state.case_log(study))?;
    Ok(replay.entries.into_iter().rev().find_map(|entry| match entry {
        Entry::Settled {
            study_uid,
            patient,
            instances,
            ..
        } => Some((StudyUid::new(study_uid).ok()?, patient, instances)),
        _ => None,
    }))
}
