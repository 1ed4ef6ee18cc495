use std::io::{self, Read, Seek, SeekFrom};

use super::cipher::TAG_BYTES;
use super::file::{CHUNK, Chunks, HEADER, Header, SEALED_CHUNK, plain_length};
use super::{Error, Key};

/// Reads a sealed file from wherever, opening the chunks that are asked for. Holds one.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    chunks: Chunks,
    /// Of all that was sealed.
    length: u64,
    count: u64,
    position: u64,
    /// The chunk in hand, and its number.
    held: Option<u64>,
    chunk: Vec<u8>,
}

impl<R: Read + Seek> Reader<R> {
    /// # Errors
    /// When it is not this key's, cannot be read, or has lost its end.
    pub fn open(inner: R, header: &Header, key: &Key) -> io::Result<Self> {
        Self::of_chunks(inner, header.chunks(key)?)
    }

    pub(super) fn of_chunks(mut inner: R, chunks: Chunks) -> io::Result<Self> {
        let all = inner.seek(SeekFrom::End(0))?;
        let length = plain_length(all).ok_or(Error::Forged)?;
        let count = (all - HEADER as u64).div_ceil(SEALED_CHUNK as u64);
        let mut reader = Self {
            inner,
            chunks,
            length,
            count,
            position: 0,
            held: None,
            chunk: Vec::new(),
        };
        // The length is what the last chunk says it is.
        reader.hold(count - 1)?;
        Ok(reader)
    }

    /// Bytes of what was sealed.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    fn hold(&mut self, number: u64) -> io::Result<()> {
        if self.held == Some(number) {
            return Ok(());
        }
        self.held = None;
        let start = HEADER as u64 + number * SEALED_CHUNK as u64;
        self.inner.seek(SeekFrom::Start(start))?;
        let last = number + 1 == self.count;
        self.chunk.clear();
        let wanted = if last {
            HEADER as u64 + self.length + self.count * TAG_BYTES as u64 - start
        } else {
            SEALED_CHUNK as u64
        };
        Read::by_ref(&mut self.inner)
            .take(wanted)
            .read_to_end(&mut self.chunk)?;
        let in_nonce = u32::try_from(number).map_err(|_| Error::Forged)?;
        self.chunks.open(in_nonce, last, &mut self.chunk)?;
        self.held = Some(number);
        Ok(())
    }
}

impl<R: Read + Seek> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.length <= self.position || buffer.is_empty() {
            return Ok(0);
        }
        self.hold(self.position / CHUNK as u64)?;
        let from = usize::try_from(self.position % CHUNK as u64).unwrap_or(CHUNK);
        let there = self.chunk.get(from..).unwrap_or_default();
        let count = there.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), there.get(..count)) {
            to.copy_from_slice(from);
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for Reader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "before the start of the file");
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}
