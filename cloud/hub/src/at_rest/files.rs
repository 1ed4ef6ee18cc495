//! Files of images.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_imaging::Bytes;
use barefoot_trust::at_rest::{
    Header, Opened, Purpose, Scope, Writer, Written, key_of_value, open_value, plain_length, seal_value,
    sealed_start,
};

use super::Vault;

/// A file that is kept: where it is, and what opens it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    path: PathBuf,
    vault: Arc<Vault>,
}

impl Kept {
    pub(crate) fn new(path: PathBuf, vault: Arc<Vault>) -> Self {
        Self { path, vault }
    }

    /// Opens it at its start.
    ///
    /// # Errors
    /// When it cannot be read, was changed or cut, or its key is not here.
    pub(crate) fn open(&self) -> io::Result<Opened<File>> {
        Opened::open(File::open(&self.path)?, |_, id| self.vault.find(id))
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut file = self.open()?;
        let mut bytes = Vec::with_capacity(usize::try_from(file.length()).unwrap_or_default());
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl barefoot_imaging::Stored for Kept {
    fn open(&self) -> io::Result<Box<dyn Bytes>> {
        Ok(Box::new(Self::open(self)?))
    }
}

impl Vault {
    /// Begins a file that must not be there yet.
    ///
    /// # Errors
    /// When it is there, or the disk fails.
    pub(crate) fn create_new(&self, path: &Path) -> io::Result<Writer<File>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(path)?;
        Writer::begin(file, self.cipher())
    }

    /// A part of an object that is not whole yet, at its place.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(crate) fn seal_piece(&self, offset: u64, piece: &[u8]) -> io::Result<Vec<u8>> {
        let sealed = seal_value(self.cipher(), self.current(), &piece_at(offset), piece)?;
        Ok(sealed)
    }

    /// # Errors
    /// When it was changed, stood elsewhere, or its key is not here.
    pub(crate) fn open_piece(&self, offset: u64, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let key = self.find(key_of_value(sealed)?)?;
        Ok(open_value(|_| Some(&*key), &piece_at(offset), sealed)?)
    }

    /// Completes a file; only now it can be read. Synced.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn finish(&self, written: Written<File>) -> io::Result<()> {
        let file = written.seal(Scope::default(), Purpose::Image, self.current())?;
        file.sync_data()
    }
}

fn piece_at(offset: u64) -> Vec<u8> {
    [b"hub\0piece".as_slice(), &offset.to_le_bytes()].concat()
}

/// Bytes of a file's content, without opening it; `None` where there is no file.
pub(crate) fn length_of(path: &Path) -> io::Result<Option<u64>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let all = file.metadata()?.len();
    let sealed = sealed_start(&mut file)?.is_some();
    Ok(Some(if sealed { plain_bytes(all) } else { all }))
}

/// The same for a sealed file of `all` bytes.
pub(crate) fn plain_bytes(all: u64) -> u64 {
    plain_length(all).unwrap_or(all)
}

/// Removes a file, its own key first: what the disk still has of it is noise.
pub(crate) fn destroy(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if sealed_start(&mut file)?.is_some() {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[0; Header::BYTES])?;
        file.sync_data()?;
    }
    fs::remove_file(path)
}
