//! Codes of an authenticator app: RFC 6238 with SHA-1, 30 seconds, six digits, which every app can.

use ring::hmac;

pub(super) const SECRET_BYTES: usize = 20;
const STEP_S: i64 = 30;
/// Clocks of telephones are a little off: one step to either side.
const DRIFT: i64 = 1;
const DIGITS: usize = 6;

fn step_of(now_ms: i64) -> i64 {
    now_ms.div_euclid(1000 * STEP_S)
}

/// The code of a time step; eight digits for the vectors of the standard.
fn code_at(secret: &[u8], step: i64, modulus: u32) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    // RFC 4226 section 5.3: the last four bits say where the four bytes stand.
    let at = usize::from(tag.last().copied().unwrap_or_default() & 15);
    let four = tag
        .get(at..)
        .and_then(|rest| rest.first_chunk::<4>())
        .copied()
        .unwrap_or_default();
    (u32::from_be_bytes(four) & 0x7fff_ffff) % modulus
}

/// The time step whose code it is, if it is newer than `last`: a code that was seen once is no code any more.
pub(super) fn accept(secret: &[u8], code: &str, now_ms: i64, last: i64) -> Option<i64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let given: u32 = digits.parse().ok()?;
    let now = step_of(now_ms);
    (now - DRIFT..=now + DRIFT)
        .filter(|step| last < *step)
        .find(|step| code_at(secret, *step, 1_000_000) == given)
}

/// The current code, for tests and nobody else.
#[cfg(test)]
pub(crate) fn code(secret: &[u8], now_ms: i64) -> String {
    format!("{:06}", code_at(secret, step_of(now_ms), 1_000_000))
}

/// As it is typed into an app.
pub(super) fn text(secret: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(secret)
}

/// What was shown before, given back by the form.
pub(super) fn read(text: &str) -> Option<Vec<u8>> {
    let secret = data_encoding::BASE32_NOPAD.decode(text.as_bytes()).ok()?;
    (secret.len() == SECRET_BYTES).then_some(secret)
}

/// What an app reads from the square.
pub(super) fn address(secret: &[u8], person: &str, issuer: &str) -> String {
    let encode = |text: &str| {
        let mut encoded = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
        encoded
    };
    let (issuer, person) = (encode(issuer), encode(person));
    format!(
        "otpauth://totp/{issuer}:{person}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}",
        text(secret)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_vectors_of_rfc_6238() {
        for (seconds, code) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(
                code_at(SECRET, step_of(seconds * 1000), 100_000_000),
                code,
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_a_step_to_either_side() {
        let now = 1_111_111_111_000;
        let step = step_of(now);
        let good = code(SECRET, now);
        assert_eq!(accept(SECRET, &good, now, 0), Some(step));
        assert_eq!(accept(SECRET, &good, now, step), None, "used");
        assert_eq!(accept(SECRET, &good, now + 30_000, 0), Some(step));
        assert_eq!(accept(SECRET, &good, now - 30_000, 0), Some(step));
        assert_eq!(accept(SECRET, &good, now + 60_000, 0), None);
        assert_eq!(accept(SECRET, &good, now - 60_000, 0), None);
        let spaced = format!("{} {}", &good[..3], &good[3..]);
        assert_eq!(accept(SECRET, &spaced, now, 0), Some(step));
        for bad in [
            "",
            "12345",
            "1234567",
            "abcdef",
            "+12345",
            "-12345",
            "１２３４５６",
        ] {
            assert_eq!(accept(SECRET, bad, now, 0), None, "{bad}");
        }
    }

    #[test]
    fn an_app_is_told_who_and_where() {
        assert_eq!(read(&text(SECRET)).unwrap(), SECRET);
        assert!(read("MZXW6").is_none() && read("!").is_none());
        assert_eq!(
            address(SECRET, "li.wei", "区域 A"),
            "otpauth://totp/%E5%8C%BA%E5%9F%9F%20A:li.wei?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=%E5%8C%BA%E5%9F%9F%20A&algorithm=SHA1&digits=6&period=30"
        );
    }
}
