//! The work [`Keeper::next`](super::keeper::Keeper::next) asks for: begun here, and what came of it.

use std::time::Instant;

use barefoot_trust::release::Targets;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use super::fetching;
use super::healths::Healths;
use super::keeper::{self, AtWork, Trouble, Work};
use super::ledger::{Candidate, Name, Origin};
use super::life::{Life, Problem};
use super::slot::ModelSlot;
use super::source::Source;
use super::start::{self, Unfit};
use crate::clock::now_ms;
use crate::error_chain::chain;
use crate::model::{ActiveModel, open};

/// What came of a piece of work.
#[derive(Debug)]
pub(super) enum Done {
    Consulted(Origin, Result<Targets, fetching::Error>),
    Obtained(Name, Result<u64, fetching::Error>),
    Candidate(Candidate, Result<Box<ActiveModel>, Unfit>),
    Good(Name, Result<Box<ActiveModel>, Unfit>),
    Dropped,
}

impl ModelSlot {
    pub(super) fn at_work(&self) -> AtWork {
        AtWork {
            active: self.models.active().map(|it| Name::of(it.model.version())),
            beside: self.models.shadow().map(|it| Name::of(it.model.version())),
        }
    }

    pub(super) fn begin_work(&mut self) {
        if !self.work.is_empty() {
            return;
        }
        let Some(work) = self.keeper.next(&self.at_work(), Instant::now()) else {
            return;
        };
        let doing = CancellationToken::new();
        self.doing = Some(doing.clone());
        let (shelf, config) = (self.shelf.clone(), self.model_config.clone());
        match work {
            Work::Consult(origin) => {
                let (source, root) = (self.source(origin), self.config.root.clone());
                self.work.spawn(async move {
                    let consulted = match source {
                        Some(source) => fetching::consult(&shelf, root, &source).await,
                        None => Err(fetching::Error::NoSource),
                    };
                    Done::Consulted(origin, consulted)
                });
            }
            Work::Obtain(origin, release) => {
                let (name, source) = (keeper::name_of(&release), self.source(origin));
                self.work.spawn(async move {
                    let obtaining = async {
                        match source {
                            Some(source) => fetching::obtain(shelf, source, release).await,
                            None => Err(fetching::Error::NoSource),
                        }
                    };
                    tokio::select! {
                        () = doing.cancelled() => Done::Dropped,
                        obtained = obtaining => Done::Obtained(name, obtained),
                    }
                });
            }
            Work::OpenCandidate(candidate) => {
                let healths = Healths::load(self.shelf.root());
                let health = match candidate.life {
                    Life::Trial => healths.answering(&candidate.name),
                    _ => healths.beside(&candidate.name),
                };
                self.work.spawn(async move {
                    let asked = candidate.clone();
                    let opening =
                        move || start::open_candidate(&shelf, &config, &asked, health).map(Box::new);
                    Done::Candidate(candidate, opened(tokio::task::spawn_blocking(opening).await))
                });
            }
            Work::OpenGood => {
                let good = self.keeper.ledger.good.clone();
                let Some(name) = self.keeper.ledger.good_name().cloned() else {
                    return;
                };
                self.work.spawn(async move {
                    let opening = move || match &good {
                        Some(good) => start::open_installed(&shelf, &config, good),
                        None => open(shelf.factory(), &config).map_err(Unfit::from),
                    };
                    let opening = move || opening().map(Box::new);
                    Done::Good(name, opened(tokio::task::spawn_blocking(opening).await))
                });
            }
        }
    }

    fn source(&self, origin: Origin) -> Option<Source> {
        match origin {
            Origin::Hub => self.hub.as_ref().map(|hub| Source::hub(hub.channel.clone())),
            Origin::Usb => self.config.usb.clone().map(Source::Directory),
        }
    }

    pub(super) async fn done(&mut self, done: Result<Done, JoinError>) {
        self.doing = None;
        let now = Instant::now();
        match done {
            Ok(Done::Consulted(origin, result)) => {
                if let Err(error) = &result {
                    log_refusal(error);
                }
                if self.keeper.consulted(origin, result.as_ref(), now, now_ms()) {
                    self.follow_the_ledger();
                    self.save().await;
                }
            }
            Ok(Done::Obtained(name, Ok(bytes))) => {
                if self.keeper.obtained(&name, now_ms()) {
                    tracing::info!(model = %name, bytes, "A release is here, whole and as it was signed.");
                    self.save().await;
                }
            }
            Ok(Done::Obtained(name, Err(error))) => {
                log_refusal(&error);
                if self.keeper.candidate_is(&name) {
                    self.keeper.hindered(Trouble::of(&error), now);
                }
            }
            Ok(Done::Candidate(candidate, result)) => self.candidate_opened(&candidate, result).await,
            Ok(Done::Good(name, result)) => self.good_opened(&name, result).await,
            Ok(Done::Dropped) => {}
            Err(error) => {
                tracing::error!(%error, "Work on a release panicked; it is tried again.");
                self.keeper.hindered(
                    Trouble {
                        code: "panicked",
                        refusing: false,
                    },
                    now,
                );
            }
        }
    }
}

fn opened(joined: Result<Result<Box<ActiveModel>, Unfit>, JoinError>) -> Result<Box<ActiveModel>, Unfit> {
    joined.unwrap_or_else(|_| {
        Err(Unfit {
            problem: Problem::Bundle,
            text: "opening the model panicked".to_owned(),
        })
    })
}

fn log_refusal(error: &fetching::Error) {
    let (code, reason) = (error.code(), chain(error));
    if error.is_passing() {
        tracing::info!(
            code,
            reason,
            "A release cannot be had at the moment; tried again."
        );
    } else {
        tracing::error!(code, reason, "A release is refused.");
    }
}
