use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use barefoot_domain::{Call, Part, Reader, Report};
use barefoot_wire::{MAX_REPORT_BYTES, StudyResult, decode_report, encode_report, v1};
use serde_json::json;
use ulid::Ulid;

use super::drafting::{self, Mistake, Written};
use super::words::Words;
use super::{CasePath, Room, address, enter, failed, object, refused, said};
use crate::archive::{Case, CaseKey, Error, NewReport, NotActed};
use crate::audit::Action;
use crate::clock::now_ms;
use crate::people::{Password, Right, SignError, Signed, Verified};
use crate::worklist::life::Stage;

type Fields = Vec<(String, String)>;

/// Why nothing was signed.
enum NotSigned {
    Acted(NotActed),
    Mistake(Mistake),
    /// A finding the model called has no answer.
    Unnamed,
    TooLarge,
    Signature(SignError),
}

impl From<NotActed> for NotSigned {
    fn from(error: NotActed) -> Self {
        Self::Acted(error)
    }
}

impl From<Error> for NotSigned {
    fn from(error: Error) -> Self {
        Self::Acted(error.into())
    }
}

impl From<Mistake> for NotSigned {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}

impl From<SignError> for NotSigned {
    fn from(error: SignError) -> Self {
        Self::Signature(error)
    }
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields
        .iter()
        .find(|(field, _)| field == name)
        .map_or("", |(_, value)| value.as_str())
}

/// Keeps what is written so far. A script asks for JSON, a form goes back to its page.
pub(super) async fn draft(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(fields)): Verified<Form<Fields>>,
) -> Response {
    let words = room.words(&signed);
    let key = match enter(&room, &signed, path, Right::SignReports) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let by_script = field(&fields, "by") == "script";
    match save(&room, &signed, &key, &fields).await {
        Ok(revision) if by_script => axum::Json(json!({ "revision": revision })).into_response(),
        Ok(_) => Redirect::to(&address(&key)).into_response(),
        Err(error) if by_script => {
            let (status, text) = explained(words, &error);
            (status, axum::Json(json!({ "said": text }))).into_response()
        }
        Err(error) => not_signed(&key, words, &error),
    }
}

async fn save(room: &Room, signed: &Signed, key: &CaseKey, fields: &Fields) -> Result<u32, NotSigned> {
    let written = drafting::read(fields)?;
    let case = room.archive.case(key).await?.ok_or(NotActed::Unknown)?;
    let content = encode_report(&written.into_report(empty(signed, key, &case, None)));
    if MAX_REPORT_BYTES < content.len() {
        return Err(NotSigned::TooLarge);
    }
    let seen: u32 = field(fields, "revision").parse().unwrap_or_default();
    let saved = room
        .worklist
        .save_draft(key, &signed.person.id, &content, seen)
        .await?;
    // Once a sitting: each keystroke in the log would hide what counts.
    if saved.revision == 1 {
        room.note(signed, Action::EditDraft, object(key), "").await?;
    }
    Ok(saved.revision)
}

/// Signs, or gives an opinion where another has to read the case too.
pub(super) async fn sign(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(fields)): Verified<Form<Fields>>,
) -> Response {
    let words = room.words(&signed);
    let key = match enter(&room, &signed, path, Right::SignReports) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    // Whatever goes wrong with the signature, what was written is kept.
    let kept = save(&room, &signed, &key, &fields).await;
    let done = match kept {
        Ok(_) => finish(&room, &signed, &key, &fields).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Redirect::to(&address(&key)).into_response(),
        Err(error) => not_signed(&key, words, &error),
    }
}

async fn finish(room: &Room, signed: &Signed, key: &CaseKey, fields: &Fields) -> Result<(), NotSigned> {
    let written = drafting::read(fields)?.finished()?;
    let case = room.archive.case(key).await?.ok_or(NotActed::Unknown)?;
    // What came after the page was opened has not been looked at.
    if field(fields, "version").parse() != Ok(case.life.version) {
        return Err(NotActed::Refused(crate::worklist::life::Refused::Older).into());
    }
    let result = room.archive.newest_result(key).await?;
    let result = result.filter(|result| result.version == case.life.version);
    every_call_is_answered(room, signed, key, &written, result.as_ref()).await?;
    let person = signed.person.id.as_str();
    let opinions = room.archive.reader_opinions(key, case.life.version).await?;
    let first = opinions.iter().find(|opinion| opinion.stage == Stage::First);
    let agrees = match (case.life.stage, first) {
        (Stage::Second, Some(first)) => {
            let said = decode_report(&first.content).map_err(|_| Error::Stored { what: "opinion" })?;
            Some(drafting::agree(&said.statements, &written.statements))
        }
        _ => None,
    };
    let waits_for_another = case.life.stage == Stage::First && case.life.second_wanted;
    let mut report = written.into_report(empty(signed, key, &case, result.as_ref()));
    report.readers = readers(room, signed, &case, &opinions).await?;
    let content = encode_report(&report);
    if MAX_REPORT_BYTES < content.len() {
        return Err(NotSigned::TooLarge);
    }
    if waits_for_another || agrees == Some(false) {
        room.worklist.give_opinion(key, person, &content, agrees).await?;
        room.note(signed, Action::Opinion, object(key), "").await?;
        return Ok(());
    }
    // Before the key is used: nobody signs what is not theirs any more.
    if !case.life.is_held_by(person) {
        return Err(NotActed::Refused(crate::worklist::life::Refused::NotHolder).into());
    }
    let proof = signature(room, signed, fields, &content).await?;
    let corrections = drafting::corrections(&report, result.as_ref(), report.signed_at_ms);
    let statements = drafting::beside_the_model(&report.statements, result.as_ref());
    let new = NewReport {
        report: &report,
        signed: &proof,
        signer: person,
        corrections: &corrections,
        statements: &statements,
    };
    if let Err(error) = room.worklist.sign(&new, agrees).await {
        // The log says that a signature was made: it must also say that it came to nothing.
        room.note(
            signed,
            Action::SignatureRefused,
            object(key).and_subject(&report.id),
            "not kept",
        )
        .await?;
        return Err(error.into());
    }
    Ok(())
}

/// Whoever has heard what the model called must say something to it: nobody overlooks it.
async fn every_call_is_answered(
    room: &Room,
    signed: &Signed,
    key: &CaseKey,
    written: &Written,
    result: Option<&StudyResult>,
) -> Result<(), NotSigned> {
    let person = signed.person.id.as_str();
    if room.archive.hides_ai(person).await? && !room.archive.has_seen_ai(key, person).await? {
        return Ok(());
    }
    let called = result.map_or(&[][..], |result| result.assessment.findings.as_slice());
    let answered = called
        .iter()
        .filter(|finding| finding.call == Call::Positive)
        .all(|finding| written.statements.iter().any(|one| one.finding == finding.code));
    if answered { Ok(()) } else { Err(NotSigned::Unnamed) }
}

/// Who read, in order; who signs stands last.
async fn readers(
    room: &Room,
    signed: &Signed,
    case: &Case,
    opinions: &[crate::archive::ReaderOpinion],
) -> Result<Vec<Reader>, NotSigned> {
    let mut readers = Vec::new();
    for opinion in opinions {
        let person = room
            .people
            .person(&opinion.person)
            .await
            .map_err(|_| Error::Stored { what: "account" })?;
        let Some(person) = person else { continue };
        readers.push(Reader {
            person: person.id,
            name: person.display_name,
            title: person.title,
            institution: person.institution,
            part: if opinion.stage == Stage::First {
                Part::First
            } else {
                Part::Second
            },
            at_ms: opinion.at_ms,
        });
    }
    readers.push(Reader {
        person: signed.person.id.clone(),
        name: signed.person.display_name.clone(),
        title: signed.person.title.clone(),
        institution: signed.person.institution.clone(),
        part: match case.life.stage {
            Stage::First => Part::First,
            Stage::Second => Part::Second,
            Stage::Adjudication => Part::Adjudicator,
        },
        at_ms: now_ms(),
    });
    Ok(readers)
}

async fn signature(
    room: &Room,
    signed: &Signed,
    fields: &Fields,
    content: &[u8],
) -> Result<v1::SignedReport, NotSigned> {
    let password = Password::from(field(fields, "password"));
    let code = Some(field(fields, "code")).filter(|code| !code.trim().is_empty());
    Ok(room.people.sign(signed, &password, code, content).await?)
}

/// What is added to a signed report is a report of its own that names it.
pub(super) async fn addendum(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(fields)): Verified<Form<Fields>>,
) -> Response {
    let words = room.words(&signed);
    let key = match enter(&room, &signed, path, Right::SignReports) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    match add(&room, &signed, &key, &fields).await {
        Ok(()) => Redirect::to(&address(&key)).into_response(),
        Err(error) => not_signed(&key, words, &error),
    }
}

async fn add(room: &Room, signed: &Signed, key: &CaseKey, fields: &Fields) -> Result<(), NotSigned> {
    let written = drafting::read(fields)?.finished()?;
    let case = room.archive.case(key).await?.ok_or(NotActed::Unknown)?;
    let reports = room.archive.reports_of(key).await?;
    let first = reports
        .iter()
        .rfind(|report| report.addendum_to.is_none())
        .ok_or(NotActed::Unknown)?;
    let mut report = written.into_report(empty(signed, key, &case, None));
    report.addendum_to = Some(first.id.clone());
    report.version = first.version;
    report.readers = vec![Reader {
        person: signed.person.id.clone(),
        name: signed.person.display_name.clone(),
        title: signed.person.title.clone(),
        institution: signed.person.institution.clone(),
        part: Part::First,
        at_ms: now_ms(),
    }];
    let content = encode_report(&report);
    if MAX_REPORT_BYTES < content.len() {
        return Err(NotSigned::TooLarge);
    }
    let proof = signature(room, signed, fields, &content).await?;
    let new = NewReport {
        report: &report,
        signed: &proof,
        signer: &signed.person.id,
        corrections: &[],
        statements: &[],
    };
    room.worklist.add_to_report(&new).await?;
    room.note(signed, Action::Addendum, object(key).and_subject(&report.id), "")
        .await?;
    Ok(())
}

/// A report of this case by this reader in which nothing is said yet.
fn empty(signed: &Signed, key: &CaseKey, case: &Case, result: Option<&StudyResult>) -> Report {
    let now = now_ms();
    Report {
        id: Ulid::generate().to_string(),
        clinic: key.clinic.clone(),
        case: key.case.clone(),
        version: case.life.version,
        addendum_to: None,
        modality: case.modality.clone(),
        tier: signed.person.tier,
        urgency: case.life.urgency,
        statements: Vec::new(),
        description: String::new(),
        impression: String::new(),
        advice: String::new(),
        assessment: result.map(|result| result.assessment.clone()),
        readers: vec![Reader {
            person: signed.person.id.clone(),
            name: signed.person.display_name.clone(),
            title: signed.person.title.clone(),
            institution: signed.person.institution.clone(),
            part: Part::First,
            at_ms: now,
        }],
        language: crate::people::language_word(signed.person.language).to_owned(),
        signed_at_ms: now,
    }
}

fn explained(words: &'static Words, error: &NotSigned) -> (StatusCode, String) {
    match error {
        NotSigned::Acted(error) => (StatusCode::CONFLICT, words.refusal(error).to_owned()),
        NotSigned::Mistake(mistake) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            words.mistake(mistake).to_owned(),
        ),
        NotSigned::Unnamed => (
            StatusCode::UNPROCESSABLE_ENTITY,
            words.name_ai_findings.to_owned(),
        ),
        NotSigned::TooLarge => (StatusCode::UNPROCESSABLE_ENTITY, words.too_large.to_owned()),
        NotSigned::Signature(error) => (StatusCode::FORBIDDEN, words.sign_error(error)),
    }
}

fn not_signed(key: &CaseKey, words: &'static Words, error: &NotSigned) -> Response {
    match error {
        NotSigned::Acted(NotActed::Archive(error)) => failed(error, words.language),
        NotSigned::Acted(error) => refused(key, words, error),
        _ => {
            let (status, text) = explained(words, error);
            said(status, words, &text, &address(key))
        }
    }
}
