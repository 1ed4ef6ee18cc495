use barefoot_domain::{Author, CaseId, ClinicId, Message, Opinion, ReportRead, Subject};
use barefoot_wire::message_envelope;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use ulid::Ulid;

use super::act::{By, apply, load, note, send};
use super::triage::open_for_question;
use super::{CaseKey, NotActed};
use crate::archive::read::query;
use crate::archive::step::Step;
use crate::archive::{Archive, Error, Outcome};
use crate::at_rest::Cell;
use crate::worklist::life::{Event, Refused};
use crate::worklist::rules::Rules;

/// What a clinic says of a case, beside its results.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ClinicWord {
    Message(Message),
    Opinion(Opinion),
    ReportRead(ReportRead),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    /// The case it changed.
    pub(crate) case: Option<CaseKey>,
}

/// A message as its case's page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredMessage {
    pub(crate) message: Message,
    /// The reader's account.
    pub(crate) person: Option<String>,
}

impl Archive {
    /// Keeps a clinic's word, once, together with what it does to its case.
    pub(crate) async fn hear(
        &self,
        clinic: &ClinicId,
        word: &ClinicWord,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Said, Error> {
        let heard = async {
            let mut step = self.step().await?;
            let said = match word {
                ClinicWord::Message(message) => {
                    take_message(&mut step, clinic, message, rules, now_ms).await?
                }
                ClinicWord::Opinion(opinion) => take_opinion(&mut step, clinic, opinion).await?,
                ClinicWord::ReportRead(read) => take_read(&mut step, clinic, read, rules, now_ms).await?,
            };
            step.commit().await?;
            Ok(said)
        };
        heard.await.map_err(|error| match error {
            NotActed::Archive(error) => error,
            _ => Error::Stored { what: "case" },
        })
    }

    /// Keeps a reader's message and sends it to the clinic.
    pub(crate) async fn write_to_clinic(
        &self,
        key: &CaseKey,
        person: &str,
        message: &Message,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<(), NotActed> {
        let mut step = self.step().await?;
        let case = load(&mut step, key).await?.ok_or(NotActed::Unknown)?;
        if message.subject == Subject::WantImages {
            let event = Event::WantImages {
                by: person.to_owned(),
            };
            let by = By::person(person, "images_wanted");
            apply(&mut step, key, &event, by, rules, now_ms).await?;
        } else {
            let by = By::person(person, "message");
            note(&mut step, &key.clinic, key.case.as_str(), &case.life, by, now_ms).await?;
        }
        keep(&mut step, &key.clinic, message, Some(person)).await?;
        let id = Ulid::generate().to_string();
        let envelope = message_envelope(id, &key.clinic, message);
        send(&mut step, &key.clinic, key.case.as_str(), &envelope, now_ms).await?;
        step.commit().await?;
        Ok(())
    }

    /// A line in the history of a case that changes nothing else.
    pub(crate) async fn note_case(&self, key: &CaseKey, by: By<'_>, now_ms: i64) -> Result<(), NotActed> {
        let mut step = self.step().await?;
        let case = load(&mut step, key).await?.ok_or(NotActed::Unknown)?;
        note(&mut step, &key.clinic, key.case.as_str(), &case.life, by, now_ms).await?;
        step.commit().await?;
        Ok(())
    }

    pub(crate) async fn mark_teaching(&self, key: &CaseKey, teaching: bool) -> Result<(), NotActed> {
        let done = sqlx::query("UPDATE cases SET teaching = ? WHERE clinic = ? AND case_id = ?")
            .bind(teaching)
            .bind(key.clinic.as_str())
            .bind(key.case.as_str())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 {
            return Err(NotActed::Unknown);
        }
        Ok(())
    }

    /// The messages of a case, oldest first.
    pub(crate) async fn messages(&self, key: &CaseKey) -> Result<Vec<StoredMessage>, Error> {
        let rows = sqlx::query(
            "SELECT id, case_id, version, author, person, name, subject, text, at_ms FROM case_messages \
             WHERE clinic = ? AND case_id = ? ORDER BY at_ms, id",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(query)?;
        rows.iter()
            .map(|row| stored_message(row, &key.clinic, |cell, sealed| self.unseal(cell, sealed)))
            .collect()
    }

    /// A reader has seen what the clinic wrote.
    pub(crate) async fn messages_seen(&self, key: &CaseKey) -> Result<(), Error> {
        sqlx::query("UPDATE cases SET unseen = 0 WHERE clinic = ? AND case_id = ? AND unseen <> 0")
            .bind(key.clinic.as_str())
            .bind(key.case.as_str())
            .execute(&self.pool)
            .await
            .map_err(|source| Error::Commit { source })?;
        Ok(())
    }

    /// What the clinic's doctors said of a case's findings.
    pub(crate) async fn clinic_opinions(&self, key: &CaseKey) -> Result<Vec<(String, bool, i64)>, Error> {
        sqlx::query_as(
            "SELECT finding, present, at_ms FROM clinic_opinions WHERE clinic = ? AND case_id = ? ORDER BY at_ms, id",
        )
        .bind(key.clinic.as_str())
        .bind(key.case.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(query)
    }
}

const SUBJECTS: [(Subject, &str); 3] = [
    (Subject::Note, "note"),
    (Subject::AskExpert, "ask_expert"),
    (Subject::WantImages, "want_images"),
];

fn subject_word(subject: Subject) -> &'static str {
    SUBJECTS
        .iter()
        .find(|(one, _)| *one == subject)
        .map_or("note", |(_, word)| word)
}

fn stored_message(
    row: &SqliteRow,
    clinic: &ClinicId,
    unseal: impl FnOnce(&Cell, Vec<u8>) -> Result<Vec<u8>, Error>,
) -> Result<StoredMessage, Error> {
    let text = |name: &str| row.try_get::<String, _>(name).map_err(query);
    let version = row.try_get("version").map_err(query)?;
    let cell = Cell::message(&text("id")?, clinic.as_str(), &text("case_id")?, version);
    let subject = text("subject")?;
    Ok(StoredMessage {
        message: Message {
            id: text("id")?,
            case: CaseId::new(text("case_id")?).map_err(|_| Error::Stored { what: "case id" })?,
            version,
            author: match text("author")?.as_str() {
                "clinic" => Author::Clinic,
                _ => Author::Expert,
            },
            name: text("name")?,
            subject: SUBJECTS
                .iter()
                .find(|(_, word)| *word == subject)
                .map(|(subject, _)| *subject)
                .ok_or(Error::Stored { what: "message" })?,
            text: String::from_utf8(unseal(&cell, row.try_get("text").map_err(query)?)?)
                .map_err(|_| Error::Stored { what: "message" })?,
            at_ms: row.try_get("at_ms").map_err(query)?,
        },
        person: row.try_get("person").map_err(query)?,
    })
}

async fn keep(
    step: &mut Step,
    clinic: &ClinicId,
    message: &Message,
    person: Option<&str>,
) -> Result<(), sqlx::Error> {
    let cell = Cell::message(
        &message.id,
        clinic.as_str(),
        message.case.as_str(),
        message.version,
    );
    sqlx::query(
        "INSERT INTO case_messages (id, clinic, case_id, version, author, person, name, subject, text, at_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&message.id)
    .bind(clinic.as_str())
    .bind(message.case.as_str())
    .bind(message.version)
    .bind(match message.author {
        Author::Clinic => "clinic",
        Author::Expert => "expert",
    })
    .bind(person)
    .bind(&message.name)
    .bind(subject_word(message.subject))
    .bind(step.seal(&cell, message.text.as_bytes())?)
    .bind(message.at_ms)
    .execute(&mut **step)
    .await?;
    Ok(())
}

async fn take_message(
    step: &mut Step,
    clinic: &ClinicId,
    message: &Message,
    rules: &Rules,
    now_ms: i64,
) -> Result<Said, NotActed> {
    let earlier = sqlx::query(
        "SELECT id, case_id, version, author, person, name, subject, text, at_ms FROM case_messages \
         WHERE clinic = ? AND id = ?",
    )
    .bind(clinic.as_str())
    .bind(&message.id)
    .fetch_optional(&mut **step)
    .await?;
    if let Some(earlier) = earlier {
        let unseal = |cell: &Cell, sealed| step.unseal(cell, sealed).map_err(query);
        let same = stored_message(&earlier, clinic, unseal)?.message == *message;
        return Ok(said(if same {
            Outcome::Duplicate
        } else {
            Outcome::IdReused
        }));
    }
    keep(step, clinic, message, None).await?;
    let key = CaseKey {
        clinic: clinic.clone(),
        case: message.case.clone(),
    };
    let asks = message.subject == Subject::AskExpert;
    let Some(case) = load(step, &key).await? else {
        let opened = asks && open_for_question(step, &key, rules, now_ms).await?;
        return Ok(Said {
            outcome: Outcome::Stored,
            case: opened.then_some(key),
        });
    };
    sqlx::query("UPDATE cases SET unseen = unseen + 1, asked = MAX(asked, ?) WHERE number = ?")
        .bind(asks)
        .bind(case.number)
        .execute(&mut **step)
        .await?;
    if asks {
        let event = Event::Asked {
            version: message.version,
        };
        apply(step, &key, &event, By::hub("asked"), rules, now_ms).await?;
    }
    Ok(Said {
        outcome: Outcome::Stored,
        case: Some(key),
    })
}

async fn take_opinion(step: &mut Step, clinic: &ClinicId, opinion: &Opinion) -> Result<Said, NotActed> {
    let earlier: Option<(String, u32, String, bool)> = sqlx::query_as(
        "SELECT case_id, version, finding, present FROM clinic_opinions WHERE clinic = ? AND id = ?",
    )
    .bind(clinic.as_str())
    .bind(&opinion.id)
    .fetch_optional(&mut **step)
    .await?;
    if let Some((case, version, finding, present)) = earlier {
        let same = case == opinion.case.as_str()
            && version == opinion.version
            && finding == opinion.finding.as_str()
            && present == opinion.present;
        return Ok(said(if same {
            Outcome::Duplicate
        } else {
            Outcome::IdReused
        }));
    }
    sqlx::query(
        "INSERT INTO clinic_opinions (id, clinic, case_id, version, finding, present, at_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&opinion.id)
    .bind(clinic.as_str())
    .bind(opinion.case.as_str())
    .bind(opinion.version)
    .bind(opinion.finding.as_str())
    .bind(opinion.present)
    .bind(opinion.at_ms)
    .execute(&mut **step)
    .await?;
    Ok(said(Outcome::Stored))
}

async fn take_read(
    step: &mut Step,
    clinic: &ClinicId,
    read: &ReportRead,
    rules: &Rules,
    now_ms: i64,
) -> Result<Said, NotActed> {
    let noted = sqlx::query(
        "UPDATE reports SET read_at_ms = ?, delivered_at_ms = COALESCE(delivered_at_ms, ?) \
         WHERE id = ? AND clinic = ? AND case_id = ? AND read_at_ms IS NULL",
    )
    .bind(now_ms)
    .bind(now_ms)
    .bind(&read.report)
    .bind(clinic.as_str())
    .bind(read.case.as_str())
    .execute(&mut **step)
    .await?
    .rows_affected();
    if noted == 0 {
        return Ok(said(Outcome::Duplicate));
    }
    let key = CaseKey {
        clinic: clinic.clone(),
        case: read.case.clone(),
    };
    match apply(step, &key, &Event::ReadByClinic, By::hub("read"), rules, now_ms).await {
        // The case was opened again meanwhile: the report was read all the same.
        Ok(_) | Err(NotActed::Refused(Refused::NotNow)) => Ok(Said {
            outcome: Outcome::Stored,
            case: Some(key),
        }),
        Err(error) => Err(error),
    }
}

fn said(outcome: Outcome) -> Said {
    Said { outcome, case: None }
}
