use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::config::Language;

/// The reader's choice of language: `?lang=` first, then the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// In the address: to be remembered.
    Now(Language),
    Before(Language),
    Never,
}

impl Chosen {
    pub(crate) fn or(self, default: Language) -> Language {
        match self {
            Self::Now(language) | Self::Before(language) => language,
            Self::Never => default,
        }
    }

    /// Sets the cookie when the choice is new; it holds nothing but the language.
    pub(crate) fn remember(self, mut response: Response) -> Response {
        let cookie = match self {
            Self::Now(Language::Zh) => "lang=zh; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
            Self::Now(Language::En) => "lang=en; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
            Self::Before(_) | Self::Never => return response,
        };
        response
            .headers_mut()
            .insert(header::SET_COOKIE, HeaderValue::from_static(cookie));
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Chosen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let asked = parts.uri.query().and_then(|query| find(query, '&'));
        let cookie = || {
            let cookies = parts.headers.get(header::COOKIE)?.to_str().ok()?;
            find(cookies, ';')
        };
        Ok(match (asked, cookie()) {
            (Some(language), _) => Self::Now(language),
            (None, Some(language)) => Self::Before(language),
            (None, None) => Self::Never,
        })
    }
}

/// The first `lang=` of a query or a Cookie header that names a language of ours.
fn find(text: &str, separator: char) -> Option<Language> {
    text.split(separator).find_map(|pair| match pair.trim() {
        "lang=zh" => Some(Language::Zh),
        "lang=en" => Some(Language::En),
        _ => None,
    })
}
