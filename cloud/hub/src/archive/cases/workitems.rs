use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row};

use super::act::{By, apply, change_without_note};
use super::row::{self, COLUMNS};
use super::{Acted, Case, CaseKey, NotActed};
use crate::archive::audit::append_in;
use crate::archive::read::query;
use crate::archive::step::Step;
use crate::archive::{Archive, Error};
use crate::audit::{Action, Actor, Entry, Object};
use crate::worklist::life::{Event, State};
use crate::worklist::rules::Rules;

/// A case with what it is to programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseWorkitem {
    pub(crate) uid: String,
    pub(crate) case: Case,
    /// Program and Transaction UID, while the case is that program's.
    pub(crate) claim: Option<(String, String)>,
    /// What that program said of how far it is.
    pub(crate) progress: Option<String>,
    /// The patient's pseudonym as the images have it; `None` while there are no images.
    pub(crate) patient: Option<String>,
    pub(crate) changed_at_ms: i64,
}

/// Which program acts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
}

/// What a program's request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WorkitemStep {
    Claim {
        event: Event,
        transaction: String,
    },
    /// It is still at work.
    Progress {
        event: Event,
        progress: String,
    },
    Release {
        event: Event,
    },
}

const OPEN: &str = "state IN ('waiting', 'claimed', 'drafted', 'images_wanted')";

/// All that [`read`] needs.
fn select() -> String {
    format!(
        "SELECT {COLUMNS}, uid, program, transaction_uid, progress, changed_at_ms, \
         (SELECT patient_id FROM dicom_studies WHERE study_uid = cases.case_id \
          AND dicom_studies.clinic = cases.clinic) AS patient \
         FROM cases JOIN case_workitems ON called = number"
    )
}

impl Archive {
    /// Writes down which cases became, or are now, what to programs: at most `most` of them. What is left is found the next
    /// time. Returned are those in another state than programs were told.
    pub(crate) async fn settle_workitems(
        &self,
        uid_of: fn(&CaseKey) -> String,
        state_of: fn(State) -> &'static str,
        most: u32,
        now_ms: i64,
    ) -> Result<(Vec<CaseWorkitem>, bool), Error> {
        let waits: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM case_workitems_pending)")
            .fetch_one(&self.pool)
            .await
            .map_err(query)?;
        if !waits {
            return Ok((Vec::new(), false));
        }
        let commit = |source| Error::Commit { source };
        let mut step = self.step().await.map_err(commit)?;
        let sql = format!(
            "SELECT {COLUMNS} FROM cases WHERE number IN \
             (SELECT called FROM case_workitems_pending ORDER BY called LIMIT ?)"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(most)
            .fetch_all(&mut *step)
            .await
            .map_err(commit)?;
        let mut changed = Vec::new();
        for row in &rows {
            let case = row::case(row)?;
            if let Some(workitem) = settle(&mut step, &case, uid_of, state_of, now_ms).await? {
                changed.push(workitem);
            }
        }
        step.commit().await.map_err(commit)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok((changed, most <= rows.len()))
    }

    pub(crate) async fn case_workitem(&self, uid: &str) -> Result<Option<CaseWorkitem>, Error> {
        let row = sqlx::query(AssertSqlSafe(format!("{} WHERE uid = ?", select())))
            .bind(uid)
            .fetch_optional(&self.pool)
            .await
            .map_err(query)?;
        row.as_ref().map(read).transpose()
    }

    /// Those in one of the states: the open ones first, each part the oldest first.
    pub(crate) async fn case_workitems(
        &self,
        states: &[State],
        limit: u32,
    ) -> Result<Vec<CaseWorkitem>, Error> {
        let mut sql = QueryBuilder::new(select());
        sql.push(" WHERE state IN (");
        let mut list = sql.separated(", ");
        for state in states {
            list.push_bind(row::state_word(*state));
        }
        sql.push(")");
        if states.iter().all(|state| state.is_open()) {
            // So that the index of what is open serves.
            sql.push(" AND ").push(OPEN);
        }
        sql.push(" ORDER BY ").push(OPEN).push(" DESC, number LIMIT ");
        sql.push_bind(limit);
        let rows = sql.build().fetch_all(&self.pool).await.map_err(query)?;
        rows.iter().map(read).collect()
    }

    /// Decides about a workitem and does what was decided, with its line in the audit log, as one step: of two that ask at once
    /// the second decides on what the first made of it. `None` where there is no such workitem.
    pub(crate) async fn act_on_workitem<F: Send>(
        &self,
        uid: &str,
        program: Program<'_>,
        decide: impl FnOnce(&CaseWorkitem) -> Result<Option<WorkitemStep>, F> + Send,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Option<Result<Option<Acted>, F>>, NotActed> {
        let mut step = self.step().await?;
        let row = sqlx::query(AssertSqlSafe(format!("{} WHERE uid = ?", select())))
            .bind(uid)
            .fetch_optional(&mut *step)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let workitem = read(&row)?;
        let wanted = match decide(&workitem) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Ok(Some(Ok(None))),
            Err(refused) => return Ok(Some(Err(refused))),
        };
        let acted = take(&mut step, workitem, program, wanted, rules, now_ms).await?;
        step.commit().await?;
        Ok(Some(Ok(Some(acted))))
    }
}

/// The workitem, where programs were told another state of it, or nothing.
async fn settle(
    step: &mut Step,
    case: &Case,
    uid_of: fn(&CaseKey) -> String,
    state_of: fn(State) -> &'static str,
    now_ms: i64,
) -> Result<Option<CaseWorkitem>, Error> {
    let commit = |source| Error::Commit { source };
    let state = state_of(case.life.state);
    let told: Option<String> = sqlx::query_scalar("SELECT told_state FROM case_workitems WHERE called = ?")
        .bind(case.number)
        .fetch_optional(&mut **step)
        .await
        .map_err(commit)?;
    sqlx::query(
        "INSERT INTO case_workitems (uid, called, told_state, changed_at_ms) VALUES (?, ?, ?, ?) \
         ON CONFLICT (called) DO UPDATE SET told_state = excluded.told_state, changed_at_ms = excluded.changed_at_ms",
    )
    .bind(uid_of(&key(case)))
    .bind(case.number)
    .bind(state)
    .bind(now_ms)
    .execute(&mut **step)
    .await
    .map_err(commit)?;
    sqlx::query("DELETE FROM case_workitems_pending WHERE called = ?")
        .bind(case.number)
        .execute(&mut **step)
        .await
        .map_err(commit)?;
    // Of what had ended before programs were told anything, nobody waits to hear.
    if told.as_deref() == Some(state) || (told.is_none() && !case.life.state.is_open()) {
        return Ok(None);
    }
    let row = sqlx::query(AssertSqlSafe(format!("{} WHERE called = ?", select())))
        .bind(case.number)
        .fetch_one(&mut **step)
        .await
        .map_err(commit)?;
    read(&row).map(Some)
}

async fn take(
    step: &mut Step,
    workitem: CaseWorkitem,
    program: Program<'_>,
    wanted: WorkitemStep,
    rules: &Rules,
    now_ms: i64,
) -> Result<Acted, NotActed> {
    let number = workitem.case.number;
    let key = key(&workitem.case);
    let (event, action, claim, progress) = match wanted {
        WorkitemStep::Claim { event, transaction } => (event, Action::Claim, Some(transaction), None),
        WorkitemStep::Release { event } => (event, Action::Release, None, None),
        WorkitemStep::Progress { event, progress } => {
            sqlx::query("UPDATE case_workitems SET progress = ?, changed_at_ms = ? WHERE called = ?")
                .bind(progress)
                .bind(now_ms)
                .bind(number)
                .execute(&mut **step)
                .await?;
            let case = workitem.case;
            return match case.life.apply(&event, now_ms, rules)? {
                Some((life, effects)) => Ok(change_without_note(step, case, life, effects, now_ms).await?),
                None => Ok(Acted {
                    case,
                    effects: Vec::new(),
                    told: false,
                }),
            };
        }
    };
    let by = By::person(program.id, if claim.is_some() { "claimed" } else { "released" });
    let acted = apply(step, &key, &event, by, rules, now_ms).await?;
    sqlx::query("UPDATE case_workitems SET program = ?, transaction_uid = ?, progress = ? WHERE called = ?")
        .bind(claim.as_ref().map(|_| program.id))
        .bind(&claim)
        .bind::<Option<String>>(progress)
        .bind(number)
        .execute(&mut **step)
        .await?;
    let actor = Actor::Program {
        id: program.id.to_owned(),
        name: program.name.to_owned(),
    };
    let entry = Entry::new(actor, action, Object::case(&key.clinic, &key.case)).details("UPS-RS");
    append_in(step, &entry, now_ms).await?;
    Ok(acted)
}

fn key(case: &Case) -> CaseKey {
    CaseKey {
        clinic: case.clinic.clone(),
        case: case.case.clone(),
    }
}

fn read(row: &SqliteRow) -> Result<CaseWorkitem, Error> {
    let text = |name: &str| row.try_get::<Option<String>, _>(name).map_err(query);
    let case = row::case(row)?;
    let claim = text("program")?
        .zip(text("transaction_uid")?)
        .filter(|(program, _)| case.life.is_held_by(program));
    Ok(CaseWorkitem {
        uid: row.try_get("uid").map_err(query)?,
        progress: text("progress")?.filter(|_| claim.is_some()),
        claim,
        patient: text("patient")?,
        changed_at_ms: row.try_get("changed_at_ms").map_err(query)?,
        case,
    })
}
