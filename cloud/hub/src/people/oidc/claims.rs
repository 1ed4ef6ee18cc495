//! What a provider's tokens say, and whether it is said to us, now, in answer to what we asked (OpenID Connect Core 1.0,
//! section 3.1.3.7; Back-Channel Logout 1.0, section 2.6). Pure: the time comes in.

use ring::digest::{SHA256, SHA512, digest};
use serde::{Deserialize, Deserializer};

use super::jws::{Algorithm, SignedText};
use crate::config;
use crate::people::secrets;

/// Clocks of servers are a little off.
const LEEWAY_S: i64 = 60;
/// A token is used at once; one that was made long ago was kept by somebody.
const OLDEST_S: i64 = 600;
/// The core's section 2 allows a subject 255 characters.
const MAX_NAME_CHARS: usize = 255;

const SIGNED_OUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Which claim is wrong. Holds nothing of the token.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub(in crate::people) enum Untrue {
    #[error("its claims cannot be read")]
    Form,
    #[error("another issuer made it")]
    Issuer,
    #[error("it is for another client")]
    Audience,
    #[error("it has run out")]
    Expired,
    #[error("it was made long ago, or will be made later: compare the clocks")]
    Issued,
    #[error("it does not answer this sign-in (nonce)")]
    Nonce,
    #[error("it belongs to another access token (at_hash)")]
    AccessToken,
    #[error("it names nobody")]
    Subject,
    #[error("it tells of no sign-out")]
    Event,
}

/// Somebody whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::people) struct Vouched {
    pub(in crate::people) subject: String,
    /// The provider's own session.
    pub(in crate::people) session: Option<String>,
    /// The provider says that two factors were shown, in a word that the settings name.
    pub(in crate::people) two_factors: bool,
}

/// What an ID token must answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) settings: &'a config::Oidc,
    pub(super) nonce: &'a str,
    pub(super) access_token: Option<&'a str>,
    pub(super) now_ms: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Seconds since 1970; JSON may write them with a fraction.
#[derive(Clone, Copy)]
struct Seconds(i64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let whole = number.as_i64().or_else(|| {
            let text = number.as_f64()?.trunc().to_string();
            text.parse().ok()
        });
        whole.map(Self).ok_or_else(|| serde::de::Error::custom("no time"))
    }
}

/// What both kinds of tokens say.
#[derive(Deserialize)]
struct Common {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: Option<Seconds>,
    iat: Option<Seconds>,
    nbf: Option<Seconds>,
    sub: Option<String>,
    sid: Option<String>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
struct IdClaims {
    #[serde(flatten)]
    common: Common,
    at_hash: Option<String>,
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
}

#[derive(Deserialize)]
struct SignOutClaims {
    #[serde(flatten)]
    common: Common,
    jti: Option<String>,
    #[serde(default)]
    events: serde_json::Map<String, serde_json::Value>,
}

impl Common {
    fn check(&self, settings: &config::Oidc, now_ms: i64) -> Result<(), Untrue> {
        if self.iss != settings.issuer {
            return Err(Untrue::Issuer);
        }
        let ours = settings.client_id.as_str();
        let (named, alone) = match &self.aud {
            Audience::One(one) => (one == ours, true),
            Audience::Several(several) => (several.iter().any(|one| one == ours), several.len() == 1),
        };
        // One of several only when it was asked for by us.
        let asked_by_us = match self.azp.as_deref() {
            Some(party) => party == ours,
            None => alone,
        };
        if !named || !asked_by_us {
            return Err(Untrue::Audience);
        }
        let now = now_ms.div_euclid(1000);
        let Seconds(expires) = self.exp.ok_or(Untrue::Expired)?;
        if expires.saturating_add(LEEWAY_S) <= now {
            return Err(Untrue::Expired);
        }
        let Seconds(issued) = self.iat.ok_or(Untrue::Issued)?;
        let begins = self.nbf.map_or(issued, |Seconds(begins)| begins);
        let soonest = now.saturating_add(LEEWAY_S);
        if soonest < issued || soonest < begins || issued < now - OLDEST_S - LEEWAY_S {
            return Err(Untrue::Issued);
        }
        Ok(())
    }

    fn subject(&self) -> Option<&String> {
        self.sub.as_ref().filter(|subject| is_name(subject))
    }

    fn session(&self) -> Option<&String> {
        self.sid.as_ref().filter(|session| is_name(session))
    }
}

pub(in crate::people) fn is_name(text: &str) -> bool {
    let chars = text.chars().count();
    0 < chars && chars <= MAX_NAME_CHARS && !text.chars().any(char::is_control)
}

/// Whom an ID token names, if it is for us and answers what we asked.
pub(super) fn vouched(signed: &SignedText, asked: &Asked<'_>) -> Result<Vouched, Untrue> {
    let claims: IdClaims = serde_json::from_slice(&signed.payload).map_err(|_| Untrue::Form)?;
    let settings = asked.settings;
    claims.common.check(settings, asked.now_ms)?;
    let nonce = claims.common.nonce.as_deref().unwrap_or_default();
    if !secrets::same(nonce, asked.nonce) {
        return Err(Untrue::Nonce);
    }
    if let Some(hash) = &claims.at_hash {
        let token = asked.access_token.ok_or(Untrue::AccessToken)?;
        if *hash != half_hash(token, signed.algorithm) {
            return Err(Untrue::AccessToken);
        }
    }
    let by_class = claims
        .acr
        .is_some_and(|acr| settings.second_factor_acr.contains(&acr));
    let by_method = claims
        .amr
        .iter()
        .any(|method| settings.second_factor_amr.contains(method));
    Ok(Vouched {
        subject: claims.common.subject().ok_or(Untrue::Subject)?.clone(),
        session: claims.common.session().cloned(),
        two_factors: by_class || by_method,
    })
}

/// The left half of the hash that goes with the token's algorithm.
pub(super) fn half_hash(token: &str, algorithm: Algorithm) -> String {
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &SHA256,
        Algorithm::EdDSA => &SHA512,
    };
    let whole = digest(hash, token.as_bytes());
    let (half, _) = whole.as_ref().split_at(whole.as_ref().len() / 2);
    data_encoding::BASE64URL_NOPAD.encode(half)
}

/// Who signed out at the provider: a person everywhere, or one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::people) struct SignedOut {
    pub(in crate::people) subject: Option<String>,
    pub(in crate::people) session: Option<String>,
}

/// What a logout token tells, if it is for us and of now.
pub(super) fn signed_out(
    signed: &SignedText,
    settings: &config::Oidc,
    now_ms: i64,
) -> Result<SignedOut, Untrue> {
    let claims: SignOutClaims = serde_json::from_slice(&signed.payload).map_err(|_| Untrue::Form)?;
    claims.common.check(settings, now_ms)?;
    // An ID token in its place would have one.
    if claims.common.nonce.is_some() || claims.jti.is_none() {
        return Err(Untrue::Form);
    }
    if !claims
        .events
        .get(SIGNED_OUT)
        .is_some_and(serde_json::Value::is_object)
    {
        return Err(Untrue::Event);
    }
    let told = SignedOut {
        subject: claims.common.subject().cloned(),
        session: claims.common.session().cloned(),
    };
    if told.subject.is_none() && told.session.is_none() {
        return Err(Untrue::Subject);
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::settings;
    use super::*;

    const NOW_S: i64 = 1_800_000_000;

    fn text(claims: &Value) -> SignedText {
        SignedText {
            payload: claims.to_string().into_bytes(),
            algorithm: Algorithm::Es256,
        }
    }

    fn good() -> Value {
        json!({
            "iss": "https://id.example", "aud": "hub", "sub": "s-1", "nonce": "n-1",
            "exp": NOW_S + 300, "iat": NOW_S - 1,
        })
    }

    fn read(claims: &Value) -> Result<Vouched, Untrue> {
        let settings = config::Oidc {
            second_factor_acr: vec!["gold".into()],
            second_factor_amr: vec!["otp".into(), "hwk".into()],
            ..settings("https://id.example")
        };
        let asked = Asked {
            settings: &settings,
            nonce: "n-1",
            access_token: Some("at-1"),
            now_ms: NOW_S * 1000,
        };
        vouched(&text(claims), &asked)
    }

    #[test]
    fn every_claim_of_an_id_token_is_looked_at() {
        let fine = read(&good()).unwrap();
        assert_eq!(
            (fine.subject.as_str(), fine.two_factors, fine.session),
            ("s-1", false, None)
        );
        let hash = half_hash("at-1", Algorithm::Es256);
        for (claim, value) in [
            ("aud", json!(["hub"])),
            ("azp", json!("hub")),
            ("exp", json!(NOW_S - 59)),
            ("exp", json!(1_800_000_000.5)),
            ("iat", json!(NOW_S + 60)),
            ("iat", json!(NOW_S - 660)),
            ("nbf", json!(NOW_S)),
            ("at_hash", json!(hash)),
            ("whatever", json!({"a": [1]})),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            assert!(read(&claims).is_ok(), "{claim} {value}");
        }
        for (claim, value, fault) in [
            ("iss", json!("https://id.example/"), Untrue::Issuer),
            ("iss", json!("https://evil.example"), Untrue::Issuer),
            ("iss", json!(["https://id.example"]), Untrue::Form),
            ("iss", Value::Null, Untrue::Form),
            ("aud", json!("other"), Untrue::Audience),
            ("aud", json!([]), Untrue::Audience),
            ("aud", json!(["other"]), Untrue::Audience),
            ("aud", json!(["hub", "other"]), Untrue::Audience),
            ("aud", Value::Null, Untrue::Form),
            ("azp", json!("other"), Untrue::Audience),
            ("exp", json!(NOW_S - 60), Untrue::Expired),
            ("exp", Value::Null, Untrue::Expired),
            ("exp", json!("2027"), Untrue::Form),
            ("iat", json!(NOW_S + 61), Untrue::Issued),
            ("iat", json!(NOW_S - 661), Untrue::Issued),
            ("iat", Value::Null, Untrue::Issued),
            ("nbf", json!(NOW_S + 61), Untrue::Issued),
            ("nonce", json!("n-2"), Untrue::Nonce),
            ("nonce", Value::Null, Untrue::Nonce),
            (
                "at_hash",
                json!(half_hash("at-2", Algorithm::Es256)),
                Untrue::AccessToken,
            ),
            ("sub", json!(""), Untrue::Subject),
            ("sub", json!("a\nb"), Untrue::Subject),
            ("sub", json!("x".repeat(256)), Untrue::Subject),
            ("sub", Value::Null, Untrue::Subject),
            ("sub", json!(7), Untrue::Form),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            assert_eq!(read(&claims), Err(fault), "{claim} {value}");
        }
        let mut several = good();
        several["aud"] = json!(["hub", "other"]);
        several["azp"] = json!("hub");
        assert!(read(&several).is_ok(), "asked for by us");
        let twice = good().to_string().replacen('{', r#"{"sub":"s-2","#, 1);
        let twice = SignedText {
            payload: twice.into_bytes(),
            algorithm: Algorithm::Es256,
        };
        let settings = settings("https://id.example");
        let asked = Asked {
            settings: &settings,
            nonce: "n-1",
            access_token: None,
            now_ms: NOW_S * 1000,
        };
        assert_eq!(vouched(&twice, &asked), Err(Untrue::Form), "a claim said twice");
    }

    #[test]
    fn two_factors_are_what_the_settings_call_so() {
        for (claim, value, two) in [
            ("acr", json!("gold"), true),
            ("acr", json!("silver"), false),
            ("amr", json!(["pwd", "otp"]), true),
            ("amr", json!(["hwk"]), true),
            ("amr", json!(["pwd"]), false),
            ("amr", json!([]), false),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            assert_eq!(read(&claims).unwrap().two_factors, two, "{claim} {value}");
        }
    }

    #[test]
    fn a_sign_out_is_told_by_a_logout_token_and_no_other() {
        let good = || {
            json!({
                "iss": "https://id.example", "aud": "hub", "sub": "s-1", "sid": "x", "jti": "1",
                "exp": NOW_S + 60, "iat": NOW_S, "events": { SIGNED_OUT: {} },
            })
        };
        let settings = settings("https://id.example");
        let read = |claims: &Value| signed_out(&text(claims), &settings, NOW_S * 1000);
        let told = read(&good()).unwrap();
        assert_eq!(
            (told.subject.as_deref(), told.session.as_deref()),
            (Some("s-1"), Some("x"))
        );
        for (claim, value, fault) in [
            ("nonce", json!("n-1"), Untrue::Form),
            ("jti", Value::Null, Untrue::Form),
            ("events", json!({}), Untrue::Event),
            ("events", json!({ SIGNED_OUT: 1 }), Untrue::Event),
            ("events", Value::Null, Untrue::Form),
            ("iss", json!("https://evil.example"), Untrue::Issuer),
            ("aud", json!("other"), Untrue::Audience),
            ("exp", json!(NOW_S - 60), Untrue::Expired),
            ("iat", json!(NOW_S - 700), Untrue::Issued),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            assert_eq!(read(&claims), Err(fault), "{claim} {value}");
        }
        let mut nobody = good();
        nobody["sub"] = Value::Null;
        assert!(read(&nobody).is_ok(), "one session");
        nobody["sid"] = Value::Null;
        assert_eq!(read(&nobody), Err(Untrue::Subject));
    }
}
