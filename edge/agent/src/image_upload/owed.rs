//! What is to be sent, from what the cases say and what the hub has said.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::PoisonError;

use barefoot_domain::Urgency;
use barefoot_queue::Lane;
use serde::{Deserialize, Serialize};

use super::job::{self, Job};
use super::{Error, ImageUploads, job_key};
use crate::case_index::{CaseIndex, CaseState};
use crate::checked_lines;
use crate::clock::now_ms;
use crate::error_chain::chain;
use crate::study_folder::StudyKey;

/// What the hub said of versions' images, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum SentLine {
    /// Cases assessed before this are not owed: a box that is given a hub does not flood it with years of studies.
    Since { at_ms: i64 },
    Committed {
        study: String,
        version: u32,
        at_ms: i64,
        images: usize,
        refused: usize,
    },
    /// The hub went on from a backup, in which it may not have the version.
    Lost { study: String, version: u32, at_ms: i64 },
}

impl ImageUploads {
    /// A version was assessed: sends its images when its urgency says so. Blocking.
    ///
    /// # Errors
    /// When the queue fails.
    pub(crate) fn offer(
        &self,
        study: &StudyKey,
        version: u32,
        urgency: Urgency,
    ) -> Result<(), barefoot_queue::Error> {
        if !self.0.policy.get().hub.sends(urgency) {
            return Ok(());
        }
        let job = Job {
            study: study.to_string(),
            version,
            critical: urgency == Urgency::Critical,
            urgency: Some(urgency.into()),
        };
        let earlier: Vec<u32> = {
            let mut waiting = self.waiting();
            let versions = waiting.entry(study.clone()).or_default();
            versions.insert(version);
            versions.range(..version).copied().collect()
        };
        match self.append(&job) {
            Ok(()) => {}
            Err(full @ barefoot_queue::Error::Full { .. }) => {
                tracing::warn!(
                    %study,
                    error = chain(&full),
                    "The queue is full; a study's images are queued when there is room."
                );
                self.overdue().insert(Job::id(study, version), job);
            }
            Err(error) => return Err(error),
        }
        // The new version has all images of the earlier ones.
        for earlier in earlier {
            self.0.queue.receipt(&Job::id(study, earlier))?;
            self.forget(study, earlier);
        }
        Ok(())
    }

    fn append(&self, job: &Job) -> Result<(), barefoot_queue::Error> {
        let Some(study) = job.study() else {
            return Ok(());
        };
        let payload = serde_json::to_vec(job).unwrap_or_default();
        let now = u64::try_from(now_ms()).unwrap_or_default();
        let id = Job::id(&study, job.version);
        self.0.queue.append(Lane::Images, &id, &payload, now).map(drop)
    }

    /// Queues a job again whose record was damaged.
    pub(crate) fn queue_again(&self, id: &str) -> Result<(), barefoot_queue::Error> {
        let lost = self.waiting().iter().find_map(|(study, versions)| {
            let version = versions.iter().find(|version| Job::id(study, **version) == id)?;
            Some(Job {
                study: study.to_string(),
                version: *version,
                // Nobody here remembers: rather too soon than too late.
                critical: true,
                urgency: None,
            })
        });
        let Some(job) = lost else {
            return Ok(());
        };
        tracing::warn!(
            study = job.study,
            "A queued study's images were damaged in the queue and were queued again."
        );
        match self.append(&job) {
            Err(barefoot_queue::Error::Full { .. }) => {
                self.overdue().insert(id.to_owned(), job);
                Ok(())
            }
            other => other,
        }
    }

    /// Queues what there was no room for, as far as there is room now. Blocking.
    ///
    /// # Errors
    /// When the queue fails.
    pub(crate) fn queue_overdue(&self) -> Result<(), barefoot_queue::Error> {
        loop {
            let Some((id, job)) = self
                .overdue()
                .first_key_value()
                .map(|(id, job)| (id.clone(), job.clone()))
            else {
                return Ok(());
            };
            match self.append(&job) {
                Ok(()) => self.overdue().remove(&id),
                Err(barefoot_queue::Error::Full { .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
        }
    }

    /// The hub may have lost the images of these studies, and those that it took since then by this box's clock: they are owed
    /// once more. What it has all the same is not sent again, only named. How many versions. Blocking.
    ///
    /// # Errors
    /// When the disk or the queue fails.
    pub(crate) fn owe_again(
        &self,
        studies: &HashSet<StudyKey>,
        since_ms: i64,
        cases: &CaseIndex,
    ) -> io::Result<usize> {
        let lines: Vec<SentLine> = checked_lines::replay(&self.sent_log())?.entries;
        let mut owed = Vec::new();
        for ((study, version), (at_ms, _)) in committed(&lines) {
            let Some(study) = StudyKey::parse(study) else {
                continue;
            };
            // The newest version has all images of the earlier ones.
            let case = cases
                .get(&study)
                .filter(|case| case.version == version && 0 < case.instances);
            let urgency = case.and_then(|case| Some(case.assessment.as_ref()?.urgency));
            if let Some(urgency) = urgency.filter(|_| since_ms <= at_ms || studies.contains(&study)) {
                owed.push((study, version, urgency));
            }
        }
        let at_ms = now_ms();
        let lost = owed.iter().map(|(study, version, _)| SentLine::Lost {
            study: study.to_string(),
            version: *version,
            at_ms,
        });
        let lost: Vec<SentLine> = lost.collect();
        if !lost.is_empty() {
            checked_lines::append(&self.sent_log(), &lost)?;
        }
        for (study, version, urgency) in &owed {
            self.offer(study, *version, *urgency).map_err(io::Error::other)?;
        }
        Ok(owed.len())
    }

    /// Brings the lane to hold exactly what is owed: cases of the policy's urgencies whose newest version the hub has not
    /// committed, nor a person set aside.
    pub(super) fn resume(&self, cases: &CaseIndex) -> Result<(), Error> {
        let folder = |source| Error::Folder { source };
        let lines: Vec<SentLine> = checked_lines::replay(&self.sent_log()).map_err(folder)?.entries;
        *self.0.sent.lock().unwrap_or_else(PoisonError::into_inner) = so_far(&lines);
        let since = lines.iter().find_map(|line| match line {
            SentLine::Since { at_ms } => Some(*at_ms),
            SentLine::Committed { .. } | SentLine::Lost { .. } => None,
        });
        let since = match since {
            Some(at_ms) => at_ms,
            None => {
                let at_ms = now_ms();
                checked_lines::append(&self.sent_log(), &[SentLine::Since { at_ms }]).map_err(folder)?;
                at_ms
            }
        };
        let committed = committed(&lines);
        for (study, version) in committed.keys() {
            if let Some(study) = StudyKey::parse(study) {
                let id = Job::id(&study, *version);
                self.0
                    .queue
                    .receipt(&id)
                    .map_err(|source| Error::Queue { source })?;
            }
        }
        let set_aside = self.set_aside()?;
        for case in cases.all() {
            let owed = case.state == CaseState::Assessed
                && since <= case.assessed_at_ms.unwrap_or_default()
                && 0 < case.instances
                && !committed.contains_key(&(case.study.as_str(), case.version))
                && !set_aside.contains(&Job::id(&case.study, case.version));
            if let Some(assessment) = case.assessment.as_ref().filter(|_| owed) {
                self.offer(&case.study, case.version, assessment.urgency)
                    .map_err(|source| Error::Queue { source })?;
            }
        }
        self.drop_superseded(cases)?;
        self.drop_folders();
        Ok(())
    }

    fn set_aside(&self) -> Result<HashSet<String>, Error> {
        let records = self.0.queue.set_aside_records(usize::MAX);
        let records = records.map_err(|source| Error::Queue { source })?;
        Ok(records.into_iter().map(|kept| kept.record.id).collect())
    }

    /// Records of the last run for versions that a newer one has replaced, or whose images are gone.
    fn drop_superseded(&self, cases: &CaseIndex) -> Result<(), Error> {
        let queue = |source| Error::Queue { source };
        let records = self
            .0
            .queue
            .pending_of(&[Lane::Images], usize::MAX, |_| false)
            .map_err(queue)?;
        for record in records {
            let Some(job) = Job::of(&record) else { continue };
            let known = job.study().and_then(|study| cases.get(&study));
            let current = known.filter(|case| case.version == job.version && 0 < case.instances);
            match current {
                Some(case) => {
                    self.waiting()
                        .entry(case.study.clone())
                        .or_default()
                        .insert(job.version);
                    if job::Progress::open(self.folder(&job))
                        .is_ok_and(|progress| progress.is_quick_look_sent())
                    {
                        self.looked_at().insert(job_key(&job));
                    }
                }
                None => {
                    self.0.queue.receipt(&record.id).map_err(queue)?;
                }
            }
        }
        Ok(())
    }

    /// Folders of jobs that are done.
    fn drop_folders(&self) {
        let Ok(entries) = std::fs::read_dir(self.0.state.images()) else {
            return;
        };
        let wanted: HashSet<String> = self
            .waiting()
            .iter()
            .flat_map(|(study, versions)| versions.iter().map(move |version| format!("{study}-{version}")))
            .collect();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !wanted.contains(&name) {
                job::remove_folder(&entry.path());
            }
        }
    }
}

/// Versions that the hub has, with when it took them and how many images.
fn committed(lines: &[SentLine]) -> BTreeMap<(&str, u32), (i64, usize)> {
    let mut committed = BTreeMap::new();
    for line in lines {
        match line {
            SentLine::Committed {
                study,
                version,
                at_ms,
                images,
                ..
            } => {
                committed.insert((study.as_str(), *version), (*at_ms, *images));
            }
            SentLine::Lost { study, version, .. } => {
                committed.remove(&(study.as_str(), *version));
            }
            SentLine::Since { .. } => {}
        }
    }
    committed
}

fn so_far(lines: &[SentLine]) -> (usize, usize) {
    let committed = committed(lines);
    (
        committed.len(),
        committed.values().map(|(_, images)| images).sum(),
    )
}
