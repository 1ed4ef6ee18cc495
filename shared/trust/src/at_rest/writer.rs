use std::io::{self, Read, Seek, SeekFrom, Write};

use super::file::{CHUNK, Chunks, HEADER, Header, MAGIC, SEALED_CHUNK};
use super::secret::Secret;
use super::{Cipher, Error, Key, Purpose, Reader, Scope};

/// Seals a file while it is written. Holds one chunk, however long the file becomes.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    cipher: Cipher,
    file_key: Secret,
    chunks: Chunks,
    /// Of the chunk in hand.
    number: u32,
    buffer: Vec<u8>,
}

/// All is written but the head: whose file it is, and what for.
#[derive(Debug)]
pub struct Written<W> {
    inner: W,
    cipher: Cipher,
    file_key: Secret,
}

impl<W: Write> Writer<W> {
    /// Leaves room for the head: `inner` stands at its start and is empty.
    ///
    /// # Errors
    /// When writing fails, or the system gives no random numbers.
    pub fn begin(mut inner: W, cipher: Cipher) -> io::Result<Self> {
        let file_key = Secret::random()?;
        let mut room = [0; HEADER];
        room.iter_mut().zip(MAGIC).for_each(|(to, from)| *to = from);
        inner.write_all(&room)?;
        Ok(Self {
            inner,
            cipher,
            chunks: Chunks::new(cipher, &file_key)?,
            file_key,
            number: 0,
            buffer: Vec::with_capacity(SEALED_CHUNK),
        })
    }

    /// Writes the last chunk.
    ///
    /// # Errors
    /// When writing fails.
    pub fn complete(mut self) -> io::Result<Written<W>> {
        self.put(true)?;
        Ok(Written {
            inner: self.inner,
            cipher: self.cipher,
            file_key: self.file_key,
        })
    }

    /// What it writes to.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    fn put(&mut self, last: bool) -> io::Result<()> {
        let number = self.number;
        // First: what fails below is never sealed again under the same number.
        self.number = number.checked_add(1).ok_or(Error::TooLong)?;
        let tag = self.chunks.seal(number, last, &mut self.buffer)?;
        self.buffer.extend_from_slice(&tag);
        let written = self.inner.write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // A full chunk waits for more: only then is it not the last.
        if self.buffer.len() == CHUNK {
            self.put(false)?;
        }
        let (taken, _) = bytes
            .split_at_checked(CHUNK - self.buffer.len())
            .unwrap_or((bytes, &[]));
        self.buffer.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write + Seek> Written<W> {
    /// Fills the head in: from now on whoever has the key can read the file, and nobody else.
    ///
    /// # Errors
    /// When writing fails, or the system gives no random numbers.
    pub fn seal(mut self, scope: Scope, purpose: Purpose, key: &Key) -> io::Result<W> {
        let head = Header::write(self.cipher, purpose, scope, key, &self.file_key)?;
        self.inner.seek(SeekFrom::Start(0))?;
        self.inner.write_all(&head)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    /// Reads what was written, before anybody else can.
    ///
    /// # Errors
    /// When reading fails.
    pub fn reader(&mut self) -> io::Result<Reader<&mut W>>
    where
        W: Read,
    {
        let chunks = Chunks::new(self.cipher, &self.file_key)?;
        Reader::of_chunks(&mut self.inner, chunks)
    }
}
