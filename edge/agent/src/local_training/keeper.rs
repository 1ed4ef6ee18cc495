//! Turns labels into examples while the box is idle, and forgets them when they may not be learnt from any more.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::examples::{Dataset, Examples, LabelledFeatures, Trainable, most_examples};
use super::features::{self, Cabinet, Reference, StudyFeatures};
use super::site_fit::{self, Confirmed};
use super::wanted::{Wanted, wanted};
use crate::case_index::{CaseIndex, CaseView};
use crate::error_chain::chain;
use crate::idle::Idle;
use crate::learning_status::{LearningStatus, SiteFit};
use crate::model::{ActiveModel, ModelHandle};
use crate::site_policy::PolicyHandle;
use crate::site_policy::consent::Register;
use crate::study_folder::{StateDirectory, StudyKey};

/// A change of model announces itself to nobody; it is looked for this often.
const LOOK: Duration = Duration::from_secs(5);

/// A processor that is wanted elsewhere is asked for this often.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What the keeper is made of.
pub(crate) struct Parts {
    pub cases: CaseIndex,
    pub state: StateDirectory,
    pub models: ModelHandle,
    /// Without its part on learning nothing is kept.
    pub policy: PolicyHandle,
    pub idle: Idle,
    pub status: LearningStatus,
    /// Filled by the keeper, learnt from by whoever holds it.
    pub dataset: Dataset,
}

/// The only writer of features.
pub(crate) struct Keeper {
    parts: Parts,
    root: PathBuf,
    known: Known,
    /// What the confidence of which model was fitted to.
    fitted: Option<(Arc<ActiveModel>, Vec<Confirmed>)>,
}

/// What is in memory of one artefact's features.
#[derive(Default)]
struct Known {
    backbone: String,
    cabinet: Option<Cabinet>,
    features: HashMap<Reference, Arc<StudyFeatures>>,
    /// Not tried again until the model changes or the daemon starts anew.
    hopeless: HashSet<Reference>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Self {
        show_policy(&parts);
        Self {
            root: parts.state.training().join("features"),
            parts,
            known: Known::default(),
            fitted: None,
        }
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let (mut changes, mut policy) = (self.parts.cases.watch(), self.parts.policy.watch());
        loop {
            changes.mark_unchanged();
            policy.mark_unchanged();
            let worked = tokio::task::spawn_blocking(move || {
                let more = self.round();
                (self, more)
            })
            .await;
            let more = match worked {
                Ok((keeper, Ok(more))) => {
                    self = keeper;
                    more
                }
                Ok((keeper, Err(error))) => {
                    self = keeper;
                    tracing::error!(
                        error = chain(&error),
                        "Examples for learning cannot be kept; trying again."
                    );
                    self.known = Known::default();
                    false
                }
                Err(_) => {
                    tracing::error!("Keeping examples for learning stopped; the next start tries again.");
                    shutdown.cancelled().await;
                    return;
                }
            };
            if shutdown.is_cancelled() {
                return;
            }
            if more {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
                Ok(()) = changes.changed() => {}
                Ok(()) = policy.changed() => {}
            }
        }
    }

    /// Brings disk and memory to what may be learnt from now, and computes at most one study; whether there is more to do.
    /// Waits a moment at most: what may be learnt from can change meanwhile.
    fn round(&mut self) -> Result<bool, features::Error> {
        let policy = self.parts.policy.get();
        show_policy(&self.parts);
        let Some(learning) = &policy.learning else {
            features::remove_all(&self.root)?;
            let model = self.parts.models.active();
            self.publish(model.as_ref(), &[], &[]);
            return Ok(false);
        };
        let cases = self.parts.cases.newest(usize::MAX);
        let said = Register::of_cases(&cases);
        let mut all: Vec<Wanted> = cases
            .iter()
            .flat_map(|case| wanted(case, &policy, &said))
            .collect();
        let active = self.parts.models.active();
        let Some(active) = active.filter(|active| learning.takes_model(&active.model.version().id)) else {
            let keep: HashSet<Reference> = all.iter().map(Wanted::reference).collect();
            forgotten(features::keep_only(&self.root, &keep)?);
            self.known
                .features
                .retain(|reference, _| keep.contains(reference));
            // One that may not learn here any more is as sure as it was made.
            if let Some(other) = self.parts.models.active() {
                other.confidence.set(Vec::new());
            }
            self.publish(None, &[], &[]);
            return Ok(false);
        };
        let model = &active.model;
        all.truncate(most_examples(model.channels()));
        let cabinet = self.cabinet(model.backbone())?;
        let references: Vec<Reference> = all.iter().map(Wanted::reference).collect();
        let keep: HashSet<Reference> = references.iter().cloned().collect();
        forgotten(cabinet.keep_only(&keep)?);
        self.known
            .features
            .retain(|reference, _| keep.contains(reference));
        for reference in &references {
            if !self.known.features.contains_key(reference)
                && let Some(features) = cabinet.get(reference)?
            {
                self.known.features.insert(reference.clone(), Arc::new(features));
            }
        }
        self.publish(Some(&active), &cases, &all);
        let next = references
            .iter()
            .find(|one| !self.known.features.contains_key(one) && !self.known.hopeless.contains(one));
        let Some(next) = next else {
            return Ok(false);
        };
        if !self.parts.idle.wait(Duration::ZERO) {
            self.parts.idle.wait(BUSY_PAUSE);
            return Ok(true);
        }
        if !self.is_wanted(next) {
            return Ok(true);
        }
        match features::compute(model, &self.parts.state, next) {
            Ok(_) if !self.is_wanted(next) => {}
            Ok(features) => {
                cabinet.put(next, &features)?;
                self.known.features.insert(next.clone(), Arc::new(features));
            }
            Err(error) => {
                let (study, version) = next;
                tracing::warn!(%study, version, error = chain(&error), "A labelled study gives no example.");
                self.known.hopeless.insert(next.clone());
            }
        }
        // The next round says what there is to learn from: computing took its time, too.
        Ok(true)
    }

    /// As things stand now.
    fn is_wanted(&self, reference: &Reference) -> bool {
        let (policy, said) = (
            self.parts.policy.get(),
            Register::of_cases(&self.parts.cases.all()),
        );
        let case = self.parts.cases.get(&reference.0);
        let wanted = case.map(|case| wanted(&case, &policy, &said)).unwrap_or_default();
        wanted.iter().any(|one| one.reference() == *reference)
    }

    /// The features of this artefact; what is known of another's is forgotten.
    fn cabinet(&mut self, backbone: &str) -> io::Result<Cabinet> {
        if let Some(cabinet) = self
            .known
            .cabinet
            .as_ref()
            .filter(|_| self.known.backbone == backbone)
        {
            return Ok(cabinet.clone());
        }
        let cabinet = Cabinet::open(&self.root, backbone)?;
        self.known = Known {
            backbone: backbone.to_owned(),
            cabinet: Some(cabinet.clone()),
            ..Known::default()
        };
        Ok(cabinet)
    }

    /// Gives the examples to who learns, their number to the page, and what they say of the model's confidence to the model.
    fn publish(&mut self, active: Option<&Arc<ActiveModel>>, cases: &[Arc<CaseView>], all: &[Wanted]) {
        let Some(active) = active else {
            self.fitted = None;
            self.parts.dataset.set(Examples::default());
            self.parts.status.update(|view| {
                (view.examples, view.pending) = (0, 0);
                view.site_fits.clear();
            });
            return;
        };
        let model = &active.model;
        let trainable = Trainable {
            id: model.version().id.clone(),
            version: model.version().version.clone(),
            backbone: model.backbone().to_owned(),
            findings: model.findings().len(),
            channels: model.channels(),
        };
        let sent: HashMap<&StudyKey, bool> = cases
            .iter()
            .map(|case| (&case.study, site_fit::was_sent(case)))
            .collect();
        let (mut labelled, mut confirmed, mut pending) = (Vec::new(), Vec::new(), 0);
        for one in all {
            let reference = one.reference();
            let Some(features) = self.known.features.get(&reference) else {
                pending += usize::from(!self.known.hopeless.contains(&reference)) * one.findings.len();
                continue;
            };
            for (code, present) in &one.findings {
                let row = model.findings().position(|finding| finding == code);
                let found = features.findings.iter().find(|found| found.code == code.as_str());
                let Some((finding, found)) = row.zip(found) else {
                    continue;
                };
                let score = model.score_of_pooled(finding, &found.features);
                confirmed.extend(score.map(|score| Confirmed {
                    finding,
                    score: score.value(),
                    present: *present,
                    was_sent: sent.get(&one.study).copied().unwrap_or(true),
                }));
                labelled.push(LabelledFeatures {
                    group: one.group.clone(),
                    finding,
                    features: found.features.as_slice().into(),
                    present: *present,
                });
            }
        }
        let examples = Examples::new(trainable, labelled);
        let kept = examples.training().len() + examples.held_out().len();
        self.parts.dataset.set(examples);
        self.parts
            .status
            .update(|view| (view.examples, view.pending) = (kept, pending));
        // Without the policy's word it is fitted to nothing, which is the model's own.
        let policy = self.parts.policy.get();
        let follows = policy
            .learning
            .as_ref()
            .is_some_and(|learning| learning.follow_site);
        self.fit(active, cases, if follows { confirmed } else { Vec::new() });
    }

    /// Fits the model's confidence to what people confirmed, where that has changed.
    fn fit(&mut self, active: &Arc<ActiveModel>, cases: &[Arc<CaseView>], confirmed: Vec<Confirmed>) {
        let known = self.fitted.as_ref();
        if known.is_some_and(|(model, known)| Arc::ptr_eq(model, active) && *known == confirmed) {
            return;
        }
        let fits = site_fit::fits(&active.model, cases, &confirmed);
        self.fitted = Some((Arc::clone(active), confirmed));
        let shown = fits.iter().map(|(finding, fit)| SiteFit {
            finding: finding.clone(),
            cases: fit.cases,
            error_before: fit.error_before,
            error_after: fit.error_after,
        });
        let shown: Vec<SiteFit> = shown.collect();
        for fit in &shown {
            tracing::info!(
                model = %active.model.version(), finding = %fit.finding, cases = fit.cases,
                error_before = fit.error_before, error_after = fit.error_after,
                "Confidence follows this site's confirmed cases."
            );
        }
        self.parts.status.update(|view| view.site_fits = shown);
        let calibrations = fits.into_iter().map(|(finding, fit)| (finding, fit.calibration));
        active.confidence.set(calibrations.collect());
    }
}

fn show_policy(parts: &Parts) {
    let policy = parts.policy.get();
    let learning = policy.learning.as_ref();
    let silence_allows = learning.is_some_and(|learning| learning.consents(None));
    parts.status.update(|view| {
        view.has_policy = learning.is_some();
        view.silence_allows = silence_allows;
    });
}

fn forgotten(removed: usize) {
    if 0 < removed {
        tracing::info!(
            removed,
            "Features that may not be learnt from any more were removed."
        );
    }
}

#[cfg(test)]
mod tests;
