//! The hub's word whose key a signature was made with.

use prost::Message;

use crate::convert::is_ulid;
use crate::{DecodeError, v1};

const VERSION: u32 = 1;

/// Of an Ed25519 public key.
const KEY_BYTES: usize = 32;
const MAX_WORDS_CHARS: usize = 128;

/// Whose key it is, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerStatement {
    /// The account at the hub, a ULID.
    pub person: String,
    pub name: String,
    pub title: String,
    pub institution: String,
    pub public_key: [u8; KEY_BYTES],
    /// Unix milliseconds.
    pub from_ms: i64,
}

/// The bytes that the hub signs.
#[must_use]
pub fn encode_signer_statement(statement: &SignerStatement) -> Vec<u8> {
    v1::SignerStatement {
        version: VERSION,
        person: statement.person.clone(),
        name: statement.name.clone(),
        title: statement.title.clone(),
        institution: statement.institution.clone(),
        public_key: statement.public_key.to_vec(),
        from_ms: statement.from_ms,
    }
    .encode_to_vec()
}

/// # Errors
/// When the bytes are no statement, of a version this program does not know, or a field is missing or outside its range.
pub fn decode_signer_statement(bytes: &[u8]) -> Result<SignerStatement, DecodeError> {
    let field = |field| DecodeError::Field { field };
    let statement = v1::SignerStatement::decode(bytes).map_err(|source| DecodeError::Protobuf {
        message: "SignerStatement",
        source,
    })?;
    if statement.version != VERSION {
        return Err(field("version"));
    }
    if !is_ulid(&statement.person) {
        return Err(field("person"));
    }
    let words = |text: String, name| {
        if MAX_WORDS_CHARS < text.chars().count() || text.chars().any(char::is_control) {
            return Err(field(name));
        }
        Ok(text)
    };
    if statement.name.trim().is_empty() {
        return Err(field("name"));
    }
    Ok(SignerStatement {
        person: statement.person,
        name: words(statement.name, "name")?,
        title: words(statement.title, "title")?,
        institution: words(statement.institution, "institution")?,
        public_key: statement.public_key.try_into().map_err(|_| field("public_key"))?,
        from_ms: statement.from_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> SignerStatement {
        SignerStatement {
            person: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            name: "李伟".into(),
            title: "主治医师".into(),
            institution: "县医院".into(),
            public_key: [7; KEY_BYTES],
            from_ms: 1,
        }
    }

    #[test]
    fn a_statement_comes_back_and_a_bad_one_names_its_field() {
        let good = statement();
        assert_eq!(
            decode_signer_statement(&encode_signer_statement(&good)).unwrap(),
            good
        );
        for (bad, named) in [
            (
                SignerStatement {
                    person: "li".into(),
                    ..statement()
                },
                "person",
            ),
            (
                SignerStatement {
                    name: " ".into(),
                    ..statement()
                },
                "name",
            ),
            (
                SignerStatement {
                    title: "a\nb".into(),
                    ..statement()
                },
                "title",
            ),
            (
                SignerStatement {
                    institution: "x".repeat(129),
                    ..statement()
                },
                "institution",
            ),
        ] {
            let error = decode_signer_statement(&encode_signer_statement(&bad)).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        let mut short = v1::SignerStatement::decode(encode_signer_statement(&good).as_slice()).unwrap();
        short.public_key.pop();
        assert!(decode_signer_statement(&short.encode_to_vec()).is_err());
        assert!(decode_signer_statement(b"\xff").is_err());
    }
}
