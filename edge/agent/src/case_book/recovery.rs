//! What the last run left undone, read from the folders of the studies.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use barefoot_domain::StudyUid;
use barefoot_wire::decode_result;

use super::conversing::from_hex;
use super::{CaseBook, Outgoing};
use crate::case_index::CaseState;
use crate::case_log::{self, Entry, Replay};
use crate::clock::now_ms;
use crate::handoff::{Kept, SettledStudy, StoredInstance};
use crate::study_folder::StudyKey;

/// What the last run left undone.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// Images that no version covers yet.
    pub unsettled: Vec<StoredInstance>,
    /// Versions that settled but were not assessed.
    pub unassessed: Vec<SettledStudy>,
    /// Results without a receipt.
    pub undelivered: Vec<Outgoing>,
    /// Results the hub will not take, with its reason: they stay set aside.
    pub refused: Vec<(Outgoing, String)>,
    /// Envelopes the hub has committed; the queue may still hold them.
    pub receipted: Vec<String>,
}

impl CaseBook {
    /// Reads every study's folder and fills the index.
    ///
    /// # Errors
    /// When the folder of studies cannot be listed. A single study that cannot be read is logged and left alone.
    pub(crate) fn recover(&self) -> io::Result<Recovery> {
        let mut recovery = Recovery::default();
        for entry in fs::read_dir(self.state.studies())? {
            let name = entry?.file_name();
            let Some(study) = name.to_str().and_then(StudyKey::parse) else {
                continue;
            };
            if let Err(error) = self.recover_study(&study, &mut recovery) {
                tracing::error!(%study, %error, "A study's folder cannot be read; it is left as it is.");
            }
        }
        Ok(recovery)
    }

    /// A result of which the hub has not said a word, read from its study's folder again.
    ///
    /// # Errors
    /// When the case log cannot be read.
    pub(crate) fn undelivered(&self, study: &StudyKey, envelope_id: &str) -> io::Result<Option<Outgoing>> {
        let (mut undelivered, mut settled) = (None, None);
        for entry in case_log::replay(&self.state.case_log(study))?.entries {
            match entry {
                Entry::ToHub {
                    envelope_id: id,
                    kind,
                    body,
                    ..
                } if id == envelope_id => {
                    undelivered = self.outgoing_logged(study, id, kind, &body);
                }
                Entry::Assessed {
                    envelope_id: id,
                    result,
                    ..
                } if id == envelope_id => {
                    undelivered = from_hex(&result)
                        .and_then(|bytes| decode_result(&bytes).ok())
                        .map(|result| self.outgoing(study.clone(), id, &result));
                }
                Entry::Receipted { envelope_id: id, .. } | Entry::Refused { envelope_id: id, .. }
                    if id == envelope_id =>
                {
                    settled = undelivered.take();
                }
                Entry::OwedAgain { envelope_ids, .. } if envelope_ids.iter().any(|id| id == envelope_id) => {
                    undelivered = undelivered.or_else(|| settled.take());
                }
                _ => {}
            }
        }
        Ok(undelivered)
    }

    fn recover_study(&self, study: &StudyKey, recovery: &mut Recovery) -> io::Result<()> {
        self.finish_removal(study, now_ms()).map_err(io::Error::other)?;
        let Replay { entries, damaged } = case_log::replay(&self.state.case_log(study))?;
        if 0 < damaged {
            tracing::error!(%study, lines = damaged, "A case log has damaged lines; the rest is used.");
        }
        let folder = self.list(study)?;
        let mut settled: Option<SettledStudy> = None;
        let (mut covered, mut known_conflicts) = (BTreeSet::new(), 0);
        let mut assessed = 0;
        let mut open: Vec<Outgoing> = Vec::new();
        // Those that the hub has, and may lose.
        let mut receipted: Vec<Outgoing> = Vec::new();
        let mut words = Vec::new();
        for entry in entries {
            match entry {
                Entry::Settled {
                    version,
                    received_at_ms,
                    study_uid,
                    instances,
                    modality,
                    patient,
                    conflicts,
                    strangers,
                    ..
                } => {
                    let Ok(study_uid) = StudyUid::new(study_uid) else {
                        continue;
                    };
                    let directory = self.state.instances(study);
                    let files = instances.iter().map(|name| directory.join(name)).collect();
                    covered = instances.into_iter().collect();
                    known_conflicts = conflicts;
                    let version = SettledStudy {
                        study: study.clone(),
                        version,
                        study_uid,
                        received_at_ms,
                        identity_conflict: 0 < conflicts + strangers,
                        instances: files,
                    };
                    self.put_settled(
                        &version,
                        &modality,
                        patient,
                        conflicts.max(folder.conflicts) + strangers,
                    );
                    settled = Some(version);
                }
                Entry::Assessed {
                    version,
                    envelope_id,
                    result,
                    pictures,
                    ..
                } => {
                    let Some(result) = from_hex(&result).and_then(|bytes| decode_result(&bytes).ok()) else {
                        tracing::error!(%study, version, "An assessment in a case log cannot be read; the version is assessed again.");
                        continue;
                    };
                    assessed = version;
                    self.put_assessed(study, &result, &pictures, &envelope_id);
                    open.push(self.outgoing(study.clone(), envelope_id, &result));
                }
                Entry::Receipted { ref envelope_id, .. } => {
                    self.put_delivery(study, envelope_id, None);
                    move_if(&mut open, &mut receipted, |id| id == envelope_id);
                    words.push(entry);
                }
                Entry::OwedAgain { ref envelope_ids, .. } => {
                    self.put_owed(study, envelope_ids);
                    move_if(&mut receipted, &mut open, |id| {
                        envelope_ids.iter().any(|owed| owed == id)
                    });
                    words.push(entry);
                }
                Entry::ToHub {
                    ref envelope_id,
                    kind,
                    ref body,
                    ..
                } => {
                    match self.outgoing_logged(study, envelope_id.clone(), kind, body) {
                        Some(outgoing) => open.push(outgoing),
                        None => {
                            tracing::error!(%study, "A word to the hub in a case log cannot be read; it is not sent.");
                        }
                    }
                    words.push(entry);
                }
                Entry::Label { .. }
                | Entry::Learning { .. }
                | Entry::Consent { .. }
                | Entry::FromHub { .. }
                | Entry::MessagesSeen { .. } => words.push(entry),
                Entry::ImagesRemoved { at_ms, .. } => {
                    // What is under those names now has come again since.
                    covered.clear();
                    self.index.update(study, |view| {
                        view.instances = folder.instances.len();
                        view.images_removed_at_ms = Some(at_ms);
                    });
                }
                Entry::Refused {
                    ref envelope_id,
                    ref reason,
                    ..
                } => {
                    self.put_delivery(study, envelope_id, Some(reason.clone()));
                    let (refused, rest) = open
                        .into_iter()
                        .partition(|outgoing| outgoing.envelope_id == *envelope_id);
                    open = rest;
                    let refused: Vec<Outgoing> = refused;
                    recovery
                        .refused
                        .extend(refused.into_iter().map(|outgoing| (outgoing, reason.clone())));
                    words.push(entry);
                }
            }
        }
        recovery.undelivered.append(&mut open);
        let receipted = receipted.into_iter().map(|outgoing| outgoing.envelope_id);
        recovery.receipted.extend(receipted);
        let has_new =
            known_conflicts < folder.conflicts || folder.instances.iter().any(|name| !covered.contains(name));
        if has_new {
            let file = folder.instances.iter().find(|name| !covered.contains(*name));
            let stored = StoredInstance {
                study: study.clone(),
                association: None,
                modality: String::new(),
                is_judged_alone: false,
                file: file.or(folder.instances.first()).cloned().unwrap_or_default(),
                kept: Kept::Duplicate,
            };
            self.instance_stored(&stored);
            self.index.update(study, |view| {
                view.instances = folder.instances.len();
                view.conflicts = view.conflicts.max(folder.conflicts);
                view.received_at_ms = folder.received_at_ms;
            });
            recovery.unsettled.push(stored);
        }
        // Not before: a word may stand in front of the first version's line, or that line may be damaged.
        for word in &words {
            self.put_word(study, word);
        }
        if has_new {
            return Ok(());
        }
        if let Some(version) = settled.filter(|settled| assessed < settled.version) {
            if 0 < damaged {
                // Its assessment may be among the damaged lines and at the hub: only a new version is free.
                recovery.unsettled.push(StoredInstance {
                    study: study.clone(),
                    association: None,
                    modality: String::new(),
                    is_judged_alone: false,
                    file: String::new(),
                    kept: Kept::Duplicate,
                });
                return Ok(());
            }
            self.index.update(study, |view| view.state = CaseState::Assessing);
            recovery.unassessed.push(version);
        }
        Ok(())
    }
}

fn move_if(from: &mut Vec<Outgoing>, to: &mut Vec<Outgoing>, is_meant: impl Fn(&str) -> bool) {
    let (meant, rest) = std::mem::take(from)
        .into_iter()
        .partition(|outgoing| is_meant(&outgoing.envelope_id));
    *from = rest;
    to.extend::<Vec<Outgoing>>(meant);
}
