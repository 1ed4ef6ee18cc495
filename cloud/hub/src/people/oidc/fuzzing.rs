//! What a sign-in provider, or who stands in its place, can say: for `tests/fuzz`.

use std::path::PathBuf;

use super::claims::{self, Asked};
use super::flow::Flow;
use super::jws::{self, Algorithm, Keys, SignedText};
use super::provider::Metadata;
use crate::config;

fn settings(issuer: &str, client: &str) -> config::Oidc {
    config::Oidc {
        issuer: issuer.to_owned(),
        client_id: client.to_owned(),
        client_secret_file: None::<PathBuf>,
        label: String::new(),
        authority: None,
        scopes: Vec::new(),
        second_factor_acr: vec!["gold".to_owned()],
        second_factor_amr: vec!["otp".to_owned()],
        only: false,
    }
}

fn text(payload: &[u8]) -> SignedText {
    SignedText {
        payload: payload.to_vec(),
        algorithm: Algorithm::Es256,
    }
}

/// How many keys of a set can be read.
#[must_use]
pub fn key_set(set: &[u8]) -> Option<usize> {
    Keys::read(set).map(|keys| keys.len())
}

/// What a key of the set has signed.
#[must_use]
pub fn signed(token: &str, set: &[u8]) -> Option<Vec<u8>> {
    let keys = Keys::read(set)?;
    jws::verify(token, &keys).ok().map(|signed| signed.payload)
}

/// Whom an ID token names.
#[derive(Debug)]
pub struct Vouched {
    pub subject: String,
    pub session: Option<String>,
    pub two_factors: bool,
}

/// The claims of an ID token behind a signature that is right. `asked`: issuer, client, nonce.
#[must_use]
pub fn vouched(payload: &[u8], asked: [&str; 3], now_ms: i64) -> Option<Vouched> {
    let [issuer, client, nonce] = asked;
    let asked = Asked {
        settings: &settings(issuer, client),
        nonce,
        access_token: Some("access"),
        now_ms,
    };
    let vouched = claims::vouched(&text(payload), &asked).ok()?;
    Some(Vouched {
        subject: vouched.subject,
        session: vouched.session,
        two_factors: vouched.two_factors,
    })
}

/// Subject and session of a logout token behind a signature that is right. `asked`: issuer, client.
#[must_use]
pub fn signed_out(payload: &[u8], asked: [&str; 2], now_ms: i64) -> Option<(Option<String>, Option<String>)> {
    let [issuer, client] = asked;
    let told = claims::signed_out(&text(payload), &settings(issuer, client), now_ms).ok()?;
    Some((told.subject, told.session))
}

/// The addresses of a provider that calls itself so.
#[must_use]
pub fn provider(document: &[u8], issuer: &str) -> Option<Vec<String>> {
    Metadata::read(document, issuer).ok().map(Metadata::addresses)
}

/// The cookie of a sign-in under way, read and written again.
#[must_use]
pub fn flow(cookie: &str, now_ms: i64) -> Option<String> {
    Flow::read(cookie, now_ms).map(|flow| flow.cookie())
}
