//! What a sign-in provider says, or who stands in its place: keys, tokens, claims, itself; and the cookie of a sign-in.

use barefoot_hub::fuzzing::{flow, key_set, provider, signed, signed_out, vouched};
use serde_json::Value;

/// Key and token of RFC 7515, appendix A.3. Broken where the speller would read words.
const KEYS: &str = concat!(
    r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCySt"#,
    r#"ikYjKIWI5a0"}]}"#
);
const TOKEN: &str = concat!(
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
);
const ISSUER: &str = "https://id.example";
const NOW_S: i64 = 1_800_000_000;

fn claim<'a>(claims: &'a Value, name: &str) -> &'a Value {
    claims.get(name).unwrap_or(&Value::Null)
}

pub(crate) fn check(bytes: &[u8]) {
    let now_ms = NOW_S * 1000;
    assert!(key_set(bytes).is_none_or(|keys| keys <= 64));
    let honest = signed(TOKEN, KEYS.as_bytes()).expect("the RFC's token is signed");
    if let Some(payload) = signed(TOKEN, bytes) {
        assert_eq!(payload, honest);
    }

    // Behind a signature that is right the claims may still say anything.
    let named = vouched(bytes, [ISSUER, "hub", "nonce"], now_ms);
    if let Some(named) = &named {
        let claims: Value = serde_json::from_slice(bytes).expect("claims are JSON");
        assert_eq!(claim(&claims, "iss"), ISSUER);
        assert_eq!(claim(&claims, "nonce"), "nonce");
        assert!(
            claim(&claims, "exp")
                .as_f64()
                .is_some_and(|exp| (NOW_S - 60) as f64 <= exp)
        );
        assert_eq!(claim(&claims, "sub"), &named.subject);
        let names = [Some(&named.subject), named.session.as_ref()];
        for name in names.into_iter().flatten() {
            assert!((1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control));
        }
        assert!(!named.two_factors || claims.get("acr").or(claims.get("amr")).is_some());
    }
    if let Some((subject, session)) = signed_out(bytes, [ISSUER, "hub"], now_ms) {
        assert!(subject.is_some() || session.is_some());
        assert!(named.is_none(), "a token signs in or out");
    }
    if let Some(addresses) = provider(bytes, ISSUER) {
        assert!(addresses.iter().all(|address| address.starts_with("https://")));
    }

    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(payload) = signed(text, KEYS.as_bytes()) {
        assert_eq!(payload, honest, "nobody else has the key");
    }
    if let Some(cookie) = flow(text, now_ms) {
        assert_eq!(flow(&cookie, now_ms), Some(cookie.clone()));
    }
}
