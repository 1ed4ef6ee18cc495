//! What the provider says of itself (OpenID Connect Discovery 1.0), and its keys: asked for when they are needed, kept for
//! an hour, and for a day where it does not answer.

use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::Mutex;

use super::fetch::{Fetch, NoAnswer};
use super::jws::Keys;
use crate::config::{self, is_safe_address};

const FRESH_MS: i64 = 60 * 60_000;
/// An answer this old still serves while there is no newer one.
const OLD_MS: i64 = 24 * 60 * 60_000;
/// A key that is not known is looked for at most this often: strangers can name any.
const KEYS_AGAIN_MS: i64 = 60_000;
/// After a failure nobody waits for the next one.
const PAUSE_MS: i64 = 5_000;

/// Why the provider cannot be used.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub(in crate::people) enum Away {
    #[error("the provider gives no answer: {0}")]
    NoAnswer(NoAnswer),
    #[error("the provider answered {0}")]
    Status(u16),
    #[error("what the provider says of itself cannot be read")]
    Form,
    #[error("the provider calls itself by another name than people.oidc.issuer")]
    Issuer,
    #[error("the provider names an address that is not HTTPS")]
    Address,
}

/// Of the discovery document, what is used here.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
    pub(super) end_session_endpoint: Option<String>,
    /// Its answers say whose they are (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Metadata {
    pub(super) fn read(document: &[u8], issuer: &str) -> Result<Self, Away> {
        let metadata: Self = serde_json::from_slice(document).map_err(|_| Away::Form)?;
        metadata.check(issuer)
    }

    /// All that it names.
    pub(super) fn addresses(self) -> Vec<String> {
        let mut addresses = vec![self.authorization_endpoint, self.token_endpoint, self.jwks_uri];
        addresses.extend(self.end_session_endpoint);
        addresses
    }

    fn check(self, issuer: &str) -> Result<Self, Away> {
        if self.issuer != issuer {
            return Err(Away::Issuer);
        }
        let addresses = [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri];
        let all = addresses.into_iter().chain(&self.end_session_endpoint);
        // Where the issuer speaks HTTPS, all of it does.
        let whole = issuer.starts_with("https://");
        for address in all {
            if !is_safe_address(address) || (whole && !address.starts_with("https://")) {
                return Err(Away::Address);
            }
        }
        Ok(self)
    }

    /// The secret goes into the body only where the header is not taken.
    pub(super) fn wants_secret_in_body(&self) -> bool {
        self.token_endpoint_auth_methods_supported
            .as_ref()
            .is_some_and(|methods| {
                let has = |word: &str| methods.iter().any(|method| method == word);
                has("client_secret_post") && !has("client_secret_basic")
            })
    }
}

/// Something that was fetched, and when.
#[derive(Debug)]
struct Kept<T> {
    value: Option<(i64, Arc<T>)>,
    failed: Option<(i64, Away)>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            value: None,
            failed: None,
        }
    }
}

impl<T> Kept<T> {
    /// A clock that was set back makes nothing fresh.
    fn within(&self, age_ms: i64, now_ms: i64) -> Option<Arc<T>> {
        let (at_ms, value) = self.value.as_ref()?;
        (0..age_ms).contains(&(now_ms - at_ms)).then(|| Arc::clone(value))
    }

    fn just_failed(&self, now_ms: i64) -> Option<Away> {
        let (at_ms, away) = self.failed?;
        (0..PAUSE_MS).contains(&(now_ms - at_ms)).then_some(away)
    }

    /// What came, or else what was there before.
    fn take(&mut self, came: Result<T, Away>, now_ms: i64) -> Result<Arc<T>, Away> {
        match came {
            Ok(value) => {
                let value = Arc::new(value);
                self.value = Some((now_ms, Arc::clone(&value)));
                self.failed = None;
                Ok(value)
            }
            Err(away) => {
                self.failed = Some((now_ms, away));
                self.within(OLD_MS, now_ms).ok_or(away)
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Provider {
    issuer: String,
    pub(super) fetch: Fetch,
    // Held while one asks, so that all who come meanwhile wait for the same answer.
    metadata: Mutex<Kept<Metadata>>,
    keys: Mutex<Kept<Keys>>,
}

impl Provider {
    pub(super) fn new(settings: &config::Oidc, fetch: Fetch) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            fetch,
            metadata: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    async fn get(&self, address: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, Away> {
        let answer = self.fetch.get(address).await.map_err(Away::NoAnswer)?;
        match answer.status {
            200 => Ok(answer.body),
            // A redirection is no answer either: where to ask was written down.
            status => Err(Away::Status(status)),
        }
    }

    pub(super) async fn metadata(&self, now_ms: i64) -> Result<Arc<Metadata>, Away> {
        let mut kept = self.metadata.lock().await;
        if let Some(fresh) = kept.within(FRESH_MS, now_ms) {
            return Ok(fresh);
        }
        if let Some(away) = kept.just_failed(now_ms) {
            return kept.within(OLD_MS, now_ms).ok_or(away);
        }
        let base = self.issuer.trim_end_matches('/');
        let came = async {
            let text = self
                .get(&format!("{base}/.well-known/openid-configuration"))
                .await?;
            Metadata::read(&text, &self.issuer)
        };
        let came = came.await;
        kept.take(came, now_ms)
    }

    /// `anew`: a token names a key that is not among the known ones.
    pub(super) async fn keys(&self, anew: bool, now_ms: i64) -> Result<Arc<Keys>, Away> {
        let metadata = self.metadata(now_ms).await?;
        let mut kept = self.keys.lock().await;
        let enough = if anew { KEYS_AGAIN_MS } else { FRESH_MS };
        if let Some(fresh) = kept.within(enough, now_ms) {
            return Ok(fresh);
        }
        if let Some(away) = kept.just_failed(now_ms) {
            return kept.within(OLD_MS, now_ms).ok_or(away);
        }
        let came = async {
            let text = self.get(&metadata.jwks_uri).await?;
            Keys::read(&text).ok_or(Away::Form)
        };
        let came = came.await;
        kept.take(came, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        let at = |path: &str| format!("https://id.example/{path}");
        Metadata {
            issuer: "https://id.example".into(),
            authorization_endpoint: at("authorize"),
            token_endpoint: at("token"),
            jwks_uri: at("keys"),
            end_session_endpoint: Some(at("out")),
            authorization_response_iss_parameter_supported: false,
            token_endpoint_auth_methods_supported: None,
        }
    }

    #[test]
    fn a_provider_is_the_one_that_was_written_down_and_speaks_https() {
        assert!(metadata().check("https://id.example").is_ok());
        assert_eq!(metadata().check("https://id.example/").unwrap_err(), Away::Issuer);
        for bad in [
            "http://id.example/x",
            "http://127.0.0.1/x",
            "ftp://id.example",
            "/x",
            "https://",
            "",
        ] {
            let changes: [fn(&mut Metadata, String); 4] = [
                |metadata, bad| metadata.authorization_endpoint = bad,
                |metadata, bad| metadata.token_endpoint = bad,
                |metadata, bad| metadata.jwks_uri = bad,
                |metadata, bad| metadata.end_session_endpoint = Some(bad),
            ];
            for change in changes {
                let mut changed = metadata();
                change(&mut changed, bad.into());
                assert_eq!(
                    changed.check("https://id.example").unwrap_err(),
                    Away::Address,
                    "{bad}"
                );
            }
        }
    }

    #[test]
    fn the_secret_goes_into_the_body_only_where_it_must() {
        let with = |methods: Option<&[&str]>| Metadata {
            token_endpoint_auth_methods_supported: methods
                .map(|methods| methods.iter().map(ToString::to_string).collect()),
            ..metadata()
        };
        assert!(!with(None).wants_secret_in_body());
        assert!(!with(Some(&["client_secret_post", "client_secret_basic"])).wants_secret_in_body());
        assert!(with(Some(&["client_secret_post", "private_key_jwt"])).wants_secret_in_body());
    }

    #[test]
    fn an_old_answer_serves_for_a_day_while_there_is_no_newer_one() {
        let mut kept = Kept::<u8>::default();
        let away = Away::Status(503);
        assert_eq!(kept.take(Err(away), 0).unwrap_err(), away);
        assert_eq!(kept.just_failed(PAUSE_MS - 1), Some(away));
        assert_eq!(kept.just_failed(PAUSE_MS), None);
        assert_eq!(*kept.take(Ok(7), 10).unwrap(), 7);
        assert!(kept.within(FRESH_MS, 10 + FRESH_MS).is_none());
        assert!(kept.within(FRESH_MS, 9).is_none(), "the clock was set back");
        assert_eq!(*kept.take(Err(away), 9 + OLD_MS).unwrap(), 7);
        assert_eq!(kept.take(Err(away), 10 + OLD_MS).unwrap_err(), away);
    }
}
