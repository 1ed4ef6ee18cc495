//! What somebody says on a case's page: a finding is there or not, the box may learn from it or not.

use std::io;
use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use barefoot_domain::FindingCode;
use serde::Deserialize;

use super::acts::Told;
use super::pages;
use super::request_language::RequestLanguage;
use super::server::App;
use super::sign_in;
use super::sources::{Taken, Word};
use crate::labels::{ConsentFor, Giver};
use crate::speech::NotKept;
use crate::study_folder::StudyKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingForm {
    version: u32,
    finding: String,
    present: YesNo,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsentForm {
    what: ConsentFor,
    giver: Giver,
    allowed: YesNo,
}

/// `POST /case/{key}/finding`. Only a finding the page asked about can be confirmed.
pub(super) async fn finding(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path(key): Path<String>,
    Form(form): Form<FindingForm>,
) -> Response {
    let asked_about = |finding: &FindingCode| {
        let case = app.sources.cases.get(&StudyKey::parse(&key)?)?;
        let assessment = case.assessment.as_ref()?;
        let fits = form.version == case.version;
        let known = assessment.findings.iter().any(|known| known.code == *finding);
        (fits && known).then_some(())
    };
    match FindingCode::new(form.finding.clone()) {
        Ok(finding) if asked_about(&finding).is_some() => {
            let word = Word::Finding {
                version: form.version,
                finding,
                present: form.present == YesNo::Yes,
            };
            write_down(app, asked, key, word).await
        }
        // More images came in the meantime, or the form was not ours: the page shows what is asked now.
        _ => back(&key),
    }
}

/// `POST /case/{key}/consent`: a patient's or a guardian's word on learning or research.
pub(super) async fn consent(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path(key): Path<String>,
    Form(form): Form<ConsentForm>,
) -> Response {
    let word = Word::Consent {
        for_what: form.what,
        giver: form.giver,
        allowed: form.allowed == YesNo::Yes,
    };
    let details = format!("{:?} by {:?}: {:?}", form.what, form.giver, form.allowed).to_lowercase();
    let told = Told {
        details,
        ..Told::default()
    };
    told.beside(write_down(app, asked, key, word).await)
}

async fn write_down(app: Arc<App>, asked: RequestLanguage, key: String, word: Word) -> Response {
    match written(&app, &key, word).await {
        Ok(_) => back(&key),
        Err(error) => failed(&app, asked, &error),
    }
}

/// Has a word written down for whoever is signed in.
pub(super) async fn written(app: &App, key: &str, word: Word) -> io::Result<Taken> {
    let Some(study) = StudyKey::parse(key) else {
        return Ok(Taken::Not(NotKept::NoSuchCase));
    };
    let (say, by) = (app.sources.say.clone(), sign_in::who().name());
    tokio::task::spawn_blocking(move || say.write_down(&study, &word, &by))
        .await
        .map_err(io::Error::other)?
}

pub(super) fn failed(app: &App, asked: RequestLanguage, error: &io::Error) -> Response {
    tracing::error!(%error, "What was said on the clinic page cannot be written down.");
    let texts = &app.library.of(asked.language).error;
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    pages::message(app, asked.language, status, &texts.failed_heading, &texts.failed)
}

/// To the case's page; to the list where the address was no case's.
pub(super) fn back(key: &str) -> Response {
    let place = StudyKey::parse(key).map_or_else(|| "/".to_owned(), |key| format!("/case/{key}"));
    Redirect::to(&place).into_response()
}
