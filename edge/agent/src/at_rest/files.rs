//! Files, sealed where their path says so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use barefoot_imaging::Bytes;
use barefoot_trust::at_rest::{self, Header, Purpose, Writer, plain_length, sealed_start};

use super::of;
use crate::study_folder::sync_directory;

/// A file that was opened, whichever way it was written.
pub type Opened = at_rest::Opened<File>;

/// The head of a sealed file, not yet believed; `None` for a plain one, and for one that was never finished.
pub(super) fn header(path: &Path) -> io::Result<Option<Header>> {
    let mut file = File::open(path)?;
    let start = sealed_start(&mut file)?;
    Ok(start.and_then(|bytes| Header::parse(bytes).ok()))
}

/// Opens a file at its start.
///
/// # Errors
/// When it cannot be read, or was sealed and its key is not here or does not fit.
pub fn open(path: &Path) -> io::Result<Opened> {
    Opened::open(File::open(path)?, |scope, id| {
        let locked = || io::Error::other("it is sealed, and this box's keys are not unlocked");
        let (vault, _) = of(path).ok_or_else(locked)?;
        vault.find(scope, id)
    })
}

/// All of a file.
///
/// # Errors
/// As [`open`].
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.length()).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes of a file's content, without opening it.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn length(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let all = file.metadata()?.len();
    let sealed = sealed_start(&mut file)?.is_some();
    Ok(sealed.then(|| plain_length(all)).flatten().unwrap_or(all))
}

/// Whether every chunk of a sealed file is as it was; `None` for a plain one.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn whole(path: &Path) -> io::Result<Option<Purpose>> {
    match open(path)? {
        Opened::Plain { .. } => Ok(None),
        Opened::Sealed { mut reader, purpose } => {
            io::copy(&mut reader, &mut io::sink())?;
            Ok(Some(purpose))
        }
    }
}

/// An object for the readers of `barefoot_imaging`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a>(&'a Path);

impl barefoot_imaging::Stored for Stored<'_> {
    fn open(&self) -> io::Result<Box<dyn Bytes>> {
        Ok(Box::new(open(self.0)?))
    }
}

pub(crate) fn stored(path: &Path) -> Stored<'_> {
    Stored(path)
}

/// A file that is being written. Nothing of it is there before [`Created::finish`].
#[derive(Debug)]
pub(crate) enum Created {
    Plain(File),
    Sealed(Box<Writer<File>>),
}

/// Makes a file anew.
///
/// # Errors
/// When the disk fails.
pub(crate) fn create(path: &Path, mode: u32) -> io::Result<Created> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode);
    begin(&options, path)
}

fn begin(options: &OpenOptions, path: &Path) -> io::Result<Created> {
    let file = options.open(path)?;
    match of(path) {
        None => Ok(Created::Plain(file)),
        Some((vault, _)) => Ok(Created::Sealed(Box::new(Writer::begin(file, vault.cipher())?))),
    }
}

impl Created {
    /// Completes what the program wrote down at `path`; not synced.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn finish(self, path: &Path) -> io::Result<File> {
        match self {
            Self::Plain(file) => Ok(file),
            Self::Sealed(writer) => {
                let (vault, scope) = of(path).ok_or(io::ErrorKind::NotFound)?;
                let key = vault.record_key(scope)?;
                writer.complete()?.seal(scope, Purpose::State, &key)
            }
        }
    }
}

impl Write for Created {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Sealed(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Sealed(writer) => writer.flush(),
        }
    }
}

/// Whether a file is not sealed.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn is_plain(path: &Path) -> io::Result<bool> {
    Ok(sealed_start(&mut File::open(path)?)?.is_none())
}

/// Replaces a file for its owner only; after `Ok` it survives a power cut.
///
/// # Errors
/// When the disk fails; then the old file or the new one is there, never a mixture.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    write(&part, bytes)?.sync_all()?;
    fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Writes a file whole; not synced.
///
/// # Errors
/// When the disk fails.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = create(path, 0o600)?;
    file.write_all(bytes)?;
    file.finish(path)
}
