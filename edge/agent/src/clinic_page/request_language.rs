//! Which language a request is answered in: the address says it, else the cookie, else the site file.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

use super::Language;
use super::server::App;

/// Cookies are shared by all ports of a host: the hub's page on the same machine has its own name.
const COOKIE_NAME: &str = "barefoot-edge-language";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLanguage {
    pub(super) language: Language,
    /// The reader has just chosen it: remember.
    pub(super) chosen: bool,
}

impl RequestLanguage {
    pub(super) fn of(uri: &Uri, headers: &HeaderMap, default: Language) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&');
        if let Some(language) = pairs
            .filter_map(|pair| pair.strip_prefix("lang="))
            .find_map(Language::parse)
        {
            return Self {
                language,
                chosen: true,
            };
        }
        let language = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == COOKIE_NAME)
            .find_map(|(_, value)| Language::parse(value));
        Self {
            language: language.unwrap_or(default),
            chosen: false,
        }
    }

    /// The header that remembers the choice for a year.
    pub(super) fn cookie(self) -> Option<String> {
        self.chosen.then(|| {
            format!(
                "{COOKIE_NAME}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
                self.language.code()
            )
        })
    }
}

impl FromRequestParts<Arc<App>> for RequestLanguage {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri, &parts.headers, app.language))
    }
}
