//! The hub's own work for a run: the aggregate, the candidate, and removing what nobody needs.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_federation::aggregate::Summary;
use barefoot_federation::round::{Duty, Input, Stage, weighted_metrics};
use barefoot_federation::secagg::Error as Protocol;
use barefoot_federation::strategy::Strategy;
use barefoot_wire::v1;
use prost::Message;
use tokio::task::spawn_blocking;

use super::aggregation::{self, Work, WorkUpdates};
use super::ledger::With;
use super::refusal::Refusal;
use super::resume::WRONG_DEALER;
use super::run::{ActiveRun, Job};
use super::runs::Runs;
use super::uploads::update_chunks;
use super::{Error, finishing, secure, wire};
use crate::archive::{AttemptKey, GlobalRow, ReplyRow, RunEnd, RunState};
use crate::clock::now_ms;

/// Before work that could not be written down is done again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the candidate is tried before the run fails.
const FINISHING_TRIES: u32 = 5;

/// What came of an aggregation.
enum Made {
    Done(Box<(GlobalRow, Summary)>),
    Failed(String),
    /// Secure aggregation could not be ended; a clinic may have broken it for all.
    Broken(Protocol),
    Cancelled,
}

/// What the result of an aggregation is told with.
struct About {
    settings: v1::RunSettings,
    strategy: Strategy,
    /// In the order in which the updates were listed.
    clinics: Vec<ClinicId>,
    fit_metrics: Vec<(String, f64)>,
}

impl Runs {
    pub(super) fn start_aggregation(&self, run: &mut ActiveRun) {
        let job = Job::new();
        let (runs, key, flag) = (self.clone(), run.attempt.key.clone(), job.flag());
        run.job = Some(job);
        self.0.jobs.spawn(async move {
            if let Err(error) = runs.aggregate(&key, flag).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let (run, round) = (&key.run, key.round);
                tracing::error!(run, round, %error, cause, "An aggregate was not written down; it is made again.");
                tokio::time::sleep(PAUSE).await;
                runs.let_go(&key).await;
            }
        });
    }

    pub(super) fn start_finishing(&self, run: &mut ActiveRun) {
        let job = Job::new();
        run.job = Some(job);
        let (runs, key) = (self.clone(), run.attempt.key.clone());
        self.0.jobs.spawn(async move {
            if let Err(error) = runs.finish(&key).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let run = &key.run;
                tracing::error!(run, %error, cause, "A run's candidate was not made; it is tried again.");
                tokio::time::sleep(PAUSE).await;
                runs.let_go(&key).await;
            }
        });
    }

    /// The work may be started again.
    async fn let_go(&self, key: &AttemptKey) {
        let mut active = self.lock().await;
        if let Some(run) = active.get_mut(&key.run).filter(|run| run.attempt.key == *key) {
            run.job = None;
        }
        self.0.wake.notify_one();
    }

    async fn aggregate(&self, key: &AttemptKey, cancelled: Arc<AtomicBool>) -> Result<(), Error> {
        // What is stored is not removed before it is written down.
        let _hold = self.0.chunks.hold().await;
        let Some((made, about)) = self.make(key, cancelled).await? else {
            return Ok(());
        };
        let now = now_ms();
        let mut with = With::default();
        let mut banned = None;
        let input = match made {
            Made::Cancelled => return Ok(()),
            Made::Failed(problem) => Input::AggregationFailed(problem),
            Made::Broken(Protocol::WrongDealer { clinic }) => {
                let reason = "The clinic's shares do not rebuild what it committed to.";
                with.refusals = vec![Refusal::content(WRONG_DEALER, reason).row(&clinic, now)];
                let problem = format!("the shares of clinic {clinic} are wrong");
                banned = Some(clinic);
                Input::AggregationFailed(problem)
            }
            Made::Broken(error) => Input::AggregationFailed(error.to_string()),
            Made::Done(done) => {
                let (global, summary) = *done;
                let (model, base) = (&about.settings.model_id, &about.settings.base_version);
                with.metrics = self.0.registry.progress(model, base, &global.chunks).await;
                with.metrics.extend(about.fit_metrics);
                if names_outliers(&about.strategy) {
                    let left_out = summary
                        .left_out
                        .iter()
                        .filter_map(|place| about.clinics.get(*place));
                    let refusal = Refusal::content("left_out", "The strategy left this clinic's update out.");
                    with.refusals = left_out.map(|clinic| refusal.row(clinic, now)).collect();
                }
                let (run, round) = (&key.run, key.round);
                let (update_norm, step_norm) = (summary.update_norm, summary.step_norm);
                tracing::info!(
                    run,
                    round,
                    update_norm,
                    step_norm,
                    "The updates of a round were aggregated."
                );
                with.global = Some(global);
                Input::Aggregated
            }
        };
        let mut active = self.lock().await;
        let open = active.get(&key.run).is_some_and(|run| run.attempt.key == *key);
        if !open {
            return Ok(());
        }
        self.apply(&mut active, &key.run, &input, with).await?;
        if let (Some(clinic), Some(run)) = (banned, active.get_mut(&key.run)) {
            run.banned.insert(clinic);
        }
        Ok(())
    }

    /// The aggregate of an attempt. `None` when the attempt is over.
    async fn make(
        &self,
        key: &AttemptKey,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Option<(Made, About)>, Error> {
        let archive = &self.0.archive;
        let (work, about) = {
            let active = self.lock().await;
            let open = active.get(&key.run).filter(|run| run.attempt.key == *key);
            let Some(run) = open.filter(|run| run.attempt.round.stage() == Stage::Aggregating) else {
                return Ok(None);
            };
            let contributors: HashSet<ClinicId> = run.contributors().into_iter().collect();
            // In the order of the clinics' ids: the result does not depend on who came first.
            let replies = archive.replies(key, Duty::Fit).await?;
            let replies: Vec<ReplyRow> = replies
                .into_iter()
                .filter(|reply| contributors.contains(&reply.clinic))
                .collect();
            let about = about(run, &replies)?;
            let updates = if run.setup.rules.secure {
                match secure::play_back(archive, run).await?.reconstruct() {
                    Err(error) => return Ok(Some((Made::Broken(error), about))),
                    Ok(unmasker) => WorkUpdates::Masked {
                        params: Box::new(run.params()?),
                        unmasker,
                        vectors: replies
                            .iter()
                            .map(|reply| update_chunks(&reply.body))
                            .collect::<Result<_, _>>()?,
                    },
                }
            } else {
                WorkUpdates::Plain {
                    encoding: run.setup.encoding,
                    updates: replies
                        .iter()
                        .map(|reply| {
                            let weight = run.setup.weight(fit_reply(reply)?.examples);
                            Ok((weight, update_chunks(&reply.body)?))
                        })
                        .collect::<Result<_, Error>>()?,
                }
            };
            let work = Work {
                store: self.0.chunks.clone(),
                layout: Arc::clone(&run.layout),
                strategy: run.setup.strategy,
                round: key.round,
                global: run.attempt.global.clone(),
                updates,
                cancelled,
            };
            (work, about)
        };
        let made = match spawn_blocking(move || work.run()).await {
            Ok(Ok(done)) => Made::Done(Box::new(done)),
            Ok(Err(aggregation::Error::Cancelled)) => Made::Cancelled,
            Ok(Err(error)) => Made::Failed(error.to_string()),
            Err(_) => Made::Failed("the arithmetic broke off".to_owned()),
        };
        Ok(Some((made, about)))
    }

    /// Makes the candidate and ends the run. The registry knows the run: the same again is the same candidate. Whether it
    /// is judged already is not the run's concern.
    async fn finish(&self, key: &AttemptKey) -> Result<(), Error> {
        let (provenance, chunks) = {
            let active = self.lock().await;
            let Some(run) = active
                .get(&key.run)
                .filter(|run| run.state == RunState::Finishing)
            else {
                return Ok(());
            };
            let last = run.attempt.next_global.as_ref();
            let chunks = last.ok_or(Error::Stored { what: "last model" })?.chunks.clone();
            (
                finishing::provenance(&self.0.archive, run, now_ms()).await?,
                chunks,
            )
        };
        let added = self.0.registry.add_candidate(provenance, chunks).await;
        let mut active = self.lock().await;
        let Some(run) = active.get_mut(&key.run) else {
            return Ok(());
        };
        let end = match added {
            Ok(version) => RunEnd {
                state: RunState::Finished,
                reason: String::new(),
                candidate: version,
                at_ms: now_ms(),
            },
            Err(error) if run.finishing_failures + 1 < FINISHING_TRIES => {
                run.finishing_failures += 1;
                return Err(error.into());
            }
            Err(error) => RunEnd {
                state: RunState::Failed,
                reason: format!("The candidate could not be made: {error}"),
                candidate: String::new(),
                at_ms: now_ms(),
            },
        };
        self.0.archive.end_run(&key.run, &end).await?;
        let (run, state, candidate) = (&key.run, end.state.name(), &end.candidate);
        match end.state {
            RunState::Finished => tracing::info!(run, state, candidate, "A run has ended with a candidate."),
            _ => tracing::error!(
                run,
                reason = end.reason,
                "A run failed at its end; start another."
            ),
        }
        active.remove(&key.run);
        self.0.unjudged.notify_one();
        self.0.sweep.store(true, std::sync::atomic::Ordering::Relaxed);
        self.announce();
        Ok(())
    }

    /// Removes chunks that neither rounds nor models need.
    pub(super) async fn remove_unneeded(&self) -> Result<(), Error> {
        let needed = async {
            let (mut needed, updates) = self.0.archive.chunks_in_rounds().await?;
            for body in updates {
                needed.extend(update_chunks(&body)?);
            }
            needed.extend(self.0.registry.needed_chunks().await?);
            Ok::<_, Error>(needed)
        };
        match self.0.chunks.sweep(needed).await {
            // Somebody is storing chunks: the next end of a stage, or the next heartbeat, sweeps.
            None => self.0.sweep.store(true, std::sync::atomic::Ordering::Relaxed),
            Some(Ok(0)) => {}
            Some(Ok(removed)) => tracing::debug!(removed, "Chunks nobody needs any more were removed."),
            Some(Err(error)) => return Err(error),
        }
        Ok(())
    }
}

fn about(run: &ActiveRun, replies: &[ReplyRow]) -> Result<About, Error> {
    let mut said = Vec::new();
    // What masks and noise protect is not told by the side either.
    if !run.setup.hides_figures() {
        for reply in replies {
            let reply = fit_reply(reply)?;
            said.push((run.setup.weight(reply.examples), wire::metrics(&reply.metric)));
        }
    }
    let means = weighted_metrics(said.iter().map(|(weight, metrics)| (*weight, metrics.as_slice())));
    Ok(About {
        settings: run.setup.settings.clone(),
        strategy: run.setup.strategy,
        clinics: replies.iter().map(|reply| reply.clinic.clone()).collect(),
        fit_metrics: means
            .into_iter()
            .map(|(name, value)| (format!("fit/{name}"), value))
            .collect(),
    })
}

/// Whether being left out says something about a clinic. Krum takes one update of many.
fn names_outliers(strategy: &Strategy) -> bool {
    matches!(strategy, Strategy::MultiKrum { .. } | Strategy::Bulyan { .. })
}

fn fit_reply(reply: &ReplyRow) -> Result<v1::FitReply, Error> {
    v1::FitReply::decode(reply.body.as_slice()).map_err(|_| Error::Stored { what: "update" })
}
