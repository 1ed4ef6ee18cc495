use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// With a second factor beside it; NIST SP 800-63B asks for eight.
const FEWEST_CHARS: usize = 10;
/// More costs time and makes nothing safer.
const MOST_BYTES: usize = 256;

/// As it was typed; wiped when dropped, and never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Password(Zeroizing<String>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(secret)")
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

/// Why a password is not taken.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasswordMistake {
    #[error("a password has at least {FEWEST_CHARS} characters")]
    Short,
    #[error("a password has at most {MOST_BYTES} bytes")]
    Long,
    #[error("the password is too easy: the same characters over and over, a row, or the sign-in name")]
    Easy,
    #[error("the two passwords differ")]
    Differs,
}

impl Password {
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Longer ones are refused before any work is done.
    pub(super) fn is_within_bounds(&self) -> bool {
        self.0.len() <= MOST_BYTES
    }

    /// May it become `name`'s password?
    pub(super) fn check(&self, repeated: &Self, name: &str) -> Result<(), PasswordMistake> {
        let text = self.text();
        if text != repeated.text() {
            return Err(PasswordMistake::Differs);
        }
        if !self.is_within_bounds() {
            return Err(PasswordMistake::Long);
        }
        if text.chars().count() < FEWEST_CHARS {
            return Err(PasswordMistake::Short);
        }
        if text.to_lowercase().contains(name) || is_easy(text) {
            return Err(PasswordMistake::Easy);
        }
        Ok(())
    }
}

/// Few different characters, or each the next of the one before.
fn is_easy(text: &str) -> bool {
    let different: std::collections::BTreeSet<char> = text.chars().collect();
    let codes: Vec<u32> = text.chars().map(u32::from).collect();
    let steps = codes
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.abs_diff(*b) <= 1))
        .count();
    different.len() < 5 || codes.len() <= steps + 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easy_passwords_are_not_taken() {
        let check = |text: &str| Password::from(text).check(&text.into(), "li.wei");
        for good in ["correct horse", "春眠不觉晓处处闻啼鸟", "x7#kQ9!pLm"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("short", PasswordMistake::Short),
            ("aaaaaaaaaaaa", PasswordMistake::Easy),
            ("123456789012", PasswordMistake::Easy),
            ("abcdefghijkl", PasswordMistake::Easy),
            ("xx-Li.Wei-2026", PasswordMistake::Easy),
            (&"long enough ".repeat(30), PasswordMistake::Long),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
        let differs = Password::from("correct horse").check(&"correct horsf".into(), "li");
        assert_eq!(differs, Err(PasswordMistake::Differs));
    }

    #[test]
    fn a_password_is_never_printed() {
        let shown = format!("{:?}", Password::from("correct horse"));
        assert_eq!(shown, "Password(secret)");
    }
}
