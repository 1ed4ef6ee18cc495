//! An object that still arrives: its pieces as they came, each sealed, one after the other.
//!
//! ```text
//! piece   length of what follows (4 bytes, little endian), the sealed value
//! ```
//! A piece that a cut tore does not count, nor does anything behind it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use barefoot_trust::at_rest::{is_sealed_value, sealed_value_overhead};

use crate::at_rest::Vault;

/// More comes in no piece; a length beyond it is none.
const MOST_BYTES: usize = 16 * 1024 * 1024;

const LENGTH_BYTES: u64 = 4;

/// Open for what comes next.
#[derive(Debug)]
pub(super) struct Partial {
    file: File,
    vault: Arc<Vault>,
    /// Bytes of the object that are here.
    offset: u64,
}

impl Partial {
    /// Makes it where there is none; a torn end is cut off.
    pub(super) fn open(path: &Path, vault: Arc<Vault>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let (offset, end) = survey(&file)?;
        if end < file.metadata()?.len() {
            file.set_len(end)?;
        }
        file.seek(SeekFrom::Start(end))?;
        Ok(Self { file, vault, offset })
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(MOST_BYTES / 2) {
            let sealed = self.vault.seal_piece(self.offset, piece)?;
            let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
            let mut framed = length.to_le_bytes().to_vec();
            framed.extend_from_slice(&sealed);
            self.file.write_all(&framed)?;
            self.offset += piece.len() as u64;
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives what came, piece by piece, from the start.
    pub(super) fn replay(&self, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut reader = BufReader::new(&self.file);
        reader.seek(SeekFrom::Start(0))?;
        let mut offset = 0;
        while offset < self.offset {
            let mut length = [0; LENGTH_BYTES as usize];
            reader.read_exact(&mut length)?;
            let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
            if MOST_BYTES < length {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut sealed = vec![0; length];
            reader.read_exact(&mut sealed)?;
            let piece = self.vault.open_piece(offset, &sealed)?;
            to(&piece)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }
}

/// Bytes of the object that have come to `path`; `None` where there is nothing.
pub(super) fn length_of(path: &Path) -> io::Result<Option<u64>> {
    match File::open(path) {
        Ok(file) => Ok(Some(survey(&file)?.0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes of the object in whole pieces, and where they end in the file. Only lengths are looked at: what was changed shows
/// when it is opened.
fn survey(file: &File) -> io::Result<(u64, u64)> {
    let all = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(64, file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut offset, mut end) = (0, 0);
    loop {
        let mut head = [0; LENGTH_BYTES as usize + 4];
        match reader.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok((offset, end)),
            other => other?,
        }
        let (length, magic) = head.split_at(LENGTH_BYTES as usize);
        let length = length.try_into().map_or(0, u32::from_le_bytes);
        let length = u64::from(length);
        let plain = length.checked_sub(sealed_value_overhead() as u64);
        let next = end + LENGTH_BYTES + length;
        let Some(plain) = plain.filter(|_| is_sealed_value(magic) && next <= all) else {
            return Ok((offset, end));
        };
        offset += plain;
        end = next;
        reader.seek(SeekFrom::Start(end))?;
    }
}
