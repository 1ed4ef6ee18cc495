use barefoot_domain::{ClinicId, QualityGrade, Urgency};
use barefoot_wire::StudyResult;
use sqlx::Row;

use super::act::{By, change, load, note, tell_state};
use super::row;
use super::{Case, CaseKey, NotActed};
use crate::archive::read::{clinic_id, result_of};
use crate::archive::step::Step;
use crate::archive::{Archive, Error};
use crate::worklist::life::{Event, Life, Refused};
use crate::worklist::rules::Rules;
use crate::worklist::triage;

/// What a look at new results came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Triaged {
    /// Results looked at.
    pub(crate) results: u32,
    /// Cases that came onto the list, or changed on it.
    pub(crate) cases: Vec<CaseKey>,
}

/// A result with what the hub knows of it.
struct Found {
    number: i64,
    clinic: ClinicId,
    detected_at_ms: i64,
    result: StudyResult,
}

impl Archive {
    /// Brings results that were not looked at yet onto the list, where they belong there; at most `most`. Which ones were
    /// looked at is written with it: after a crash none is left out, and none comes twice.
    pub(crate) async fn triage(&self, rules: &Rules, now_ms: i64, most: u32) -> Result<Triaged, Error> {
        let commit = |source| Error::Commit { source };
        let mut step = self.step().await.map_err(commit)?;
        let rows = sqlx::query(
            "SELECT r.number, r.clinic, r.case_id, r.version, r.envelope_id, r.detected_at_ms, e.body FROM results r \
             JOIN envelopes e ON e.clinic = r.clinic AND e.id = r.envelope_id \
             WHERE (SELECT number FROM triage_mark) < r.number ORDER BY r.number LIMIT ?",
        )
        .bind(most)
        .fetch_all(&mut *step)
        .await
        .map_err(commit)?;
        let mut triaged = Triaged::default();
        let mut last = None;
        for row in rows {
            let found = Found {
                number: row.try_get("number").map_err(commit)?,
                clinic: clinic_id(row.try_get("clinic").map_err(commit)?)?,
                detected_at_ms: row.try_get("detected_at_ms").map_err(commit)?,
                result: result_of(&self.vault, &row)?,
            };
            last = Some(found.number);
            triaged.results += 1;
            if let Some(key) = take(&mut step, &found, rules, now_ms).await? {
                triaged.cases.push(key);
            }
        }
        let Some(last) = last else {
            return Ok(triaged);
        };
        sqlx::query("UPDATE triage_mark SET number = ?")
            .bind(last)
            .execute(&mut *step)
            .await
            .map_err(commit)?;
        step.commit().await.map_err(commit)?;
        Ok(triaged)
    }
}

fn to_error(error: NotActed) -> Error {
    match error {
        NotActed::Archive(error) => error,
        _ => Error::Stored { what: "case" },
    }
}

async fn take(step: &mut Step, found: &Found, rules: &Rules, now_ms: i64) -> Result<Option<CaseKey>, Error> {
    let commit = |source| Error::Commit { source };
    let key = CaseKey {
        clinic: found.clinic.clone(),
        case: found.result.case.clone(),
    };
    let wanted = triage::urgency_of(&found.result.assessment);
    let known = load(step, &key).await.map_err(to_error)?;
    let Some(case) = known else {
        let asked = was_asked_for(step, &key).await.map_err(commit)?;
        let Some(urgency) = wanted.or(asked.then_some(Urgency::Review)) else {
            return Ok(None);
        };
        let life = Life::begin(found.result.version, urgency, found.detected_at_ms, now_ms, rules);
        begin(step, found, &key, life, asked, now_ms)
            .await
            .map_err(commit)?;
        return Ok(Some(key));
    };
    let event = Event::Arrived {
        version: found.result.version,
        urgency: wanted.unwrap_or(Urgency::Routine),
        detected_ms: found.detected_at_ms,
    };
    // What was closed is not opened again by a version that nobody need read.
    if wanted.is_none() && !case.life.state.is_open() {
        return Ok(None);
    }
    match case.life.apply(&event, now_ms, rules) {
        Ok(None) | Err(Refused::Older) => Ok(None),
        Ok(Some((life, effects))) => {
            describe(step, &case, found).await.map_err(commit)?;
            change(step, case, life, effects, By::hub("new_version"), now_ms)
                .await
                .map_err(commit)?;
            Ok(Some(key))
        }
        Err(_) => Err(Error::Stored { what: "case" }),
    }
}

/// A question may be here before the result it is about.
async fn was_asked_for(step: &mut Step, key: &CaseKey) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM case_messages WHERE clinic = ? AND case_id = ? AND subject = 'ask_expert')",
    )
    .bind(key.clinic.as_str())
    .bind(key.case.as_str())
    .fetch_one(&mut **step)
    .await
}

fn reasons(result: &StudyResult) -> String {
    let words: Vec<String> = result
        .assessment
        .reasons
        .iter()
        .map(ToString::to_string)
        .collect();
    words.join("\n")
}

fn quality(result: &StudyResult) -> &'static str {
    match result.assessment.quality.grade {
        QualityGrade::A => "A",
        QualityGrade::B => "B",
        QualityGrade::C => "C",
    }
}

async fn begin(
    step: &mut Step,
    found: &Found,
    key: &CaseKey,
    life: Life,
    asked: bool,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO cases (clinic, case_id, version, modality, kind, quality, reasons, urgency, state, stage, tier, floor, \
         due_ms, overdue, second_wanted, readers, change, asked, unseen, detected_at_ms, opened_at_ms, wake_ms) \
         VALUES (?1, ?2, ?3, ?4, ?18, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, '', ?14, ?15, \
         (SELECT COUNT(*) FROM case_messages WHERE clinic = ?1 AND case_id = ?2 AND author = 'clinic'), ?16, ?17, ?12) \
         RETURNING number",
    )
    .bind(key.clinic.as_str())
    .bind(key.case.as_str())
    .bind(life.version)
    .bind(&found.result.modality)
    .bind(quality(&found.result))
    .bind(reasons(&found.result))
    .bind(row::urgency_number(life.urgency))
    .bind(row::state_word(life.state))
    .bind(row::stage_word(life.stage))
    .bind(row::tier_number(life.tier))
    .bind(row::tier_number(life.floor))
    .bind(life.due_ms)
    .bind(life.second_wanted)
    .bind(i64::try_from(life.change).unwrap_or(i64::MAX))
    .bind(asked)
    .bind(found.detected_at_ms)
    .bind(now_ms)
    .bind(triage::subspecialty(&found.result.modality))
    .fetch_one(&mut **step)
    .await?;
    note(
        step,
        &key.clinic,
        key.case.as_str(),
        &life,
        By::hub("arrived"),
        now_ms,
    )
    .await?;
    let case = Case {
        number,
        clinic: key.clinic.clone(),
        case: key.case.clone(),
        modality: found.result.modality.clone(),
        quality: quality(&found.result).to_owned(),
        reasons: Vec::new(),
        asked,
        unseen: 0,
        teaching: false,
        detected_at_ms: found.detected_at_ms,
        opened_at_ms: now_ms,
        signed_at_ms: None,
        life: life.clone(),
    };
    tell_state(step, &case, &life, now_ms).await
}

/// What the list shows of the newest result.
async fn describe(step: &mut Step, case: &Case, found: &Found) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE cases SET modality = ?, kind = ?, quality = ?, reasons = ?, detected_at_ms = ? WHERE number = ?",
    )
    .bind(&found.result.modality)
    .bind(triage::subspecialty(&found.result.modality))
    .bind(quality(&found.result))
    .bind(reasons(&found.result))
    .bind(found.detected_at_ms)
    .bind(case.number)
    .execute(&mut **step)
    .await?;
    Ok(())
}

/// The result of a case that the clinic asks about.
pub(super) async fn open_for_question(
    step: &mut Step,
    key: &CaseKey,
    rules: &Rules,
    now_ms: i64,
) -> Result<bool, NotActed> {
    let row = sqlx::query(
        "SELECT r.number, r.clinic, r.case_id, r.version, r.envelope_id, r.detected_at_ms, e.body FROM results r \
         JOIN envelopes e ON e.clinic = r.clinic AND e.id = r.envelope_id \
         WHERE r.clinic = ? AND r.case_id = ? AND r.number <= (SELECT number FROM triage_mark) \
         ORDER BY r.version DESC LIMIT 1",
    )
    .bind(key.clinic.as_str())
    .bind(key.case.as_str())
    .fetch_optional(&mut **step)
    .await?;
    let Some(row) = row else {
        // Its result is still to be looked at; the question is found then.
        return Ok(false);
    };
    let found = Found {
        number: row.try_get("number")?,
        clinic: key.clinic.clone(),
        detected_at_ms: row.try_get("detected_at_ms")?,
        result: result_of(step.vault(), &row)?,
    };
    let life = Life::begin(found.result.version, Urgency::Review, now_ms, now_ms, rules);
    begin(step, &found, key, life, true, now_ms).await?;
    Ok(true)
}
