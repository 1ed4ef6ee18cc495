use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{ReleaseError, ReleaseFile};

/// Where a repository's metadata is read from: a folder, a stick, a line. Nothing it gives is believed.
pub trait ReadMetadata {
    /// The file at a path such as `metadata/3.root.json`; `None` where there is none.
    ///
    /// At most `limit + 1` bytes are read, however long the file is: more than `limit` says it is too long.
    ///
    /// # Errors
    /// When the file is there but cannot be read, or nobody can say whether it is there.
    fn read(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>>;
}

impl<F: Fn(&str, usize) -> io::Result<Option<Vec<u8>>>> ReadMetadata for F {
    fn read(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        self(path, limit)
    }
}

/// A repository in a folder: `metadata/` and `targets/`.
#[derive(Debug, Clone)]
pub struct DirectorySource(PathBuf);

impl DirectorySource {
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// A release's file, not checked yet: read it through [`ReleaseFile::copy_verified`].
    ///
    /// # Errors
    /// When it is missing or cannot be opened.
    pub fn open_target(&self, file: &ReleaseFile) -> Result<File, ReleaseError> {
        match open(&self.0.join(file.stored_at())) {
            Ok(Some(opened)) => Ok(opened),
            Ok(None) => Err(ReleaseError::Missing {
                file: file.stored_at(),
            }),
            Err(source) => Err(ReleaseError::Read {
                file: file.stored_at(),
                source,
            }),
        }
    }
}

impl ReadMetadata for DirectorySource {
    fn read(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = open(&self.0.join(path))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// Only a plain file: a stick may hold a pipe or a link to anywhere under a name of ours.
fn open(path: &Path) -> io::Result<Option<File>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(found) if !found.is_file() => Err(io::Error::new(io::ErrorKind::InvalidData, "not a plain file")),
        Ok(_) => File::open(path).map(Some),
    }
}
