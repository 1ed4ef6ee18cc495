//! Where the box's key is kept.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use barefoot_trust::at_rest::BoxKeys;
use zeroize::Zeroizing;

use super::{Config, Error};
use crate::study_folder::sync_directory;

const CREDENTIAL: &str = "barefoot-box-key";

/// Where a box's key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Given by systemd, which had it sealed by a TPM or the machine's own key.
    Credential(PathBuf),
    /// A file the site named.
    Named(PathBuf),
    /// Made here, beside what it protects.
    Beside(PathBuf),
}

impl Place {
    pub(super) fn of(state: &Path, config: &Config) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self::among(state, config, credentials.as_deref())
    }

    fn among(state: &Path, config: &Config, credentials: Option<&Path>) -> Self {
        if let Some(path) = &config.box_key {
            return Self::Named(path.clone());
        }
        let credential = credentials.map(|folder| folder.join(CREDENTIAL));
        match credential.filter(|path| path.exists()) {
            Some(path) => Self::Credential(path),
            None => Self::Beside(state.join("identity/box.key")),
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Credential(path) | Self::Named(path) | Self::Beside(path) => path,
        }
    }

    /// For status and log: which kind of place, plainly.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Credential(_) => "systemd credential",
            Self::Named(_) => "file named by the site",
            Self::Beside(_) => "file beside the data",
        }
    }

    /// `None` where there is none.
    pub(super) fn read(&self) -> Result<Option<BoxKeys>, Error> {
        let path = self.path();
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::disk(path)(error)),
        };
        BoxKeys::parse(&text).map(Some).map_err(|source| Error::NoKey {
            path: path.display().to_string(),
            source,
        })
    }
}

/// Replaces the file by one with these generations; after `Ok` it survives a power cut.
pub(super) fn write(path: &Path, keys: &BoxKeys) -> Result<(), Error> {
    replace(path, keys).map_err(Error::disk(path))
}

fn replace(path: &Path, keys: &BoxKeys) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let part = path.with_extension("part");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&part)?;
    file.write_all(keys.to_text().as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_directory(folder)?;
    folder.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_comes_before_a_file_beside_the_data_and_the_site_before_both() {
        let folder = tempfile::tempdir().unwrap();
        let (state, given) = (folder.path().join("state"), folder.path().join("given"));
        let config = Config::default();
        let beside = Place::Beside(state.join("identity/box.key"));
        assert_eq!(Place::among(&state, &config, None), beside);
        assert_eq!(Place::among(&state, &config, Some(&given)), beside);
        let credential = given.join(CREDENTIAL);
        write(&credential, &BoxKeys::random().unwrap()).unwrap();
        let place = Place::among(&state, &config, Some(&given));
        assert_eq!(place, Place::Credential(credential));
        assert_eq!(place.read().unwrap().unwrap().generations(), 1);
        let named = Config {
            box_key: Some(folder.path().join("named")),
            ..Config::default()
        };
        let place = Place::among(&state, &named, Some(&given));
        assert_eq!(place, Place::Named(folder.path().join("named")));
        assert!(place.read().unwrap().is_none());
    }
}
