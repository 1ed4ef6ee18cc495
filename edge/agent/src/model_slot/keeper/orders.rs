use barefoot_wire::v1::{Action, Desired};

use super::super::ledger::{Candidate, Name, Origin};
use super::super::life::{Event, Life, Problem};
use super::{AtWork, Keeper, Trouble};

impl Keeper {
    /// The hub's word. True when the ledger has changed.
    pub(in super::super) fn instructed(&mut self, desired: &Desired, at_work: &AtWork, now_ms: i64) -> bool {
        let name = Name {
            id: desired.model_id.clone(),
            version: desired.version.clone(),
        };
        match desired.action() {
            Action::Install => self.install(name, desired),
            Action::RollBack if name.version.is_empty() && self.is_on_its_way_back(at_work) => false,
            Action::RollBack => self.go_back(&name, now_ms),
            Action::Keep | Action::Unspecified => self.keep(),
        }
    }

    /// The one that must go still answers while the one before it is opened: the hub says again what is being done.
    fn is_on_its_way_back(&self, at_work: &AtWork) -> bool {
        let on_trial = |it: &Candidate| it.life == Life::Trial;
        !self.ledger.candidate.as_ref().is_some_and(on_trial)
            && at_work.active.as_ref() != self.ledger.good_name()
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
}
