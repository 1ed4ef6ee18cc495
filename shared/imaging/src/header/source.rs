use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use super::Error;
use crate::tags::Tag;

/// What a file's deflated data set may grow to.
pub(crate) const INFLATED_LIMIT: u64 = 1024 * 1024 * 1024;

/// A file, or the data set inflated from it, read forwards. It knows where it must end and never buffers more than a block.
pub(crate) struct Source<R: Read + Seek> {
    reader: Reader<R>,
    position: u64,
    end: u64,
}

enum Reader<R: Read + Seek> {
    Plain(BufReader<R>),
    Inflated(BufReader<DeflateDecoder<BufReader<R>>>),
}

impl<R: Read + Seek> Source<R> {
    pub(crate) fn new(reader: R, length: u64) -> Self {
        Self {
            reader: Reader::Plain(BufReader::with_capacity(32 * 1024, reader)),
            position: 0,
            end: length,
        }
    }

    /// Offsets count from the start of the inflated data set from here on, which may grow to `limit` bytes.
    pub(crate) fn inflate(self, limit: u64) -> Self {
        match self.reader {
            Reader::Inflated(_) => self,
            Reader::Plain(reader) => Self {
                reader: Reader::Inflated(BufReader::new(DeflateDecoder::new(reader))),
                position: 0,
                end: limit,
            },
        }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Where the bytes end; for inflated bytes only the most there may be.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn at_end(&mut self) -> Result<bool, Error> {
        if self.end <= self.position {
            return Ok(true);
        }
        let buffer = match &mut self.reader {
            Reader::Plain(reader) => reader.fill_buf(),
            Reader::Inflated(reader) => reader.fill_buf(),
        };
        Ok(buffer.map_err(unread)?.is_empty())
    }

    /// The next bytes without taking them; fewer than wanted where a block of the buffer or the file ends.
    pub(crate) fn peek(&mut self) -> Result<&[u8], Error> {
        let buffer = match &mut self.reader {
            Reader::Plain(reader) => reader.fill_buf(),
            Reader::Inflated(reader) => reader.fill_buf(),
        };
        buffer.map_err(unread)
    }

    pub(crate) fn read_exact(&mut self, tag: Tag, bytes: &mut [u8]) -> Result<(), Error> {
        self.demand(tag, bytes.len() as u64)?;
        let outcome = match &mut self.reader {
            Reader::Plain(reader) => reader.read_exact(bytes),
            Reader::Inflated(reader) => reader.read_exact(bytes),
        };
        outcome.map_err(|source| self.failed(tag, source))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn skip(&mut self, tag: Tag, length: u64) -> Result<(), Error> {
        self.demand(tag, length)?;
        match &mut self.reader {
            Reader::Plain(reader) => {
                let length = i64::try_from(length).map_err(|_| Error::Truncated {
                    tag,
                    offset: self.position,
                })?;
                reader.seek_relative(length).map_err(unread)?;
            }
            Reader::Inflated(reader) => {
                let copied =
                    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).map_err(unread)?;
                if copied < length {
                    return Err(Error::Truncated {
                        tag,
                        offset: self.position + copied,
                    });
                }
            }
        }
        self.position += length;
        Ok(())
    }

    /// Refuses what cannot be there, so that a wrong length costs nothing.
    fn demand(&self, tag: Tag, length: u64) -> Result<(), Error> {
        if length <= self.end.saturating_sub(self.position) {
            return Ok(());
        }
        Err(match self.reader {
            Reader::Plain(_) => Error::Truncated {
                tag,
                offset: self.end,
            },
            Reader::Inflated(_) => Error::InflatesTooFar { limit: self.end },
        })
    }

    fn failed(&self, tag: Tag, source: std::io::Error) -> Error {
        if source.kind() == ErrorKind::UnexpectedEof {
            return Error::Truncated {
                tag,
                offset: self.position,
            };
        }
        unread(source)
    }
}

/// The disk's fault, or the sender's: what the inflater says comes from no system call.
fn unread(source: std::io::Error) -> Error {
    match source.kind() {
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof
            if source.raw_os_error().is_none() =>
        {
            Error::BrokenDeflate
        }
        _ => Error::Read { source },
    }
}

/// The length by seeking, for readers that do not know it.
pub(crate) fn length_of<R: Seek>(reader: &mut R) -> std::io::Result<u64> {
    let length = reader.seek(SeekFrom::End(0))?;
    reader.seek(SeekFrom::Start(0))?;
    Ok(length)
}
