//! Which model answers when the daemon starts: the one on trial, else the last good one, else the one before it, else
//! the site file's bundle. One that cannot be opened is no reason for the next not to be tried.

use std::sync::Arc;

use barefoot_inference::Bundle;

use super::healths::Healths;
use super::ledger::{Candidate, Installed, Ledger, Name, Signed};
use super::life::{Event, Life, Problem};
use super::shelf::Shelf;
use crate::clock::now_ms;
use crate::config::ModelConfig;
use crate::error_chain::chain;
use crate::model::{ActiveModel, Probation, Unusable, open};

/// The daemon died this often while a model on probation was at work: it goes.
const DEATHS: u32 = 3;

/// Why a model cannot answer here.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) problem: Problem,
    /// For the log and the page.
    pub(super) text: String,
}

impl From<Unusable> for Unfit {
    fn from(error: Unusable) -> Self {
        Self {
            problem: match error {
                Unusable::Bundle { .. } => Problem::Bundle,
                Unusable::Engine { .. } => Problem::Golden,
            },
            text: chain(&error),
        }
    }
}

/// What a start finds.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) ledger: Ledger,
    pub(crate) active: Option<Arc<ActiveModel>>,
    /// Why none answers.
    pub(crate) problem: Option<String>,
}

/// Blocking, for seconds.
pub(crate) fn start(shelf: &Shelf, config: &ModelConfig) -> Started {
    let mut ledger = read_ledger(shelf);
    let factory = Bundle::load(shelf.factory());
    ledger.meet_factory(factory.as_ref().ok().map(|bundle| Name::of(bundle.version())));
    let healths = Healths::load(shelf.root());
    count_a_death(shelf, &mut ledger);
    // Before anything is opened: what takes the daemon along again is counted again.
    save(shelf, &ledger);

    if let Some(candidate) = ledger.candidate.clone().filter(|it| it.life == Life::Trial) {
        match open_candidate(shelf, config, &candidate, healths.answering(&candidate.name)) {
            Ok(model) => {
                return Started {
                    ledger,
                    active: Some(Arc::new(model)),
                    problem: None,
                };
            }
            Err(unfit) => {
                give_up(&mut ledger, &candidate.name, &unfit);
                save(shelf, &ledger);
            }
        }
    }
    while let Some(good) = ledger.good.clone() {
        match open_installed(shelf, config, &good) {
            Ok(model) => {
                return Started {
                    active: Some(Arc::new(model.counting_from(healths.answering(&good.name)))),
                    ledger,
                    problem: None,
                };
            }
            Err(unfit) => {
                tracing::error!(model = %good.name, reason = unfit.text, "A model that was good cannot be opened any more; the one before it answers.");
                ledger.good_failed(unfit.problem, now_ms());
                save(shelf, &ledger);
            }
        }
    }
    let (active, problem) = match open(shelf.factory(), config) {
        Ok(model) => {
            let name = Name::of(model.model.version());
            (
                Some(Arc::new(model.counting_from(healths.answering(&name)))),
                None,
            )
        }
        Err(error) => (None, Some(chain(&error))),
    };
    Started {
        ledger,
        active,
        problem,
    }
}

/// A release as it was signed, and golden on this box. Blocking, for seconds.
pub(super) fn open_signed(
    shelf: &Shelf,
    config: &ModelConfig,
    name: &Name,
    signed: Option<&Signed>,
) -> Result<ActiveModel, Unfit> {
    let on_disk = shelf.digest_on_disk(name);
    if !on_disk.is_ok_and(|digest| signed.is_some_and(|signed| signed.digest == digest)) {
        return Err(Unfit {
            problem: Problem::Damaged,
            text: "the bundle on this box is not the one that was signed".to_owned(),
        });
    }
    let model = open(&shelf.bundle(name), config)?;
    if Name::of(model.model.version()) != *name {
        return Err(Unfit {
            problem: Problem::Mislabelled,
            text: "the bundle's manifest names another model or version than was signed".to_owned(),
        });
    }
    Ok(model)
}

/// One on probation: whoever it takes along is noticed from its first moment. It counts on from `health`.
pub(super) fn open_candidate(
    shelf: &Shelf,
    config: &ModelConfig,
    candidate: &Candidate,
    health: crate::model::Health,
) -> Result<ActiveModel, Unfit> {
    let probation = Probation::new(shelf.mark(), candidate.name.to_string());
    let at_work = probation.begin();
    let opened = open_signed(shelf, config, &candidate.name, candidate.signed.as_ref());
    drop(at_work);
    Ok(opened?.on_probation(probation, health))
}

pub(super) fn open_installed(
    shelf: &Shelf,
    config: &ModelConfig,
    installed: &Installed,
) -> Result<ActiveModel, Unfit> {
    open_signed(shelf, config, &installed.name, installed.signed.as_ref())
}

fn read_ledger(shelf: &Shelf) -> Ledger {
    let error = match Ledger::load(shelf.root()) {
        Ok(ledger) => return ledger.unwrap_or_default(),
        Err(error) => error,
    };
    tracing::error!(
        error = chain(&error),
        "What this box knew about its releases cannot be read; the site file's model answers until a release comes again."
    );
    if let Err(error) = Ledger::set_aside(shelf.root()) {
        tracing::warn!(%error, "The damaged ledger of releases could not be set aside.");
    }
    Ledger::default()
}

fn count_a_death(shelf: &Shelf, ledger: &mut Ledger) {
    let Some(died) = Probation::died_at_work(&shelf.mark()) else {
        return;
    };
    let Some(candidate) = ledger.candidate.as_mut().filter(|it| it.name.to_string() == died) else {
        return;
    };
    candidate.deaths = candidate.deaths.saturating_add(1);
    tracing::warn!(
        model = died,
        deaths = candidate.deaths,
        "The daemon died while a model on probation was at work."
    );
    if DEATHS <= candidate.deaths {
        let (name, unfit) = (
            candidate.name.clone(),
            Unfit {
                problem: Problem::Crashed,
                text: "it took the daemon along again and again".to_owned(),
            },
        );
        give_up(ledger, &name, &unfit);
    }
}

fn give_up(ledger: &mut Ledger, name: &Name, unfit: &Unfit) {
    tracing::error!(model = %name, reason = unfit.text, "A new model is given up; the one before it answers.");
    ledger.happened(Event::Failed(unfit.problem), now_ms());
}

fn save(shelf: &Shelf, ledger: &Ledger) {
    if let Err(error) = ledger.save(shelf.root()) {
        tracing::error!(%error, "What this box knows about its releases cannot be written down.");
    }
}
