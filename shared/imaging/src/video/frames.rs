//! Frames as the decoding program writes them: portable pixmaps, one behind the other.

use std::io::{self, BufRead};

use super::Error;
use crate::pixels::ColourImage;

/// The longest line before a frame's pixels.
const LINE: usize = 32;

/// The next frame, which must be of this size; `None` at the end.
pub(super) fn next(
    reader: &mut impl BufRead,
    (width, height): (u32, u32),
) -> Result<Option<ColourImage>, Error> {
    let read = |source| Error::Read { source };
    if reader.fill_buf().map_err(read)?.is_empty() {
        return Ok(None);
    }
    if line(reader)? != b"P6" {
        return Err(Error::Damaged);
    }
    let size = String::from_utf8(line(reader)?).map_err(|_| Error::Damaged)?;
    if size != format!("{width} {height}") {
        return Err(Error::Differs { what: "the size" });
    }
    if line(reader)? != b"255" {
        return Err(Error::Damaged);
    }
    let mut data = vec![0; 3 * width as usize * height as usize];
    reader
        .read_exact(&mut data)
        .map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::Damaged,
            _ => Error::Read { source },
        })?;
    Ok(Some(ColourImage { width, height, data }))
}

fn line(reader: &mut impl BufRead) -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    for _ in 0..LINE {
        let mut byte = [0];
        reader.read_exact(&mut byte).map_err(|_| Error::Damaged)?;
        if byte == *b"\n" {
            return Ok(line);
        }
        line.extend(byte);
    }
    Err(Error::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_one_by_one_and_only_of_the_wanted_size() {
        let bytes = b"P6\n2 1\n255\nabcdefP6\n2 1\n255\nghijkl";
        let mut reader = &bytes[..];
        assert_eq!(next(&mut reader, (2, 1)).unwrap().unwrap().data, b"abcdef");
        assert_eq!(next(&mut reader, (2, 1)).unwrap().unwrap().data, b"ghijkl");
        assert!(next(&mut reader, (2, 1)).unwrap().is_none());
        let other = next(&mut &bytes[..], (1, 1));
        assert!(matches!(other, Err(Error::Differs { what: "the size" })));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            &b"P6\n2 1\n255\nabcde"[..],
            b"P5\n2 1\n255\nab",
            b"P6\n2 1\n65535\nabcdef",
            b"P6\n2 1",
            &[b'9'; 100],
        ] {
            let found = next(&mut &bytes[..], (2, 1));
            assert!(matches!(found, Err(Error::Damaged)), "{found:?}");
        }
    }
}
