//! What to do next, from what is known. Nothing here touches disk, line or model: the loop in `mod.rs` does what
//! [`Keeper::next`] says and tells it what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barefoot_trust::release::{Release, ReleaseError, Targets};
use barefoot_wire::v1::{Action, Desired};

use super::fetching;
use super::ledger::{Candidate, Ledger, Name, Origin, Signed, is_higher};
use super::life::{Event, Life, Problem};
use super::shelf::Shelf;

/// First pause after something failed; doubled each time up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What was signed may be taken back: looked at again this often while a model is on probation.
const REFRESH: Duration = Duration::from_secs(3600);

/// A model that should answer and could not be opened is tried again this often.
const OPEN_AGAIN: Duration = Duration::from_secs(600);

/// Work for the loop; one at a time.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// Read the signed list.
    Consult(Origin),
    /// Bring the candidate's files onto the shelf.
    Obtain(Origin, Arc<Release>),
    /// Golden test of the candidate, then beside the active model or in its place.
    OpenCandidate(Candidate),
    /// The model that should answer does not: open it.
    OpenGood,
}

/// Why it does not go on, as far as the ledger does not say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) code: &'static str,
    /// What was offered is refused, rather than out of reach.
    pub(super) refusing: bool,
}

/// Everything the decisions depend on.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(super) ledger: Ledger,
    /// The signed list of the candidate, once it was read in this run.
    release: Option<Arc<Release>>,
    /// The hub's last wish.
    wish: Option<Name>,
    trouble: Option<Trouble>,
    pub(super) stick_trouble: Option<&'static str>,
    failures: u32,
    wait_until: Option<Instant>,
    refreshed_at: Option<Instant>,
    stick_due: bool,
    /// The model that should answer was tried and could not be opened; when.
    pub(super) good_failed_at: Option<Instant>,
    /// Studies for releases from a stick.
    stick_terms: (u32, u32),
}

/// What answers now, as far as decisions need it.
#[derive(Debug, Clone, Default)]
pub(super) struct AtWork {
    pub(super) active: Option<Name>,
    pub(super) beside: Option<Name>,
}

impl Keeper {
    pub(super) fn new(ledger: Ledger, stick_terms: (u32, u32)) -> Self {
        Self {
            ledger,
            release: None,
            wish: None,
            trouble: None,
            stick_trouble: None,
            failures: 0,
            wait_until: None,
            refreshed_at: None,
            stick_due: false,
            good_failed_at: None,
            stick_terms,
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// The next piece of work; `None`: wait for something to happen.
    pub(super) fn next(&self, at_work: &AtWork, now: Instant) -> Option<Work> {
        if self.wait_until.is_some_and(|until| now < until) {
            return None;
        }
        let on_trial = |it: &&Candidate| it.life == Life::Trial;
        let answering = match self.ledger.candidate.as_ref().filter(on_trial) {
            Some(candidate) => Some(&candidate.name),
            None => self.ledger.good_name(),
        };
        if at_work.active.as_ref() != answering && answering.is_some() {
            match self.ledger.candidate.as_ref().filter(on_trial) {
                Some(candidate) => return Some(Work::OpenCandidate(candidate.clone())),
                None if self.good_may_be_opened(now) => return Some(Work::OpenGood),
                None => {}
            }
        }
        let due = self
            .refreshed_at
            .is_none_or(|at| REFRESH <= now.duration_since(at));
        match &self.ledger.candidate {
            Some(it) => match (it.life, &self.release) {
                (Life::Downloading, None) => Some(Work::Consult(it.origin)),
                (Life::Downloading, Some(release)) => Some(Work::Obtain(it.origin, Arc::clone(release))),
                (Life::Verified, _) => Some(Work::OpenCandidate(it.clone())),
                (Life::Shadow, _) if at_work.beside.as_ref() != Some(&it.name) => {
                    Some(Work::OpenCandidate(it.clone()))
                }
                _ => due.then_some(Work::Consult(it.origin)),
            },
            None => self.stick_due.then_some(Work::Consult(Origin::Usb)),
        }
    }

    /// A library may come, a disk may be mended: one that could not be opened is tried again now and then.
    fn good_may_be_opened(&self, now: Instant) -> bool {
        self.good_failed_at
            .is_none_or(|at| OPEN_AGAIN <= now.duration_since(at))
    }

    /// When [`Self::next`] should be asked again although nothing happened.
    pub(super) fn ask_again_at(&self) -> Option<Instant> {
        let watched = self.ledger.candidate.is_some();
        let refresh = self.refreshed_at.filter(|_| watched).map(|at| at + REFRESH);
        let open = self.good_failed_at.map(|at| at + OPEN_AGAIN);
        self.wait_until.or(refresh.into_iter().chain(open).min())
    }

    pub(super) fn look_at_stick(&mut self) {
        self.stick_due = true;
        if self
            .ledger
            .candidate
            .as_ref()
            .is_some_and(|it| it.origin == Origin::Usb)
        {
            self.wait_until = None;
        }
    }

    /// The hub's word. True when the ledger has changed.
    pub(super) fn instructed(&mut self, desired: &Desired, now_ms: i64) -> bool {
        let name = Name {
            id: desired.model_id.clone(),
            version: desired.version.clone(),
        };
        match desired.action() {
            Action::Install => self.install(name, desired),
            Action::RollBack => self.go_back(&name, now_ms),
            Action::Keep | Action::Unspecified => self.keep(),
        }
    }

    /// What the hub asked for is not fetched any further; what answers, goes on. A stick's release is not the hub's.
    fn keep(&mut self) -> bool {
        self.wish = None;
        let drop = |it: &Candidate| it.origin == Origin::Hub && it.life != Life::Trial;
        let dropped = self.ledger.candidate.as_ref().is_some_and(drop);
        if dropped {
            self.drop_candidate();
        } else if self.ledger.candidate.is_none() {
            self.calm();
        }
        dropped
    }

    fn install(&mut self, name: Name, desired: &Desired) -> bool {
        if self.ledger.good_name() == Some(&name) {
            let dropped = self.keep();
            self.wish = Some(name);
            return dropped;
        }
        self.wish = Some(name.clone());
        let ended = self.ledger.end_of(&name, None);
        let may_be_tried = ended
            .and_then(|it| it.life.problem())
            .is_none_or(Problem::may_be_tried_again);
        match &mut self.ledger.candidate {
            Some(it) if it.name == name => {
                let terms = (desired.shadow_studies, desired.trial_studies);
                let changed = terms != (it.shadow_studies, it.trial_studies);
                (it.shadow_studies, it.trial_studies) = terms;
                return changed;
            }
            // One that answers is judged first.
            Some(it) if it.life == Life::Trial => return false,
            _ if !may_be_tried => return false,
            _ => self.drop_candidate(),
        }
        self.ledger.candidate = Some(Candidate {
            name,
            signed: None,
            origin: Origin::Hub,
            life: Life::Downloading,
            shadow_studies: desired.shadow_studies,
            trial_studies: desired.trial_studies,
            deaths: 0,
            before_p95_ms: None,
        });
        true
    }

    /// Back to `target`, or to the last good one where the hub names none; never to one that was not good here.
    fn go_back(&mut self, target: &Name, now_ms: i64) -> bool {
        self.wish = None;
        if !target.version.is_empty() && !self.ledger.was_good(target) {
            self.trouble = Some(Trouble {
                code: "never_good_here",
                refusing: true,
            });
            return false;
        }
        let before = self.ledger.clone();
        match self.ledger.candidate.as_ref().map(|it| it.life) {
            Some(Life::Trial) => {
                self.ledger.happened(Event::Failed(Problem::Commanded), now_ms);
                self.release = None;
            }
            Some(_) => self.drop_candidate(),
            None => {}
        }
        if target.version.is_empty() {
            // With one on trial, the last good one is where that came from.
            if before.candidate.as_ref().is_none_or(|it| it.life != Life::Trial) {
                self.ledger.good_failed(Problem::Commanded, now_ms);
            }
        } else {
            while self.ledger.good.is_some() && self.ledger.good_name() != Some(target) {
                self.ledger.good_failed(Problem::Commanded, now_ms);
            }
        }
        self.calm();
        before != self.ledger
    }

    fn drop_candidate(&mut self) {
        self.ledger.candidate = None;
        self.release = None;
        self.calm();
    }

    /// Nothing stands in the way any more.
    fn calm(&mut self) {
        self.trouble = None;
        self.failures = 0;
        self.wait_until = None;
    }

    /// Something stands in the way: again after a pause that grows.
    pub(super) fn hindered(&mut self, trouble: Trouble, now: Instant) {
        self.trouble = Some(trouble);
        let pause = PAUSE
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.wait_until = Some(now + pause);
        // Whatever was believed of the source is asked for anew.
        self.release = None;
    }

    /// The signed list was read, or not. True when the ledger has changed.
    pub(super) fn consulted(
        &mut self,
        origin: Origin,
        result: Result<&Targets, &fetching::Error>,
        now: Instant,
        now_ms: i64,
    ) -> bool {
        self.refreshed_at = Some(now);
        if origin == Origin::Usb {
            self.stick_due = false;
            self.stick_trouble = None;
        }
        match (result, self.ledger.candidate.clone()) {
            (Ok(targets), Some(candidate)) => self.listed(&candidate, targets, now, now_ms),
            (Ok(targets), None) if origin == Origin::Usb => self.offered_by_stick(targets),
            (Ok(_), None) => false,
            (Err(error), Some(candidate)) if candidate.life == Life::Downloading => {
                self.hindered(Trouble::of(error), now);
                false
            }
            // What is here already was signed when it came; the list is asked for again later.
            (Err(_), Some(_)) => false,
            (Err(error), None) => {
                if origin == Origin::Usb {
                    self.stick_trouble = Some(error.code());
                }
                false
            }
        }
    }

    fn listed(&mut self, candidate: &Candidate, targets: &Targets, now: Instant, now_ms: i64) -> bool {
        let release = match targets.release(&candidate.name.id, &candidate.name.version) {
            Ok(release) => release,
            Err(error) => {
                let gone =
                    matches!(error, ReleaseError::Withdrawn { .. }) || candidate.life != Life::Downloading;
                if gone {
                    return self.failed(Problem::Withdrawn, now_ms);
                }
                self.hindered(Trouble::refusal(&error), now);
                return false;
            }
        };
        let signed = signed(release);
        if candidate.life != Life::Downloading {
            if candidate.signed.as_ref() == Some(&signed) {
                return false;
            }
            return self.failed(Problem::Withdrawn, now_ms);
        }
        let installed = self.ledger.good.as_ref().and_then(|good| good.signed.as_ref());
        if let Err(error) = release.check_newer_than(installed.map(|signed| signed.sequence)) {
            self.hindered(Trouble::refusal(&error), now);
            return false;
        }
        if let Some(ended) = self.ledger.end_of(&candidate.name, Some(&signed))
            && !ended.life.problem().is_some_and(Problem::may_be_tried_again)
        {
            self.drop_candidate();
            return true;
        }
        self.calm();
        self.release = Some(Arc::new(release.clone()));
        if let Some(it) = &mut self.ledger.candidate {
            it.signed = Some(signed);
        }
        true
    }

    /// The newest release of the model that answers, when it is newer than that and never ended here.
    fn offered_by_stick(&mut self, targets: &Targets) -> bool {
        let Some(good) = self.ledger.good_name().cloned() else {
            return false;
        };
        let listed = |name: &Name| {
            targets
                .release(&name.id, &name.version)
                .ok()
                .map(|it| it.details.sequence)
        };
        let installed = self.ledger.good.as_ref().and_then(|good| good.signed.as_ref());
        let sequence = installed.map(|signed| signed.sequence).or_else(|| listed(&good));
        let newest = targets
            .releases
            .iter()
            .rev()
            .find(|it| it.details.model == good.id);
        let Some(newest) = newest else { return false };
        let name = name_of(newest);
        let newer = match sequence {
            Some(sequence) => sequence < newest.details.sequence,
            // The site file's bundle was never listed: its number decides.
            None => is_higher(&name.version, &good.version),
        };
        let signed = signed(newest);
        if !newer || name == good || self.ledger.end_of(&name, Some(&signed)).is_some() {
            return false;
        }
        tracing::info!(model = %name, "The stick has a newer release.");
        self.calm();
        self.release = Some(Arc::new(newest.clone()));
        self.ledger.candidate = Some(Candidate {
            name,
            signed: Some(signed),
            origin: Origin::Usb,
            life: Life::Downloading,
            shadow_studies: self.stick_terms.0,
            trial_studies: self.stick_terms.1,
            deaths: 0,
            before_p95_ms: None,
        });
        true
    }

    /// All files are on the shelf.
    pub(super) fn obtained(&mut self, name: &Name, now_ms: i64) -> bool {
        if self.candidate_is(name) {
            self.calm();
            return self.ledger.happened(Event::Complete, now_ms);
        }
        false
    }

    pub(super) fn candidate_is(&self, name: &Name) -> bool {
        self.ledger.candidate.as_ref().is_some_and(|it| it.name == *name)
    }

    /// The candidate goes its way. True when it could.
    pub(super) fn happened(&mut self, event: Event, now_ms: i64) -> bool {
        let moved = self.ledger.happened(event, now_ms);
        if self.ledger.candidate.is_none() {
            self.release = None;
            self.calm();
        }
        moved
    }

    pub(super) fn failed(&mut self, problem: Problem, now_ms: i64) -> bool {
        if let Some(candidate) = &self.ledger.candidate {
            tracing::warn!(model = %candidate.name, reason = problem.code(), "A new model does not run here.");
        }
        self.happened(Event::Failed(problem), now_ms)
    }

    /// The release on its way or last tried, and how it stands.
    pub(super) fn on_its_way(&self) -> Option<(&Name, Life)> {
        if let Some(candidate) = &self.ledger.candidate {
            return Some((&candidate.name, candidate.life));
        }
        let good = self.ledger.good_name().map(|name| (name, Life::Good));
        if self.wish.is_some() && good.map(|(name, _)| name) == self.wish.as_ref() {
            return good;
        }
        let wished = self.wish.as_ref().and_then(|wish| self.ledger.end_of(wish, None));
        let ended = wished.or(self.ledger.last_ended());
        ended.map(|it| (&it.name, it.life)).or(good)
    }
}

impl Trouble {
    pub(super) fn of(error: &fetching::Error) -> Self {
        Self {
            code: error.code(),
            refusing: !error.is_passing(),
        }
    }

    fn refusal(error: &ReleaseError) -> Self {
        Self {
            code: error.code(),
            refusing: true,
        }
    }
}

pub(super) fn name_of(release: &Release) -> Name {
    Name {
        id: release.details.model.clone(),
        version: release.details.version.clone(),
    }
}

fn signed(release: &Release) -> Signed {
    Signed {
        sequence: release.details.sequence,
        digest: Shelf::digest_of(release),
    }
}
