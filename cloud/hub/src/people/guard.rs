//! Stands before every address of the web server: who calls, and may they?

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Json, Router};
use serde_json::json;

use super::caller::{Caller, Forbidden};
use super::roles::Right;
use super::{Error, People};

/// Who calls from where, as handlers of this module get it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address(pub(super) IpAddr);

/// What an address asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// Anybody known; what is behind it asks for more.
    Known,
    Right(Right),
}

/// Each address, and what is below it. The first that fits; what stands nowhere is for who may see cases.
const NEEDS: [(&str, Need); 19] = [
    ("/assets", Need::Nothing),
    // The viewer's own files; the images are not among them.
    ("/viewer", Need::Nothing),
    ("/sign-in", Need::Nothing),
    ("/set-up", Need::Nothing),
    // Whether a report is signed by whom it names may be asked by anybody.
    ("/verify", Need::Nothing),
    ("/account", Need::Known),
    ("/sign-out", Need::Known),
    ("/events", Need::Known),
    ("/api/openapi.json", Need::Known),
    ("/api/status", Need::Right(Right::SeeStatus)),
    ("/quick-look", Need::Right(Right::SeeImages)),
    ("/models", Need::Right(Right::SeeModels)),
    ("/api/models", Need::Right(Right::SeeModels)),
    ("/api/runs", Need::Right(Right::SeeModels)),
    ("/roster", Need::Right(Right::KeepRoster)),
    ("/people", Need::Right(Right::KeepPeople)),
    ("/audit", Need::Right(Right::ReadAudit)),
    // It asks for the right of each call itself, and what a browser of another site asks beforehand brings no token.
    ("/dicom-web", Need::Nothing),
    ("/api/results", Need::Right(Right::SeeCases)),
];

pub(super) fn need_of(path: &str) -> Need {
    let below = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    NEEDS
        .into_iter()
        .find(|(prefix, _)| below(prefix))
        .map_or(Need::Right(Right::SeeCases), |(_, need)| need)
}

/// Whether somebody with these rights comes past the guard, for the table of addresses to be held against.
#[cfg(test)]
pub(crate) fn need_allows(path: &str, may: impl Fn(Right) -> bool) -> bool {
    match need_of(path) {
        Need::Nothing | Need::Known => true,
        Need::Right(right) => may(right),
    }
}

/// Where somebody without a page of their own in mind begins.
pub(super) fn home_of(caller: &Caller) -> &'static str {
    if caller.may(Right::SeeCases) {
        "/"
    } else if caller.may(Right::SeeModels) {
        "/models"
    } else if caller.may(Right::ReadAudit) {
        "/audit"
    } else {
        "/account"
    }
}

/// Puts the check before all of `router`, and before what is not there.
pub(crate) fn guard(router: Router, people: People) -> Router {
    router.layer(from_fn_with_state(people, check))
}

async fn check(State(people): State<People>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let need = need_of(path);
    if path.starts_with("/assets/") {
        return next.run(request).await;
    }
    let address = people.address_of(&request);
    request.extensions_mut().insert(Address(address));
    let headers = request.headers();
    let by_program = headers.contains_key(header::AUTHORIZATION);
    if !by_program && !request.method().is_safe() && is_from_elsewhere(headers) {
        return (
            StatusCode::FORBIDDEN,
            "This form was not sent by a page of this hub.",
        )
            .into_response();
    }
    let active = !follows_by_itself(request.uri().path());
    let caller = match people.caller(headers, active).await {
        Ok(caller) => caller,
        Err(error) => return failed(&error),
    };
    let allowed = match (need, &caller) {
        (Need::Nothing, _) | (Need::Known, Some(_)) => true,
        (_, None) => return who_are_you(&request),
        (Need::Right(right), Some(caller)) => caller.may(right),
    };
    let Some(caller) = caller else {
        return next.run(request).await;
    };
    if !allowed {
        // The front page is not everybody's.
        let home = home_of(&caller);
        return match request.uri().path() {
            "/" if home != "/" => Redirect::to(home).into_response(),
            _ => Forbidden.into_response(),
        };
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Asked for by a page's script whether anybody looks or not: such a request keeps no session alive.
fn follows_by_itself(path: &str) -> bool {
    path == "/events" || path.ends_with("/list")
}

/// A browser says which site a request came from; an older one says the origin, or nothing: then the form's token decides.
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    // Our own pages send "null": they tell nobody where somebody came from.
    match (text("origin"), text("host")) {
        (None | Some("null"), _) => false,
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, from)| from != host),
        (Some(_), None) => true,
    }
}

fn who_are_you(request: &Request) -> Response {
    let accepts_pages = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if !accepts_pages {
        let said = Json(json!({ "error": "sign in, or send a token: Authorization: Bearer …" }));
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            said,
        )
            .into_response();
    }
    // A form cannot be sent again after signing in; what was asked for can.
    let next = match request.method() {
        &Method::GET | &Method::HEAD => request.uri().path_and_query().map_or("/", |asked| asked.as_str()),
        _ => "/",
    };
    let next = serde_urlencoded::to_string([("next", next)]).unwrap_or_default();
    Redirect::to(&format!("/sign-in?{next}")).into_response()
}

pub(super) fn failed(error: &Error) -> Response {
    if matches!(error, Error::Busy) {
        let said = "现在登录的人太多，请稍候再试。 Too many people sign in at once: try again in a moment.";
        return (StatusCode::SERVICE_UNAVAILABLE, said).into_response();
    }
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, cause, "Accounts could not be read or written.");
    let said = "暂时无法处理，请稍后再试。 This cannot be done right now: try again in a moment.";
    (StatusCode::INTERNAL_SERVER_ERROR, said).into_response()
}

impl People {
    /// Whoever a request's token or cookie names.
    async fn caller(&self, headers: &HeaderMap, active: bool) -> Result<Option<Caller>, Error> {
        if let Some(authorization) = headers.get(header::AUTHORIZATION) {
            // Who shows a token is that program or nobody, whatever cookie comes with it.
            let token = authorization.to_str().ok().and_then(bearer);
            return match token {
                Some(token) => Ok(self.program(token).await?.map(Caller::Program)),
                None => Ok(None),
            };
        }
        match self.session_token(headers) {
            Some(token) => Ok(self.signed(token, active).await?.map(Caller::Person)),
            None => Ok(None),
        }
    }

    /// Behind a proxy the last one it names: what stands before that, anybody may have written.
    fn address_of(&self, request: &Request) -> IpAddr {
        let forwarded = || {
            let named = request.headers().get_all("x-forwarded-for").iter().next_back()?;
            named.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
        };
        let peer = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(remote)| {
                remote.ip()
            });
        if self.0.behind_proxy {
            forwarded().unwrap_or(peer)
        } else {
            peer
        }
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A path of this hub to go on to, and nothing else: no other host, no scheme, nothing a browser reads as one.
pub(super) fn local_path(next: &str) -> Option<&str> {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let local = next.starts_with('/') && !next.starts_with("//") && !path.starts_with("/sign-");
    (plain && local).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_asks_for_something_but_the_public_ones() {
        for (path, need) in [
            ("/assets/page.css", Need::Nothing),
            ("/sign-in", Need::Nothing),
            ("/sign-in/oidc/return", Need::Nothing),
            ("/people/01/link", Need::Right(Right::KeepPeople)),
            ("/sign-inside", Need::Right(Right::SeeCases)),
            ("/set-up", Need::Nothing),
            ("/verify", Need::Nothing),
            ("/", Need::Right(Right::SeeCases)),
            ("/list", Need::Right(Right::SeeCases)),
            ("/api/results", Need::Right(Right::SeeCases)),
            ("/api/openapi.json", Need::Known),
            ("/api/status", Need::Right(Right::SeeStatus)),
            ("/quick-look/a/b/1", Need::Right(Right::SeeImages)),
            ("/models/report", Need::Right(Right::SeeModels)),
            ("/people/01", Need::Right(Right::KeepPeople)),
            ("/audit/export", Need::Right(Right::ReadAudit)),
            ("/audit/export/dicom", Need::Right(Right::ReadAudit)),
            ("/account", Need::Known),
            ("/api/openapi.json", Need::Known),
            ("/whatever/comes", Need::Right(Right::SeeCases)),
            ("//assets/x", Need::Right(Right::SeeCases)),
        ] {
            assert_eq!(need_of(path), need, "{path}");
        }
    }

    #[test]
    fn only_local_paths_are_gone_on_to() {
        for good in ["/", "/models?x=1", "/read/a/b#c"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in [
            "",
            "models",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/\t/evil.example",
            "/a\r\nset-cookie: x",
            "/sign-in",
            "/sign-out",
            "javascript:x",
        ] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn requests_from_other_sites_are_known() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (
                    axum::http::HeaderName::from_static(name),
                    axum::http::HeaderValue::from_static(value),
                )
            });
            pairs.collect::<HeaderMap>()
        };
        for (pairs, elsewhere) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("origin", "null")], false),
            (
                &[("origin", "https://hub.example"), ("host", "hub.example")],
                false,
            ),
            (
                &[("origin", "https://evil.example"), ("host", "hub.example")],
                true,
            ),
            (&[("origin", "https://hub.example")], true),
        ] {
            assert_eq!(is_from_elsewhere(&headers(pairs)), elsewhere, "{pairs:?}");
        }
    }
}
