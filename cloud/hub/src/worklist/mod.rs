//! The list of cases that people read.
//!
//! ```text
//! results ─▶ triage ─▶ life: one state, one function ─▶ archive: the state, its history and what the clinic hears, together
//!                        ▲
//!        readers' acts ──┤
//!        lapsed time ────┘  reconciler
//! ```
//! Nothing is held in memory: after a restart the reconciler finds in the archive what is to be done, and two of them
//! at once find it done.

pub(crate) mod alarms;
pub(crate) mod life;
mod reconciler;
pub(crate) mod roster;
pub(crate) mod rules;
pub(crate) mod triage;
mod workitems;

use std::sync::Arc;

use barefoot_domain::{ClinicId, Message, Tier};

use crate::archive::{
    Acted, Archive, By, Case, CaseKey, ClinicWord, Error, NewReport, NotActed, Said, Saved,
};
use crate::audit::{self, Action, Entry, Object};
use crate::changes::Changes;
use crate::clock::now_ms;
use crate::dispatch::Dispatch;
use life::{Actor, Event};
pub(crate) use reconciler::Reconciler;
use rules::Rules;
pub(crate) use workitems::CaseWorkitems;

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Worklist {
    archive: Archive,
    rules: Arc<Rules>,
    changes: Changes,
    dispatch: Dispatch,
    /// Something came that the reconciler should look at.
    news: Changes,
}

/// Who acts, as the account says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReaderView {
    pub(crate) person: String,
    /// For the audit log.
    pub(crate) name: String,
    pub(crate) tier: Tier,
    pub(crate) chief: bool,
    /// Kinds of studies; empty for all.
    pub(crate) subspecialties: Vec<String>,
}

impl Worklist {
    pub(crate) fn new(archive: Archive, rules: Rules, changes: Changes, dispatch: Dispatch) -> Self {
        Self {
            archive,
            rules: Arc::new(rules),
            changes,
            dispatch,
            news: Changes::new(),
        }
    }

    /// New results are in the archive.
    pub(crate) fn look(&self) {
        self.news.announce();
    }

    /// A clinic's word on a case, kept once it returns.
    pub(crate) async fn hear(&self, clinic: &ClinicId, word: &ClinicWord) -> Result<Said, Error> {
        let said = self.archive.hear(clinic, word, &self.rules, now_ms()).await?;
        if said.case.is_some() {
            self.announce();
        }
        Ok(said)
    }

    pub(crate) async fn claim(&self, key: &CaseKey, by: &ReaderView) -> Result<Acted, NotActed> {
        let event = Event::Claim {
            by: self.actor(key, by).await?,
        };
        self.act(key, event, by, ("claimed", Action::Claim), "").await
    }

    pub(crate) async fn release(&self, key: &CaseKey, by: &ReaderView) -> Result<Acted, NotActed> {
        let event = Event::Release {
            by: by.person.clone(),
        };
        self.act(key, event, by, ("released", Action::Release), "").await
    }

    /// The reader is still there.
    pub(crate) async fn renew(&self, key: &CaseKey, person: &str) -> Result<Acted, NotActed> {
        let event = Event::Renew {
            by: person.to_owned(),
        };
        let acted = self.archive.renew(key, &event, &self.rules, now_ms()).await?;
        Ok(acted)
    }

    pub(crate) async fn want_second(&self, key: &CaseKey, by: &ReaderView) -> Result<Acted, NotActed> {
        let event = Event::WantSecond {
            by: by.person.clone(),
        };
        self.act(key, event, by, ("second_wanted", Action::Refer), "")
            .await
    }

    /// To a named reader, or one tier up; `note` says why.
    pub(crate) async fn refer(
        &self,
        key: &CaseKey,
        by: &ReaderView,
        to: Option<String>,
        note: &str,
    ) -> Result<Acted, NotActed> {
        let event = Event::Refer {
            by: self.actor(key, by).await?,
            to,
        };
        self.act(key, event, by, ("referred", Action::Refer), note).await
    }

    pub(crate) async fn withdraw(
        &self,
        key: &CaseKey,
        by: &ReaderView,
        note: &str,
    ) -> Result<Acted, NotActed> {
        let event = Event::Withdraw {
            by: self.actor(key, by).await?,
        };
        self.act(key, event, by, ("withdrawn", Action::Withdraw), note)
            .await
    }

    pub(crate) async fn write(&self, key: &CaseKey, person: &str, message: &Message) -> Result<(), NotActed> {
        self.archive
            .write_to_clinic(key, person, message, &self.rules, now_ms())
            .await?;
        self.announce();
        self.dispatch.nudge();
        Ok(())
    }

    pub(crate) async fn save_draft(
        &self,
        key: &CaseKey,
        person: &str,
        content: &[u8],
        seen: u32,
    ) -> Result<Saved, NotActed> {
        self.archive
            .save_draft(key, person, content, seen, &self.rules, now_ms())
            .await
    }

    pub(crate) async fn give_opinion(
        &self,
        key: &CaseKey,
        person: &str,
        content: &[u8],
        agrees: Option<bool>,
    ) -> Result<Acted, NotActed> {
        let acted = self
            .archive
            .give_opinion(key, person, content, agrees, &self.rules, now_ms())
            .await?;
        self.after(&acted);
        self.look();
        Ok(acted)
    }

    pub(crate) async fn sign(&self, new: &NewReport<'_>, agrees: Option<bool>) -> Result<Acted, NotActed> {
        let acted = self
            .archive
            .sign_report(new, agrees, &self.rules, now_ms())
            .await?;
        self.after(&acted);
        self.dispatch.nudge();
        Ok(acted)
    }

    pub(crate) async fn add_to_report(&self, new: &NewReport<'_>) -> Result<(), NotActed> {
        self.archive.add_to_report(new, now_ms()).await?;
        self.announce();
        self.dispatch.nudge();
        Ok(())
    }

    /// Whether the reader may take the case now.
    pub(crate) async fn may_claim(&self, case: &Case, by: &ReaderView) -> Result<(), NotActed> {
        let key = CaseKey {
            clinic: case.clinic.clone(),
            case: case.case.clone(),
        };
        let actor = self.actor(&key, by).await?;
        Ok(case.life.may_claim(&actor, now_ms(), &self.rules)?)
    }

    /// What a person does, with its words in the case's history and in the audit log, as one step.
    async fn act(
        &self,
        key: &CaseKey,
        event: Event,
        by: &ReaderView,
        (word, action): (&str, Action),
        note: &str,
    ) -> Result<Acted, NotActed> {
        let person = audit::Actor::person(&by.person, &by.name);
        let details = if matches!(event, Event::WantSecond { .. }) {
            "second read"
        } else {
            note
        };
        let object = Object::case(&key.clinic, &key.case);
        let entry = Entry::new(person, action, object).details(details);
        let by = By {
            person: Some(&by.person),
            word,
            note,
        };
        let acted = self
            .archive
            .act_noted(key, &event, by, &entry, &self.rules, now_ms())
            .await?;
        self.after(&acted);
        if matches!(event, Event::Release { .. } | Event::Refer { .. }) {
            self.look();
        }
        Ok(acted)
    }

    async fn actor(&self, key: &CaseKey, by: &ReaderView) -> Result<Actor, NotActed> {
        let case = self.archive.case(key).await?.ok_or(NotActed::Unknown)?;
        let kind = triage::subspecialty(&case.modality);
        let reads_kind = by.subspecialties.is_empty() || by.subspecialties.iter().any(|own| own == kind);
        Ok(Actor {
            person: by.person.clone(),
            tier: by.tier,
            chief: by.chief,
            fits: reads_kind && self.archive.reads_for(&by.person, by.tier, &key.clinic).await?,
        })
    }

    fn after(&self, acted: &Acted) {
        self.announce();
        if acted.told {
            self.dispatch.nudge();
        }
    }

    fn announce(&self) {
        self.changes.announce();
    }
}

#[cfg(test)]
mod week_tests;
