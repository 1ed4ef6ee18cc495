//! The state directory: one hub at a time, and where its listeners are bound.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot make the state directory {path}: check its parent and this user's rights")]
    Create { path: String, source: std::io::Error },
    #[error("cannot lock {path}")]
    Lock { path: String, source: std::io::Error },
    #[error("another hub is running with the state directory {path}")]
    InUse { path: String },
    #[error("cannot write {path}")]
    Write { path: String, source: std::io::Error },
    #[error("a backup of the state directory {path} is being made")]
    BackedUp { path: String },
    #[error("a restore into {path} did not come to its end: remove all that lies there and restore again")]
    Unready { path: String },
}

/// The directory, held for as long as the hub runs.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

/// The database's file in a state directory.
pub(crate) fn database_of(directory: &Path) -> PathBuf {
    directory.join("barefoot.db")
}

/// `addresses.json`; removed on a clean stop.
#[derive(Debug)]
pub(crate) struct PublishedAddresses(PathBuf);

/// Held by whoever makes a backup, and by whoever must not while one is made.
#[derive(Debug)]
pub(crate) struct BackupLock {
    _lock: File,
}

impl BackupLock {
    pub(crate) fn take(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("backup.lock");
        let lock = lock(&path)?.ok_or_else(|| Error::BackedUp {
            path: directory.display().to_string(),
        })?;
        Ok(Self { _lock: lock })
    }
}

/// `None` where another process has it.
fn lock(path: &Path) -> Result<Option<File>, Error> {
    let failed = |source| Error::Lock {
        path: path.display().to_string(),
        source,
    };
    let lock = File::create(path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// A state directory that is being filled: no hub starts in it.
#[derive(Debug)]
pub(crate) struct Unready(PathBuf);

impl Unready {
    const NAME: &str = "restoring";

    pub(crate) fn mark(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(Self::NAME);
        let made = File::create(&path).and_then(|file| {
            file.sync_all()?;
            File::open(directory)?.sync_all()
        });
        made.map_err(|source| Error::Write {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self(path))
    }

    pub(crate) fn is_mark(path: &Path) -> bool {
        path.ends_with(Self::NAME)
    }

    /// What is here is a hub's state, or nothing.
    pub(crate) fn ends(self) -> Result<(), Error> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        fs::remove_file(&self.0)
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|source| Error::Write {
                path: self.0.display().to_string(),
                source,
            })
    }
}

impl StateDirectory {
    /// Makes the directory where it is missing; readable by this user only.
    pub(crate) fn make(path: &Path) -> Result<(), Error> {
        if path.join(Unready::NAME).exists() {
            return Err(Error::Unready {
                path: path.display().to_string(),
            });
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| Error::Create {
                path: path.display().to_string(),
                source,
            })
    }

    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::make(path)?;
        match lock(&path.join("lock"))? {
            Some(lock) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            None => Err(Error::InUse {
                path: path.display().to_string(),
            }),
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        database_of(&self.path)
    }

    pub(crate) fn chunks(&self) -> PathBuf {
        self.path.join("chunks")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.path.join("images")
    }

    pub(crate) fn releases(&self) -> PathBuf {
        self.path.join("releases")
    }

    /// Written under another name and renamed, so that a reader sees all of it or nothing.
    pub(crate) fn publish_addresses(
        &self,
        addresses: &BTreeMap<&'static str, SocketAddr>,
    ) -> Result<PublishedAddresses, Error> {
        let path = self.path.join("addresses.json");
        let draft = self.path.join("addresses.json.new");
        let text = serde_json::json!({ "pid": std::process::id(), "addresses": addresses }).to_string();
        let attempt = || {
            let mut file = File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&draft, &path)
        };
        attempt().map_err(|source| Error::Write {
            path: path.display().to_string(),
            source,
        })?;
        Ok(PublishedAddresses(path))
    }
}

impl Drop for PublishedAddresses {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "The list of addresses was not removed.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hub_at_a_time_and_its_addresses_leave_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/state");
        let first = StateDirectory::open(&path).unwrap();
        assert!(matches!(StateDirectory::open(&path), Err(Error::InUse { .. })));
        let address: SocketAddr = "127.0.0.1:8090".parse().unwrap();
        let published = first
            .publish_addresses(&BTreeMap::from([("page", address)]))
            .unwrap();
        let text = fs::read_to_string(path.join("addresses.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["addresses"]["page"], "127.0.0.1:8090");
        assert_eq!(json["pid"], std::process::id());
        drop(published);
        assert!(!path.join("addresses.json").exists());
        drop(first);
        StateDirectory::open(&path).unwrap();
    }
}
