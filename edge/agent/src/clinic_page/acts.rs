//! What is done on the page, for the audit log: one entry an act, written before its answer is given out. A handler that
//! knows more than the address says puts a [`Told`] beside its answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::server::App;
use super::sign_in::{Who, who};
use crate::audit::{Action, Actor, Entry};
use crate::study_folder::StudyKey;

/// Whom or what an act was done to, in ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) subject: String,
    pub(super) details: String,
    /// Who signed in by it.
    pub(super) is_actor: bool,
    /// Who showed by a PIN that it was them; empty where nobody was asked.
    pub(super) by: String,
}

impl Told {
    /// Of a user, by id.
    pub(super) fn of(user: &str) -> Self {
        Self {
            subject: user.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn beside(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }
}

/// An act as its address says it.
#[derive(Debug, PartialEq, Eq)]
struct Act<'a> {
    action: Action,
    case: Option<&'a str>,
    subject: &'a str,
    /// Looked at again and again, it is one act.
    is_look: bool,
}

fn act<'a>(method: &Method, path: &'a str) -> Option<Act<'a>> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let of_case = |action, case, subject, is_look| Act {
        action,
        case: Some(case),
        subject,
        is_look,
    };
    let plain = |action| Act {
        action,
        case: None,
        subject: "",
        is_look: false,
    };
    let look = |action| Act {
        is_look: true,
        ..plain(action)
    };
    use Action as A;
    if method.is_safe() {
        return Some(match parts.as_slice() {
            [""] | ["cases", "fragment"] | ["api", "cases"] => look(A::ListCases),
            ["api", "queue", "export"] => look(A::Export),
            ["case", key]
            | [
                "case",
                key,
                "fragment" | "ask" | "preview.jpg" | "heat_map.jpg" | "presented.jpg",
            ] => of_case(A::ViewCase, key, "", true),
            ["case", key, "report", report, "print" | "paper.pdf"] => of_case(A::Print, key, report, false),
            ["case", key, "report", _, _, "image.jpg"] => of_case(A::ViewCase, key, "", true),
            _ => return None,
        });
    }
    Some(match parts.as_slice() {
        ["case", key, "finding"] => of_case(A::SayFinding, key, "", false),
        ["case", key, "consent"] => of_case(A::SayConsent, key, "", false),
        ["case", key, "message"] => of_case(A::Message, key, "", false),
        ["case", key, "report", report, "read"] => of_case(A::ReadReport, key, report, false),
        ["sign-in"] => plain(A::SignIn),
        ["sign-in", "first"] | ["people", "add"] => plain(A::AccountAdded),
        ["sign-out"] => plain(A::SignOut),
        ["people", "pin" | "own-pin"] => plain(A::PinChanged),
        ["people", "roles"] => plain(A::AccountChanged),
        ["people", "remove"] => plain(A::AccountRemoved),
        ["search"] => plain(A::Search),
        ["aside", "clear"] => plain(A::ReportsCleared),
        ["scanners", "allow"] => plain(A::ScannerAllowed),
        ["orders"] => plain(A::OrderAdded),
        ["orders", "take-back"] => plain(A::OrderTakenBack),
        ["import", "start"] | ["api", "import"] => plain(A::Import),
        ["import", "cancel"] | ["api", "import", "cancel"] => plain(A::ImportCancelled),
        ["api", "queue", "receipts"] => plain(A::ImportReceipts),
        ["policy"] => plain(A::PolicyChanged),
        ["nodes", "again"] => plain(A::Send),
        ["fault"] => plain(A::FaultReport),
        ["self-test"] | ["api", "self-test"] => plain(A::SelfTest),
        _ => return None,
    })
}

/// Stands within `sign_in::require`, so it is known who asks.
pub(super) async fn record(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let told = response.extensions_mut().remove::<Told>().unwrap_or_default();
    let status = response.status();
    let worked = status.is_success() || status.is_redirection();
    let Some(act) = act(&method, &path) else {
        return response;
    };
    let action = match (act.action, worked) {
        (Action::SignIn, false) => Action::SignInFailed,
        // Nothing was shown.
        (_, false) if method.is_safe() => return response,
        (action, _) => action,
    };
    let actor = match who() {
        _ if told.is_actor => Actor::Person(told.subject.clone()),
        _ if !told.by.is_empty() => Actor::Person(told.by.clone()),
        Who::User(user) => Actor::Person(user.id.clone()),
        _ if path.starts_with("/api/") => Actor::Program,
        Who::Everybody => Actor::Anybody,
        Who::Nobody => Actor::Nobody,
    };
    let case = act.case.and_then(StudyKey::parse);
    let case = case
        .and_then(|key| app.sources.cases.get(&key))
        .map(|case| case.case.clone());
    let subject = if told.subject.is_empty() {
        act.subject
    } else {
        &told.subject
    };
    let details = if worked || action == Action::SignInFailed {
        told.details.clone()
    } else {
        format!("refused: {}", status.as_u16())
    };
    let entry = Entry::new(actor, action)
        .of_case(case)
        .subject(subject)
        .details(&details);
    let (audit, is_look) = (app.sources.audit.clone(), act.is_look);
    write(move || {
        if is_look {
            audit.record_look(entry);
        } else {
            audit.record(entry);
        }
    })
    .await;
    response
}

/// Somebody who has signed in asked for what their role does not let them.
pub(super) async fn denied(app: &App, who: &Who, path: &str, status: StatusCode) {
    let Who::User(user) = who else {
        return;
    };
    // The address's first word only: what follows may be anything.
    let place = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let entry = Entry::new(Actor::Person(user.id.clone()), Action::Denied)
        .details(&format!("/{place}: {}", status.as_u16()));
    let audit = app.sources.audit.clone();
    write(move || audit.record(entry)).await;
}

async fn write(work: impl FnOnce() + Send + 'static) {
    // The log counts what it could not write; nobody waits for a picture because of it.
    let _ = tokio::task::spawn_blocking(work).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_done_and_to_which_case() {
        let key = "0123456789abcdef0123456789abcdef";
        let view = format!("/case/{key}");
        let seen = act(&Method::GET, &view).unwrap();
        assert_eq!(
            (seen.action, seen.case, seen.is_look),
            (Action::ViewCase, Some(key), true)
        );
        let print = format!("/case/{key}/report/R7/print");
        let printed = act(&Method::GET, &print).unwrap();
        assert_eq!(
            (printed.action, printed.case, printed.subject, printed.is_look),
            (Action::Print, Some(key), "R7", false)
        );
        for (method, path) in [
            (Method::GET, "/assets/page.css"),
            (Method::GET, "/wall"),
            (Method::GET, "/events"),
            (Method::POST, "/nowhere"),
        ] {
            assert_eq!(act(&method, path), None, "{method} {path}");
        }
    }

    /// But the script's word that messages were seen, and a wish to look at a stick now.
    #[test]
    fn every_form_of_the_page_is_an_act() {
        let routes = include_str!("routes.rs");
        let mut forms = 0;
        for (at, _) in routes.match_indices("post(") {
            let before = &routes[..at];
            let Some(route) = before.rfind(".route(") else {
                continue;
            };
            let path = before[route..].split('"').nth(1).unwrap();
            let path = path.replace("{key}", "k").replace("{report}", "r");
            if path.ends_with("/seen") || path == "/stick/look" {
                continue;
            }
            assert!(act(&Method::POST, &path).is_some(), "{path} leaves no entry");
            forms += 1;
        }
        assert!(20 <= forms, "{forms}");
    }
}
