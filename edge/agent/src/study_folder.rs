//! Where things lie below the state directory, and the names they have there.
//!
//! ```text
//! intake/<ulid>.part              being received
//! quarantine/<ulid>.dcm           received whole, not understood
//! studies/<key>/instances/<h>.dcm one file an instance, <h> from its SOP Instance UID
//! studies/<key>/instances/<h>.conflict-<d>.dcm   other bytes under the same UID
//! studies/<key>/case.log          what happened to the study
//! studies/<key>/v<n>/             pictures made from version n; can be made again
//! studies/<key>/instances.log     what can be asked of each instance; can be made again
//! studies/<key>/instances.sum     what the lines of instances.log come to; can be made again
//! worklist/<ulid>.order           what was ordered
//! mpps/<h>.step                   what a scanner says of its work
//! studies/<key>/results/<h>.dcm   objects made from the study, for archives
//! studies/<key>/results/v<n>.complete   all that version n becomes is there
//! results.begun                   since when studies become objects for archives
//! deliver/<node>.log              what each node was sent
//! images/sent.log                 whose images the hub has
//! images/<key>-<n>/               what was made ready of version n's images; can be made again
//! commitment.log                  promises of storage asked for and given
//! queue/                          the store-and-forward queue
//! training/                       examples to learn from, rounds, what they cost (`federation::folder`)
//! ```
//! A name received from outside never becomes a path: keys are hashes.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use barefoot_domain::StudyUid;
use ring::digest;

/// The folder name of a study, also its name in the clinic page's addresses: the first 128 bits of
/// SHA-256 of the Study Instance UID, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StudyKey(String);

impl StudyKey {
    #[must_use]
    pub(crate) fn of(study: &StudyUid) -> Self {
        Self(hashed(study.as_str()))
    }

    /// `None` when `text` is no key; what comes from a URL goes through here.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 32 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StudyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The file stem of an instance.
#[must_use]
pub(crate) fn instance_stem(sop_instance_uid: &str) -> String {
    hashed(sop_instance_uid)
}

fn hashed(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .iter()
        .take(16))
}

/// Lower-case hex.
pub(crate) fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// The state directory.
#[derive(Debug, Clone)]
pub(crate) struct StateDirectory(PathBuf);

impl StateDirectory {
    /// Makes the fixed folders where they are missing.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let state = Self(root.to_owned());
        for directory in [
            root.to_owned(),
            state.intake(),
            state.quarantine(),
            state.studies(),
        ] {
            fs::create_dir_all(directory)?;
        }
        sync_directory(root)?;
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
        Ok(state)
    }

    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    #[must_use]
    pub(crate) fn intake(&self) -> PathBuf {
        self.0.join("intake")
    }

    #[must_use]
    pub(crate) fn quarantine(&self) -> PathBuf {
        self.0.join("quarantine")
    }

    #[must_use]
    pub(crate) fn studies(&self) -> PathBuf {
        self.0.join("studies")
    }

    #[must_use]
    pub(crate) fn queue(&self) -> PathBuf {
        self.0.join("queue")
    }

    #[must_use]
    pub(crate) fn training(&self) -> PathBuf {
        self.0.join("training")
    }

    #[must_use]
    pub(crate) fn worklist(&self) -> PathBuf {
        self.0.join("worklist")
    }

    #[must_use]
    pub(crate) fn mpps(&self) -> PathBuf {
        self.0.join("mpps")
    }

    #[must_use]
    pub(crate) fn study(&self, key: &StudyKey) -> PathBuf {
        self.studies().join(key.as_str())
    }

    #[must_use]
    pub(crate) fn instances(&self, key: &StudyKey) -> PathBuf {
        self.study(key).join("instances")
    }

    /// Where a study's images go before they are removed.
    #[must_use]
    pub(crate) fn removed_instances(&self, key: &StudyKey) -> PathBuf {
        self.study(key).join("removed")
    }

    #[must_use]
    pub(crate) fn results(&self, key: &StudyKey) -> PathBuf {
        self.study(key).join("results")
    }

    #[must_use]
    pub(crate) fn results_begun(&self) -> PathBuf {
        self.0.join("results.begun")
    }

    #[must_use]
    pub(crate) fn deliver(&self) -> PathBuf {
        self.0.join("deliver")
    }

    #[must_use]
    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    #[must_use]
    pub(crate) fn commitment_log(&self) -> PathBuf {
        self.0.join("commitment.log")
    }

    #[must_use]
    pub(crate) fn case_log(&self, key: &StudyKey) -> PathBuf {
        self.study(key).join("case.log")
    }

    #[must_use]
    pub(crate) fn pictures(&self, key: &StudyKey, version: u32) -> PathBuf {
        self.study(key).join(format!("v{version}"))
    }
}

/// Makes the entries of a directory survive a power cut.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Gives the file another name, unless that is taken: nothing that was stored can be overwritten.
pub(crate) fn rename_to_free(from: &Path, to: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags};
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashes_and_nothing_else_is_a_key() {
        let key = StudyKey::of(&StudyUid::new("1.2.3").unwrap());
        assert_eq!(StudyKey::parse(key.as_str()), Some(key.clone()));
        assert!(!key.as_str().contains("1.2.3"));
        for bad in [
            "",
            "..",
            "../../etc/passwd",
            &key.as_str().to_uppercase(),
            &format!("{key}0"),
        ] {
            assert_eq!(StudyKey::parse(bad), None, "{bad}");
        }
    }
}
