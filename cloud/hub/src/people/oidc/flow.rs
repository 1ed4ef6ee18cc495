//! One sign-in on its way to the provider and back. All of it lies in the browser, in one cookie that only this hub sees:
//! so a stranger who begins a thousand costs no memory, and what comes back fits only the browser that began.

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};

use crate::people::{Error, secrets};

/// Long enough to type a password and a code at the provider.
pub(super) const MINUTES: i64 = 10;
const MAX_NEXT_BYTES: usize = 512;
const SECRET_CHARS: usize = 43;

/// A sign-in under way.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::people) struct Flow {
    /// 256 bits. What goes out is made from it and does not lead back.
    secret: String,
    began_ms: i64,
    /// Where to go on afterwards.
    pub(in crate::people) next: String,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flow(secret)")
    }
}

impl Flow {
    pub(in crate::people) fn begin(next: &str, now_ms: i64) -> Result<Self, Error> {
        Ok(Self {
            secret: secrets::session_token()?,
            began_ms: now_ms,
            next: if next.len() <= MAX_NEXT_BYTES {
                next.to_owned()
            } else {
                String::new()
            },
        })
    }

    pub(in crate::people) fn cookie(&self) -> String {
        let next = BASE64URL_NOPAD.encode(self.next.as_bytes());
        format!("{}.{}.{next}", self.secret, self.began_ms)
    }

    /// What a browser brought back, if it is not too old.
    pub(in crate::people) fn read(cookie: &str, now_ms: i64) -> Option<Self> {
        let mut parts = cookie.splitn(3, '.');
        let secret = parts.next().filter(|secret| secret.len() == SECRET_CHARS)?;
        let began_ms: i64 = parts.next()?.parse().ok()?;
        let next = BASE64URL_NOPAD.decode(parts.next()?.as_bytes()).ok()?;
        let age = now_ms.checked_sub(began_ms)?;
        if !(0..MINUTES * 60_000).contains(&age) || MAX_NEXT_BYTES < next.len() {
            return None;
        }
        Some(Self {
            secret: secret.to_owned(),
            began_ms,
            next: String::from_utf8(next).ok()?,
        })
    }

    fn made(&self, what: &str, issuer: &str) -> String {
        let text = format!("Barefoot provider 1\0{what}\0{issuer}\0{}", self.secret);
        BASE64URL_NOPAD.encode(&secrets::sha256(text.as_bytes()))
    }

    /// Binds the answer to the browser, and to the issuer that was asked.
    pub(super) fn state(&self, issuer: &str) -> String {
        self.made("state", issuer)
    }

    /// Binds the ID token to this sign-in.
    pub(super) fn nonce(&self, issuer: &str) -> String {
        self.made("nonce", issuer)
    }

    /// Binds the code to who asked for it (RFC 7636).
    pub(super) fn verifier(&self, issuer: &str) -> String {
        self.made("verifier", issuer)
    }

    pub(super) fn challenge(&self, issuer: &str) -> String {
        let hash = digest(&SHA256, self.verifier(issuer).as_bytes());
        BASE64URL_NOPAD.encode(hash.as_ref())
    }

    /// Names the sign-in without telling it.
    pub(super) fn mark(&self) -> [u8; 32] {
        secrets::token_hash(&self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example";

    #[test]
    fn a_flow_is_one_browsers_for_ten_minutes() {
        let flow = Flow::begin("/read/a?x=1", 1000).unwrap();
        let back = Flow::read(&flow.cookie(), 1000 + MINUTES * 60_000 - 1).unwrap();
        assert_eq!(back, flow);
        assert_eq!(back.next, "/read/a?x=1");
        assert!(
            Flow::read(&flow.cookie(), 1000 + MINUTES * 60_000).is_none(),
            "too old"
        );
        assert!(Flow::read(&flow.cookie(), 999).is_none(), "from the future");
        for bad in [
            "",
            "..",
            "x.1000.",
            &flow.cookie().replace(".1000.", ".now."),
            &flow.secret,
        ] {
            assert!(Flow::read(bad, 1000).is_none(), "{bad}");
        }
        assert_eq!(Flow::begin(&"x".repeat(600), 0).unwrap().next, "");
        assert_ne!(flow.state(ISSUER), Flow::begin("", 1000).unwrap().state(ISSUER));
    }

    #[test]
    fn what_goes_out_differs_in_everything_and_by_issuer() {
        let flow = Flow::begin("", 0).unwrap();
        let all = [
            flow.state(ISSUER),
            flow.nonce(ISSUER),
            flow.verifier(ISSUER),
            flow.challenge(ISSUER),
            flow.state("https://evil.example"),
            flow.nonce("https://evil.example"),
            flow.secret.clone(),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert!(all.iter().all(|text| text.len() == 43));
        assert_eq!(format!("{flow:?}"), "Flow(secret)");
    }

    #[test]
    fn the_challenge_of_rfc_7636() {
        // Appendix B.
        let hash = digest(&SHA256, b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(
            BASE64URL_NOPAD.encode(hash.as_ref()),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
