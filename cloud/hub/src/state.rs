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

impl StateDirectory {
    /// Makes the directory where it is missing; readable by this user only.
    pub(crate) fn make(path: &Path) -> Result<(), Error> {
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
        let lock_path = path.join("lock");
        let failed = |source| Error::Lock {
            path: lock_path.display().to_string(),
            source,
        };
        let lock = File::create(&lock_path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse {
                path: path.display().to_string(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
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
