//! An instance on its way to the disk: sealed in memory, in a file that is made when the first of it is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use barefoot_trust::at_rest::{BLOCK, Purpose, Scope, Writer, Written};
use rustix::fs::{OFlags, fcntl_setfl};

use super::of;
use super::vault::{ImagesKey, scope};
use crate::study_folder::StudyKey;

/// From so many bytes on, a file that begins with them is written without the system's cache: what a scanner sends is more
/// than a box has memory, and to fill the cache with it costs the processor more than to seal it.
const DIRECT: usize = 256 * 1024;

/// A file that is not there before something is written to it, and must not be.
#[derive(Debug)]
pub(crate) struct Late {
    path: PathBuf,
    file: Option<File>,
    /// Whole blocks pass by the system's cache.
    is_direct: bool,
}

impl Late {
    fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            is_direct: false,
        }
    }

    fn make(&mut self) -> io::Result<&mut File> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&self.path)?;
        Ok(self.file.insert(file))
    }

    /// The file, from now on through the system's cache.
    fn cached(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            return self.make();
        }
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        if self.is_direct {
            fcntl_setfl(&*file, OFlags::empty())?;
            self.is_direct = false;
        }
        Ok(file)
    }

    /// Writes whole blocks past the system's cache; `None` where that cannot be.
    fn write_direct(&mut self, bytes: &[u8]) -> Option<io::Result<usize>> {
        if bytes.as_ptr().align_offset(BLOCK) != 0 {
            return None;
        }
        if self.file.is_none() && DIRECT <= bytes.len() {
            if let Err(error) = self.make() {
                return Some(Err(error));
            }
            // Not every file system can.
            self.is_direct = fcntl_setfl(self.file.as_ref()?, OFlags::DIRECT).is_ok();
        }
        let blocks = bytes
            .get(..bytes.len() / BLOCK * BLOCK)
            .filter(|it| !it.is_empty())?;
        let file = self.file.as_mut().filter(|_| self.is_direct)?;
        match file.write(blocks) {
            // Its blocks are larger, or it wants them elsewhere in memory.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
            written => Some(written),
        }
    }
}

impl Write for Late {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.write_direct(bytes) {
            Some(written) => written,
            None => self.cached()?.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Late {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.cached()?.read(bytes)
    }
}

impl Seek for Late {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.cached()?.seek(to)
    }
}

/// What has come so far. Nothing is written but by [`Arriving::write_out`] and at the end.
#[derive(Debug)]
pub(crate) enum Arriving {
    Plain(Plain),
    Sealed(Box<Writer<Late>>),
}

/// Where nothing is sealed.
#[derive(Debug)]
pub(crate) struct Plain {
    file: Late,
    gathered: Vec<u8>,
}

impl Plain {
    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
    }

    /// The file with everything in it; not synced.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn complete(mut self) -> io::Result<(File, Vec<u8>)> {
        self.write_out()?;
        self.file.cached()?;
        let file = self.file.file.ok_or(io::ErrorKind::NotFound)?;
        Ok((file, self.gathered))
    }
}

impl Arriving {
    /// For a file at `path`, which must not be there. What `buffer` holds goes; it is where bytes gather.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(crate) fn begin(path: &Path, mut buffer: Vec<u8>) -> io::Result<Self> {
        let file = Late::at(path);
        let Some((vault, _)) = of(path) else {
            buffer.clear();
            return Ok(Self::Plain(Plain {
                file,
                gathered: buffer,
            }));
        };
        let writer = Writer::begin_in(file, vault.cipher(), buffer)?;
        Ok(Self::Sealed(Box::new(writer)))
    }

    /// # Errors
    /// When it is longer than a file can be.
    pub(crate) fn gather(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(plain) => {
                plain.gathered.extend_from_slice(bytes);
                Ok(())
            }
            Self::Sealed(writer) => writer.gather(bytes),
        }
    }

    /// Bytes that wait to be written.
    pub(crate) fn gathered(&self) -> usize {
        match self {
            Self::Plain(plain) => plain.gathered.len(),
            Self::Sealed(writer) => writer.gathered(),
        }
    }

    /// # Errors
    /// When the disk fails.
    pub(crate) fn write_out(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.write_out(),
            Self::Sealed(writer) => writer.write_out(),
        }
    }

    /// The file, to have the disk begin with what waits in the system's cache; `None` where nothing does.
    pub(crate) fn file(&self) -> Option<&File> {
        let late = match self {
            Self::Plain(plain) => &plain.file,
            Self::Sealed(writer) => writer.get_ref(),
        };
        late.file.as_ref().filter(|_| !late.is_direct)
    }
}

/// Completes what was received: as an image of its study, or for quarantine. Not synced; the key is held until the file has
/// its place. The buffer comes back.
///
/// # Errors
/// When the disk fails.
pub(crate) fn seal_received(
    written: Written<Late>,
    path: &Path,
    study: Option<&StudyKey>,
) -> io::Result<(Option<ImagesKey>, Vec<u8>)> {
    let (vault, _) = of(path).ok_or(io::ErrorKind::NotFound)?;
    let Some(study) = study else {
        let key = vault.record_key(Scope::default())?;
        let (_, buffer) = written.seal_and_return(Scope::default(), Purpose::Quarantine, &key)?;
        return Ok((None, buffer));
    };
    let key = vault.images_key(study)?;
    let (_, buffer) = written.seal_and_return(scope(study), Purpose::Image, &key)?;
    Ok((Some(key), buffer))
}
