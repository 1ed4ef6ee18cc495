use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use barefoot_domain::ClinicId;
use barefoot_trust::Pem;
use barefoot_trust::enrolment::BoxKey;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::durable;
use crate::study_folder::sync_directory;

const FOLDER: &str = "identity";
const MEMBERSHIP: &str = "membership.json";
const PENDING_KEY: &str = "pending.key";

/// What the hub told and the key it is for, in one file: they never come from two answers.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    #[serde(with = "clinic_id")]
    pub(super) clinic: ClinicId,
    /// The box's own, PEM.
    pub(super) key: String,
    /// The box's certificate, with those above it.
    pub(super) certificates: String,
    pub(super) authorities: String,
    pub(super) hub: Addresses,
    /// The hub knows that this certificate is stored.
    pub(super) confirmed: bool,
    /// What this box's clock lacked to the hub's, seconds.
    pub(super) clock_behind_s: i64,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("clinic", &self.clinic)
            .finish_non_exhaustive()
    }
}

mod clinic_id {
    use barefoot_domain::ClinicId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(clinic: &ClinicId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(clinic.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ClinicId, D::Error> {
        ClinicId::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// `host:port` each; empty where the hub does not offer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Addresses {
    pub(super) mqtt: String,
    pub(super) services: String,
    pub(super) images: String,
    pub(super) enrolment: String,
}

impl Stored {
    pub(super) fn pem(&self) -> Pem<'_> {
        Pem {
            authorities: &self.authorities,
            chain: &self.certificates,
            key: &self.key,
        }
    }
}

/// `None` for a box that was never enrolled.
pub(super) fn read(state: &Path) -> Result<Option<Stored>, Error> {
    let path = folder(state).join(MEMBERSHIP);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = load(&path)?.ok_or_else(|| unusable(state))?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| unusable(state))
}

pub(super) fn write(state: &Path, stored: &Stored) -> Result<(), Error> {
    let path = folder(state).join(MEMBERSHIP);
    let bytes = serde_json::to_vec(stored).map_err(|_| unusable(state))?;
    durable::replace(&path, &bytes).map_err(|source| failed(&path, source))
}

/// Whether there is something to read.
pub(crate) fn is_there(state: &Path) -> bool {
    folder(state).join(MEMBERSHIP).exists()
}

/// The key of an enrolment that is under way, made with the first call: a box that lost power goes on with the same one. Each
/// enrolment has its own, so that whoever copied the box before has nothing in common with it after.
pub(super) fn pending_key(state: &Path) -> Result<BoxKey, Error> {
    let path = folder(state).join(PENDING_KEY);
    fs::create_dir_all(folder(state)).map_err(|source| failed(&path, source))?;
    if !path.exists() {
        let made = BoxKey::generate().map_err(|source| Error::Identity { source })?;
        sync_directory(state).map_err(|source| failed(&path, source))?;
        durable::replace(&path, made.pem().as_bytes()).map_err(|source| failed(&path, source))?;
    }
    let bytes = load(&path)?.ok_or_else(|| unusable(state))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable(state))?;
    BoxKey::parse(&text).map_err(|_| unusable(state))
}

/// The enrolment is over.
pub(super) fn forget_pending(state: &Path) {
    let path = folder(state).join(PENDING_KEY);
    if let Err(error) = durable::destroy(&path) {
        tracing::warn!(%error, "A key that is not needed any more could not be removed.");
    }
}

fn folder(state: &Path) -> PathBuf {
    state.join(FOLDER)
}

fn load(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    durable::read(path).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::Read {
        path: path.display().to_string(),
        source,
    }
}

pub(super) fn unusable(state: &Path) -> Error {
    Error::Stored {
        path: folder(state).display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_what_is_damaged_is_named() {
        let state = tempfile::tempdir().unwrap();
        let made = pending_key(state.path()).unwrap().pem();
        assert_eq!(*made, *pending_key(state.path()).unwrap().pem());
        forget_pending(state.path());
        assert_ne!(*made, *pending_key(state.path()).unwrap().pem());
        assert!(read(state.path()).unwrap().is_none());
        let path = state.path().join(FOLDER).join(MEMBERSHIP);
        fs::write(&path, b"cut").unwrap();
        let error = read(state.path()).unwrap_err().to_string();
        assert!(error.contains("identity") && error.contains("Enrol"), "{error}");
    }
}
