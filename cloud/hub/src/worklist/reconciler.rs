use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::life::{Effect, Event};
use super::roster::{Candidate, Roster, choose};
use super::rules::Assignment;
use super::{Worklist, triage};
use crate::Shutdown;
use crate::archive::{By, Case, CaseKey, Error, NotActed};
use crate::audit::{self, Action, Entry, Object};
use crate::clock::now_ms;

/// Without news and with nothing lapsing, the list is looked at this often: what another hub or a person did behind this
/// one's back is found then.
const AT_LEAST: Duration = Duration::from_secs(15);

/// Looked at in one transaction: few enough to keep clinics' messages from waiting.
const RESULTS: u32 = 256;
const CASES: u32 = 128;

/// After a failure of the database.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the readers on the list come from.
pub(crate) type Readers =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Vec<Candidate>, Error>> + Send>> + Send + Sync>;

/// Brings the list to what results, clock and roster say. It keeps nothing in memory.
pub(crate) struct Reconciler {
    pub(crate) worklist: Worklist,
    pub(crate) readers: Readers,
    pub(crate) utc_offset_minutes: i32,
}

impl std::fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reconciler").finish_non_exhaustive()
    }
}

impl Reconciler {
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut news = self.worklist.news.subscribe();
        loop {
            // What comes while it looks is looked at once more.
            news.borrow_and_update();
            let pause = match self.once(now_ms()).await {
                Ok(wake_ms) => {
                    let until = wake_ms.map_or(AT_LEAST, |wake| {
                        Duration::from_millis(u64::try_from(wake - now_ms()).unwrap_or_default())
                    });
                    until.min(AT_LEAST)
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "The list could not be brought up to date; it is tried again.");
                    PAUSE
                }
            };
            tokio::select! {
                () = shutdown.triggered() => return,
                _ = news.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look; when the next thing lapses.
    pub(crate) async fn once(&self, now_ms: i64) -> Result<Option<i64>, Error> {
        let worklist = &self.worklist;
        let (mut changed, mut late) = (false, Vec::new());
        loop {
            let triaged = worklist.archive.triage(&worklist.rules, now_ms, RESULTS).await?;
            changed |= !triaged.cases.is_empty();
            if triaged.results < RESULTS {
                break;
            }
        }
        loop {
            let happened = worklist.archive.tick(&worklist.rules, now_ms, CASES).await?;
            let last = happened.is_empty();
            for one in happened {
                changed = true;
                late.extend(one.effects.iter().map(|effect| (one.case.clone(), *effect)));
            }
            if last {
                break;
            }
        }
        for key in worklist.archive.just_delivered(CASES).await? {
            let by = By::hub("delivered");
            let object = Object::case(&key.clinic, &key.case);
            let entry = Entry::new(audit::Actor::Hub("worklist"), Action::Deliver, object);
            match worklist
                .archive
                .act_noted(&key, &Event::Delivered, by, &entry, &worklist.rules, now_ms)
                .await
            {
                Ok(_) => changed = true,
                Err(NotActed::Archive(error)) => return Err(error),
                // Opened again meanwhile.
                Err(_) => {}
            }
        }
        if worklist.rules.assignment == Assignment::Push {
            changed |= self.offer(now_ms).await?;
        }
        for (case, effect) in late {
            say(&case, effect);
        }
        if changed {
            worklist.announce();
            worklist.dispatch.nudge();
        }
        worklist.archive.next_wake().await
    }

    /// Offers what nobody has.
    async fn offer(&self, now_ms: i64) -> Result<bool, Error> {
        let worklist = &self.worklist;
        let waiting = worklist.archive.unassigned(CASES).await?;
        if waiting.is_empty() {
            return Ok(false);
        }
        let candidates = (self.readers)().await?;
        let roster = Roster {
            shifts: worklist.archive.shifts().await?,
            absences: worklist.archive.absences(now_ms).await?,
            utc_offset_minutes: self.utc_offset_minutes,
        };
        let mut loads = worklist.archive.loads().await?;
        let mut offered_any = false;
        for case in waiting {
            let key = key(&case);
            let offered = worklist.archive.offers_of(&key).await?;
            let mut fitting = Vec::with_capacity(candidates.len());
            for one in &candidates {
                if worklist
                    .archive
                    .reads_for(&one.person, one.tier, &case.clinic)
                    .await?
                {
                    fitting.push(one.clone());
                }
            }
            let kind = triage::subspecialty(&case.modality);
            let Some(person) = choose(&case.life, kind, &fitting, &loads, &offered, &roster, now_ms) else {
                continue;
            };
            let event = Event::Offer {
                person: person.clone(),
            };
            let by = By {
                person: None,
                word: "offered",
                note: &person,
            };
            match worklist
                .archive
                .act(&key, &event, by, &worklist.rules, now_ms)
                .await
            {
                Ok(_) => {
                    offered_any = true;
                    match loads.iter_mut().find(|load| load.person == person) {
                        Some(load) => load.cases += 1,
                        None => loads.push(crate::archive::Load { person, cases: 1 }),
                    }
                }
                Err(NotActed::Archive(error)) => return Err(error),
                // Somebody was faster.
                Err(_) => {}
            }
        }
        Ok(offered_any)
    }
}

/// A person must hear of it; critical ones also by `alarms`.
fn say(case: &Case, effect: Effect) {
    let (clinic, number, urgency) = (&case.clinic, case.number, case.life.urgency);
    match effect {
        Effect::Escalated { from, to } => {
            tracing::warn!(%clinic, number, ?from, ?to, ?urgency, "A case was not read in time.");
        }
        Effect::Overdue { tier } => {
            tracing::warn!(%clinic, number, ?tier, ?urgency, "A case is overdue in somebody's hands.");
        }
        Effect::LeaseLapsed => tracing::info!(%clinic, number, "A lease lapsed; the case is free again."),
        Effect::OfferLapsed => tracing::info!(%clinic, number, "An offer lapsed."),
    }
}

fn key(case: &Case) -> CaseKey {
    CaseKey {
        clinic: case.clinic.clone(),
        case: case.case.clone(),
    }
}
