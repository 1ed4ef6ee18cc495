//! What to do next, from what is known: by the hub's orders (`orders`) and by what sources offer (`offers`). Nothing
//! here touches disk, line or model: `slot` has done what [`Keeper::next`] says and tells what came of it.

mod offers;
mod orders;

use std::sync::Arc;
use std::time::{Duration, Instant};

use barefoot_trust::release::{Release, ReleaseError};

use super::fetching;
use super::ledger::{Candidate, Ledger, Name, Origin};
use super::life::{Event, Life, Problem};

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
