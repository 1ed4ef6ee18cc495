//! Cases as workitems of the worklist service (UPS-RS): a program sees what waits to be read, and may take a case, say how far
//! it is, and give it back. What ends a case is done by people: signing a report completes its workitem, withdrawing the case
//! cancels it.

mod shown;

use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::Tier;
use ring::digest::{Context, SHA256};
use serde_json::Value;
use tokio::sync::Mutex;

use super::life::{Event, State};
use super::{ReaderView, Worklist};
use crate::Shutdown;
use crate::archive::{Case, CaseKey, CaseWorkitem, NotActed, Program, WorkitemStep};
use crate::clock::now_ms;
use crate::dicomweb::ups::{
    Action, Attributes, Done, Event as Told, EventKind, Events, Fault, Outcome, PROGRESS, Refusal, Request,
    Search, State as Step, Transaction, Workitem, Workitems, decide, updated,
};
use crate::dicomweb::{Caller, Later};
use shown::{state_of, workitem};

/// Read at once for a search.
const MOST: u32 = 20_000;

/// Settled in one transaction.
const SETTLED: u32 = 256;

/// Bytes of what a program says of how far it is.
const LARGEST_PROGRESS: usize = 64 * 1024;

/// Without news, in case something changed behind this hub's back.
const LOOK: Duration = Duration::from_secs(15);

/// After a failure of the database.
const PAUSE: Duration = Duration::from_secs(1);

const ONLY_SIGNED: &str =
    "a report that a person signs in the reading room completes this workitem: give it back by CANCELED";
const ONLY_WITHDRAWN: &str = "nobody has claimed this case, and only a chief withdraws one, in the reading room: leave it to its readers";
const WITH_A_PERSON: &str =
    "a person is reading this case and is not told of requests to cancel: write to the reading room";
const ONLY_PROGRESS: &str =
    "of a case only its Procedure Step Progress Information Sequence (0074,1002) is set by who claimed it";

/// The hub's list as a place of workitems. A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct CaseWorkitems {
    worklist: Worklist,
    events: Events,
    /// One at a time finds changes and tells of them, so that they are told in their order.
    telling: Arc<Mutex<()>>,
}

impl CaseWorkitems {
    pub(crate) fn new(worklist: Worklist, events: Events) -> Self {
        Self {
            worklist,
            events,
            telling: Arc::default(),
        }
    }

    /// Tells of cases that change, until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut changes = self.worklist.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let mut pause = LOOK;
            if let Err(error) = self.settle().await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "Programs could not be told of changed cases; it is tried again.");
                pause = PAUSE;
            }
            tokio::select! {
                () = shutdown.triggered() => return,
                _ = changes.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Gives every case its workitem and tells of what changed.
    async fn settle(&self) -> Result<(), crate::archive::Error> {
        let _one_at_a_time = self.telling.lock().await;
        loop {
            let (changed, more) = self
                .worklist
                .archive
                .settle_workitems(uid_of, word_of, SETTLED, now_ms())
                .await?;
            for one in &changed {
                self.events.tell(Told::new(EventKind::State, workitem(one)));
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn get_now(&self, uid: &str) -> Result<Workitem, Fault> {
        self.settle().await.map_err(failed)?;
        let found = self.worklist.archive.case_workitem(uid).await.map_err(failed)?;
        found.as_ref().map(workitem).ok_or(Fault::NotFound)
    }

    async fn search_now(&self, search: &Search) -> Result<Vec<Workitem>, Fault> {
        let wanted = search.states();
        let states: Vec<State> = State::ALL
            .into_iter()
            .filter(|state| wanted.contains(&state_of(*state)))
            .collect();
        if states.is_empty() {
            return Ok(Vec::new());
        }
        self.settle().await.map_err(failed)?;
        let rows = self.worklist.archive.case_workitems(&states, MOST).await;
        let shown = rows.map_err(failed)?;
        Ok(shown
            .iter()
            .map(workitem)
            .filter(|one| search.matches(one))
            .collect())
    }

    async fn act_now(&self, uid: &str, request: Request, who: &Caller) -> Result<Done, Fault> {
        self.settle().await.map_err(failed)?;
        let found = self.worklist.archive.case_workitem(uid).await.map_err(failed)?;
        let key = key(&found.ok_or(Fault::NotFound)?.case);
        let reader = ReaderView {
            person: who.id.clone(),
            name: who.name.clone(),
            // A program claims for a reader of any tier; it signs nothing.
            tier: Tier::Province,
            chief: false,
            subspecialties: Vec::new(),
        };
        let claim = Event::Claim {
            by: self.worklist.actor(&key, &reader).await.map_err(not_acted)?,
        };
        let program = Program {
            id: &who.id,
            name: &who.name,
        };
        let mut told = None;
        let acted = self
            .worklist
            .archive
            .act_on_workitem(
                uid,
                program,
                |workitem| {
                    let decided = decide_on(workitem, &request, who, claim)?;
                    told = decided.event;
                    Ok(decided.step)
                },
                &self.worklist.rules,
                now_ms(),
            )
            .await
            .map_err(not_acted)?
            .ok_or(Fault::NotFound)??;
        if let Some(acted) = acted {
            self.worklist.after(&acted);
            // Somebody else may be offered it.
            self.worklist.look();
        }
        // After the commit: who hears of it finds it so.
        match told {
            Some(Tell::CancelRequested(about)) => {
                let event = Told::cancel_requested(self.get_now(uid).await?, about, &who.name);
                self.events.tell(event);
            }
            Some(Tell::Progress) => {
                self.events
                    .tell(Told::new(EventKind::Progress, self.get_now(uid).await?));
            }
            None => self.settle().await.map_err(failed)?,
        }
        Ok(Done::default())
    }
}

impl Workitems for CaseWorkitems {
    fn get<'a>(&'a self, uid: &'a str) -> Later<'a, Result<Workitem, Fault>> {
        Box::pin(self.get_now(uid))
    }

    fn search<'a>(&'a self, search: &'a Search) -> Later<'a, Result<Vec<Workitem>, Fault>> {
        Box::pin(self.search_now(search))
    }

    fn act<'a>(&'a self, uid: &'a str, request: Request, who: &'a Caller) -> Later<'a, Result<Done, Fault>> {
        Box::pin(self.act_now(uid, request, who))
    }
}

/// What a request comes to.
struct Decided {
    step: Option<WorkitemStep>,
    event: Option<Tell>,
}

enum Tell {
    CancelRequested(Attributes),
    Progress,
}

fn decide_on(
    workitem: &CaseWorkitem,
    request: &Request,
    who: &Caller,
    claim: Event,
) -> Result<Decided, Fault> {
    let (action, given) = match request {
        Request::Update { transaction, .. } => (Action::Update, transaction.as_deref()),
        Request::Change { to, transaction } => (Action::Change(*to), transaction.as_deref()),
        Request::Cancel { .. } => (Action::RequestCancel, None),
    };
    let life = &workitem.case.life;
    // A lock counts for the program that set it. What a person holds has none that any program could know.
    let recorded = match &workitem.claim {
        Some((program, transaction)) if *program == who.id => Some(transaction.as_str()),
        _ if state_of(life.state) == Step::Scheduled => None,
        _ => Some(""),
    };
    let transaction = Transaction::of(given, recorded);
    let conflict = |why: &str| Fault::Conflict(why.to_owned());
    let step = |step| Decided {
        step: Some(step),
        event: None,
    };
    match decide(state_of(life.state), action, transaction, true) {
        Outcome::Refused(refusal) => Err(Fault::Refused(refusal)),
        // Nobody but its readers ends a case, so nobody else holds the lock of an ended one.
        Outcome::Nothing(_) => Err(Fault::Refused(Refusal::Ended)),
        Outcome::Cancel => Err(conflict(ONLY_WITHDRAWN)),
        Outcome::Tell => match (request, &workitem.claim) {
            (Request::Cancel { about }, Some(_)) => Ok(Decided {
                step: None,
                event: Some(Tell::CancelRequested(about.clone())),
            }),
            _ => Err(conflict(WITH_A_PERSON)),
        },
        Outcome::Becomes(Step::Completed) => Err(conflict(ONLY_SIGNED)),
        Outcome::Becomes(Step::Canceled) => Ok(step(WorkitemStep::Release {
            event: Event::Release { by: who.id.clone() },
        })),
        Outcome::Becomes(Step::Scheduled) => Err(Fault::Refused(Refusal::NotClaimed)),
        Outcome::Becomes(Step::InProgress) => match request {
            Request::Update { changes, .. } => Ok(Decided {
                step: Some(WorkitemStep::Progress {
                    event: Event::Renew { by: who.id.clone() },
                    progress: progress(changes)?,
                }),
                event: Some(Tell::Progress),
            }),
            Request::Change { .. } | Request::Cancel { .. } => Ok(step(WorkitemStep::Claim {
                event: claim,
                transaction: given.unwrap_or_default().to_owned(),
            })),
        },
    }
}

/// What of an update is kept.
fn progress(changes: &Attributes) -> Result<String, Fault> {
    updated(changes).map_err(Fault::Invalid)?;
    let allowed = |tag: &str| [PROGRESS, "00081195", "00080005"].contains(&tag);
    if !changes.object().keys().all(|tag| allowed(tag)) || !changes.contains(PROGRESS) {
        return Err(Fault::Invalid(ONLY_PROGRESS.to_owned()));
    }
    let mut kept = Attributes::default();
    kept.put_items(
        PROGRESS,
        changes.items(PROGRESS).cloned().map(Value::Object).collect(),
    );
    let text = kept.text();
    if LARGEST_PROGRESS < text.len() {
        return Err(Fault::Invalid(format!(
            "the progress has more than {LARGEST_PROGRESS} bytes"
        )));
    }
    Ok(text)
}

/// The same for the same case of the same clinic, on any hub.
fn uid_of(key: &CaseKey) -> String {
    let mut context = Context::new(&SHA256);
    for part in [
        "barefoot workitem of a case",
        key.clinic.as_str(),
        key.case.as_str(),
    ] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let hash = context.finish();
    let number = hash
        .as_ref()
        .iter()
        .take(16)
        .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("2.25.{number}")
}

fn word_of(state: State) -> &'static str {
    state_of(state).name()
}

fn key(case: &Case) -> CaseKey {
    CaseKey {
        clinic: case.clinic.clone(),
        case: case.case.clone(),
    }
}

fn failed(source: crate::archive::Error) -> Fault {
    Fault::Failed { source }
}

fn not_acted(error: NotActed) -> Fault {
    match error {
        NotActed::Unknown => Fault::NotFound,
        NotActed::Archive(source) => failed(source),
        // Why this program may not, or not now: the list's own words.
        NotActed::Refused(_) | NotActed::StaleDraft => Fault::Conflict(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use barefoot_domain::{CaseId, ClinicId};

    use super::*;

    #[test]
    fn a_workitems_uid_is_its_cases_alone() {
        let uid = |clinic: &str, case: &str| {
            uid_of(&CaseKey {
                clinic: ClinicId::new(clinic).unwrap(),
                case: CaseId::new(case).unwrap(),
            })
        };
        let one = uid("clinic-1", "2.25.1");
        assert_eq!(one, uid("clinic-1", "2.25.1"));
        assert!(one.starts_with("2.25.") && one.len() <= 64, "{one}");
        assert_ne!(one, uid("clinic-2", "2.25.1"));
        assert_ne!(uid("clinic-1", "2.25.12"), uid("clinic-12", "2.25.1"));
    }
}
