use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::Error;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// A PIN as it is kept: Argon2id with a salt of its own. What it was hashed with stands beside it, so that it can be made
/// dearer later.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct HashedPin {
    memory_kib: u32,
    passes: u32,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

impl fmt::Debug for HashedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedPin(secret)")
    }
}

impl HashedPin {
    /// # Errors
    /// When it is no PIN, or the random source fails.
    pub(super) fn of(pin: &str) -> Result<Self, Error> {
        if !is_pin(pin) {
            return Err(Error::Pin);
        }
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| Error::Hash)?;
        let (memory_kib, passes) = if cfg!(test) {
            (64, 1)
        } else {
            (Params::DEFAULT_M_COST, Params::DEFAULT_T_COST)
        };
        Ok(Self {
            memory_kib,
            passes,
            salt,
            hash: hashed(pin, memory_kib, passes, &salt).ok_or(Error::Hash)?,
        })
    }

    pub(super) fn is(&self, pin: &str) -> bool {
        hashed(pin, self.memory_kib, self.passes, &self.salt)
            .is_some_and(|hash| differences(&hash, &self.hash) == 0)
    }
}

fn hashed(pin: &str, memory_kib: u32, passes: u32, salt: &[u8]) -> Option<[u8; HASH_BYTES]> {
    let params = Params::new(memory_kib, passes, 1, Some(HASH_BYTES)).ok()?;
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(pin.as_bytes(), salt, &mut hash)
        .ok()?;
    Some(hash)
}

/// Looks at every byte, however early two differ.
fn differences(one: &[u8; HASH_BYTES], other: &[u8; HASH_BYTES]) -> u8 {
    one.iter().zip(other).fold(0, |found, (a, b)| found | (a ^ b))
}

/// 4 to 12 digits, not what everybody tries first.
fn is_pin(pin: &str) -> bool {
    let digits: Vec<u8> = pin.bytes().collect();
    let steps: Vec<i16> = digits
        .windows(2)
        .filter_map(|pair| Some(i16::from(*pair.last()?) - i16::from(*pair.first()?)))
        .collect();
    let is_simple = [-1, 0, 1]
        .iter()
        .any(|simple| steps.iter().all(|step| step == simple));
    (4..=12).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) && !is_simple
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_digits_that_nobody_tries_first() {
        for good in ["4711", "902817364512", "1224"] {
            assert!(is_pin(good), "{good}");
        }
        for bad in [
            "",
            "123",
            "1234",
            "9876",
            "0000",
            "1234567890123",
            "12a4",
            "１２２４",
        ] {
            assert!(!is_pin(bad), "{bad}");
        }
    }

    #[test]
    fn the_same_pin_is_kept_differently_each_time() {
        let (one, other) = (HashedPin::of("4711").unwrap(), HashedPin::of("4711").unwrap());
        assert_ne!(one.hash, other.hash);
        assert!(one.is("4711") && other.is("4711") && !one.is("4712") && !one.is(""));
        assert!(!format!("{one:?}").contains("4711"));
    }
}
