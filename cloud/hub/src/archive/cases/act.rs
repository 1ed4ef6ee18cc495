use barefoot_domain::{CaseState, ClinicId, Tier, Urgency};
use barefoot_wire::{case_state_envelope, v1};
use prost::Message;
use sqlx::AssertSqlSafe;
use ulid::Ulid;

use super::row::{self, COLUMNS};
use super::{Case, CaseKey, Happened, NotActed};
use crate::archive::audit::append_in;
use crate::archive::step::Step;
use crate::archive::{Archive, Error};
use crate::at_rest::Cell;
use crate::audit::{Action, Actor, Entry, Object};
use crate::worklist::life::{Effect, Event, Life, State};
use crate::worklist::rules::Rules;

/// Who did it and how it is called in the case's history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    /// The account; `None` for the hub itself.
    pub(crate) person: Option<&'a str>,
    pub(crate) word: &'a str,
    pub(crate) note: &'a str,
}

impl<'a> By<'a> {
    pub(crate) fn hub(word: &'a str) -> Self {
        Self {
            person: None,
            word,
            note: "",
        }
    }

    pub(crate) fn person(person: &'a str, word: &'a str) -> Self {
        Self {
            person: Some(person),
            word,
            note: "",
        }
    }
}

/// A case after an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acted {
    pub(crate) case: Case,
    pub(crate) effects: Vec<Effect>,
    /// Something is to be sent to the clinic.
    pub(crate) told: bool,
}

impl Archive {
    /// A case, whatever its state.
    pub(crate) async fn case(&self, key: &CaseKey) -> Result<Option<Case>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM cases WHERE clinic = ? AND case_id = ?");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(key.clinic.as_str())
            .bind(key.case.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(|source| Error::Query { source })?;
        row.as_ref().map(row::case).transpose()
    }

    /// Applies one event, durably. Two callers are one after the other: the second sees what the first made of it.
    pub(crate) async fn act(
        &self,
        key: &CaseKey,
        event: &Event,
        by: By<'_>,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Acted, NotActed> {
        let mut step = self.step().await?;
        let acted = apply(&mut step, key, event, by, rules, now_ms).await?;
        step.commit().await?;
        Ok(acted)
    }

    /// As [`Archive::act`], with a line in the audit log: both are there or neither is. What changes nothing leaves no line.
    pub(crate) async fn act_noted(
        &self,
        key: &CaseKey,
        event: &Event,
        by: By<'_>,
        entry: &Entry,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Acted, NotActed> {
        let mut step = self.step().await?;
        let before = load(&mut step, key).await?.ok_or(NotActed::Unknown)?;
        let acted = apply(&mut step, key, event, by, rules, now_ms).await?;
        if before.life != acted.case.life {
            append_in(&mut step, entry, now_ms).await?;
        }
        step.commit().await?;
        Ok(acted)
    }

    /// As [`Archive::act`] of what happens too often for the history: a reader is still there.
    pub(crate) async fn renew(
        &self,
        key: &CaseKey,
        event: &Event,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Acted, NotActed> {
        let mut step = self.step().await?;
        let case = load(&mut step, key).await?.ok_or(NotActed::Unknown)?;
        let acted = match case.life.apply(event, now_ms, rules)? {
            None => Acted {
                case,
                effects: Vec::new(),
                told: false,
            },
            Some((life, effects)) => change_without_note(&mut step, case, life, effects, now_ms).await?,
        };
        step.commit().await?;
        Ok(acted)
    }

    /// Looks at cases of which something lapses by `now_ms`; at most `most` of them.
    pub(crate) async fn tick(&self, rules: &Rules, now_ms: i64, most: u32) -> Result<Vec<Happened>, Error> {
        let commit = |source| Error::Commit { source };
        let mut step = self.step().await.map_err(commit)?;
        let sql = format!("SELECT {COLUMNS} FROM cases WHERE wake_ms <= ? ORDER BY wake_ms LIMIT ?");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(now_ms)
            .bind(most)
            .fetch_all(&mut *step)
            .await
            .map_err(commit)?;
        let mut happened = Vec::with_capacity(rows.len());
        for row in &rows {
            let case = row::case(row)?;
            let Ok(Some((life, effects))) = case.life.apply(&Event::Tick, now_ms, rules) else {
                // The moment was written by other rules than today's: it is written anew.
                save(&mut step, &case, &case.life, now_ms).await.map_err(commit)?;
                continue;
            };
            let word = effects.iter().map(|effect| effect_word(*effect)).next_back();
            let by = By::hub(word.unwrap_or("waits"));
            let acted = change(&mut step, case, life, effects, by, now_ms)
                .await
                .map_err(commit)?;
            alarm(&mut step, &acted, rules, now_ms).await.map_err(commit)?;
            note_late(&mut step, &acted, now_ms).await.map_err(commit)?;
            happened.push(Happened {
                case: acted.case,
                effects: acted.effects,
            });
        }
        step.commit().await.map_err(commit)?;
        Ok(happened)
    }

    /// When something lapses next.
    pub(crate) async fn next_wake(&self) -> Result<Option<i64>, Error> {
        sqlx::query_scalar("SELECT MIN(wake_ms) FROM cases WHERE wake_ms IS NOT NULL")
            .fetch_one(&self.pool)
            .await
            .map_err(|source| Error::Query { source })
    }
}

/// A critical case that was not read in time is told to people, whatever becomes of this process.
async fn alarm(step: &mut Step, acted: &Acted, rules: &Rules, now_ms: i64) -> Result<(), sqlx::Error> {
    let is_late = |effect: &Effect| matches!(effect, Effect::Escalated { .. } | Effect::Overdue { .. });
    let case = &acted.case;
    if case.life.urgency != Urgency::Critical || !acted.effects.iter().any(is_late) {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO alarms (clinic, case_id, called, tier, held, at_ms, unpublished) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
        .bind(case.clinic.as_str())
        .bind(case.case.as_str())
        .bind(case.number)
        .bind(row::tier_number(case.life.tier))
        .bind(case.life.state.is_held())
        .bind(now_ms)
        .bind(rules.alarm_by_mqtt)
        .execute(&mut **step)
        .await?;
    Ok(())
}

/// What was not read in time stands in the audit log.
async fn note_late(step: &mut Step, acted: &Acted, now_ms: i64) -> Result<(), sqlx::Error> {
    for effect in &acted.effects {
        let details = match effect {
            Effect::Escalated { from, to } if from == to => {
                format!("not read in time, nobody above {}", tier_word(*from))
            }
            Effect::Escalated { from, to } => {
                format!("not read in time, {} to {}", tier_word(*from), tier_word(*to))
            }
            Effect::Overdue { tier } => format!("overdue in a reader's hands, {}", tier_word(*tier)),
            Effect::LeaseLapsed | Effect::OfferLapsed => continue,
        };
        let object = Object::case(&acted.case.clinic, &acted.case.case);
        let entry = Entry::new(Actor::Hub("worklist"), Action::Escalate, object).details(&details);
        append_in(step, &entry, now_ms).await?;
    }
    Ok(())
}

fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::County => "county",
        Tier::City => "city",
        Tier::Province => "province",
    }
}

fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Escalated { .. } => "escalated",
        Effect::Overdue { .. } => "overdue",
        Effect::LeaseLapsed => "lease_lapsed",
        Effect::OfferLapsed => "offer_lapsed",
    }
}

pub(super) async fn load(step: &mut Step, key: &CaseKey) -> Result<Option<Case>, NotActed> {
    let sql = format!("SELECT {COLUMNS} FROM cases WHERE clinic = ? AND case_id = ?");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_optional(&mut **step)
        .await?;
    Ok(row.as_ref().map(row::case).transpose()?)
}

pub(super) async fn apply(
    step: &mut Step,
    key: &CaseKey,
    event: &Event,
    by: By<'_>,
    rules: &Rules,
    now_ms: i64,
) -> Result<Acted, NotActed> {
    let case = load(step, key).await?.ok_or(NotActed::Unknown)?;
    match case.life.apply(event, now_ms, rules)? {
        None => Ok(Acted {
            case,
            effects: Vec::new(),
            told: false,
        }),
        Some((life, effects)) => Ok(change(step, case, life, effects, by, now_ms).await?),
    }
}

/// Writes what a case has become, its line in the history, and what the clinic is to hear.
pub(super) async fn change(
    step: &mut Step,
    case: Case,
    life: Life,
    effects: Vec<Effect>,
    by: By<'_>,
    now_ms: i64,
) -> Result<Acted, sqlx::Error> {
    note(step, &case.clinic, case.case.as_str(), &life, by, now_ms).await?;
    change_without_note(step, case, life, effects, now_ms).await
}

/// The same of what happens too often for the history.
pub(super) async fn change_without_note(
    step: &mut Step,
    mut case: Case,
    life: Life,
    effects: Vec<Effect>,
    now_ms: i64,
) -> Result<Acted, sqlx::Error> {
    save(step, &case, &life, now_ms).await?;
    let shown = |life: &Life| (life.progress(), life.version, life.tier, deadline(life));
    let told = shown(&case.life) != shown(&life);
    if told {
        tell_state(step, &case, &life, now_ms).await?;
    }
    if life.state == State::Signed {
        case.signed_at_ms = Some(now_ms);
    }
    case.life = life;
    Ok(Acted { case, effects, told })
}

fn deadline(life: &Life) -> Option<i64> {
    life.state.is_open().then_some(life.due_ms)
}

/// The next moment at which something lapses.
fn wake(life: &Life) -> Option<i64> {
    let lease = life.lease.as_ref().map(|lease| lease.until_ms);
    let offer = life.offer.as_ref().map(|offer| offer.until_ms);
    [deadline(life), lease, offer].into_iter().flatten().min()
}

async fn save(step: &mut Step, case: &Case, life: &Life, now_ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE cases SET version = ?1, urgency = ?2, state = ?3, stage = ?4, tier = ?5, floor = ?6, holder = ?7, \
         lease_until_ms = ?8, offered_to = ?9, offer_until_ms = ?10, due_ms = ?11, overdue = ?12, second_wanted = ?13, readers = ?14, \
         change = ?15, wake_ms = ?16, \
         signed_at_ms = CASE WHEN ?3 = 'signed' AND state <> 'signed' THEN ?17 ELSE signed_at_ms END, \
         opened_at_ms = CASE WHEN state IN ('signed', 'delivered', 'read', 'withdrawn') \
             AND ?3 = 'waiting' THEN ?17 ELSE opened_at_ms END \
         WHERE number = ?18",
    )
    .bind(life.version)
    .bind(row::urgency_number(life.urgency))
    .bind(row::state_word(life.state))
    .bind(row::stage_word(life.stage))
    .bind(row::tier_number(life.tier))
    .bind(row::tier_number(life.floor))
    .bind(life.lease.as_ref().map(|lease| lease.person.as_str()))
    .bind(life.lease.as_ref().map(|lease| lease.until_ms))
    .bind(life.offer.as_ref().map(|offer| offer.person.as_str()))
    .bind(life.offer.as_ref().map(|offer| offer.until_ms))
    .bind(life.due_ms)
    .bind(life.overdue)
    .bind(life.second_wanted)
    .bind(life.readers.join("\n"))
    .bind(i64::try_from(life.change).unwrap_or(i64::MAX))
    .bind(wake(life))
    .bind(now_ms)
    .bind(case.number)
    .execute(&mut **step)
    .await?;
    Ok(())
}

/// A line in the case's history.
pub(super) async fn note(
    step: &mut Step,
    clinic: &ClinicId,
    case_id: &str,
    life: &Life,
    by: By<'_>,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO case_events (clinic, case_id, at_ms, change, event, person, tier, note) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(clinic.as_str())
    .bind(case_id)
    .bind(now_ms)
    .bind(i64::try_from(life.change).unwrap_or(i64::MAX))
    .bind(by.word)
    .bind(by.person)
    .bind(row::tier_number(life.tier))
    .bind(by.note)
    .execute(&mut **step)
    .await?;
    Ok(())
}

/// The clinic hears where its case is. What it has not taken yet of an older state is not sent any more.
pub(super) async fn tell_state(
    step: &mut Step,
    case: &Case,
    life: &Life,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM outgoing WHERE clinic = ? AND case_id = ? AND kind = ? AND settled_at_ms IS NULL",
    )
    .bind(case.clinic.as_str())
    .bind(case.case.as_str())
    .bind(i32::from(v1::Kind::CaseState))
    .execute(&mut **step)
    .await?;
    let state = CaseState {
        case: case.case.clone(),
        version: life.version,
        progress: life.progress(),
        tier: life.tier,
        deadline_ms: deadline(life),
        change: life.change,
        at_ms: now_ms,
    };
    let id = Ulid::generate().to_string();
    let envelope = case_state_envelope(id, &case.clinic, &state);
    send(step, &case.clinic, case.case.as_str(), &envelope, now_ms).await
}

/// Keeps a message for the clinic until its receipt.
pub(super) async fn send(
    step: &mut Step,
    clinic: &ClinicId,
    case_id: &str,
    envelope: &v1::Envelope,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let cell = Cell::outgoing(clinic.as_str(), &envelope.id);
    sqlx::query(
        "INSERT INTO outgoing (clinic, envelope_id, made_at_ms, envelope, case_id, kind) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(clinic.as_str())
    .bind(&envelope.id)
    .bind(now_ms)
    .bind(step.seal(&cell, &envelope.encode_to_vec())?)
    .bind(case_id)
    .bind(envelope.kind)
    .execute(&mut **step)
    .await?;
    Ok(())
}
