//! Signatures of a provider's tokens: JWS in compact form (RFC 7515) with the keys of its JWK set (RFC 7517).
//!
//! Only asymmetric algorithms are known, so neither `none` nor a secret made of a public key can ever fit; and a key serves
//! the algorithm its own type says, whatever a token asks for.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// Tokens of people with many groups are a few kilobytes.
const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// A set holds the keys of now, of next and of before.
const MOST_KEYS: usize = 64;

/// What is wrong with a token's form or signature. Holds nothing of the token.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub(in crate::people) enum Unsigned {
    #[error("it is no signed token")]
    Form,
    #[error("its algorithm is none of RS256, PS256, ES256 and EdDSA")]
    Algorithm,
    #[error("it asks for something that is not understood (crit)")]
    Critical,
    #[error("the provider's key set holds no such key")]
    Key,
    #[error("its signature does not fit")]
    Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "ES256")]
    Es256,
    EdDSA,
}

impl Algorithm {
    fn word(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: serde_json::Value,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

/// A public key as it stands in a set.
#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The provider's public keys.
#[derive(Debug)]
pub(super) struct Keys(Vec<Jwk>);

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// What a set holds that can be read; keys of other kinds are none of ours.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let set: Set = serde_json::from_slice(text).ok()?;
        let keys = set.keys.into_iter().take(MOST_KEYS);
        Some(Self(
            keys.filter_map(|key| serde_json::from_value(key).ok()).collect(),
        ))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Jwk {
    fn may(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        let named = kid.is_none_or(|kid| self.kid.as_deref() == Some(kid));
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let meant = self.alg.as_deref().is_none_or(|alg| alg == algorithm.word());
        let kind = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => self.kty == "RSA",
            Algorithm::Es256 => self.kty == "EC" && self.crv.as_deref() == Some("P-256"),
            Algorithm::EdDSA => self.kty == "OKP" && self.crv.as_deref() == Some("Ed25519"),
        };
        named && signs && meant && kind
    }

    /// `None` when it does not fit.
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Option<()> {
        let part = |part: &Option<String>| BASE64URL_NOPAD.decode(part.as_deref()?.as_bytes()).ok();
        match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let parameters = if algorithm == Algorithm::Rs256 {
                    &RSA_PKCS1_2048_8192_SHA256
                } else {
                    &RSA_PSS_2048_8192_SHA256
                };
                let (n, e) = (part(&self.n)?, part(&self.e)?);
                let key = RsaPublicKeyComponents { n: &n, e: &e };
                key.verify(parameters, message, signature).ok()
            }
            Algorithm::Es256 => {
                let (x, y) = (part(&self.x)?, part(&self.y)?);
                // An uncompressed point, SEC 1 section 2.3.3; ring refuses one that is not on the curve.
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signature)
                    .ok()
            }
            Algorithm::EdDSA => UnparsedPublicKey::new(&ED25519, part(&self.x)?)
                .verify(message, signature)
                .ok(),
        }
    }
}

/// What a key of the provider has signed.
#[derive(Debug)]
pub(super) struct SignedText {
    pub(super) payload: Vec<u8>,
    pub(super) algorithm: Algorithm,
}

/// The content of `token`, once one of `keys` has signed it.
pub(super) fn verify(token: &str, keys: &Keys) -> Result<SignedText, Unsigned> {
    if MAX_TOKEN_BYTES < token.len() {
        return Err(Unsigned::Form);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Unsigned::Form)?;
    let (header, payload) = message.split_once('.').ok_or(Unsigned::Form)?;
    let decode = |part: &str| {
        let bytes = BASE64URL_NOPAD.decode(part.as_bytes());
        bytes.map_err(|_| Unsigned::Form)
    };
    let signature = decode(signature)?;
    let payload = decode(payload)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Unsigned::Form)?;
    let algorithm: Algorithm = serde_json::from_value(header.alg).map_err(|_| Unsigned::Algorithm)?;
    if header.crit.is_some() {
        return Err(Unsigned::Critical);
    }
    let kid = header.kid.as_deref();
    let mut fitting = keys.0.iter().filter(|key| key.may(algorithm, kid)).peekable();
    fitting.peek().ok_or(Unsigned::Key)?;
    fitting
        .find_map(|key| key.verify(algorithm, message.as_bytes(), &signature))
        .ok_or(Unsigned::Signature)?;
    Ok(SignedText { payload, algorithm })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Signer, encoded};
    use super::*;

    #[test]
    fn the_tokens_of_rfc_7515_are_what_they_are() {
        // Appendices A.2 and A.3.
        // Broken where the speller would read words.
        let rsa = concat!(
            r#"{"keys":[{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSH"#,
            r#"SXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}"#
        );
        let ec = concat!(
            r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCySt"#,
            r#"ikYjKIWI5a0"}]}"#
        );
        let claims =
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let by_rsa = format!(
            "eyJhbGciOiJSUzI1NiJ9.{claims}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        );
        let by_ec = format!(
            "eyJhbGciOiJFUzI1NiJ9.{claims}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        );
        let (rsa, ec) = (
            Keys::read(rsa.as_bytes()).unwrap(),
            Keys::read(ec.as_bytes()).unwrap(),
        );
        assert_eq!(verify(&by_rsa, &rsa).unwrap().algorithm, Algorithm::Rs256);
        assert_eq!(verify(&by_ec, &ec).unwrap().algorithm, Algorithm::Es256);
        assert_eq!(verify(&by_rsa, &ec).unwrap_err(), Unsigned::Key);
        assert_eq!(verify(&by_ec, &rsa).unwrap_err(), Unsigned::Key);
        let changed = by_rsa.replace(".cC4h", ".cC4i");
        assert_eq!(verify(&changed, &rsa).unwrap_err(), Unsigned::Signature);
        let other = by_ec.replace(claims, &encoded(br#"{"iss":"eve"}"#));
        assert_eq!(verify(&other, &ec).unwrap_err(), Unsigned::Signature);
    }

    #[test]
    fn neither_no_algorithm_nor_a_public_key_as_a_secret_signs_anything() {
        let signer = Signer::new("k1");
        let keys = signer.keys();
        let good = signer.sign(r#"{"sub":"a"}"#);
        verify(&good, &keys).unwrap();
        let payload = good.split('.').nth(1).unwrap();
        for alg in [
            r#""none""#,
            r#""None""#,
            r#""HS256""#,
            r#""RS1""#,
            r#""""#,
            "null",
            "7",
        ] {
            let header = encoded(format!(r#"{{"alg":{alg},"kid":"k1"}}"#).as_bytes());
            for signature in ["", "AAAA"] {
                let token = format!("{header}.{payload}.{signature}");
                assert_eq!(verify(&token, &keys).unwrap_err(), Unsigned::Algorithm, "{alg}");
            }
        }
        // HMAC with what everybody knows: the public key.
        let message = format!("{}.{payload}", encoded(br#"{"alg":"HS256","kid":"k1"}"#));
        for secret in [signer.point(), signer.set().into_bytes()] {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
            let tag = ring::hmac::sign(&key, message.as_bytes());
            let token = format!("{message}.{}", encoded(tag.as_ref()));
            assert_eq!(verify(&token, &keys).unwrap_err(), Unsigned::Algorithm);
        }
    }

    #[test]
    fn a_key_signs_only_what_it_is_for() {
        let (signer, other) = (Signer::new("k1"), Signer::new("k1"));
        let token = signer.sign(r#"{"sub":"a"}"#);
        assert_eq!(verify(&token, &other.keys()).unwrap_err(), Unsigned::Signature);
        assert_eq!(
            verify(&token, &signer.named("k2").keys()).unwrap_err(),
            Unsigned::Key
        );
        for (from, to) in [
            (r#""use":"sig""#, r#""use":"enc""#),
            (r#""alg":"ES256""#, r#""alg":"ES384""#),
            (r#""crv":"P-256""#, r#""crv":"P-384""#),
            (r#""kty":"EC""#, r#""kty":"RSA""#),
        ] {
            let set = signer.set();
            assert!(set.contains(from), "{set}");
            let keys = Keys::read(set.replace(from, to).as_bytes()).unwrap();
            assert_eq!(verify(&token, &keys).unwrap_err(), Unsigned::Key, "{to}");
        }
        // Both of one name, as while keys are changed.
        let both = signer.set().replace("]}", &format!(",{}]}}", other.key()));
        verify(&token, &Keys::read(both.as_bytes()).unwrap()).unwrap();
    }

    #[test]
    fn what_is_no_token_is_none() {
        let signer = Signer::new("k1");
        let keys = signer.keys();
        let good = signer.sign("{}");
        let huge = signer.sign(&"x".repeat(MAX_TOKEN_BYTES));
        for bad in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            &format!("{good}="),
            &format!("{good}."),
            &good.replace('.', ".."),
            &huge,
        ] {
            assert_eq!(verify(bad, &keys).unwrap_err(), Unsigned::Form, "{bad:.40}");
        }
        let crit = signer.sign_with(r#"{"alg":"ES256","kid":"k1","crit":["b64"],"b64":false}"#, "{}");
        assert_eq!(verify(&crit, &keys).unwrap_err(), Unsigned::Critical);
        assert!(Keys::read(b"[]").is_none() && Keys::read(b"{").is_none());
        assert_eq!(
            Keys::read(br#"{"keys":[7,{"kty":"oct","k":"AAAA"}]}"#)
                .unwrap()
                .0
                .len(),
            1
        );
    }
}
