//! Workitems that clients make, in the database.

use serde_json::{Map, Value};

use super::attributes::{Attributes, values};
use super::events::{Event, EventKind, Events};
use super::requirements::{
    CANCELLATION_TIME, PROGRESS, REASON, STATE, TRANSACTION, made, missing_for, updated,
};
use super::search::Search;
use super::state::{Action, Outcome, State, Transaction, decide};
use super::workitems::{Done, Fault, Request, Workitem, Workitems};
use crate::archive::{Archive, WorkitemChange, WorkitemRow};
use crate::clock::now_ms;
use crate::dicomweb::access::{Caller, Later};
use crate::dicomweb::moment::date_time;

/// Read at once for a search; older ones first.
const MOST: u32 = 20_000;

/// Bytes of one workitem.
const LARGEST: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct MadeWorkitems {
    archive: Archive,
    events: Events,
}

impl MadeWorkitems {
    pub(crate) fn new(archive: Archive, events: Events) -> Self {
        Self { archive, events }
    }

    pub(crate) async fn create(&self, uid: &str, mut attributes: Attributes, who: &str) -> Result<(), Fault> {
        made(&mut attributes).map_err(Fault::Invalid)?;
        let now = now_ms();
        let row = WorkitemRow {
            uid: uid.to_owned(),
            state: State::Scheduled.name().to_owned(),
            transaction_uid: None,
            created_by: who.to_owned(),
            claimed_by: None,
            created_at_ms: now,
            changed_at_ms: now,
            attributes: Some(attributes.text()),
        };
        if !self.archive.insert_workitem(&row).await.map_err(failed)? {
            return Err(Fault::Exists);
        }
        tracing::info!(workitem = uid, who, "A workitem was made.");
        self.events.tell(Event::new(EventKind::State, workitem(&row)?));
        Ok(())
    }

    async fn get_now(&self, uid: &str) -> Result<Workitem, Fault> {
        let row = self.archive.workitem(uid).await.map_err(failed)?;
        workitem(&row.ok_or(Fault::NotFound)?)
    }

    async fn search_now(&self, search: &Search) -> Result<Vec<Workitem>, Fault> {
        let states: Vec<&str> = search.states().into_iter().map(State::name).collect();
        if states.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.archive.workitems(&states, MOST).await.map_err(failed)?;
        let mut found = Vec::new();
        for row in &rows {
            let one = workitem(row)?;
            if search.matches(&one) {
                found.push(one);
            }
        }
        Ok(found)
    }

    async fn act_now(&self, uid: &str, request: Request, who: &str) -> Result<Done, Fault> {
        let (now, by) = (now_ms(), who.to_owned());
        let decided = self
            .archive
            .change_workitem(uid, move |row| {
                let decided = decide_on(row, &request, &by, now);
                match decided {
                    Ok((row, done, events)) => WorkitemChange {
                        row,
                        answer: Ok((done, events)),
                    },
                    Err(fault) => WorkitemChange {
                        row: None,
                        answer: Err(fault),
                    },
                }
            })
            .await
            .map_err(failed)?;
        let (done, events) = decided?;
        // After the commit: who hears of it finds it so.
        for event in events {
            tracing::info!(workitem = uid, who, event = ?event.kind, state = event.workitem.state.name(), "A workitem changed.");
            self.events.tell(event);
        }
        Ok(done)
    }
}

impl Workitems for MadeWorkitems {
    fn get<'a>(&'a self, uid: &'a str) -> Later<'a, Result<Workitem, Fault>> {
        Box::pin(self.get_now(uid))
    }

    fn search<'a>(&'a self, search: &'a Search) -> Later<'a, Result<Vec<Workitem>, Fault>> {
        Box::pin(self.search_now(search))
    }

    fn act<'a>(&'a self, uid: &'a str, request: Request, who: &'a Caller) -> Later<'a, Result<Done, Fault>> {
        Box::pin(self.act_now(uid, request, &who.name))
    }
}

type Decided = (Option<WorkitemRow>, Done, Vec<Event>);

fn decide_on(row: Option<WorkitemRow>, request: &Request, who: &str, now: i64) -> Result<Decided, Fault> {
    let mut row = row.ok_or(Fault::NotFound)?;
    let before = workitem(&row)?;
    let mut attributes = before.attributes.clone();
    let (action, given) = match request {
        Request::Update { transaction, .. } => (Action::Update, transaction.as_deref()),
        Request::Change { to, transaction } => (Action::Change(*to), transaction.as_deref()),
        Request::Cancel { .. } => (Action::RequestCancel, None),
    };
    let transaction = Transaction::of(given, row.transaction_uid.as_deref());
    let missing = match action {
        Action::Change(to) => missing_for(&attributes, to),
        Action::Update | Action::RequestCancel => None,
    };
    let outcome = decide(before.state, action, transaction, missing.is_none());
    let (state, kinds) = match outcome {
        Outcome::Refused(super::state::Refusal::NotFinal) => {
            return Err(Fault::Lacking(missing.unwrap_or("what a final state needs")));
        }
        Outcome::Refused(refusal) => return Err(Fault::Refused(refusal)),
        Outcome::Nothing(warning) => {
            let done = Done {
                warning: Some(warning),
            };
            return Ok((None, done, Vec::new()));
        }
        Outcome::Tell => {
            let about = match request {
                Request::Cancel { about } => about.clone(),
                _ => Attributes::default(),
            };
            let event = Event::cancel_requested(before, about, who);
            return Ok((None, Done::default(), vec![event]));
        }
        Outcome::Cancel => {
            let about = match request {
                Request::Cancel { about } => about.string(REASON).map(str::to_owned),
                _ => None,
            };
            note_cancellation(&mut attributes, about.as_deref(), now);
            (State::Canceled, vec![State::InProgress, State::Canceled])
        }
        Outcome::Becomes(state) => (
            state,
            if state == before.state {
                vec![]
            } else {
                vec![state]
            },
        ),
    };
    let mut kind = None;
    match request {
        Request::Update { changes, .. } => {
            updated(changes).map_err(Fault::Invalid)?;
            let mut changes = changes.clone();
            changes.remove(TRANSACTION);
            kind = Some(EventKind::of_update(&changes));
            attributes.merge(changes);
        }
        Request::Change { to, .. } => {
            if *to == State::InProgress {
                row.transaction_uid = given.map(str::to_owned);
                row.claimed_by = Some(who.to_owned());
            }
            if *to == State::Canceled {
                note_cancellation(&mut attributes, None, now);
            }
        }
        Request::Cancel { .. } => {}
    }
    attributes.put(STATE, "CS", state.name());
    let text = attributes.text();
    if LARGEST < text.len() {
        return Err(Fault::Invalid(format!("a workitem has at most {LARGEST} bytes")));
    }
    row.state = state.name().to_owned();
    row.changed_at_ms = now;
    row.attributes = Some(text);
    let after = |state| Workitem {
        state,
        ..Workitem {
            attributes: attributes.clone(),
            changed_at_ms: now,
            ..before.clone()
        }
    };
    let mut events: Vec<Event> = kinds
        .into_iter()
        .map(|state| Event::new(EventKind::State, after(state)))
        .collect();
    if let Some(Some(kind)) = kind {
        events.push(Event::new(kind, after(state)));
    }
    Ok((Some(row), Done::default(), events))
}

/// When, and why where that is known: what a canceled workitem has (PS3.4 table CC.2.5-3).
fn note_cancellation(attributes: &mut Attributes, reason: Option<&str>, now: i64) {
    let mut progress: Map<String, Value> = attributes.items(PROGRESS).next().cloned().unwrap_or_default();
    if values(&progress, CANCELLATION_TIME).is_empty() {
        let at = serde_json::json!({ "vr": "DT", "Value": [date_time(now)] });
        progress.insert(CANCELLATION_TIME.to_owned(), at);
    }
    if let Some(reason) = reason {
        let reason = serde_json::json!({ "vr": "LT", "Value": [reason] });
        progress.insert(REASON.to_owned(), reason);
    }
    attributes.put_items(PROGRESS, vec![Value::Object(progress)]);
}

fn workitem(row: &WorkitemRow) -> Result<Workitem, Fault> {
    let stored = |what| Fault::Failed {
        source: crate::archive::Error::Stored { what },
    };
    let attributes = row.attributes.as_deref().ok_or(Fault::Gone)?;
    Ok(Workitem {
        uid: row.uid.clone(),
        state: State::named(&row.state).ok_or_else(|| stored("workitem's state"))?,
        attributes: Attributes::parse(attributes.as_bytes()).map_err(|_| stored("workitem"))?,
        created_at_ms: row.created_at_ms,
        changed_at_ms: row.changed_at_ms,
    })
}

fn failed(source: crate::archive::Error) -> Fault {
    Fault::Failed { source }
}
