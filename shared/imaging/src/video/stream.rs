//! The bytes of a film, one fragment after the other.

use std::io::{self, Read};

use super::Error;
use crate::header::{Header, PixelLocation, Source, length_of};
use crate::pixels;
use crate::stored::{Bytes, Stored};
use crate::tags;

/// Reads through all fragments, as if they were one.
pub(super) struct Stream {
    source: Source<Box<dyn Bytes>>,
    /// Those that were not begun, the next one last.
    fragments: Vec<(u64, u32)>,
    left: u64,
}

impl Stream {
    pub(super) fn open(stored: &(impl Stored + ?Sized), header: &Header) -> Result<Self, Error> {
        let Some(PixelLocation::Fragments { fragments, .. }) = header.pixels() else {
            return Err(pixels::Error::NoPixels.into());
        };
        let mut file = stored.open().map_err(|source| Error::Read { source })?;
        let length = length_of(&mut file).map_err(|source| Error::Read { source })?;
        Ok(Self {
            source: Source::new(file, length),
            fragments: fragments.iter().rev().copied().collect(),
            left: 0,
        })
    }

    /// Of what was not read yet.
    pub(super) fn length(&self) -> u64 {
        let fragments = self.fragments.iter().map(|(_, length)| u64::from(*length));
        self.left + fragments.sum::<u64>()
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some((offset, length)) = self.fragments.pop() else {
                return Ok(0);
            };
            let gap = offset.checked_sub(self.source.position());
            let gap = gap.ok_or(io::ErrorKind::InvalidData)?;
            self.source
                .skip(tags::PIXEL_DATA, gap)
                .map_err(io::Error::other)?;
            self.left = u64::from(length);
        }
        let count = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let bytes = bytes.get_mut(..count).unwrap_or_default();
        self.source
            .read_exact(tags::PIXEL_DATA, bytes)
            .map_err(io::Error::other)?;
        self.left -= count as u64;
        Ok(count)
    }
}
