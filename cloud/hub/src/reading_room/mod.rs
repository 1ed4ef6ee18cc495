//! Where experts work: the list of cases, a case with its images and its report, the roster, the figures.
//!
//! Plain forms that work without script; the script refreshes the list, saves drafts while they are written, and is the
//! viewer. Who may do what is `people`'s table; what a case allows is `worklist`'s. Nothing here knows a patient.

mod acts;
mod case_page;
mod dashboard;
mod drafting;
mod findings;
mod list_page;
mod pictures;
mod report_page;
mod roster_page;
mod signing;
mod statements;
mod verify_page;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use barefoot_domain::{CaseId, ClinicId};
use barefoot_trust::TlsIdentity;

use self::words::{Words, words};
use crate::archive::{Archive, CaseKey, Error, NotActed};
use crate::audit::{Action, Entry, Object, OneAct};
use crate::config::Language;
use crate::image_store::ImageStore;
use crate::people::{People, Right, Role, Signed};
use crate::web::Look;
use crate::worklist::{ReaderView, Worklist};

/// What the handlers share; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) worklist: Worklist,
    pub(crate) archive: Archive,
    pub(crate) people: People,
    pub(crate) images: Option<ImageStore>,
    pub(crate) identity: Arc<TlsIdentity>,
    pub(crate) look: Look,
    pub(crate) looks: Looks,
}

/// Who has looked at the images of which case a moment ago.
pub(crate) type Looks = Arc<OneAct<(String, CaseKey)>>;

/// The room's addresses.
pub(crate) fn router(room: Room) -> Router {
    Router::new()
        .route("/worklist", get(list_page::page))
        .route("/worklist/list", get(list_page::list))
        .route("/worklist/hide-ai", post(acts::hide_ai))
        .route("/cases/{clinic}/{case}", get(case_page::page))
        .route("/cases/{clinic}/{case}/claim", post(acts::claim))
        .route("/cases/{clinic}/{case}/release", post(acts::release))
        .route("/cases/{clinic}/{case}/renew", post(acts::renew))
        .route("/cases/{clinic}/{case}/refer", post(acts::refer))
        .route("/cases/{clinic}/{case}/second", post(acts::second))
        .route("/cases/{clinic}/{case}/withdraw", post(acts::withdraw))
        .route("/cases/{clinic}/{case}/teaching", post(acts::teaching))
        .route("/cases/{clinic}/{case}/reveal", post(acts::reveal))
        .route("/cases/{clinic}/{case}/message", post(acts::message))
        .route("/cases/{clinic}/{case}/draft", post(signing::draft))
        .route("/cases/{clinic}/{case}/sign", post(signing::sign))
        .route("/cases/{clinic}/{case}/addendum", post(signing::addendum))
        .route("/cases/{clinic}/{case}/viewer.json", get(pictures::description))
        .route("/cases/{clinic}/{case}/instances/{uid}", get(pictures::instance))
        .route("/cases/{clinic}/{case}/drawn/{uid}", get(pictures::drawn))
        .route("/cases/{clinic}/{case}/quick/{place}", get(pictures::quick))
        .route("/cases/{clinic}/{case}/heat/{place}", get(pictures::heat))
        .route("/reports/{report}", get(report_page::page))
        .route("/reports/{report}/file", get(report_page::file))
        .route("/roster", get(roster_page::page))
        .route("/roster/shift", post(roster_page::add_shift))
        .route("/roster/absence", post(roster_page::add_absence))
        .route("/roster/remove", post(roster_page::remove))
        .route("/roster/group", post(roster_page::put_group))
        .route("/roster/group/remove", post(roster_page::remove_group))
        .route("/dashboard", get(dashboard::page))
        .route(
            "/verify",
            get(verify_page::page)
                .post(verify_page::check)
                .layer(DefaultBodyLimit::max(verify_page::MOST_BYTES)),
        )
        .with_state(room)
}

impl Room {
    fn words(&self, signed: &Signed) -> &'static Words {
        words(signed.person.language)
    }

    /// Writes down what somebody did; what is not written down is not done.
    async fn note(
        &self,
        signed: &Signed,
        action: Action,
        object: Object,
        details: &str,
    ) -> Result<(), Error> {
        let entry = Entry::new(signed.actor(), action, object).details(details);
        self.people.audit().record(entry).await
    }

    /// Before an image of the case is given out.
    async fn note_look(&self, signed: &Signed, key: &CaseKey) -> Result<(), Error> {
        let act = (signed.person.id.clone(), key.clone());
        if self.looks.is_written(&act) {
            return Ok(());
        }
        self.note(signed, Action::ViewImages, object(key), "").await?;
        self.looks.wrote(act);
        Ok(())
    }
}

/// A case's part of an address.
type CasePath = (String, String);

fn key_of((clinic, case): CasePath) -> Option<CaseKey> {
    Some(CaseKey {
        clinic: ClinicId::new(clinic).ok()?,
        case: CaseId::new(case).ok()?,
    })
}

fn object(key: &CaseKey) -> Object {
    Object::case(&key.clinic, &key.case)
}

/// The case's key, for who has the right; else the answer.
fn enter(room: &Room, signed: &Signed, path: CasePath, right: Right) -> Result<CaseKey, Box<Response>> {
    allow(signed, right)?;
    key_of(path).ok_or_else(|| Box::new(not_found(room.words(signed))))
}

fn address(key: &CaseKey) -> String {
    format!("/cases/{}/{}", key.clinic, key.case)
}

fn reader(signed: &Signed) -> ReaderView {
    ReaderView {
        person: signed.person.id.clone(),
        name: signed.person.display_name.clone(),
        tier: signed.person.tier,
        chief: signed.person.has(Role::Chief),
        subspecialties: signed.person.subspecialties.clone(),
    }
}

/// Back to the case, with what went wrong where something did.
fn after(key: &CaseKey, words: &'static Words, done: Result<(), NotActed>) -> Response {
    match done {
        Ok(()) => Redirect::to(&address(key)).into_response(),
        Err(error) => refused(key, words, &error),
    }
}

fn refused(key: &CaseKey, words: &'static Words, error: &NotActed) -> Response {
    if let NotActed::Archive(error) = error {
        return failed(error, words.language);
    }
    let status = match error {
        NotActed::Unknown => StatusCode::NOT_FOUND,
        _ => StatusCode::CONFLICT,
    };
    said(status, words, words.refusal(error), &address(key))
}

/// A page that says one thing and where to go on.
fn said(status: StatusCode, words: &'static Words, text: &str, onward: &str) -> Response {
    let page = list_page::SaidView {
        words,
        text: text.to_owned(),
        onward: onward.to_owned(),
    };
    let mut response = crate::web::html(&page);
    *response.status_mut() = status;
    response
}

fn failed(error: &Error, language: Language) -> Response {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "The reading room could not read or write.");
    (StatusCode::INTERNAL_SERVER_ERROR, words(language).failed).into_response()
}

fn not_found(words: &'static Words) -> Response {
    said(StatusCode::NOT_FOUND, words, words.not_found, "/worklist")
}

/// A right, or the answer to who has none.
fn allow(signed: &Signed, right: Right) -> Result<(), Box<Response>> {
    signed
        .allow(right)
        .map_err(|forbidden| Box::new(forbidden.into_response()))
}

#[cfg(test)]
mod tests;
