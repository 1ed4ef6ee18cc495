use std::io::{self, Read, Seek, SeekFrom, Write};

use super::file::{CHUNK, Chunks, HEADER, Header, SEALED_CHUNK};
use super::sealer::Sealer;
use super::{BLOCK, Cipher, Key, Purpose, Reader, Scope};

/// Seals a file while it is written. By [`Write`] it holds two chunks at most, however long the file becomes.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    sealer: Sealer,
}

/// All is sealed but the head: whose file it is, and what for.
#[derive(Debug)]
pub struct Written<W> {
    inner: W,
    sealer: Sealer,
}

impl<W: Write> Writer<W> {
    /// Leaves room for the head: `inner` stands at its start and is empty.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn begin(inner: W, cipher: Cipher) -> io::Result<Self> {
        Self::begin_in(inner, cipher, Vec::with_capacity(HEADER + SEALED_CHUNK))
    }

    /// As [`Writer::begin`], with a buffer to gather in. What it holds goes. While a large one need not grow, what is
    /// written begins at whole blocks of memory, as a disk likes it that is written without the system's cache.
    ///
    /// # Errors
    /// As [`Writer::begin`].
    pub fn begin_in(inner: W, cipher: Cipher, buffer: Vec<u8>) -> io::Result<Self> {
        Ok(Self {
            inner,
            sealer: Sealer::begin(cipher, buffer)?,
        })
    }

    /// Seals the next bytes and writes nothing: memory grows until [`Writer::write_out`].
    ///
    /// # Errors
    /// When the file would be longer than one can be.
    pub fn gather(&mut self, bytes: &[u8]) -> io::Result<()> {
        Ok(self.sealer.push(bytes)?)
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub fn gathered(&self) -> usize {
        self.sealer.sealed().len()
    }

    /// Writes what is sealed, as far as it makes whole blocks of 4096 bytes.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_out(&mut self) -> io::Result<()> {
        let blocks = self.gathered() / BLOCK * BLOCK;
        write_out(&mut self.inner, &mut self.sealer, blocks)
    }

    /// Seals the last chunk.
    ///
    /// # Errors
    /// When the file would be longer than one can be.
    pub fn complete(mut self) -> io::Result<Written<W>> {
        self.sealer.finish()?;
        Ok(Written {
            inner: self.inner,
            sealer: self.sealer,
        })
    }

    /// What it writes to.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (taken, _) = bytes.split_at_checked(CHUNK).unwrap_or((bytes, &[]));
        self.gather(taken)?;
        if SEALED_CHUNK <= self.gathered() {
            let gathered = self.gathered();
            write_out(&mut self.inner, &mut self.sealer, gathered)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write + Seek> Written<W> {
    /// Fills the head in and writes what was not written yet: from now on whoever has the key can read the file, and nobody
    /// else.
    ///
    /// # Errors
    /// When writing fails, or the system gives no random numbers.
    pub fn seal(self, scope: Scope, purpose: Purpose, key: &Key) -> io::Result<W> {
        Ok(self.seal_and_return(scope, purpose, key)?.0)
    }

    /// As [`Written::seal`]; the buffer comes back too.
    ///
    /// # Errors
    /// As [`Written::seal`].
    pub fn seal_and_return(mut self, scope: Scope, purpose: Purpose, key: &Key) -> io::Result<(W, Vec<u8>)> {
        let cipher = self.sealer.cipher();
        let head = Header::write(cipher, purpose, scope, key, self.sealer.file_key())?;
        let is_filled_in = self.sealer.fill_head(&head);
        let rest = self.sealer.sealed().len();
        write_out(&mut self.inner, &mut self.sealer, rest)?;
        if !is_filled_in {
            self.inner.seek(SeekFrom::Start(0))?;
            self.inner.write_all(&head)?;
        }
        self.inner.flush()?;
        Ok((self.inner, self.sealer.into_buffer()))
    }

    /// Reads what was written, before anybody else can.
    ///
    /// # Errors
    /// When writing or reading fails.
    pub fn reader(&mut self) -> io::Result<Reader<&mut W>>
    where
        W: Read,
    {
        let rest = self.sealer.sealed().len();
        write_out(&mut self.inner, &mut self.sealer, rest)?;
        let chunks = Chunks::new(self.sealer.cipher(), self.sealer.file_key())?;
        Reader::of_chunks(&mut self.inner, chunks)
    }
}

/// The next so many of the bytes that are sealed.
fn write_out(inner: &mut impl Write, sealer: &mut Sealer, bytes: usize) -> io::Result<()> {
    if let Some(next) = sealer.sealed().get(..bytes).filter(|next| !next.is_empty()) {
        inner.write_all(next)?;
        sealer.taken(bytes);
    }
    Ok(())
}
