//! Stands before every route: requests that are not for this page or not from it are refused, and every answer
//! carries the headers that keep it to itself.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::pages;
use super::request_language::RequestLanguage;
use super::server::{App, OverTls};

/// Nothing but this box's own files, no frames, no inline code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A fault's note may be spoken; nothing else of a tablet is used.
const NO_DEVICES: &str = "microphone=(self), accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
                          magnetometer=(), midi=(), payment=(), serial=(), usb=()";

/// `same-origin` rather than `no-referrer`: under the latter browsers send `Origin: null` with our own forms, which
/// then look forged. Other sites get no referrer under either.
pub(super) const FIXED: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(NO_DEVICES),
    ),
];

pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let safe = request.method().is_safe();
    let by_tls = request.extensions().get::<OverTls>().copied();
    let mut response = if app.loopback && by_tls.is_none() && !names_this_machine(request.headers()) {
        refusal(&app, &request, StatusCode::MISDIRECTED_REQUEST)
    } else if !safe && !from_this_page(request.headers()) {
        refusal(&app, &request, StatusCode::FORBIDDEN)
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.extend(FIXED);
    if let Some(by_tls) = by_tls {
        only_https(headers, by_tls);
    }
    // What an answer does not declare as keepable may hold a name.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What it gives browsers to keep goes nowhere else, and for a year this name is asked by HTTPS.
fn only_https(headers: &mut HeaderMap, by_tls: OverTls) {
    if by_tls.for_good {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
    let cookies: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for cookie in cookies {
        let secure = [cookie.as_bytes(), b"; Secure"].concat();
        headers.append(SET_COOKIE, HeaderValue::from_bytes(&secure).unwrap_or(cookie));
    }
}

fn refusal(app: &App, request: &Request, status: StatusCode) -> Response {
    tracing::warn!(
        status = status.as_u16(),
        "A request to the clinic page did not come from the page; refused."
    );
    let language = RequestLanguage::of(request.uri(), request.headers(), app.language).language;
    let texts = &app.library.of(language).error;
    pages::message(app, language, status, &texts.refused_heading, &texts.refused)
}

/// A page that is bound to loopback is only ever asked by one of loopback's names. Any other name means that a web
/// site somewhere has pointed its own name here to read the page (DNS rebinding).
pub(super) fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, &HOST) else {
        return false;
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Browsers say where a form came from, in one header or the other; what sends neither is no browser.
pub(super) fn from_this_page(headers: &HeaderMap) -> bool {
    let site = HeaderName::from_static("sec-fetch-site");
    let site_fits =
        !headers.contains_key(&site) || matches!(text(headers, &site), Some("same-origin" | "none"));
    let origin_fits = !headers.contains_key(ORIGIN) || {
        let origin = text(headers, &ORIGIN).and_then(|origin| origin.split_once("://"));
        origin
            .zip(text(headers, &HOST))
            .is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host))
    };
    site_fits && origin_fits
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_loopback_names_reach_a_loopback_page() {
        let check = |host| names_this_machine(&headers(&[("host", host)]));
        for good in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.0.0.1",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example:8080",
            "192.168.1.5",
            "[fe80::1]:1",
            "",
            ":80",
        ] {
            assert!(!check(bad), "{bad}");
        }
        assert!(!names_this_machine(&HeaderMap::new()));
    }

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let mut all = headers(pairs);
            all.insert(HOST, HeaderValue::from_static("127.0.0.1:8080"));
            from_this_page(&all)
        };
        assert!(check(&[]));
        assert!(check(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://127.0.0.1:8080")
        ]));
        assert!(check(&[("sec-fetch-site", "none")]));
        assert!(!check(&[("sec-fetch-site", "cross-site")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(!check(&[("origin", "http://evil.example")]));
        assert!(!check(&[("origin", "http://127.0.0.1:9090")]));
        assert!(!check(&[("origin", "null")]));
        assert!(!check(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example")
        ]));
    }
}
