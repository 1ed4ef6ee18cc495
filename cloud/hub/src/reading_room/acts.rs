use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use barefoot_domain::{Author, Message, Subject};
use barefoot_wire::MAX_MESSAGE_CHARS;
use serde::Deserialize;
use ulid::Ulid;

use super::{CasePath, Room, address, after, enter, failed, object, reader, refused, said};
use crate::archive::{By, CaseKey, NotActed};
use crate::audit::{Action, Object};
use crate::clock::now_ms;
use crate::people::{Right, Signed, Verified};

/// A form of which only the token counts.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
pub(super) struct Why {
    #[serde(default)]
    why: String,
    #[serde(default)]
    to: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Words {
    #[serde(default)]
    text: String,
    #[serde(default)]
    want_images: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    on: String,
}

/// Writes it down; claims and the like are written down by the list, in the same step.
async fn noted(
    room: &Room,
    signed: &Signed,
    key: &CaseKey,
    action: Action,
    details: &str,
) -> Result<(), NotActed> {
    Ok(room.note(signed, action, object(key), details).await?)
}

pub(super) async fn claim(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::WorkOnCases) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let done = room.worklist.claim(&key, &reader(&signed)).await;
    after(&key, room.words(&signed), done.map(drop))
}

pub(super) async fn release(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::WorkOnCases) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    match room.worklist.release(&key, &reader(&signed)).await {
        Ok(_) => Redirect::to("/worklist").into_response(),
        Err(error) => refused(&key, room.words(&signed), &error),
    }
}

/// An open page says that its reader is there.
pub(super) async fn renew(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::WorkOnCases) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    match room.worklist.renew(&key, &signed.person.id).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(NotActed::Archive(error)) => failed(&error, signed.person.language),
        Err(error) => (StatusCode::CONFLICT, room.words(&signed).refusal(&error)).into_response(),
    }
}

pub(super) async fn refer(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(form)): Verified<Form<Why>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::WorkOnCases) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let words = room.words(&signed);
    let why = short(&form.why);
    if why.is_empty() {
        return said(
            StatusCode::UNPROCESSABLE_ENTITY,
            words,
            words.say_why,
            &address(&key),
        );
    }
    let done = async {
        let to = Some(form.to.trim().to_owned()).filter(|to| !to.is_empty());
        if let Some(to) = &to {
            let known = room
                .people
                .person(to)
                .await
                .map_err(|_| NotActed::Archive(crate::archive::Error::Stored { what: "account" }))?;
            if known.is_none_or(|person| !person.active || !person.may(Right::SignReports)) {
                return Err(NotActed::Unknown);
            }
        }
        room.worklist.refer(&key, &reader(&signed), to, &why).await
    };
    match done.await {
        Ok(_) => Redirect::to("/worklist").into_response(),
        Err(error) => refused(&key, words, &error),
    }
}

pub(super) async fn second(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::WorkOnCases) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let done = room.worklist.want_second(&key, &reader(&signed)).await;
    after(&key, room.words(&signed), done.map(drop))
}

pub(super) async fn withdraw(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(form)): Verified<Form<Why>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::WithdrawCases) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let words = room.words(&signed);
    let why = short(&form.why);
    if why.is_empty() {
        return said(
            StatusCode::UNPROCESSABLE_ENTITY,
            words,
            words.say_why,
            &address(&key),
        );
    }
    let done = room.worklist.withdraw(&key, &reader(&signed), &why).await;
    after(&key, words, done.map(drop))
}

pub(super) async fn teaching(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(form)): Verified<Form<Choice>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::KeepTeaching) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let on = form.on == "yes";
    let done = async {
        room.archive.mark_teaching(&key, on).await?;
        noted(
            &room,
            &signed,
            &key,
            Action::Teaching,
            if on { "on" } else { "off" },
        )
        .await
    };
    after(&key, room.words(&signed), done.await)
}

/// The reader has looked, and wants to hear what the model said.
pub(super) async fn reveal(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(Nothing {})): Verified<Form<Nothing>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::SeeCases) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let done = async {
        noted(&room, &signed, &key, Action::RevealAssessment, "").await?;
        let by = By::person(&signed.person.id, "revealed");
        room.archive.note_case(&key, by, now_ms()).await
    };
    after(&key, room.words(&signed), done.await)
}

/// Whether this reader looks first.
pub(super) async fn hide_ai(
    State(room): State<Room>,
    signed: Signed,
    Verified(Form(form)): Verified<Form<Choice>>,
) -> Response {
    let on = form.on == "yes";
    let done = async {
        let object = Object::subject(&signed.person.id);
        let details = if on { "hides the AI" } else { "shows the AI" };
        room.note(&signed, Action::Settings, object, details).await?;
        room.archive.set_hides_ai(&signed.person.id, on).await
    };
    match done.await {
        Ok(()) => Redirect::to("/worklist").into_response(),
        Err(error) => failed(&error, signed.person.language),
    }
}

pub(super) async fn message(
    State(room): State<Room>,
    signed: Signed,
    Path(path): Path<CasePath>,
    Verified(Form(form)): Verified<Form<Words>>,
) -> Response {
    let key = match enter(&room, &signed, path, Right::WorkOnCases) {
        Ok(key) => key,
        Err(answer) => return *answer,
    };
    let words = room.words(&signed);
    let text = form.text.replace("\r\n", "\n").trim().to_owned();
    let unfit = text.chars().any(|c| c.is_control() && c != '\n');
    if text.is_empty() || unfit || MAX_MESSAGE_CHARS < text.chars().count() {
        return said(
            StatusCode::UNPROCESSABLE_ENTITY,
            words,
            words.message_unfit,
            &address(&key),
        );
    }
    let done = async {
        let case = room.archive.case(&key).await?.ok_or(NotActed::Unknown)?;
        let wants = !form.want_images.is_empty();
        let message = Message {
            id: Ulid::generate().to_string(),
            case: key.case.clone(),
            version: case.life.version,
            author: Author::Expert,
            name: signed.person.display_name.clone(),
            subject: if wants { Subject::WantImages } else { Subject::Note },
            text,
            at_ms: now_ms(),
        };
        room.worklist.write(&key, &signed.person.id, &message).await?;
        noted(
            &room,
            &signed,
            &key,
            Action::Message,
            if wants { "images wanted" } else { "" },
        )
        .await
    };
    after(&key, words, done.await)
}

/// One line, of a length for a list.
fn short(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect::<String>()
        .trim()
        .to_owned()
}
