//! What the decoding program lists of every frame: how many there were, and when each is shown.

use std::io::{BufRead, Read};

/// Longer than any line it writes.
const LINE: u64 = 256;

/// What was listed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Listing {
    pub(super) frames: u32,
    /// Seconds a unit of time takes, where that was told.
    unit: Option<f64>,
    first: Option<i64>,
    last: i64,
}

/// Reads the list to its end, or until it has `most` frames and one more.
pub(super) fn read(reader: &mut impl BufRead, most: u32) -> Option<Listing> {
    let mut listing = Listing::default();
    loop {
        let mut line = Vec::new();
        let length = reader.take(LINE).read_until(b'\n', &mut line).ok()?;
        if length == 0 || most < listing.frames {
            return Some(listing);
        }
        if line.last() != Some(&b'\n') {
            return None;
        }
        listing.line(str::from_utf8(&line).ok()?)?;
    }
}

impl Listing {
    /// `0, time stamp, time shown, duration, bytes, checksum`, behind lines of `#`.
    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(unit) = line.strip_prefix("#tb 0: ") {
            let (over, under) = unit.trim().split_once('/')?;
            let (over, under): (f64, f64) = (over.parse().ok()?, under.parse().ok()?);
            self.unit = (0.0 < over && 0.0 < under).then_some(over / under);
        } else if !line.starts_with('#') {
            let shown: i64 = line.split(',').nth(2)?.trim().parse().ok()?;
            self.frames += 1;
            self.first.get_or_insert(shown);
            self.last = shown;
        }
        Some(())
    }

    /// Milliseconds from one frame to the next, over all of them.
    pub(super) fn frame_time_ms(&self) -> Option<f64> {
        let frames = self.frames.checked_sub(1).filter(|steps| *steps != 0)?;
        let all = self.last.checked_sub(self.first?)? as f64 * self.unit?;
        (0.0 < all).then_some(all * 1000.0 / f64::from(frames))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "#software: Lavf\n#tb 0: 1/50\n#media_type 0: video\n\
        0,          4,          4,        2,   472, 0x5\n0,          6,          6,        2,   472, 0x5\n\
        0,          8,          8,        2,   472, 0x5\n";

    #[test]
    fn frames_are_counted_and_timed() {
        let listing = read(&mut LIST.as_bytes(), 9).unwrap();
        assert_eq!(listing.frames, 3);
        assert_eq!(listing.frame_time_ms(), Some(40.0));
        let one = read(&mut "#tb 0: 1/50\n0, 4, 4, 2, 472, 0x5\n".as_bytes(), 9).unwrap();
        assert_eq!((one.frames, one.frame_time_ms()), (1, None));
    }

    #[test]
    fn a_list_without_end_is_left() {
        let endless = "0, 4, 4, 2, 472, 0x5\n".repeat(1000);
        assert_eq!(read(&mut endless.as_bytes(), 7).unwrap().frames, 8);
        for wrong in ["noise\n", "0, 4, x, 2\n", "#tb 0: 1\n", "0, 4, 4"] {
            assert_eq!(read(&mut wrong.as_bytes(), 7), None, "{wrong}");
        }
        assert_eq!(read(&mut &[b'9'; 1000][..], 7), None);
    }
}
