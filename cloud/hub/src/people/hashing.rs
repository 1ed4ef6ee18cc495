use barefoot_trust::person_key::{KeyError, SALT_BYTES, SealingKey, hash_password, password_fits, random};
use data_encoding::BASE64;
use tokio::sync::Semaphore;

use super::password::Password;
use super::{Error, secrets};
use crate::archive::Credentials;

/// Each takes 19 MiB and a core for tens of milliseconds.
const AT_ONCE: usize = 2;
/// More who wait are told that the hub is busy.
const WAITING: usize = 64;

/// The slow part of passwords, beside the threads that serve, and bounded.
#[derive(Debug)]
pub(super) struct Hashing {
    running: Semaphore,
    places: Semaphore,
    /// Held against by who has no password, so that an unknown name takes as long as a known one.
    nobody: String,
}

/// What a password opens.
pub(super) struct Opened {
    pub(super) fits: bool,
    pub(super) key: SealingKey,
}

impl Hashing {
    pub(super) fn new() -> Result<Self, Error> {
        let hash = hash_password(&BASE64.encode(&random::<32>()?))?;
        Ok(Self {
            running: Semaphore::new(AT_ONCE),
            places: Semaphore::new(WAITING),
            nobody: hash,
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, Error> {
        let _place = self.places.try_acquire().map_err(|_| Error::Busy)?;
        let _turn = self.running.acquire().await.map_err(|_| Error::Busy)?;
        let done = tokio::task::spawn_blocking(work).await;
        // It only fails when the work panicked, or the hub stops.
        Ok(done.map_err(|_| Error::Busy)??)
    }

    /// The same work whether there are secrets or not, and whether the password fits or not.
    pub(super) async fn open(
        &self,
        password: &Password,
        secrets: Option<&Credentials>,
    ) -> Result<Opened, Error> {
        let (hash, salt) = match secrets {
            Some(known) => (known.password.clone(), known.seal_salt.clone()),
            None => (self.nobody.clone(), secrets::sha256(b"nobody").to_vec()),
        };
        let known = secrets.is_some();
        // What is far too long is not hashed; it takes as long all the same.
        let password = if password.is_within_bounds() {
            password.clone()
        } else {
            Password::from("")
        };
        self.run(move || {
            let fits = password_fits(password.text(), &hash);
            let salt = salt.get(..SALT_BYTES).unwrap_or_default();
            let key = SealingKey::derive(password.text(), salt)?;
            Ok(Opened {
                fits: fits && known,
                key,
            })
        })
        .await
    }

    /// The hash to store and the key that seals, both with fresh salts.
    pub(super) async fn make(&self, password: &Password) -> Result<(String, Vec<u8>, SealingKey), Error> {
        let password = password.clone();
        self.run(move || {
            let salt: [u8; SALT_BYTES] = random()?;
            let hash = hash_password(password.text())?;
            let key = SealingKey::derive(password.text(), &salt)?;
            Ok((hash, salt.to_vec(), key))
        })
        .await
    }
}
