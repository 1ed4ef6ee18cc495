use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use super::file::Scope;
use super::secret::{Secret, fill_random};
use super::{Cipher, Error, open_value, seal_value};

pub(super) const ID_BYTES: usize = 8;

/// The first line of a box's key, as a file or a credential.
const BOX_KEY_HEAD: &str = "barefoot-box-key 1";

/// A key's public name: random, and no part of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| Error::Form)?;
        bytes.try_into().map(Self).map_err(|_| Error::Form)
    }
}

/// A key with its name.
#[derive(Debug, Clone)]
pub struct Key {
    id: KeyId,
    pub(super) secret: Secret,
}

impl Key {
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<Self, Error> {
        let mut id = [0; ID_BYTES];
        fill_random(&mut id)?;
        Ok(Self {
            id: KeyId(id),
            secret: Secret::random()?,
        })
    }

    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// This key as its small file holds it: sealed with the newest generation of the box's key, for `scope` only.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn wrap(&self, cipher: Cipher, with: &BoxKeys, scope: Scope) -> Result<Vec<u8>, Error> {
        seal_value(
            cipher,
            with.newest()?,
            &wrapping(self.id, scope),
            self.secret.bytes(),
        )
    }

    /// # Errors
    /// When the bytes are not this key for this scope, or the box's key is another.
    pub fn unwrap(bytes: &[u8], with: &BoxKeys, id: KeyId, scope: Scope) -> Result<Self, Error> {
        let secret = Zeroizing::new(open_value(|id| with.generation(id), &wrapping(id, scope), bytes)?);
        Ok(Self {
            id,
            secret: Secret::from_slice(&secret)?,
        })
    }
}

fn wrapping(id: KeyId, scope: Scope) -> Vec<u8> {
    [b"key\0".as_slice(), &scope.0, &id.0].concat()
}

/// The box's key: generations, the newest last. Only other keys are sealed with it.
#[derive(Debug, Clone)]
pub struct BoxKeys(Vec<Key>);

impl BoxKeys {
    /// A first generation.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<Self, Error> {
        Ok(Self(vec![Key::random()?]))
    }

    /// With one more generation, which seals from now on.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn with_next(mut self) -> Result<Self, Error> {
        self.0.push(Key::random()?);
        Ok(self)
    }

    /// Without the older generations: what they sealed does not open any more.
    #[must_use]
    pub fn newest_only(mut self) -> Self {
        self.0.drain(..self.0.len().saturating_sub(1));
        self
    }

    /// How many generations there are.
    #[must_use]
    pub fn generations(&self) -> usize {
        self.0.len()
    }

    /// The newest generation's name.
    ///
    /// # Errors
    /// Never for keys that were made or read.
    pub fn newest_id(&self) -> Result<KeyId, Error> {
        self.newest().map(Key::id)
    }

    fn newest(&self) -> Result<&Key, Error> {
        self.0.last().ok_or(Error::NoBoxKey)
    }

    fn generation(&self, id: KeyId) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// The text that a file or a credential holds.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64 + 64 * self.0.len()));
        text.push_str(BOX_KEY_HEAD);
        text.push('\n');
        for key in &self.0 {
            text.push_str(&key.id.to_string());
            text.push(' ');
            text.push_str(&Zeroizing::new(BASE64.encode(key.secret.bytes())));
            text.push('\n');
        }
        text
    }

    /// # Errors
    /// When the text is no box's key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, head)| head != BOX_KEY_HEAD) {
            return Err(Error::BoxKey { line: 1 });
        }
        let mut keys = Vec::new();
        for (number, line) in lines {
            let key = parse_line(line).ok_or(Error::BoxKey { line: number + 1 })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(Error::NoBoxKey);
        }
        Ok(Self(keys))
    }
}

fn parse_line(line: &str) -> Option<Key> {
    let (id, secret) = line.split_once(' ')?;
    let secret = Zeroizing::new(BASE64.decode(secret.as_bytes()).ok()?);
    Some(Key {
        id: id.parse().ok()?,
        secret: Secret::from_slice(&secret).ok()?,
    })
}
