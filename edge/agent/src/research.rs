//! `barefoot-edge export-research`: images of patients who agreed, for a recipient that the site's policy names.
//!
//! De-identified by the research purpose, under names of the recipient's own, which nobody can put together with those at the
//! hub. What may not leave is counted with its reason in the manifest, never named. The audit log tells of the export before
//! its first byte is written. The daemon may run: only files are read.

mod manifest;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use barefoot_imaging::deidentify::{self, Deidentified};
use barefoot_imaging::header;
use barefoot_trust::PseudonymKey;
use ring::digest;

use crate::at_rest;
use crate::audit::{self, ConsoleAct};
use crate::case_log::{self, Entry, PatientText};
use crate::character_sets::CharacterSets;
use crate::checked_lines;
use crate::clock::now_ms;
use crate::config::Config;
use crate::image_upload;
use crate::labels::{ConsentFor, Giver, Labels, Word};
use crate::pipeline::{self, load_pseudonym_key};
use crate::site_policy::consent::{Register, Study};
use crate::site_policy::{Names, PolicyHandle, ResearchNames};
use crate::study_folder::{StateDirectory, StudyKey, hex, sync_directory};
pub(crate) use manifest::ExportLine;
use manifest::{File, Manifest};

const LOG: &str = "research.log";
const MANIFEST: &str = "manifest.json";

/// Why nothing, or not all, was exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("what is kept here cannot be opened")]
    AtRest { source: at_rest::Error },
    #[error("the site's policy names no research recipient \"{name}\"")]
    NoRecipient { name: String },
    #[error("the policy lets \"{name}\" have nothing after {until}")]
    Over { name: String, until: String },
    #[error("{path} is not empty: an export needs a folder of its own")]
    NotEmpty { path: String },
    #[error("the state directory cannot be read")]
    State { source: io::Error },
    #[error("the key for pseudonyms cannot be used")]
    Pseudonyms { source: pipeline::Error },
    #[error("the export cannot be written into the audit log; nothing was exported")]
    Audit { source: audit::Error },
    #[error("{path} cannot be written; without {MANIFEST} the export is not whole")]
    Write { path: String, source: io::Error },
    #[error("the policy was changed meanwhile; without {MANIFEST} the export is not whole")]
    PolicyChanged,
}

/// What was exported from this box; empty where nothing was, or the log cannot be read.
pub(crate) fn exports(state: &Path) -> Vec<ExportLine> {
    checked_lines::replay(&state.join(LOG)).map_or_else(|_| Vec::new(), |replay| replay.entries)
}

/// What a study's log says of it.
struct Known {
    key: StudyKey,
    patient: PatientText,
    labels: Labels,
    received_at_ms: i64,
    files: Vec<String>,
    /// Why it stays, whatever was said.
    stays: Option<&'static str>,
}

impl Known {
    fn study(&self) -> Study<'_> {
        Study {
            patient: &self.patient,
            labels: &self.labels,
            received_at_ms: self.received_at_ms,
        }
    }
}

/// Writes what may leave for the recipient into `folder`.
///
/// # Errors
/// When the policy forbids it, or the disk fails.
pub fn export(
    config: &Config,
    recipient: &str,
    folder: &Path,
    mut tell: impl FnMut(&str),
) -> Result<(), Error> {
    let root = config.storage.directory.as_path();
    at_rest::unlock(root, &config.at_rest).map_err(|source| Error::AtRest { source })?;
    let (handle, now) = (PolicyHandle::open(root), now_ms());
    let policy = handle.get();
    let named = policy.recipient(recipient).ok_or_else(|| Error::NoRecipient {
        name: recipient.to_owned(),
    })?;
    if !named.is_open_at(now) {
        return Err(Error::Over {
            name: named.name.clone(),
            until: named.until.clone(),
        });
    }
    let state = StateDirectory::open(root).map_err(|source| Error::State { source })?;
    let studies = known_studies(&state).map_err(|source| Error::State { source })?;
    let said = Register::of(studies.iter().map(Known::study));
    let mut manifest = Manifest::begun(named, &handle, now);
    let mut leaving = Vec::new();
    for study in &studies {
        let answer = said.answer(&policy, study.study(), ConsentFor::Research);
        let stays = (!answer.because.allows())
            .then(|| answer.because.code())
            .or(study.stays);
        match stays {
            Some(reason) => *manifest.studies_withheld.entry(reason).or_default() += 1,
            None => leaving.push(study),
        }
    }
    prepare(folder)?;
    let key =
        load_pseudonym_key(&root.join("pseudonym.key")).map_err(|source| Error::Pseudonyms { source })?;
    let writing = Writing {
        key: match named.names {
            ResearchNames::Recipient => key.for_recipient(&format!("research {recipient}")),
            ResearchNames::Export => key.for_recipient(&format!("research {recipient} {}", manifest.export)),
        },
        policy: named.deidentification(
            config
                .images
                .as_ref()
                .map(image_upload::Config::banners)
                .unwrap_or_default(),
        ),
        character_sets: CharacterSets::new(config.dicom.character_sets()),
        state: &state,
        folder,
    };
    let details = format!(
        "export {}, {} studies, policy {}",
        manifest.export,
        leaving.len(),
        manifest.policy
    );
    let act = ConsoleAct::ResearchExport {
        recipient,
        details: &details,
    };
    audit::note(config, act).map_err(|source| Error::Audit { source })?;
    let mut patients = BTreeSet::new();
    for study in leaving {
        if PolicyHandle::open(root).fingerprint() != manifest.policy {
            return Err(Error::PolicyChanged);
        }
        writing.study(study, &mut manifest, &mut patients)?;
    }
    manifest.patients = patients.len();
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| Error::Write {
        path: MANIFEST.to_owned(),
        source: error.into(),
    })?;
    writing.put(Path::new(MANIFEST), &text)?;
    let line = ExportLine {
        at_ms: now,
        export: manifest.export.clone(),
        recipient: recipient.to_owned(),
        patients: manifest.patients,
        studies: manifest.studies,
        images: manifest.images,
    };
    checked_lines::append(&root.join(LOG), &[line]).map_err(|source| Error::State { source })?;
    tell(&format!(
        "{}: {} images of {} studies of {} patients. What stayed, and why, stands in {MANIFEST}.",
        folder.display(),
        manifest.images,
        manifest.studies,
        manifest.patients
    ));
    Ok(())
}

/// Makes the folder, or finds it empty.
fn prepare(folder: &Path) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: folder.display().to_string(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    match fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(Error::NotEmpty {
            path: folder.display().to_string(),
        }),
    }
}

fn known_studies(state: &StateDirectory) -> io::Result<Vec<Known>> {
    let mut studies = Vec::new();
    for entry in fs::read_dir(state.studies())? {
        let name = entry?.file_name();
        let Some(key) = name.to_str().and_then(StudyKey::parse) else {
            continue;
        };
        studies.extend(known(state, key)?);
    }
    // In no order that tells when somebody came.
    studies.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(studies)
}

fn known(state: &StateDirectory, key: StudyKey) -> io::Result<Option<Known>> {
    let replay = case_log::replay(&state.case_log(&key))?;
    let mut labels = Labels::default();
    let mut newest = None;
    for entry in replay.entries {
        match entry {
            Entry::Settled {
                received_at_ms,
                patient,
                instances,
                conflicts,
                strangers,
                ..
            } => {
                let doubtful = (0 < conflicts + strangers).then_some("doubtful_identity");
                newest = Some((received_at_ms, patient, instances, doubtful));
            }
            Entry::ImagesRemoved { .. } => {
                if let Some(newest) = &mut newest {
                    newest.3 = Some("images_removed");
                }
            }
            Entry::Learning { at_ms, allowed, .. } => {
                let giver = Giver::Patient;
                labels.set_word(
                    ConsentFor::Learning,
                    Word {
                        allowed,
                        giver,
                        at_ms,
                    },
                );
            }
            Entry::Consent {
                at_ms,
                for_what,
                allowed,
                giver,
                ..
            } => labels.set_word(
                for_what,
                Word {
                    allowed,
                    giver,
                    at_ms,
                },
            ),
            _ => {}
        }
    }
    Ok(newest.map(|(received_at_ms, patient, files, stays)| Known {
        key,
        patient,
        labels,
        received_at_ms,
        files,
        // Who said no may stand in the lines that are lost.
        stays: if 0 < replay.damaged {
            Some("log_damaged")
        } else {
            stays
        },
    }))
}

struct Writing<'a> {
    key: PseudonymKey,
    policy: deidentify::Policy,
    character_sets: CharacterSets,
    state: &'a StateDirectory,
    folder: &'a Path,
}

impl Writing<'_> {
    fn study(
        &self,
        study: &Known,
        manifest: &mut Manifest,
        patients: &mut BTreeSet<String>,
    ) -> Result<(), Error> {
        let mut is_any = false;
        for file in &study.files {
            let path = self.state.instances(&study.key).join(file);
            // A codec that panics on somebody's picture must not end the export.
            let made = catch_unwind(AssertUnwindSafe(|| self.image(&path)));
            match made.unwrap_or(Err("undecodable")) {
                Err(reason) => *manifest.images_withheld.entry(reason).or_default() += 1,
                Ok((patient, image)) => {
                    let path = PathBuf::from(&patient)
                        .join(&image.study_uid)
                        .join(format!("{}.dcm", image.sop_instance_uid));
                    self.put(&path, &image.file)?;
                    manifest.files.push(File {
                        path: path.display().to_string(),
                        bytes: image.file.len() as u64,
                        sha256: hex(digest::digest(&digest::SHA256, &image.file).as_ref().iter()),
                    });
                    manifest.images += 1;
                    patients.insert(patient);
                    is_any = true;
                }
            }
        }
        if is_any {
            manifest.studies += 1;
        } else {
            *manifest.studies_withheld.entry("no_image_may_leave").or_default() += 1;
        }
        Ok(())
    }

    /// The patient's name for the recipient, and the image; or the code of why it stays.
    fn image(&self, path: &Path) -> Result<(String, Deidentified), &'static str> {
        let stored = at_rest::stored(path);
        let mut header = header::read_header(&stored).map_err(|_| "unreadable")?;
        self.character_sets.apply(&mut header);
        let made = deidentify::deidentify(&stored, &header, &Names(&self.key), &self.policy);
        let image = made.map_err(|reason| reason.code())?;
        // The last look at what leaves.
        deidentify::check(&image.file).map_err(|_| "not_of_the_form")?;
        Ok((self.key.patient_of(&deidentify::identity(&header)), image))
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(path);
        let write = || {
            let folder = path.parent().unwrap_or(self.folder);
            fs::create_dir_all(folder)?;
            at_rest::write(&path, bytes)?.sync_all()?;
            sync_directory(folder)
        };
        write().map_err(|source| Error::Write {
            path: path.display().to_string(),
            source,
        })
    }
}
