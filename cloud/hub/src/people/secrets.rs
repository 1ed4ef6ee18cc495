use barefoot_trust::person_key::{KeyError, random};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use ring::digest::{SHA256, digest};

/// What programs' tokens begin with, so that one is known when it turns up where it should not.
const PROGRAM: &str = "bft_";

/// Of a one-time code: 120 bits, 24 letters.
const CODE_BYTES: usize = 15;

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// 256 bits as a cookie holds them.
pub(super) fn session_token() -> Result<String, KeyError> {
    Ok(BASE64URL_NOPAD.encode(&random::<32>()?))
}

pub(super) fn program_token() -> Result<String, KeyError> {
    Ok(format!("{PROGRAM}{}", BASE64URL_NOPAD.encode(&random::<32>()?)))
}

/// What is kept of a token.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    sha256(token.as_bytes())
}

/// What a session's forms carry: made from the token, and does not lead back to it.
pub(super) fn csrf_of(token: &str) -> String {
    let hash = sha256(&[b"Barefoot form 1\0", token.as_bytes()].concat());
    BASE64URL_NOPAD.encode(&hash)
}

/// Equal, told without telling by the time it takes where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    sha256(one.as_bytes()) == sha256(other.as_bytes())
}

/// A one-time code, as it is read out: groups of four.
pub(super) fn one_time_code() -> Result<String, KeyError> {
    let text = BASE32_NOPAD.encode(&random::<CODE_BYTES>()?);
    let groups: Vec<String> = text
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().copied().map(char::from).collect())
        .collect();
    Ok(groups.join("-"))
}

/// However it was typed.
pub(super) fn code_hash(typed: &str) -> [u8; 32] {
    let plain: String = typed
        .chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| c.to_ascii_uppercase())
        .collect();
    sha256(&[b"Barefoot set-up 1\0", plain.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_same_however_they_are_typed() {
        let code = one_time_code().unwrap();
        assert_eq!((code.len(), code.matches('-').count()), (29, 5), "{code}");
        let typed = format!(" {} ", code.replace('-', " ").to_lowercase());
        assert_eq!(code_hash(&code), code_hash(&typed));
        assert_ne!(code_hash(&code), code_hash(&one_time_code().unwrap()));
    }

    #[test]
    fn tokens_are_long_and_their_forms_say_nothing_of_them() {
        let token = session_token().unwrap();
        assert_eq!(token.len(), 43);
        assert!(program_token().unwrap().starts_with("bft_"));
        assert!(!csrf_of(&token).contains(&token));
        assert!(same(&csrf_of(&token), &csrf_of(&token)) && !same("a", "b"));
    }
}
