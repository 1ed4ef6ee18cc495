//! Which fragments hold which frame (PS3.5 annex A.4).

use std::borrow::Cow;

use super::codestream::{self, Kind};
use super::{Error, frame};
use crate::header::{Header, Source};
use crate::stored::{Bytes, Stored};
use crate::tags;

/// As much of a fragment tells whether a stream starts with it.
const HEAD: usize = 8;

/// The offset table, or where it is missing and needed what it would be: a frame begins with the fragment that its stream
/// starts with, since no fragment holds parts of two.
pub(super) fn offsets<'a>(
    stored: &(impl Stored + ?Sized),
    header: &Header,
    frames: u32,
    table: &'a [u32],
    fragments: &[(u64, u32)],
) -> Result<Cow<'a, [u32]>, Error> {
    if !is_needed(frames, table, fragments.len()) {
        return Ok(Cow::Borrowed(table));
    }
    let mut source = frame::open(stored, header)?;
    let found = made(header.transfer_syntax(), frames, fragments, |offset, head| {
        let gap = offset.checked_sub(source.position()).ok_or(Error::Damaged)?;
        source
            .skip(tags::PIXEL_DATA, gap)
            .and_then(|()| source.read_exact(tags::PIXEL_DATA, head))
            .map_err(frame::changed)
    })?;
    Ok(Cow::Owned(found))
}

/// The same of fragments in memory, `places` being where they would lie in a file.
pub(crate) fn offsets_in_memory<'a>(
    transfer_syntax: &str,
    frames: u32,
    table: &'a [u32],
    places: &[(u64, u32)],
    streams: &[Vec<u8>],
) -> Result<Cow<'a, [u32]>, Error> {
    if !is_needed(frames, table, places.len()) {
        return Ok(Cow::Borrowed(table));
    }
    let mut streams = streams.iter();
    let found = made(transfer_syntax, frames, places, |_, head| {
        let stream = streams.next().and_then(|stream| stream.get(..head.len()));
        head.copy_from_slice(stream.ok_or(Error::Damaged)?);
        Ok(())
    })?;
    Ok(Cow::Owned(found))
}

fn is_needed(frames: u32, table: &[u32], fragments: usize) -> bool {
    frames != 1 && fragments != frames as usize && table.is_empty()
}

/// `read` is asked for the first bytes of one fragment after another.
fn made(
    transfer_syntax: &str,
    frames: u32,
    fragments: &[(u64, u32)],
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), Error>,
) -> Result<Vec<u32>, Error> {
    let untold = || Error::Unsupported {
        what: "fragments that do not say which frame they are of",
    };
    let kind = codestream::kind(transfer_syntax).ok_or_else(untold)?;
    let origin = fragments.first().map_or(0, |(offset, _)| *offset);
    let mut table = Vec::new();
    for (offset, length) in fragments {
        let mut head = [0; HEAD];
        let head = head.get_mut(..HEAD.min(*length as usize)).unwrap_or_default();
        read(*offset, head)?;
        if is_start(kind, head) {
            table.push(u32::try_from(offset.saturating_sub(origin)).map_err(|_| untold())?);
        }
    }
    if table.len() != frames as usize || table.first() != Some(&0) {
        return Err(untold());
    }
    Ok(table)
}

/// Run lengths and deflated samples have no sign of their own: a frame of them is one fragment.
fn is_start(kind: Kind, head: &[u8]) -> bool {
    match kind {
        Kind::Jpeg | Kind::JpegLs => head.starts_with(&[0xFF, 0xD8, 0xFF]),
        Kind::Jpeg2000 => head.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) || head.starts_with(b"\0\0\0\x0CjP  "),
        Kind::RunLength | Kind::Deflated => false,
    }
}

/// Which fragments hold the frame: all of a single one, else one each, else by the offset table.
pub(crate) fn of_frame<'a>(
    frame: u32,
    frames: u32,
    offset_table: &[u32],
    fragments: &'a [(u64, u32)],
) -> Result<&'a [(u64, u32)], Error> {
    if frames == 1 {
        return Ok(fragments);
    }
    let index = frame as usize;
    if fragments.len() == frames as usize {
        return fragments.get(index..=index).ok_or(Error::Damaged);
    }
    // Offsets count from the first fragment's item tag; a recorded offset lies behind that tag and its length.
    let (Some((first, _)), Some(start)) = (fragments.first(), offset_table.get(index)) else {
        return Err(Error::Unsupported {
            what: "fragments that do not say which frame they are of",
        });
    };
    let from = first + u64::from(*start);
    let to = match offset_table.get(index + 1) {
        Some(next) => first + u64::from(*next),
        None => u64::MAX,
    };
    let begin = fragments.partition_point(|(offset, _)| *offset < from);
    let end = fragments.partition_point(|(offset, _)| *offset < to);
    match fragments.get(begin..end) {
        Some(found) if !found.is_empty() => Ok(found),
        _ => Err(Error::Damaged),
    }
}

pub(super) fn joined(
    source: &mut Source<Box<dyn Bytes>>,
    fragments: &[(u64, u32)],
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for (offset, length) in fragments {
        let start = bytes.len();
        let gap = offset.checked_sub(source.position()).ok_or(Error::Damaged)?;
        source.skip(tags::PIXEL_DATA, gap).map_err(frame::changed)?;
        // The scan saw this fragment in the file, so the file bounds this.
        bytes.resize(start + *length as usize, 0);
        let target = bytes.get_mut(start..).unwrap_or_default();
        source
            .read_exact(tags::PIXEL_DATA, target)
            .map_err(frame::changed)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &str = "1.2.840.10008.1.2.4.50";

    fn offsets_of(syntax: &str, frames: u32, streams: &[&[u8]]) -> Result<Vec<u32>, Error> {
        let streams: Vec<Vec<u8>> = streams.iter().map(|stream| stream.to_vec()).collect();
        let mut at = 8;
        let mut places = Vec::new();
        for stream in &streams {
            places.push((at, stream.len() as u32));
            at += stream.len() as u64 + 8;
        }
        offsets_in_memory(syntax, frames, &[], &places, &streams).map(Cow::into_owned)
    }

    #[test]
    fn a_missing_table_is_made_from_where_streams_start() {
        let (start, rest) = (&b"\xFF\xD8\xFF\xE0"[..], &b"\x12\x34\xFF\xD9"[..]);
        assert_eq!(offsets_of(JPEG, 2, &[start, rest, rest, start]).unwrap(), [0, 36]);
        assert!(
            offsets_of(JPEG, 2, &[start, start]).unwrap().is_empty(),
            "one each"
        );
        let wavelet = [&b"\xFF\x4F\xFF\x51"[..], b"\x01", b"\0\0\0\x0CjP  \r\n"];
        assert_eq!(
            offsets_of("1.2.840.10008.1.2.4.90", 2, &wavelet).unwrap(),
            [0, 21]
        );
    }

    #[test]
    fn fragments_that_begin_too_few_or_too_many_frames_are_refused() {
        let (start, rest) = (&b"\xFF\xD8\xFF\xE0"[..], &b""[..]);
        for fragments in [
            &[start, rest, rest][..],
            &[start, start, start],
            &[rest, start, start],
            &[],
        ] {
            assert!(matches!(
                offsets_of(JPEG, 2, fragments),
                Err(Error::Unsupported { .. })
            ));
        }
        assert!(offsets_of("1.2.840.10008.1.2.5", 2, &[start, start, start]).is_err());
    }
}
