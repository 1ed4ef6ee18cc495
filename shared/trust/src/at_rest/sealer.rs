use super::file::{CHUNK, Chunks, HEADER, MAGIC, SEALED_CHUNK};
use super::secret::Secret;
use super::{BLOCK, Cipher, Error};

/// Seals a file's content in memory, chunk by chunk. What is sealed waits until whoever writes the file takes it, from the
/// file's start on.
#[derive(Debug)]
pub(super) struct Sealer {
    cipher: Cipher,
    file_key: Secret,
    chunks: Chunks,
    /// Of the chunk in hand.
    number: u32,
    /// What is sealed and not taken yet, and behind it the chunk in hand.
    buffer: Vec<u8>,
    /// Where that begins: at a whole block of memory, where the buffer had the room.
    start: usize,
    /// Where the chunk in hand begins.
    in_hand: usize,
    /// Whether the room for the head is still in the buffer.
    has_head: bool,
}

impl Sealer {
    /// In `buffer`; what it holds goes.
    pub(super) fn begin(cipher: Cipher, mut buffer: Vec<u8>) -> Result<Self, Error> {
        let file_key = Secret::random()?;
        buffer.clear();
        let start = match buffer.as_ptr().align_offset(BLOCK) {
            offset if offset + HEADER + SEALED_CHUNK <= buffer.capacity() => offset,
            _ => 0,
        };
        buffer.resize(start, 0);
        // Room for the head, which is filled in last.
        buffer.extend_from_slice(&MAGIC);
        buffer.resize(start + HEADER, 0);
        Ok(Self {
            cipher,
            chunks: Chunks::new(cipher, &file_key)?,
            file_key,
            number: 0,
            in_hand: buffer.len(),
            buffer,
            start,
            has_head: true,
        })
    }

    /// Takes the next bytes of the content. Fails where the file would have too many chunks.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let mut free = CHUNK - (self.buffer.len() - self.in_hand);
            // A full chunk waits for more: only then is it not the last.
            if free == 0 {
                self.close(false)?;
                free = CHUNK;
            }
            let (taken, rest) = bytes.split_at_checked(free).unwrap_or((bytes, &[]));
            self.buffer.extend_from_slice(taken);
            bytes = rest;
        }
        Ok(())
    }

    /// Seals the last chunk.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.close(true)
    }

    /// What can be written.
    pub(super) fn sealed(&self) -> &[u8] {
        self.buffer.get(self.start..self.in_hand).unwrap_or_default()
    }

    /// So many bytes of what [`Sealer::sealed`] gave are written: some, and not more than it gave.
    pub(super) fn taken(&mut self, bytes: usize) {
        let end = self.in_hand.min(self.start + bytes);
        self.in_hand -= self.buffer.drain(self.start..end).len();
        self.has_head = false;
    }

    /// Fills the head in; `false` where its room was taken already.
    pub(super) fn fill_head(&mut self, head: &[u8; HEADER]) -> bool {
        let sealed = self.buffer.get_mut(self.start..).unwrap_or_default();
        match sealed.first_chunk_mut::<HEADER>() {
            Some(room) if self.has_head => {
                *room = *head;
                true
            }
            _ => false,
        }
    }

    pub(super) fn cipher(&self) -> Cipher {
        self.cipher
    }

    pub(super) fn file_key(&self) -> &Secret {
        &self.file_key
    }

    /// The buffer, for another file.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    fn close(&mut self, last: bool) -> Result<(), Error> {
        let number = self.number;
        // First: what fails below is never sealed again under the same number.
        self.number = number.checked_add(1).ok_or(Error::TooLong)?;
        let chunk = self.buffer.get_mut(self.in_hand..).unwrap_or_default();
        let tag = self.chunks.seal(number, last, chunk)?;
        self.buffer.extend_from_slice(&tag);
        self.in_hand = self.buffer.len();
        Ok(())
    }
}
