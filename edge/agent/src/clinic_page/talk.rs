//! What somebody says to the expert on a case's page, and that a report was read.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use barefoot_domain::Subject;
use serde::Deserialize;
use ulid::Ulid;

use super::pages::{self, Frame, TalkPage};
use super::request_language::RequestLanguage;
use super::saying;
use super::server::App;
use super::sign_in;
use super::sources::{Taken, Word};
use super::texts::Texts;
use crate::identity_check::Names;
use crate::speech::{NotKept, Speech, unfit};
use crate::study_folder::StudyKey;

/// The form under a case, with what was typed and what is wrong with it.
#[derive(Debug)]
pub(super) struct TalkForm {
    pub(super) key: String,
    /// The message's id: the form sent twice is one message.
    pub(super) id: String,
    pub(super) text: String,
    pub(super) problems: Vec<String>,
}

impl TalkForm {
    fn empty(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            id: Ulid::generate().to_string(),
            text: String::new(),
            problems: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Ask,
    Note,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageForm {
    id: String,
    text: String,
    kind: Kind,
}

/// `GET /case/{key}/ask`: a page of its own, because a case's page loads itself again.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path(key): Path<String>,
) -> Response {
    show(&app, asked, TalkForm::empty(&key))
}

fn show(app: &App, asked: RequestLanguage, form: TalkForm) -> Response {
    let case = StudyKey::parse(&form.key).and_then(|key| app.sources.cases.get(&key));
    let Some(case) = case else {
        return saying::back(&form.key);
    };
    let page = TalkPage {
        frame: Frame::of(app, asked.language),
        t: app.library.of(asked.language),
        patient: case.patient.name.clone(),
        form,
    };
    pages::page(&page, asked)
}

/// `POST /case/{key}/message`.
pub(super) async fn message(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path(key): Path<String>,
    Form(form): Form<MessageForm>,
) -> Response {
    let Some(case) = StudyKey::parse(&key).and_then(|key| app.sources.cases.get(&key)) else {
        return saying::back(&key);
    };
    // A form that is not ours gets an id of its own.
    let id = Ulid::from_string(&form.id)
        .unwrap_or_else(|_| Ulid::generate())
        .to_string();
    let text = form.text.replace("\r\n", "\n");
    let text = text
        .replace(|c: char| c.is_control() && c != '\n', " ")
        .trim()
        .to_owned();
    if let Some(reason) = unfit(&text, &case) {
        return refused(&app, asked, &key, id, text, &reason);
    }
    let speech = Speech::Message {
        id: id.clone(),
        subject: match form.kind {
            Kind::Ask => Subject::AskExpert,
            Kind::Note => Subject::Note,
        },
        text: text.clone(),
        post: post(&app),
    };
    match saying::written(&app, &key, Word::Speech(speech)).await {
        Ok(Taken::Yes) => saying::back(&key),
        Ok(Taken::Not(reason)) => refused(&app, asked, &key, id, text, &reason),
        Err(error) => saying::failed(&app, asked, &error),
    }
}

/// How the expert sees who writes: by post, in the site's language; the name stays in the clinic.
fn post(app: &App) -> String {
    let t = &app.library.of(app.language).talk;
    let may = sign_in::who().may();
    if may.doctor {
        &t.post_doctor
    } else {
        &t.post_technician
    }
    .clone()
}

fn refused(
    app: &App,
    asked: RequestLanguage,
    key: &str,
    id: String,
    text: String,
    reason: &NotKept,
) -> Response {
    let form = TalkForm {
        key: key.to_owned(),
        id,
        text,
        problems: problems(reason, app.library.of(asked.language)),
    };
    (StatusCode::UNPROCESSABLE_ENTITY, show(app, asked, form)).into_response()
}

/// What to take out or to change.
pub(super) fn problems(reason: &NotKept, texts: &Texts) -> Vec<String> {
    let t = &texts.talk;
    let one = |text: &str| vec![text.to_owned()];
    match reason {
        NotKept::NoSuchCase | NotKept::NoSuchReport => one(&texts.error.missing),
        NotKept::NoSuchVersion => one(&t.too_early),
        NotKept::Empty => one(&t.empty),
        NotKept::TooLong => one(&t.too_long),
        NotKept::TooMany => one(&t.too_many),
        NotKept::NotByPolicy => one(&t.not_by_policy),
        NotKept::Names(names) => {
            let named = names.iter().map(|name| {
                match name {
                    Names::Name => &t.names_name,
                    Names::PatientId => &t.names_id,
                    Names::BirthDate => &t.names_birth_date,
                    Names::Accession => &t.names_accession,
                    Names::LongNumber => &t.names_number,
                }
                .clone()
            });
            std::iter::once(t.names_patient.clone()).chain(named).collect()
        }
    }
}

/// `POST /case/{key}/seen`: the expert's messages were read.
pub(super) async fn seen(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path(key): Path<String>,
) -> Response {
    done(&app, asked, &key, Word::Seen).await
}

/// `POST /case/{key}/report/{report}/read`.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path((key, report)): Path<(String, String)>,
) -> Response {
    done(&app, asked, &key, Word::Speech(Speech::Read { report })).await
}

async fn done(app: &Arc<App>, asked: RequestLanguage, key: &str, word: Word) -> Response {
    match saying::written(app, key, word).await {
        Ok(_) => saying::back(key),
        Err(error) => saying::failed(app, asked, &error),
    }
}

/// `GET /aside`: reports that cannot stand beside a patient.
pub(super) async fn aside(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let page = super::aside::page_of(&app, asked.language);
    pages::page(&page, asked)
}

/// `POST /aside/clear`.
pub(super) async fn clear_aside(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let (aside, by) = (app.sources.aside.clone(), sign_in::who().name());
    let cleared = tokio::task::spawn_blocking(move || aside.clear(&by, crate::clock::now_ms())).await;
    match cleared {
        Ok(Ok(())) => Redirect::to("/aside").into_response(),
        Ok(Err(error)) => saying::failed(&app, asked, &error),
        Err(error) => saying::failed(&app, asked, &std::io::Error::other(error)),
    }
}
