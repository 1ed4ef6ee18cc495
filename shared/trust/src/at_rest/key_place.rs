//! Where the key that seals all others is kept.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{BoxKeys, Error};

/// Where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// Given by systemd, which had it sealed by a TPM or the machine's own key.
    Credential(PathBuf),
    /// A file that the settings name.
    Named(PathBuf),
    /// Made here, beside what it protects.
    Beside(PathBuf),
}

/// Why a key that is there cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("it cannot be read")]
    Disk(#[from] io::Error),
    #[error("it is no such key")]
    Form(#[from] Error),
}

impl KeyPlace {
    /// The settings' file comes first, then the systemd credential of this name, then the file beside the data.
    #[must_use]
    pub fn of(named: Option<&Path>, credential: &str, beside: PathBuf) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self::among(named, credentials.as_deref(), credential, beside)
    }

    /// As [`Self::of`], with the folder of credentials said.
    #[must_use]
    pub fn among(
        named: Option<&Path>,
        credentials: Option<&Path>,
        credential: &str,
        beside: PathBuf,
    ) -> Self {
        if let Some(path) = named {
            return Self::Named(path.to_owned());
        }
        let credential = credentials.map(|folder| folder.join(credential));
        match credential.filter(|path| path.exists()) {
            Some(path) => Self::Credential(path),
            None => Self::Beside(beside),
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Credential(path) | Self::Named(path) | Self::Beside(path) => path,
        }
    }

    /// For status and log: which kind of place, plainly.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Credential(_) => "systemd credential",
            Self::Named(_) => "file named by the site",
            Self::Beside(_) => "file beside the data",
        }
    }

    /// `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is no such key.
    pub fn read(&self) -> Result<Option<BoxKeys>, KeyFileError> {
        let text = match fs::read_to_string(self.path()) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(BoxKeys::parse(&text)?))
    }
}

/// Writes the key where there is none yet; after `Ok` it survives a power cut. `false` where another process was first.
///
/// # Errors
/// When the disk fails.
pub fn write_first_key(path: &Path, keys: &BoxKeys) -> io::Result<bool> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    draft(path, &part, keys)?;
    let linked = fs::hard_link(&part, path);
    fs::remove_file(&part)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        other => {
            other?;
            settle(path)?;
            Ok(true)
        }
    }
}

/// Replaces the file by one with these generations; after `Ok` it survives a power cut.
///
/// # Errors
/// When the disk fails.
pub fn replace_key(path: &Path, keys: &BoxKeys) -> io::Result<()> {
    let part = path.with_extension("part");
    draft(path, &part, keys)?;
    fs::rename(&part, path)?;
    settle(path)
}

/// The whole key, on disk, under another name.
fn draft(path: &Path, part: &Path, keys: &BoxKeys) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(part)?;
    file.write_all(keys.to_text().as_bytes())?;
    file.sync_all()
}

fn settle(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => File::open(above)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_comes_before_a_file_beside_the_data_and_the_settings_before_both() {
        let folder = tempfile::tempdir().unwrap();
        let given = folder.path().join("given");
        let beside = folder.path().join("state/identity/the.key");
        let place = |named: Option<&Path>, given: Option<&Path>| {
            KeyPlace::among(named, given, "the-key", beside.clone())
        };
        assert_eq!(place(None, None), KeyPlace::Beside(beside.clone()));
        assert_eq!(place(None, Some(&given)), KeyPlace::Beside(beside.clone()));
        let credential = given.join("the-key");
        replace_key(&credential, &BoxKeys::random().unwrap()).unwrap();
        let found = place(None, Some(&given));
        assert_eq!(found, KeyPlace::Credential(credential));
        assert_eq!(found.read().unwrap().unwrap().generations(), 1);
        let named = folder.path().join("named");
        let found = place(Some(&named), Some(&given));
        assert_eq!(found, KeyPlace::Named(named.clone()));
        assert!(found.read().unwrap().is_none());
        fs::write(&named, "no key").unwrap();
        assert!(matches!(found.read(), Err(KeyFileError::Form(_))));
    }

    #[test]
    fn of_two_that_make_the_first_key_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity/the.key");
        let (first, second) = (BoxKeys::random().unwrap(), BoxKeys::random().unwrap());
        assert!(write_first_key(&path, &first).unwrap());
        assert!(!write_first_key(&path, &second).unwrap());
        let there = KeyPlace::Beside(path.clone()).read().unwrap().unwrap();
        assert_eq!(there.newest_id().unwrap(), first.newest_id().unwrap());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
