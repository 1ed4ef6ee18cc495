//! What makes a received file vouch for itself: its length and checksum, in the preamble.
//!
//! A file that is sealed at rest vouches for itself: its head is filled in last, and each of its chunks has a tag. In one that
//! is not, the preamble (PS3.10 section 7.1) does it: 128 bytes for the writer's own use, written last, once the data set was understood; a file in the intake that a crash or power cut left behind is whole if, and only if, its seal fits.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::at_rest;

pub(super) const PREAMBLE: usize = 128;
const MAGIC: &[u8; 8] = b"BAREFT\x00\x01";
/// Bytes of the preamble that are used: magic, purpose, length, checksum of what follows the preamble, checksum of these.
const USED: usize = 8 + 8 + 8 + 4 + 4;
const BLOCK: usize = 256 * 1024;

/// Where a sealed file belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Into its study.
    Study,
    /// Into quarantine: its data set cannot be understood.
    Quarantine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) purpose: Purpose,
    /// Of the whole file.
    pub(super) length: u64,
    /// Of everything behind the preamble.
    pub(super) checksum: u32,
}

impl Seal {
    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        let purpose: u64 = match self.purpose {
            Purpose::Study => 1,
            Purpose::Quarantine => 2,
        };
        let mut bytes = Vec::with_capacity(USED);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&purpose.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&self.checksum.to_le_bytes());
        let own = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&own.to_le_bytes());
        file.write_all_at(&bytes, 0)
    }

    /// The seal of a file, whether it fits or not; `None` when there is none.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        let mut bytes = [0; USED];
        match file.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        Ok(parse(&bytes))
    }

    /// The seal, if the file is exactly what was sealed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn verify(file: &mut File) -> io::Result<Option<Self>> {
        file.seek(SeekFrom::Start(0))?;
        let Some(seal) = Self::read(file)? else {
            return Ok(None);
        };
        if file.metadata()?.len() != seal.length {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(PREAMBLE as u64))?;
        let mut hasher = crc32fast::Hasher::new();
        let mut block = vec![0; BLOCK];
        loop {
            match file.read(&mut block)? {
                0 => break,
                count => hasher.update(block.get(..count).unwrap_or_default()),
            }
        }
        Ok((hasher.finalize() == seal.checksum).then_some(seal))
    }
}

fn parse(bytes: &[u8; USED]) -> Option<Seal> {
    let (body, own) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*own) {
        return None;
    }
    let (magic, rest) = body.split_first_chunk::<8>()?;
    let (purpose, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let purpose = match u64::from_le_bytes(*purpose) {
        1 => Purpose::Study,
        2 => Purpose::Quarantine,
        _ => return None,
    };
    (magic == MAGIC).then_some(Seal {
        purpose,
        length: u64::from_le_bytes(*length),
        checksum: u32::from_le_bytes(*rest.first_chunk()?),
    })
}

/// Where a file that a crash left behind belongs, if it is whole.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn vouched(path: &Path) -> io::Result<Option<Purpose>> {
    let mut start = [0; at_rest::MAGIC_BYTES];
    let mut file = File::open(path)?;
    let is_sealed = match file.read_exact(&mut start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other.map(|()| at_rest::is_sealed(&start))?,
    };
    if !is_sealed {
        return Ok(Seal::verify(&mut file)?.map(|seal| seal.purpose));
    }
    // Key and file became durable together: what lacks its key was never acknowledged.
    match at_rest::whole(path) {
        Ok(Some(at_rest::Purpose::Image)) => Ok(Some(Purpose::Study)),
        Ok(Some(at_rest::Purpose::Quarantine)) => Ok(Some(Purpose::Quarantine)),
        Ok(_) => Ok(None),
        Err(error) if at_rest::is_not_ours(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a stored file is what was sealed; `None` when it carries no seal.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn whole(path: &Path) -> io::Result<Option<bool>> {
    match at_rest::whole(path) {
        Ok(None) => {}
        Ok(Some(_)) => return Ok(Some(true)),
        Err(error) if at_rest::is_not_ours(&error) => return Ok(Some(false)),
        Err(error) => return Err(error),
    }
    let mut file = File::open(path)?;
    match Seal::read(&mut file)? {
        None => Ok(None),
        Some(_) => Ok(Some(Seal::verify(&mut file)?.is_some())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn sealed(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[0; PREAMBLE]).unwrap();
        file.write_all(content).unwrap();
        let seal = Seal {
            purpose: Purpose::Study,
            length: (PREAMBLE + content.len()) as u64,
            checksum: crc32fast::hash(content),
        };
        seal.write(&file).unwrap();
        file
    }

    #[test]
    fn a_whole_file_is_recognised() {
        let seal = Seal::verify(&mut sealed(b"DICM and more")).unwrap().unwrap();
        assert_eq!((seal.purpose, seal.length), (Purpose::Study, 141));
    }

    #[test]
    fn one_wrong_bit_or_byte_too_few_or_many_is_no_seal() {
        for damage in [0u64, 9, 20, 130, 140] {
            let mut file = sealed(b"DICM and more");
            let mut byte = [0];
            file.read_exact_at(&mut byte, damage).unwrap();
            file.write_all_at(&[byte[0] ^ 4], damage).unwrap();
            assert_eq!(Seal::verify(&mut file).unwrap(), None, "byte {damage}");
        }
        for length in [0, 12, 100, 140, 142] {
            let mut file = sealed(b"DICM and more");
            file.set_len(length).unwrap();
            assert_eq!(Seal::verify(&mut file).unwrap(), None, "length {length}");
        }
        let mut unsealed = tempfile::tempfile().unwrap();
        unsealed.write_all(&[0; 200]).unwrap();
        assert_eq!(Seal::verify(&mut unsealed).unwrap(), None);
    }
}
