//! Run lengths (PS3.5 annex G): each byte of a sample has a segment of its own, the uppermost first.

use super::Error;
use super::layout::Layout;

const HEADER: usize = 64;

/// The samples pixel by pixel in little endian; single bits as they are packed.
pub(super) fn decode(stream: &[u8], layout: &Layout) -> Result<Vec<u8>, Error> {
    decoded(stream, layout).ok_or(Error::Damaged)
}

fn decoded(stream: &[u8], layout: &Layout) -> Option<Vec<u8>> {
    let header = stream.first_chunk::<HEADER>()?;
    let (words, _) = header.as_chunks::<4>();
    let (count, offsets) = words.split_first()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (width, length) = match layout.bits_allocated {
        1 => (1, layout.pixels().div_ceil(8)),
        bits => (usize::from(bits / 8), layout.pixels()),
    };
    if count != width * usize::from(layout.samples) {
        return None;
    }
    let offsets: Vec<usize> = offsets
        .get(..count)?
        .iter()
        .map(|offset| u32::from_le_bytes(*offset) as usize)
        .collect();
    let mut bytes = vec![0; length * count];
    for (number, start) in offsets.iter().enumerate() {
        let end = offsets.get(number + 1).copied().unwrap_or(stream.len());
        let segment = stream.get(*start..end).filter(|_| HEADER <= *start)?;
        let (sample, from_top) = (number / width, number % width);
        let place = sample * width + (width - 1 - from_top);
        unpack(segment, bytes.get_mut(place..)?, count, length)?;
    }
    Some(bytes)
}

/// PS3.5 section G.3.2. Writes `length` bytes, each `step` behind the one before; what stands behind them is padding.
fn unpack(mut segment: &[u8], to: &mut [u8], step: usize, length: usize) -> Option<()> {
    let mut places = to.iter_mut().step_by(step).take(length);
    let mut left = length;
    while left != 0 {
        let (head, rest) = segment.split_first()?;
        segment = match head.cast_signed() {
            -128 => rest,
            kind @ ..0 => {
                let (byte, rest) = rest.split_first()?;
                let run = usize::from(kind.unsigned_abs()) + 1;
                places.by_ref().take(run).for_each(|place| *place = *byte);
                left = left.saturating_sub(run);
                rest
            }
            kind => {
                let (bytes, rest) = rest.split_at_checked(usize::from(kind.unsigned_abs()) + 1)?;
                // The bytes lead: `zip` must not take a place it has no byte for.
                for (byte, place) in bytes.iter().zip(places.by_ref()) {
                    *place = *byte;
                }
                left = left.saturating_sub(bytes.len());
                rest
            }
        };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Photometric;
    use super::*;

    fn layout(bits_allocated: u16, samples: u16) -> Layout {
        Layout {
            rows: 2,
            columns: 3,
            frames: 1,
            samples,
            bits_allocated,
            bits_stored: bits_allocated,
            high_bit: bits_allocated - 1,
            signed: false,
            float: false,
            planar: false,
            photometric: Photometric::Monochrome2,
        }
    }

    fn stream(segments: &[&[u8]]) -> Vec<u8> {
        let mut header = vec![segments.len() as u32];
        let mut at = 64;
        for segment in segments {
            header.push(at);
            at += segment.len() as u32;
        }
        header.resize(16, 0);
        let mut stream: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        segments.iter().for_each(|segment| stream.extend(*segment));
        stream
    }

    #[test]
    fn runs_and_copies_fill_the_bytes_of_samples() {
        let run = &[0xFB, 7, 0][..];
        let mixed = &[0x80, 1, 1, 2, 0xFE, 3, 0, 4][..];
        let found = decode(&stream(&[mixed]), &layout(8, 1)).unwrap();
        assert_eq!(found, [1, 2, 3, 3, 3, 4]);
        let found = decode(&stream(&[run, mixed]), &layout(16, 1)).unwrap();
        assert_eq!(found, [1, 7, 2, 7, 3, 7, 3, 7, 3, 7, 4, 7]);
        let found = decode(&stream(&[run, mixed, run, run]), &layout(32, 1)).unwrap();
        assert_eq!(found[..8], [7, 7, 1, 7, 7, 7, 2, 7]);
        let found = decode(&stream(&[mixed, run, run]), &layout(8, 3)).unwrap();
        assert_eq!(found[..6], [1, 7, 7, 2, 7, 7]);
        let found = decode(&stream(&[&[0, 0b10_1101]]), &layout(1, 1)).unwrap();
        assert_eq!(found, [0b10_1101]);
    }

    #[test]
    fn segments_that_lack_bytes_or_are_too_few_are_damage() {
        let short = &[0xFC, 7][..];
        assert!(decode(&stream(&[short]), &layout(8, 1)).is_err());
        assert!(decode(&stream(&[&[5, 1, 2]]), &layout(8, 1)).is_err());
        assert!(decode(&stream(&[&[0xFB, 7]]), &layout(16, 1)).is_err());
        assert!(decode(&stream(&[&[0xFB, 7]])[..60], &layout(8, 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, wide: bool) {
            let layout = layout(if wide { 16 } else { 8 }, 1);
            let count = if wide { 2 } else { 1 };
            let segments: Vec<&[u8]> = bytes.chunks(bytes.len().div_ceil(count).max(1)).collect();
            let _ = decode(&stream(&segments[..segments.len().min(15)]), &layout);
            let _ = decode(&bytes, &layout);
        }
    }
}
