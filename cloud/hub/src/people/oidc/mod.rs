//! Sign-in at the region's own provider by OpenID Connect: the authorization code flow with PKCE (RFC 7636), state, nonce
//! and the issuer's name in its answer (RFC 9207). What comes of it is a subject that the provider vouches for, no person
//! and no role: which account that is, an operator has said before.

mod claims;
mod fetch;
mod flow;
pub(crate) mod fuzzing;
mod jws;
mod provider;
mod steps;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderValue;
use serde::Deserialize;
use zeroize::Zeroizing;

pub(super) use self::claims::{SignedOut, Vouched, is_name};
pub(super) use self::flow::Flow;
pub(super) use self::provider::Away;
pub(super) use self::steps::Step;

use self::claims::{Asked, Untrue};
use self::fetch::{Fetch, Form, PATIENCE};
use self::jws::{SignedText, Unsigned};
use self::provider::{Metadata, Provider};
use self::steps::Steps;
use crate::config;

/// Where the provider sends people back to, below the hub's own address.
pub(super) const RETURN: &str = "/sign-in/oidc/return";
/// Sign-ins that came back, kept for as long as their cookie: none comes twice.
const MOST_USED: usize = 4096;
/// Of what a provider says in its own words.
const MAX_WORD_CHARS: usize = 40;

/// Why nobody is signed in. Tells no token, no code and no name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it was not begun in this browser, took too long, or came back before")]
    Foreign,
    /// Its own word for it.
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Away(#[from] Away),
    #[error("another provider answered, or did not say who it is (iss)")]
    MixedUp,
    #[error("the ID token is not signed by the provider: {0}")]
    Unsigned(#[from] Unsigned),
    #[error("the ID token is not for us: {0}")]
    Untrue(#[from] Untrue),
    #[error("people.oidc.client_secret_file cannot be read, or is empty")]
    Secret,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("cannot read people.oidc.authority, {path}")]
    Authority { path: String, source: std::io::Error },
    #[error("people.oidc.authority holds no certificates that can be used")]
    Certificates { source: Box<ureq::Error> },
    #[error("people.oidc.client_secret_file cannot be read, or is empty")]
    Secret,
}

/// What a browser brings back from the provider.
#[derive(Deserialize)]
pub(super) struct Returned {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Zeroizing<String>,
    access_token: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

#[derive(Debug)]
pub(super) struct Oidc {
    pub(super) settings: config::Oidc,
    /// The hub's own address, as browsers see it.
    address: String,
    provider: Provider,
    used: Mutex<HashMap<[u8; 32], i64>>,
    pub(super) steps: Steps,
}

impl Oidc {
    /// # Errors
    /// When the authorities that are to be trusted cannot be read.
    pub(super) fn new(settings: config::Oidc, address: &str) -> Result<Self, Unusable> {
        let authority = settings.authority.as_ref().map(|path| {
            std::fs::read(path).map_err(|source| Unusable::Authority {
                path: path.display().to_string(),
                source,
            })
        });
        let fetch = Fetch::new(&settings, authority.transpose()?.as_deref(), PATIENCE);
        let fetch = fetch.map_err(|error| Unusable::Certificates {
            source: Box::new(error),
        })?;
        Ok(Self {
            provider: Provider::new(&settings, fetch),
            address: address.trim_end_matches('/').to_owned(),
            settings,
            used: Mutex::default(),
            steps: Steps::default(),
        })
    }

    /// Whether the secret can be read; it is read at each use, so that it can be changed while the hub runs.
    pub(super) fn check(&self) -> Result<(), Unusable> {
        self.secret().map(drop).map_err(|_| Unusable::Secret)
    }

    fn secret(&self) -> Result<Option<Zeroizing<String>>, Fault> {
        let Some(path) = &self.settings.client_secret_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|_| Fault::Secret)?;
        let text = Zeroizing::new(text);
        match text.trim() {
            "" => Err(Fault::Secret),
            secret => Ok(Some(Zeroizing::new(secret.to_owned()))),
        }
    }

    fn returns_to(&self) -> String {
        format!("{}{RETURN}", self.address)
    }

    /// Where the browser goes to sign in.
    pub(super) async fn leave(&self, flow: &Flow, now_ms: i64) -> Result<HeaderValue, Away> {
        let metadata = self.provider.metadata(now_ms).await?;
        let issuer = &self.settings.issuer;
        let (scopes, classes) = (
            self.settings.scopes.join(" "),
            self.settings.second_factor_acr.join(" "),
        );
        let mut asked = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.settings.client_id.clone()),
            ("redirect_uri", self.returns_to()),
            ("scope", scopes),
            ("state", flow.state(issuer)),
            ("nonce", flow.nonce(issuer)),
            ("code_challenge", flow.challenge(issuer)),
            ("code_challenge_method", "S256".to_owned()),
        ];
        if !classes.is_empty() {
            asked.push(("acr_values", classes));
        }
        with_query(&metadata.authorization_endpoint, &asked)
    }

    /// Where the browser goes to sign out at the provider too, if it has such a page.
    pub(super) async fn leave_for_good(&self, now_ms: i64) -> Result<Option<HeaderValue>, Away> {
        let metadata = self.provider.metadata(now_ms).await?;
        let Some(page) = &metadata.end_session_endpoint else {
            return Ok(None);
        };
        // Without a hint of whose session: the hub keeps no token of anybody. The provider asks, where it must.
        let asked = [
            ("client_id", self.settings.client_id.clone()),
            ("post_logout_redirect_uri", format!("{}/sign-in", self.address)),
        ];
        with_query(page, &asked).map(Some)
    }

    /// Whom the provider vouches for, once for each sign-in that began in this browser.
    pub(super) async fn come_back(
        &self,
        flow: &Flow,
        returned: &Returned,
        now_ms: i64,
    ) -> Result<Vouched, Fault> {
        let issuer = &self.settings.issuer;
        if !super::secrets::same(&returned.state, &flow.state(issuer)) || !self.use_up(flow, now_ms) {
            return Err(Fault::Foreign);
        }
        let metadata = self.provider.metadata(now_ms).await?;
        let must_say = metadata.authorization_response_iss_parameter_supported;
        match &returned.iss {
            Some(said) if said != issuer => return Err(Fault::MixedUp),
            None if must_say => return Err(Fault::MixedUp),
            _ => {}
        }
        if let Some(word) = &returned.error {
            return Err(Fault::Refused(plain(word)));
        }
        let code = returned.code.as_deref().filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| Fault::Refused("no code".to_owned()))?;
        let tokens = self.redeem(&metadata, flow, code).await?;
        let signed = self.signed(&tokens.id_token, now_ms).await?;
        let asked = Asked {
            settings: &self.settings,
            nonce: &flow.nonce(issuer),
            access_token: tokens.access_token.as_ref().map(|token| token.as_str()),
            now_ms,
        };
        Ok(claims::vouched(&signed, &asked)?)
    }

    async fn redeem(&self, metadata: &Metadata, flow: &Flow, code: &str) -> Result<Tokens, Fault> {
        let (returns_to, verifier) = (self.returns_to(), flow.verifier(&self.settings.issuer));
        let client = self.settings.client_id.as_str();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &returns_to),
            ("code_verifier", &verifier),
        ];
        let secret = self.secret()?;
        let mut authorization = None;
        match &secret {
            Some(secret) if metadata.wants_secret_in_body() => {
                fields.extend([("client_id", client), ("client_secret", secret.as_str())]);
            }
            Some(secret) => authorization = Some(basic(client, secret)),
            None => fields.push(("client_id", client)),
        }
        let body = serde_urlencoded::to_string(&fields).map_err(|_| Away::Form)?;
        let form = Form {
            body: body.into(),
            authorization,
        };
        let answer = self.provider.fetch.post(&metadata.token_endpoint, form).await;
        let answer = answer.map_err(Away::NoAnswer)?;
        match answer.status {
            200 => Ok(serde_json::from_slice(&answer.body).map_err(|_| Away::Form)?),
            400 | 401 => {
                let said: Option<TokenError> = serde_json::from_slice(&answer.body).ok();
                let word = said.map_or_else(|| "no code of its own".to_owned(), |said| plain(&said.error));
                Err(Fault::Refused(word))
            }
            status => Err(Away::Status(status).into()),
        }
    }

    /// What a key of the provider signed; a key that is not known is looked for once more.
    async fn signed(&self, token: &str, now_ms: i64) -> Result<SignedText, Fault> {
        let keys = self.provider.keys(false, now_ms).await?;
        match jws::verify(token, &keys) {
            // The same name for another key is not usual, and is seen here too.
            Err(Unsigned::Key | Unsigned::Signature) => {
                let keys = self.provider.keys(true, now_ms).await?;
                Ok(jws::verify(token, &keys)?)
            }
            other => Ok(other?),
        }
    }

    /// Who signed out at the provider.
    pub(super) async fn told_of_sign_out(&self, token: &str, now_ms: i64) -> Result<SignedOut, Fault> {
        let signed = self.signed(token, now_ms).await?;
        Ok(claims::signed_out(&signed, &self.settings, now_ms)?)
    }

    /// `false` when this sign-in came back before.
    fn use_up(&self, flow: &Flow, now_ms: i64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, at_ms| now_ms.saturating_sub(*at_ms) < flow::MINUTES * 60_000);
        if MOST_USED <= used.len() {
            let oldest = used
                .iter()
                .min_by_key(|(_, at_ms)| **at_ms)
                .map(|(mark, _)| *mark);
            oldest.map(|mark| used.remove(&mark));
        }
        used.insert(flow.mark(), now_ms).is_none()
    }
}

/// Of a word from outside, what may stand in a log.
fn plain(word: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    word.chars().filter(allowed).take(MAX_WORD_CHARS).collect()
}

fn with_query(address: &str, asked: &[(&str, String)]) -> Result<HeaderValue, Away> {
    let query = serde_urlencoded::to_string(asked).map_err(|_| Away::Form)?;
    let joint = if address.contains('?') { '&' } else { '?' };
    HeaderValue::try_from(format!("{address}{joint}{query}")).map_err(|_| Away::Address)
}

/// RFC 6749 section 2.3.1: both parts are encoded as in a form first.
fn basic(client: &str, secret: &str) -> Zeroizing<String> {
    let encode = |text: &str| serde_urlencoded::to_string([("", text)]).unwrap_or_default();
    let (client, secret) = (encode(client), Zeroizing::new(encode(secret)));
    let pair = [client.trim_start_matches('='), secret.trim_start_matches('=')].join(":");
    let pair = Zeroizing::new(pair);
    Zeroizing::new(format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
}

#[cfg(test)]
pub(super) mod tests;
