use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::{Header, Key, KeyId, Purpose, Reader, Scope, is_sealed_file};

/// A file that was opened, whichever way it was written.
#[derive(Debug)]
pub enum Opened<R> {
    Plain {
        file: R,
        length: u64,
    },
    Sealed {
        reader: Box<Reader<R>>,
        purpose: Purpose,
    },
}

/// The first bytes of a file that is sealed, or was begun to be.
///
/// # Errors
/// When it cannot be read.
pub fn sealed_start(file: &mut impl Read) -> io::Result<Option<[u8; Header::BYTES]>> {
    let mut bytes = [0; Header::BYTES];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(is_sealed_file(&bytes).then_some(bytes))
}

impl<R: Read + Seek> Opened<R> {
    /// Opens a file at its start; `find` gives the key that its head names.
    ///
    /// # Errors
    /// When it cannot be read, or was sealed and its key is not there or does not fit.
    pub fn open(mut file: R, find: impl FnOnce(Scope, KeyId) -> io::Result<Arc<Key>>) -> io::Result<Self> {
        let Some(bytes) = sealed_start(&mut file)? else {
            let length = file.seek(SeekFrom::End(0))?;
            file.seek(SeekFrom::Start(0))?;
            return Ok(Self::Plain { file, length });
        };
        let header = Header::parse(bytes)?;
        let key = find(header.scope(), header.key())?;
        Ok(Self::Sealed {
            reader: Box::new(Reader::open(file, &header, &key)?),
            purpose: header.purpose(),
        })
    }

    /// Bytes of its content.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Plain { length, .. } => *length,
            Self::Sealed { reader, .. } => reader.length(),
        }
    }
}

impl<R: Read + Seek> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain { file, .. } => file.read(buffer),
            Self::Sealed { reader, .. } => reader.read(buffer),
        }
    }
}

impl<R: Read + Seek> Seek for Opened<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Plain { file, .. } => file.seek(to),
            Self::Sealed { reader, .. } => reader.seek(to),
        }
    }
}
