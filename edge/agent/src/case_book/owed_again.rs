//! What the hub had and has lost: it went on from a backup, and says since when.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use barefoot_wire::{RESTORATION_BYTES, decode_result};

use super::conversing::from_hex;
use super::{CaseBook, Error, Outgoing};
use crate::case_index::{CaseIndex, Delivery};
use crate::case_log::{self, Entry};
use crate::durable;
use crate::handoff::Restoration;
use crate::study_folder::StudyKey;

/// The restorations that were heeded, one name after the other.
const HEEDED: &str = "hub.restorations";

impl CaseBook {
    pub(crate) fn cases(&self) -> &CaseIndex {
        &self.index
    }

    /// Those of the hub's restorations that were not heeded yet.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn unheeded(&self, told: &[Restoration]) -> io::Result<Vec<Restoration>> {
        let heeded = durable::read(&self.heeded())?.unwrap_or_default();
        let (heeded, _) = heeded.as_chunks::<RESTORATION_BYTES>();
        Ok(told
            .iter()
            .filter(|one| !heeded.contains(&one.id))
            .copied()
            .collect())
    }

    /// All that the hub tells of is queued again.
    ///
    /// # Errors
    /// When the disk fails: then it is done again, which changes nothing.
    pub(crate) fn heed(&self, told: &[Restoration]) -> io::Result<()> {
        let names: Vec<[u8; RESTORATION_BYTES]> = told.iter().map(|one| one.id).collect();
        durable::replace(&self.heeded(), names.as_flattened())
    }

    fn heeded(&self) -> PathBuf {
        self.state.root().join(HEEDED)
    }

    /// Writes down that the hub may have lost what it receipted for a study since then, by its clock, and gives it to be queued
    /// once more, under its own ids.
    ///
    /// # Errors
    /// When the log cannot be read or written; try again later.
    pub(crate) fn owe_again(
        &self,
        study: &StudyKey,
        since_ms: i64,
        at_ms: i64,
    ) -> Result<Vec<Outgoing>, Error> {
        let replay =
            case_log::replay(&self.state.case_log(study)).map_err(|source| Error::Folder { source })?;
        // By id, and whether the log says already that they are owed: then only the queue may lack them.
        let mut lost: HashMap<String, bool> = HashMap::new();
        for entry in &replay.entries {
            match entry {
                Entry::Receipted {
                    envelope_id,
                    hub_time_ms,
                    ..
                } => {
                    lost.remove(envelope_id);
                    // A receipt that names no time is of a hub from before all backups.
                    if since_ms <= *hub_time_ms || *hub_time_ms <= 0 {
                        lost.insert(envelope_id.clone(), false);
                    }
                }
                Entry::OwedAgain { envelope_ids, .. } => {
                    for (_, is_owed) in lost.iter_mut().filter(|(id, _)| envelope_ids.contains(id)) {
                        *is_owed = true;
                    }
                }
                _ => {}
            }
        }
        let outgoing: Vec<Outgoing> = replay
            .entries
            .into_iter()
            .filter_map(|entry| self.outgoing_of(study, entry))
            .filter(|outgoing| lost.contains_key(&outgoing.envelope_id))
            .collect();
        let ids: Vec<String> = outgoing
            .iter()
            .filter(|one| lost.get(&one.envelope_id) == Some(&false))
            .map(|one| one.envelope_id.clone())
            .collect();
        if ids.is_empty() {
            return Ok(outgoing);
        }
        let entry = Entry::OwedAgain {
            at_ms,
            envelope_ids: ids.clone(),
        };
        self.log(study, std::slice::from_ref(&entry))?;
        self.put_owed(study, &ids);
        self.put_talk(study, &entry);
        Ok(outgoing)
    }

    /// What an entry of the log sends to the hub; `None` for others, and for one that cannot be read.
    pub(super) fn outgoing_of(&self, study: &StudyKey, entry: Entry) -> Option<Outgoing> {
        match entry {
            Entry::Assessed {
                envelope_id, result, ..
            } => {
                let result = decode_result(&from_hex(&result)?).ok()?;
                Some(self.outgoing(study.clone(), envelope_id, &result))
            }
            Entry::ToHub {
                envelope_id,
                kind,
                body,
                ..
            } => self.outgoing_logged(study, envelope_id, kind, &body),
            _ => None,
        }
    }

    /// The newest result waits for the hub's word again.
    pub(super) fn put_owed(&self, study: &StudyKey, envelope_ids: &[String]) {
        self.index.update(study, |view| {
            if let Delivery::Receipted { envelope_id } = &view.delivery
                && envelope_ids.contains(envelope_id)
            {
                view.delivery = Delivery::Queued {
                    envelope_id: envelope_id.clone(),
                };
            }
        });
    }
}
