//! "What leaves this clinic": the site's policy in plain words, and a manager's form to change it. What lets more leave is asked
//! twice. A PIN stands before each change, also where nobody signs in.

mod form;
mod streams;

use std::io;
use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::acts::Told;
use super::moment::Moment;
use super::pages::{self, Frame, PolicyConfirmPage, PolicyPage};
use super::request_language::RequestLanguage;
use super::server::App;
use super::sign_in::{self, Who};
use super::texts::{Texts, fill};
use crate::clock;
use crate::site_policy::{Change, PolicyHandle, SitePolicy, changes};
use crate::users::{NotSignedIn, Users};

pub(super) use form::PolicyForm;
pub(super) use streams::Stream;

type Fields = Vec<(String, String)>;

/// A change as the manager confirms it.
#[derive(Debug)]
pub(super) struct ChangeLine {
    pub(super) text: String,
    pub(super) loosens: bool,
}

impl ChangeLine {
    fn of(change: &Change, t: &Texts) -> Self {
        let word = |key: &str| t.policy_words.get(key).cloned().unwrap_or_else(|| key.to_owned());
        // Several values stand beside each other, as urgencies do.
        let words = |value: &str| value.split(' ').map(word).collect::<Vec<_>>().join(" ");
        let name = if change.name.is_empty() {
            String::new()
        } else {
            format!(" {}", change.name)
        };
        let (before, after) = match change.key {
            "research.purpose" => (change.before.clone(), change.after.clone()),
            _ => (words(&change.before), words(&change.after)),
        };
        Self {
            text: format!("{}{name}: {before} → {after}", word(change.key)),
            loosens: change.loosens,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    notice: Option<String>,
}

/// `GET /policy`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Query(query): Query<Asked>,
) -> Response {
    show(&app, asked, None, query.notice.as_deref() == Some("done"), None).await
}

/// `typed` stands in the form instead of the policy that holds.
async fn show(
    app: &Arc<App>,
    asked: RequestLanguage,
    problem: Option<String>,
    done: bool,
    typed: Option<&SitePolicy>,
) -> Response {
    let t = app.library.of(asked.language);
    let exports = Arc::clone(&app.sources.policy.exports);
    let users = app.sources.users.clone();
    let read = tokio::task::spawn_blocking(move || (exports(), managers(&users))).await;
    let (exports, managers) = read.unwrap_or_default();
    let policy = app.sources.policy.handle.get();
    let form = sign_in::who().may().manager.then(|| {
        let before = app.sources.policy.handle.fingerprint();
        let shown = typed.unwrap_or(&policy);
        PolicyForm::of(shown, &app.sources.policy.nodes, before, mine(managers))
    });
    let page = PolicyPage {
        frame: Frame::of(app, asked.language),
        t,
        streams: streams::of(app, &policy, &exports, t),
        form,
        problem,
        done,
    };
    pages::page(&page, asked)
}

/// Id and name of those who may change it.
fn managers(users: &Users) -> Vec<(String, String)> {
    let all = users.all().unwrap_or_default();
    let managers = all.into_iter().filter(|user| user.roles.manager);
    managers.map(|user| (user.id, user.name)).collect()
}

/// Whoever has signed in shows a PIN of their own.
fn mine(managers: Vec<(String, String)>) -> Vec<(String, String)> {
    match sign_in::who() {
        Who::User(user) => managers.into_iter().filter(|(id, _)| *id == user.id).collect(),
        _ => managers,
    }
}

/// `POST /policy`.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(fields): Form<Fields>,
) -> Response {
    let t = app.library.of(asked.language);
    let refused = async |problem: String, typed: Option<&SitePolicy>| {
        let page = show(&app, asked, Some(problem), false, typed).await;
        (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
    };
    let said = |name: &str| form::first(&fields, name).to_owned();
    let handle = &app.sources.policy.handle;
    let old = handle.get();
    let ahead_minutes = i16::try_from(app.utc_offset_minutes).unwrap_or_default();
    let wanted = form::read(&fields, &old, ahead_minutes).and_then(|new| new.check().map(|()| new));
    let new = match wanted {
        Ok(new) => new,
        Err(why) => return refused(fill(&t.policy.wrong, &[("why", &why)]), None).await,
    };
    let differs = changes(&old, &new, &app.sources.policy.nodes);
    if said("before") != handle.fingerprint() {
        return refused(t.policy.meanwhile.clone(), None).await;
    }
    let fingerprint = PolicyHandle::fingerprint_of(&new);
    let is_asked_again = said("confirm") == fingerprint;
    if differs.iter().any(|change| change.loosens) && !is_asked_again {
        return confirm(&app, asked, &differs, fields, fingerprint, None);
    }
    let user = match sign_in::who() {
        Who::User(user) => user.id.clone(),
        _ => said("user"),
    };
    if let Err(problem) = shown_pin(&app, &user, said("pin"), t).await {
        return if is_asked_again {
            confirm(&app, asked, &differs, fields, fingerprint, Some(problem))
        } else {
            // All but a new recipient, which is none yet.
            let typed = SitePolicy {
                research: old.research.clone(),
                ..new
            };
            refused(problem, Some(&typed)).await
        };
    }
    let lines: Vec<String> = differs.iter().map(ToString::to_string).collect();
    match written(handle.clone(), said("before"), new).await {
        Ok(Some(fingerprint)) => {
            tracing::info!(policy = fingerprint, "The policy was changed on the clinic page.");
            let told = Told {
                details: lines.join("; "),
                by: user,
                ..Told::of(&fingerprint)
            };
            told.beside(Redirect::to("/policy?notice=done").into_response())
        }
        Ok(None) => refused(t.policy.meanwhile.clone(), None).await,
        Err(error) => {
            tracing::error!(%error, "The policy cannot be written.");
            refused(t.policy.failed.clone(), None).await
        }
    }
}

async fn written(handle: PolicyHandle, before: String, new: SitePolicy) -> io::Result<Option<String>> {
    let work = move || handle.change(&before, new);
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// A manager's own PIN, each time.
async fn shown_pin(app: &App, user: &str, pin: String, t: &Texts) -> Result<(), String> {
    let (users, id, now_ms) = (app.sources.users.clone(), user.to_owned(), clock::now_ms());
    let checked = tokio::task::spawn_blocking(move || {
        if !users.get(&id).is_some_and(|user| user.roles.manager) {
            return Err(NotSignedIn::Wrong);
        }
        users.sign_in(&id, pin.trim(), now_ms).map(drop)
    });
    match checked.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(NotSignedIn::Wrong)) => Err(t.policy.wrong_pin.clone()),
        Ok(Err(NotSignedIn::Locked { until_ms })) => {
            let at = Moment::here(until_ms, now_ms, app.utc_offset_minutes);
            let time = at.map(|at| at.text).unwrap_or_default();
            Err(fill(&t.policy.locked, &[("time", &time)]))
        }
        Ok(Err(NotSignedIn::Trouble)) | Err(_) => Err(t.sign_in.trouble.clone()),
    }
}

/// Nothing was changed yet: the answer says so by its status, and the audit log with it.
fn confirm(
    app: &App,
    asked: RequestLanguage,
    differs: &[Change],
    fields: Fields,
    fingerprint: String,
    problem: Option<String>,
) -> Response {
    let t = app.library.of(asked.language);
    let user = form::first(&fields, "user").to_owned();
    let once = ["pin", "confirm", "user"];
    let page = PolicyConfirmPage {
        frame: Frame::of(app, asked.language),
        t,
        changes: differs.iter().map(|change| ChangeLine::of(change, t)).collect(),
        fields: fields
            .into_iter()
            .filter(|(name, _)| !once.contains(&name.as_str()))
            .collect(),
        confirm: fingerprint,
        user,
        problem,
    };
    (StatusCode::CONFLICT, pages::page(&page, asked)).into_response()
}
