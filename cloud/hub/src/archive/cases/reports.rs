use barefoot_domain::{CaseId, ClinicId, Correction, Presence, Report, Tier};
use barefoot_wire::{correction_envelope, signed_report_envelope, v1};
use prost::Message;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use ulid::Ulid;

use super::act::{Acted, By, apply, load, note, send};
use super::row;
use super::{CaseKey, NotActed};
use crate::archive::read::{clinic_id, query};
use crate::archive::step::Step;
use crate::archive::{Archive, Error};
use crate::at_rest::Cell;
use crate::worklist::life::{Event, Stage};
use crate::worklist::rules::Rules;

/// What a reader has written and not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) version: u32,
    /// Protobuf `ReportContent`.
    pub(crate) content: Vec<u8>,
    /// Rising with each save.
    pub(crate) revision: u32,
    pub(crate) saved_at_ms: i64,
}

/// A draft that is kept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) revision: u32,
}

/// What one of two readers said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReaderOpinion {
    pub(crate) stage: Stage,
    pub(crate) person: String,
    /// Protobuf `ReportContent`.
    pub(crate) content: Vec<u8>,
    pub(crate) at_ms: i64,
}

/// A signed report on its way into the archive.
#[derive(Debug)]
pub(crate) struct NewReport<'a> {
    pub(crate) report: &'a Report,
    pub(crate) signed: &'a v1::SignedReport,
    pub(crate) signer: &'a str,
    /// Where it differs from the model.
    pub(crate) corrections: &'a [Correction],
    pub(crate) statements: &'a [StatementRow],
}

/// A report's word on a finding beside the model's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatementRow {
    pub(crate) finding: String,
    pub(crate) presence: Presence,
    /// The model's call, where it made one.
    pub(crate) called: Option<bool>,
}

/// A signed report as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredReport {
    pub(crate) id: String,
    pub(crate) clinic: ClinicId,
    pub(crate) case: CaseId,
    pub(crate) version: u32,
    pub(crate) addendum_to: Option<String>,
    pub(crate) signed: v1::SignedReport,
    pub(crate) signer: String,
    pub(crate) tier: Tier,
    pub(crate) signed_at_ms: i64,
    pub(crate) delivered_at_ms: Option<i64>,
    pub(crate) read_at_ms: Option<i64>,
}

impl Archive {
    /// Keeps what the holder has written so far, and the lease with it. `seen` is the revision the page began with.
    pub(crate) async fn save_draft(
        &self,
        key: &CaseKey,
        person: &str,
        content: &[u8],
        seen: u32,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Saved, NotActed> {
        let mut step = self.step().await?;
        let event = Event::Draft {
            by: person.to_owned(),
        };
        let acted = apply_quietly(&mut step, key, &event, person, rules, now_ms).await?;
        let found: Option<i64> =
            sqlx::query_scalar("SELECT revision FROM drafts WHERE clinic = ? AND case_id = ? AND person = ?")
                .bind(key.clinic.as_str())
                .bind(key.case.as_str())
                .bind(person)
                .fetch_optional(&mut *step)
                .await?;
        let found = found.map_or(0, |revision| u32::try_from(revision).unwrap_or(u32::MAX));
        if seen < found {
            return Err(NotActed::StaleDraft);
        }
        let revision = found.saturating_add(1);
        let version = acted.case.life.version;
        let cell = Cell::draft(key.clinic.as_str(), key.case.as_str(), person, version);
        sqlx::query(
            "INSERT INTO drafts (clinic, case_id, person, version, content, revision, saved_at_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (clinic, case_id, person) DO UPDATE SET \
             version = excluded.version, content = excluded.content, revision = excluded.revision, \
             saved_at_ms = excluded.saved_at_ms",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .bind(person)
        .bind(version)
        .bind(step.seal(&cell, content)?)
        .bind(revision)
        .bind(now_ms)
        .execute(&mut *step)
        .await?;
        step.commit().await?;
        Ok(Saved { revision })
    }

    pub(crate) async fn draft(&self, key: &CaseKey, person: &str) -> Result<Option<Draft>, Error> {
        let row: Option<(u32, Vec<u8>, u32, i64)> = sqlx::query_as(
            "SELECT version, content, revision, saved_at_ms FROM drafts \
             WHERE clinic = ? AND case_id = ? AND person = ?",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .bind(person)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        row.map(|(version, content, revision, saved_at_ms)| {
            let cell = Cell::draft(key.clinic.as_str(), key.case.as_str(), person, version);
            Ok(Draft {
                version,
                content: self.unseal(&cell, content)?,
                revision,
                saved_at_ms,
            })
        })
        .transpose()
    }

    /// Keeps the holder's opinion; the next reader is waited for.
    pub(crate) async fn give_opinion(
        &self,
        key: &CaseKey,
        person: &str,
        content: &[u8],
        agrees: Option<bool>,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Acted, NotActed> {
        let mut step = self.step().await?;
        let before = load(&mut step, key).await?.ok_or(NotActed::Unknown)?;
        let event = Event::Opinion {
            by: person.to_owned(),
            agrees,
        };
        let word = match agrees {
            Some(false) => "differs",
            _ => "opinion",
        };
        let acted = apply(&mut step, key, &event, By::person(person, word), rules, now_ms).await?;
        let (version, stage) = (acted.case.life.version, row::stage_word(before.life.stage));
        let cell = Cell::opinion((key.clinic.as_str(), key.case.as_str()), version, stage, person);
        sqlx::query(
            "INSERT INTO reader_opinions (clinic, case_id, version, stage, person, content, at_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (clinic, case_id, version, stage) DO UPDATE SET \
             person = excluded.person, content = excluded.content, at_ms = excluded.at_ms",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .bind(version)
        .bind(stage)
        .bind(person)
        .bind(step.seal(&cell, content)?)
        .bind(now_ms)
        .execute(&mut *step)
        .await?;
        forget_draft(&mut step, key, person).await?;
        step.commit().await?;
        Ok(acted)
    }

    /// What readers before said of this version.
    pub(crate) async fn reader_opinions(
        &self,
        key: &CaseKey,
        version: u32,
    ) -> Result<Vec<ReaderOpinion>, Error> {
        let rows: Vec<(String, String, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT stage, person, content, at_ms FROM reader_opinions \
             WHERE clinic = ? AND case_id = ? AND version = ? ORDER BY at_ms",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .bind(version)
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.into_iter()
            .map(|(stage, person, content, at_ms)| {
                let case = (key.clinic.as_str(), key.case.as_str());
                let cell = Cell::opinion(case, version, &stage, &person);
                Ok(ReaderOpinion {
                    stage: if stage == "second" {
                        Stage::Second
                    } else {
                        Stage::First
                    },
                    person,
                    content: self.unseal(&cell, content)?,
                    at_ms,
                })
            })
            .collect()
    }

    /// Keeps a signed report, closes its case, and sends report and corrections to the clinic: all of it or nothing.
    pub(crate) async fn sign_report(
        &self,
        new: &NewReport<'_>,
        agrees: Option<bool>,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Acted, NotActed> {
        let key = key_of(new.report);
        let mut step = self.step().await?;
        let before = load(&mut step, &key).await?.ok_or(NotActed::Unknown)?;
        if before.life.version != new.report.version {
            return Err(NotActed::Refused(crate::worklist::life::Refused::Older));
        }
        let event = Event::Sign {
            by: new.signer.to_owned(),
            agrees,
        };
        // The report first: the clinic hears of the state behind it.
        keep_report(&mut step, new, now_ms).await?;
        let by = By {
            person: Some(new.signer),
            word: "signed",
            note: &new.report.id,
        };
        let acted = apply(&mut step, &key, &event, by, rules, now_ms).await?;
        forget_draft(&mut step, &key, new.signer).await?;
        step.commit().await?;
        Ok(acted)
    }

    /// Keeps a signed addendum to a report of the same case and sends it; the case stays where it is.
    pub(crate) async fn add_to_report(&self, new: &NewReport<'_>, now_ms: i64) -> Result<(), NotActed> {
        let key = key_of(new.report);
        let mut step = self.step().await?;
        let case = load(&mut step, &key).await?.ok_or(NotActed::Unknown)?;
        let known: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM reports WHERE id = ? AND clinic = ? AND case_id = ? AND addendum_to IS NULL)",
        )
        .bind(new.report.addendum_to.as_deref())
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_one(&mut *step)
        .await?;
        if !known {
            return Err(NotActed::Unknown);
        }
        keep_report(&mut step, new, now_ms).await?;
        let by = By {
            person: Some(new.signer),
            word: "addendum",
            note: &new.report.id,
        };
        note(&mut step, &key.clinic, key.case.as_str(), &case.life, by, now_ms).await?;
        forget_draft(&mut step, &key, new.signer).await?;
        step.commit().await?;
        Ok(())
    }

    /// The reports of a case, the first one first.
    pub(crate) async fn reports_of(&self, key: &CaseKey) -> Result<Vec<StoredReport>, Error> {
        let rows = sqlx::query(
            "SELECT id, clinic, case_id, version, addendum_to, signed, signer, tier, signed_at_ms, delivered_at_ms, \
             read_at_ms FROM reports WHERE clinic = ? AND case_id = ? ORDER BY signed_at_ms, id",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter().map(|row| self.stored_report(row)).collect()
    }

    pub(crate) async fn report(&self, id: &str) -> Result<Option<StoredReport>, Error> {
        let row = sqlx::query(
            "SELECT id, clinic, case_id, version, addendum_to, signed, signer, tier, signed_at_ms, delivered_at_ms, \
             read_at_ms FROM reports WHERE id = ?",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await
        .map_err(query)?;
        row.as_ref().map(|row| self.stored_report(row)).transpose()
    }

    fn stored_report(&self, row: &SqliteRow) -> Result<StoredReport, Error> {
        let text = |name: &str| row.try_get::<String, _>(name).map_err(query);
        let (id, clinic, case) = (text("id")?, text("clinic")?, text("case_id")?);
        let version = row.try_get("version").map_err(query)?;
        let cell = Cell::report(&id, &clinic, &case, version);
        let signed = self.unseal(&cell, row.try_get("signed").map_err(query)?)?;
        Ok(StoredReport {
            id,
            clinic: clinic_id(clinic)?,
            case: CaseId::new(case).map_err(|_| Error::Stored { what: "case id" })?,
            version,
            addendum_to: row.try_get("addendum_to").map_err(query)?,
            signed: v1::SignedReport::decode(signed.as_slice()).map_err(|_| Error::Stored {
                what: "signed report",
            })?,
            signer: text("signer")?,
            tier: row::tier(row.try_get("tier").map_err(query)?)?,
            signed_at_ms: row.try_get("signed_at_ms").map_err(query)?,
            delivered_at_ms: row.try_get("delivered_at_ms").map_err(query)?,
            read_at_ms: row.try_get("read_at_ms").map_err(query)?,
        })
    }
}

fn key_of(report: &Report) -> CaseKey {
    CaseKey {
        clinic: report.clinic.clone(),
        case: report.case.clone(),
    }
}

/// As [`apply`]; only the first draft of a holder stands in the history.
async fn apply_quietly(
    step: &mut Step,
    key: &CaseKey,
    event: &Event,
    person: &str,
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
        Some((life, effects)) => {
            let by = By::person(person, "drafted");
            if case.life.state == life.state {
                Ok(super::act::change_without_note(step, case, life, effects, now_ms).await?)
            } else {
                Ok(super::act::change(step, case, life, effects, by, now_ms).await?)
            }
        }
    }
}

async fn forget_draft(step: &mut Step, key: &CaseKey, person: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM drafts WHERE clinic = ? AND case_id = ? AND person = ?")
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .bind(person)
        .execute(&mut **step)
        .await?;
    Ok(())
}

async fn keep_report(step: &mut Step, new: &NewReport<'_>, now_ms: i64) -> Result<(), NotActed> {
    let report = new.report;
    let case_id = report.case.as_str();
    let envelope = signed_report_envelope(Ulid::generate().to_string(), &report.clinic, new.signed);
    send(step, &report.clinic, case_id, &envelope, now_ms).await?;
    let cell = Cell::report(&report.id, report.clinic.as_str(), case_id, report.version);
    sqlx::query(
        "INSERT INTO reports (id, clinic, case_id, version, addendum_to, signed, signer, tier, urgency, signed_at_ms, \
         envelope_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&report.id)
    .bind(report.clinic.as_str())
    .bind(case_id)
    .bind(report.version)
    .bind(report.addendum_to.as_deref())
    .bind(step.seal(&cell, &new.signed.encode_to_vec())?)
    .bind(new.signer)
    .bind(row::tier_number(report.tier))
    .bind(row::urgency_number(report.urgency))
    .bind(report.signed_at_ms)
    .bind(&envelope.id)
    .execute(&mut **step)
    .await?;
    for (position, statement) in (0i64..).zip(new.statements) {
        sqlx::query(
            "INSERT INTO report_statements (report, position, finding, presence, called) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&report.id)
        .bind(position)
        .bind(&statement.finding)
        .bind(match statement.presence {
            Presence::Present => "present",
            Presence::Absent => "absent",
            Presence::Possible => "possible",
        })
        .bind(statement.called)
        .execute(&mut **step)
        .await?;
    }
    for correction in new.corrections {
        let envelope = correction_envelope(Ulid::generate().to_string(), &report.clinic, correction);
        send(step, &report.clinic, case_id, &envelope, now_ms).await?;
        sqlx::query(
            "INSERT INTO corrections (id, clinic, case_id, version, finding, present, expert, recorded_at_ms, \
             envelope_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&correction.id)
        .bind(report.clinic.as_str())
        .bind(case_id)
        .bind(correction.version)
        .bind(correction.finding.as_str())
        .bind(correction.present)
        .bind(new.signer)
        .bind(correction.recorded_at_ms)
        .bind(&envelope.id)
        .execute(&mut **step)
        .await?;
    }
    Ok(())
}
