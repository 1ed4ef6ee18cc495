//! The book of cases: what happened to each study, durable in its `case.log`, visible at once in the index.
//!
//! The only writer of case logs. At start it reads every study's folder and says what was left undone.

mod assessed;
mod conversing;
mod folder;
mod identity;
mod labelling;
mod owed_again;
mod recovery;
mod removing;

use std::io;
use std::sync::Mutex;

use barefoot_domain::{CaseId, ClinicId, StudyUid, Urgency};
use barefoot_imaging::header::{self, Header};
use barefoot_queue::Lane;
use barefoot_trust::PseudonymKey;
use barefoot_wire::{MadeBy, StudyResult, encode_result, result_envelope};
use prost::Message;

use crate::at_rest;
use crate::case_index::{CaseIndex, CaseState, CaseView, Delivery};
use crate::case_log::{self, Entry, PatientText};
use crate::character_sets::CharacterSets;
use crate::clock::now_ms;
use crate::handoff::{AssessedStudy, HubReceipt, Kept, SettledStudy, StoredInstance};
use crate::labels::Labels;
use crate::reading::Reading;
use crate::study_folder::{StateDirectory, StudyKey, hex, sync_directory};
pub(crate) use assessed::AssessedVersion;
pub(crate) use conversing::{Heard, Spoken};
use folder::Folder;
use identity::{made_by, modality_of, patient_of, same_patient};
pub(crate) use labelling::Labelled;
pub(crate) use recovery::Recovery;

/// Why the book could not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the study's folder cannot be read")]
    Folder { source: io::Error },
    #[error("the case log cannot be written")]
    Log { source: io::Error },
}

/// A result on its way to the hub.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub study: StudyKey,
    pub envelope_id: String,
    pub lane: Lane,
    /// A protobuf `Envelope`; sequence and time of sending are stamped when it is sent.
    pub envelope: Vec<u8>,
}

/// A moment by both clocks, where both are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// By the box's clock.
    pub at_ms: i64,
    /// What that lacks to the hub's.
    pub clock_offset_ms: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct CaseBook {
    state: StateDirectory,
    clinic: ClinicId,
    pseudonyms: PseudonymKey,
    index: CaseIndex,
    character_sets: CharacterSets,
    /// One word at a time: whether it is new is decided before it is written.
    labelling: Mutex<()>,
}

impl CaseBook {
    /// `character_sets`: of scanners whose images say the wrong one.
    #[must_use]
    pub(crate) fn new(
        state: StateDirectory,
        clinic: ClinicId,
        pseudonyms: PseudonymKey,
        index: CaseIndex,
        character_sets: CharacterSets,
    ) -> Self {
        Self {
            state,
            clinic,
            pseudonyms,
            index,
            character_sets,
            labelling: Mutex::default(),
        }
    }

    /// Shows at once that an image has arrived. Counts instead of listing: a series may have thousands.
    pub(crate) fn instance_stored(&self, stored: &StoredInstance) {
        let (images, conflicts) = match stored.kept {
            Kept::New => (1, 0),
            Kept::Conflict => (0, 1),
            Kept::Duplicate => (0, 0),
        };
        let known = self.index.update(&stored.study, |view| {
            view.state = CaseState::Receiving;
            view.instances += images;
            view.conflicts += conflicts;
        });
        if known {
            return;
        }
        let Some(first) = self.header(&stored.study, &stored.file) else {
            return;
        };
        let study_uid = first.study_uid();
        self.index.put(CaseView {
            study: stored.study.clone(),
            study_uid: study_uid.as_str().to_owned(),
            case: self.case_of(study_uid),
            version: 0,
            modality: modality_of(&first),
            instances: images.max(1),
            patient: patient_of(&first),
            state: CaseState::Receiving,
            received_at_ms: now_ms(),
            assessed_at_ms: None,
            assessment: None,
            has_preview: false,
            has_heat_map: false,
            has_presented: false,
            delivery: Delivery::None,
            conflicts,
            labels: Labels::default(),
            reading: Reading::default(),
            images_removed_at_ms: None,
        });
    }

    /// Makes a new version of what lies in the folder; `None` when there is nothing new since the last one.
    ///
    /// # Errors
    /// When the folder cannot be read or the log not written; try again later, nothing is lost.
    pub(crate) fn settle(&self, study: &StudyKey, at_ms: i64) -> Result<Option<SettledStudy>, Error> {
        let replay =
            case_log::replay(&self.state.case_log(study)).map_err(|source| Error::Folder { source })?;
        let folder = self.list(study).map_err(|source| Error::Folder { source })?;
        let last = replay.entries.iter().rev().find_map(|entry| match entry {
            Entry::Settled {
                version,
                instances,
                conflicts,
                ..
            } => Some(Some((*version, instances, *conflicts))),
            // The same images under the same names, come again, are news.
            Entry::ImagesRemoved { .. } => Some(None),
            _ => None,
        });
        // A version that was written down but not assessed (a crash, a failed sync) is taken up, not made again. Where
        // lines are damaged nobody knows what the hub has under that number: then only a new one is safe.
        let unchanged = last
            .flatten()
            .filter(|(_, instances, conflicts)| {
                **instances == folder.instances && folder.conflicts <= *conflicts
            })
            .map(|(version, ..)| version);
        let highest = replay.entries.iter().map(Entry::version).max().unwrap_or(0);
        let assessed = |wanted| {
            replay
                .entries
                .iter()
                .any(|entry| matches!(entry, Entry::Assessed { version, .. } if *version == wanted))
        };
        if folder.instances.is_empty() || unchanged.is_some_and(assessed) {
            self.index.update(study, |view| view.state = CaseState::Assessed);
            return Ok(None);
        }
        let headers: Vec<Header> = folder
            .instances
            .iter()
            .filter_map(|name| self.header(study, name))
            .collect();
        let Some(first) = headers.first() else {
            // Repeating would hold up every other study; the case stays visible as it is.
            tracing::error!(%study, "None of a study's images can be read any more; a person must look.");
            return Ok(None);
        };
        let patient = patient_of(first);
        let strangers = headers
            .iter()
            .filter(|header| !same_patient(&patient_of(header), &patient))
            .count();
        if 0 < strangers {
            tracing::error!(%study, images = strangers, "One study holds images of different patients: a person must look.");
        }
        let settled = SettledStudy {
            study: study.clone(),
            version: unchanged.filter(|_| replay.damaged == 0).unwrap_or(highest + 1),
            study_uid: first.study_uid().clone(),
            received_at_ms: folder.received_at_ms,
            identity_conflict: 0 < folder.conflicts + strangers,
            instances: folder
                .instances
                .iter()
                .map(|name| self.state.instances(study).join(name))
                .collect(),
        };
        let modality = modality_of(first);
        let entry = Entry::Settled {
            version: settled.version,
            at_ms,
            received_at_ms: settled.received_at_ms,
            study_uid: settled.study_uid.as_str().to_owned(),
            instances: folder.instances,
            modality: modality.clone(),
            patient: patient.clone(),
            conflicts: folder.conflicts,
            strangers,
        };
        self.log(study, &[entry])?;
        self.put_settled(&settled, &modality, patient, folder.conflicts + strangers);
        Ok(Some(settled))
    }

    /// Writes down an assessment together with the name of the envelope that carries it, so that a crash between here
    /// and the queue sends the same envelope, not a second one.
    /// An attempt that failed may have reached the disk all the same: try again with the same `envelope_id` and time, and
    /// nothing is doubled.
    ///
    /// # Errors
    /// When the log cannot be written; try again later.
    pub(crate) fn record_assessed(
        &self,
        settled: &SettledStudy,
        assessed: &AssessedStudy,
        envelope_id: &str,
        assessed_at: Moment,
    ) -> Result<Outgoing, Error> {
        let at_ms = assessed_at.at_ms;
        let modality = self
            .index
            .get(&settled.study)
            .map(|view| view.modality.clone())
            .unwrap_or_default();
        let result = StudyResult {
            case: self.case_of(&settled.study_uid),
            version: settled.version,
            modality,
            instances: u32::try_from(settled.instances.len()).unwrap_or(u32::MAX),
            received_at_ms: settled.received_at_ms,
            assessed_at_ms: at_ms,
            clock_offset_ms: assessed_at.clock_offset_ms,
            made_by: self.made_by(settled),
            assessment: assessed.assessment.clone(),
        };
        let envelope_id = envelope_id.to_owned();
        let entry = Entry::Assessed {
            version: settled.version,
            at_ms,
            envelope_id: envelope_id.clone(),
            result: hex(encode_result(&result).iter()),
            pictures: assessed.pictures.clone(),
        };
        self.log(&settled.study, &[entry])?;
        self.put_assessed(&settled.study, &result, &assessed.pictures, &envelope_id);
        Ok(self.outgoing(settled.study.clone(), envelope_id, &result))
    }

    /// Writes down the hub's word on an envelope.
    ///
    /// # Errors
    /// When the log cannot be written; the hub will repeat itself.
    pub(crate) fn record_receipt(
        &self,
        study: &StudyKey,
        receipt: &HubReceipt,
        at_ms: i64,
    ) -> Result<(), Error> {
        let envelope_id = receipt.envelope_id.clone();
        let entry = match receipt.refused.clone() {
            Some(reason) => Entry::Refused {
                at_ms,
                envelope_id,
                reason,
            },
            None => Entry::Receipted {
                at_ms,
                envelope_id,
                hub_time_ms: receipt.hub_time_ms,
            },
        };
        self.log(study, &[entry])?;
        self.put_delivery(study, &receipt.envelope_id, receipt.refused.clone());
        self.index.update(study, |view| {
            view.reading
                .settle(&receipt.envelope_id, receipt.refused.as_deref());
        });
        Ok(())
    }

    /// As the first image says.
    fn made_by(&self, settled: &SettledStudy) -> MadeBy {
        let first = settled.instances.first();
        let Some(mut header) = first.and_then(|path| header::read_header(&at_rest::stored(path)).ok()) else {
            return MadeBy::default();
        };
        self.character_sets.apply(&mut header);
        made_by(&header, &self.pseudonyms)
    }

    fn case_of(&self, study_uid: &StudyUid) -> CaseId {
        self.pseudonyms.case_of(study_uid)
    }

    fn log(&self, study: &StudyKey, entries: &[Entry]) -> Result<(), Error> {
        // The intake leaves a new study's folder to the next sync; what is logged in it must not go with it.
        sync_directory(&self.state.studies())
            .and_then(|()| case_log::append(&self.state.case_log(study), entries))
            .map_err(|source| Error::Log { source })
    }

    fn outgoing(&self, study: StudyKey, envelope_id: String, result: &StudyResult) -> Outgoing {
        let lane = if result.assessment.urgency == Urgency::Critical {
            Lane::Critical
        } else {
            Lane::Results
        };
        let envelope = result_envelope(envelope_id.clone(), &self.clinic, result).encode_to_vec();
        Outgoing {
            study,
            envelope_id,
            lane,
            envelope,
        }
    }

    fn put_settled(&self, settled: &SettledStudy, modality: &str, patient: PatientText, conflicts: usize) {
        self.index.renew(&settled.study, |earlier| CaseView {
            study: settled.study.clone(),
            study_uid: settled.study_uid.as_str().to_owned(),
            case: self.case_of(&settled.study_uid),
            version: settled.version,
            modality: modality.to_owned(),
            instances: settled.instances.len(),
            patient,
            state: CaseState::Assessing,
            received_at_ms: settled.received_at_ms,
            // The earlier version's answer stands until the new one supersedes it.
            assessed_at_ms: earlier.and_then(|view| view.assessed_at_ms),
            assessment: earlier.and_then(|view| view.assessment.clone()),
            has_preview: false,
            has_heat_map: false,
            has_presented: false,
            // Delivery is the newest version's: what the hub said of an earlier one must not stand beside this one.
            delivery: Delivery::None,
            conflicts,
            labels: earlier.map(|view| view.labels.clone()).unwrap_or_default(),
            reading: earlier.map(|view| view.reading.clone()).unwrap_or_default(),
            images_removed_at_ms: earlier.and_then(|view| view.images_removed_at_ms),
        });
    }

    fn put_assessed(&self, study: &StudyKey, result: &StudyResult, pictures: &[String], envelope_id: &str) {
        self.index.update(study, |view| {
            view.state = CaseState::Assessed;
            view.assessed_at_ms = Some(result.assessed_at_ms);
            view.assessment = Some(result.assessment.clone());
            view.has_preview = pictures.iter().any(|name| name == "preview");
            view.has_heat_map = pictures.iter().any(|name| name == "heat_map");
            view.has_presented = pictures.iter().any(|name| name == "presented");
            view.delivery = Delivery::Queued {
                envelope_id: envelope_id.to_owned(),
            };
        });
    }

    /// A receipt for an earlier version's envelope says nothing about the newest.
    fn put_delivery(&self, study: &StudyKey, envelope_id: &str, refused: Option<String>) {
        self.index.update(study, |view| {
            if matches!(&view.delivery, Delivery::Queued { envelope_id: newest } if newest == envelope_id) {
                let envelope_id = envelope_id.to_owned();
                view.delivery = match refused {
                    Some(reason) => Delivery::Refused { envelope_id, reason },
                    None => Delivery::Receipted { envelope_id },
                };
            }
        });
    }

    fn header(&self, study: &StudyKey, name: &str) -> Option<Header> {
        match header::read_header(&at_rest::stored(&self.state.instances(study).join(name))) {
            Ok(mut header) => {
                self.character_sets.apply(&mut header);
                Some(header)
            }
            Err(error) => {
                tracing::error!(%study, %error, "A stored image cannot be read any more.");
                None
            }
        }
    }

    fn list(&self, study: &StudyKey) -> io::Result<Folder> {
        folder::list(&self.state.instances(study))
    }
}
