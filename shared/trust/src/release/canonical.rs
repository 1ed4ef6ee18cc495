//! The bytes a signature covers: canonical JSON as securesystemslib, the reference, writes it.
//!
//! The crate for it also normalises Unicode. The reference does not, and one signature would then fit two texts.

use ring::digest::{SHA256, digest};
use serde_json::Value;

/// `None` where a number is not whole: canonical JSON has no others.
pub(super) fn canonical(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Some(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let whole = number
                .as_u64()
                .map(i128::from)
                .or(number.as_i64().map(i128::from))?;
            out.extend_from_slice(whole.to_string().as_bytes());
        }
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index != 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push(b'{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index != 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write(member, out)?;
            }
            out.push(b'}');
        }
    }
    Some(())
}

/// Only the quote and the backslash are escaped.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// `None` for anything but exactly `N` bytes in hexadecimal.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    rest.is_empty().then_some(())?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_sorted_and_little_is_escaped() {
        let value = json!({"b": [1, -2, true, null], "a": "x\"\\\n\u{e9}", "Z": {}});
        let expected = "{\"Z\":{},\"a\":\"x\\\"\\\\\n\u{e9}\",\"b\":[1,-2,true,null]}";
        assert_eq!(canonical(&value).unwrap(), expected.as_bytes());
        assert_eq!(canonical(&json!({"a": 1.5})), None);
        assert_eq!(
            canonical(&json!(u64::MAX)).unwrap(),
            b"18446744073709551615".to_vec()
        );
    }

    proptest! {
        #[test]
        fn different_texts_have_different_bytes(a in ".*", b in ".*") {
            prop_assert_eq!(a == b, canonical(&json!(a)) == canonical(&json!(b)));
        }

        #[test]
        fn hexadecimal_comes_back(bytes: [u8; 32]) {
            prop_assert_eq!(unhex::<32>(&hex(&bytes)), Some(bytes));
        }

        #[test]
        fn odd_hexadecimal_is_refused(text in ".{0,70}") {
            if let Some(bytes) = unhex::<32>(&text) {
                prop_assert_eq!(hex(&bytes), text.to_ascii_lowercase());
            }
        }
    }
}
