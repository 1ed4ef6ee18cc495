//! What the tests of this part share: a signer of tokens and settings.

use std::path::PathBuf;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::jws::Keys;
use crate::config;

pub(in crate::people) fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

pub(in crate::people) fn settings(issuer: &str) -> config::Oidc {
    config::Oidc {
        issuer: issuer.into(),
        client_id: "hub".into(),
        client_secret_file: None::<PathBuf>,
        label: "Region ID".into(),
        authority: None,
        scopes: vec!["openid".into()],
        second_factor_acr: Vec::new(),
        second_factor_amr: Vec::new(),
        only: false,
    }
}

/// A provider's key.
pub(in crate::people) struct Signer {
    pkcs8: Vec<u8>,
    kid: String,
}

impl Signer {
    pub(in crate::people) fn new(kid: &str) -> Self {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self {
            pkcs8: made.unwrap().as_ref().to_vec(),
            kid: kid.into(),
        }
    }

    /// The same key by another name.
    pub(super) fn named(&self, kid: &str) -> Self {
        Self {
            pkcs8: self.pkcs8.clone(),
            kid: kid.into(),
        }
    }

    fn pair(&self) -> EcdsaKeyPair {
        let random = SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8, &random).unwrap()
    }

    pub(super) fn point(&self) -> Vec<u8> {
        self.pair().public_key().as_ref().to_vec()
    }

    pub(super) fn key(&self) -> String {
        let point = self.point();
        let (x, y) = (encoded(&point[1..33]), encoded(&point[33..]));
        let kid = &self.kid;
        format!(r#"{{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"{kid}","x":"{x}","y":"{y}"}}"#)
    }

    pub(in crate::people) fn set(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, self.key())
    }

    pub(super) fn keys(&self) -> Keys {
        Keys::read(self.set().as_bytes()).unwrap()
    }

    pub(in crate::people) fn sign(&self, claims: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, self.kid);
        self.sign_with(&header, claims)
    }

    pub(in crate::people) fn sign_with(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
        let signature = self
            .pair()
            .sign(&SystemRandom::new(), message.as_bytes())
            .unwrap();
        format!("{message}.{}", encoded(signature.as_ref()))
    }
}
