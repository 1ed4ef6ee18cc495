//! The first bytes of an instance, kept to read its header from without asking the disk.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

/// More than the header of most images.
const KEPT: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Head(Vec<u8>);

/// What was asked for lies behind the head.
#[derive(Debug)]
struct Beyond;

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it lies behind what is kept in memory")
    }
}

impl std::error::Error for Beyond {}

pub(super) fn is_beyond(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Beyond>())
}

impl Head {
    /// Takes what it still has room for.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = KEPT - self.0.len();
        let (taken, _) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.0.extend_from_slice(taken);
    }

    /// An instance of so many bytes, of which only the head can be read.
    pub(super) fn of(&self, length: u64) -> Start<'_> {
        Start {
            head: &self.0,
            length,
            position: 0,
        }
    }
}

pub(super) struct Start<'a> {
    head: &'a [u8],
    length: u64,
    position: u64,
}

impl Read for Start<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.length <= self.position {
            return Ok(0);
        }
        let at = usize::try_from(self.position).unwrap_or(usize::MAX);
        let Some(mut there) = self.head.get(at..).filter(|there| !there.is_empty()) else {
            return Err(io::Error::other(Beyond));
        };
        let count = there.read(bytes)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Start<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_what_lies_behind_is_said_to() {
        let mut head = Head::default();
        for piece in vec![5; KEPT + 100].chunks(7000) {
            head.add(piece);
        }
        let length = KEPT as u64 + 100;
        let mut start = head.of(length);
        let mut all = vec![0; KEPT];
        start.read_exact(&mut all).unwrap();
        assert_eq!(all, vec![5; KEPT]);
        assert!(is_beyond(&start.read(&mut all).unwrap_err()));
        start.seek(SeekFrom::End(0)).unwrap();
        assert_eq!(start.read(&mut all).unwrap(), 0);
        assert!(!is_beyond(&io::Error::other("the disk")));
    }
}
