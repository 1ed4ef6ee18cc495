//! What a compressed picture says of its own size, read before a codec believes it.

use super::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    JpegLs,
    Jpeg2000,
    RunLength,
    /// Native samples, each frame deflated.
    Deflated,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: u16,
    pub(super) precision: u8,
    /// Its codec gives one byte a sample up to eight bits, whatever the header allocates.
    pub(super) bytes_by_precision: bool,
    /// JPEG of a process that [`super::jpeg`] decodes.
    pub(super) is_sequential: bool,
}

/// `None` for everything that cannot be checked here and so is not decoded: JPEG XL, video.
pub(super) fn kind(transfer_syntax: &str) -> Option<Kind> {
    match transfer_syntax.strip_prefix("1.2.840.10008.1.2.")? {
        "4.50" | "4.51" | "4.57" | "4.70" => Some(Kind::Jpeg),
        "4.80" | "4.81" => Some(Kind::JpegLs),
        "4.90" | "4.91" | "4.92" | "4.93" | "4.201" | "4.202" | "4.203" => Some(Kind::Jpeg2000),
        "5" => Some(Kind::RunLength),
        "8.1" => Some(Kind::Deflated),
        _ => None,
    }
}

/// Run lengths and deflated samples carry no size of their own: `None`.
pub(super) fn read(kind: Kind, bytes: &[u8]) -> Result<Option<Stream>, Error> {
    match kind {
        Kind::RunLength | Kind::Deflated => Ok(None),
        Kind::Jpeg | Kind::JpegLs => jpeg(bytes).map(Some).ok_or(Error::Damaged),
        Kind::Jpeg2000 => jpeg_2000(bytes).map(Some).ok_or(Error::Damaged),
    }
}

/// ITU-T T.81 annex B and T.87 annex C: marker segments up to the frame header.
fn jpeg(bytes: &[u8]) -> Option<Stream> {
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
    loop {
        // Any number of fill bytes may stand before a marker.
        let start = rest.iter().position(|byte| *byte != 0xFF)?;
        if start == 0 {
            return None;
        }
        let (marker, after) = rest.get(start..)?.split_first()?;
        match marker {
            0x01 | 0xD0..=0xD7 => {
                rest = after;
                continue;
            }
            0xD8..=0xDA => return None,
            _ => {}
        }
        let length = usize::from(u16_at(after, 0)?);
        let is_frame = matches!(marker, 0xC0..=0xCF | 0xF7) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
        if is_frame {
            return Some(Stream {
                precision: *after.get(2)?,
                height: u32::from(u16_at(after, 3)?),
                width: u32::from(u16_at(after, 5)?),
                components: u16::from(*after.get(7)?),
                bytes_by_precision: true,
                is_sequential: matches!(marker, 0xC0 | 0xC1),
            });
        }
        rest = after.get(length..).filter(|_| 2 <= length)?;
    }
}

/// ITU-T T.800 annex A.5.1, behind a JP2 wrapper where there is one.
fn jpeg_2000(bytes: &[u8]) -> Option<Stream> {
    const START: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];
    let at = bytes
        .windows(START.len())
        .take(4096)
        .position(|window| window == START)?;
    let size = bytes.get(at + START.len()..)?;
    let components = u16_at(size, 36)?;
    let first = *size.get(38)?;
    for component in 0..usize::from(components) {
        let part = size.get(38 + 3 * component..41 + 3 * component)?;
        // Equal depth, no subsampling: each component fills the frame.
        if part != [first, 1, 1] {
            return None;
        }
    }
    let tile = (u32_at(size, 20)?, u32_at(size, 24)?);
    let width = u32_at(size, 4)?.checked_sub(u32_at(size, 12)?)?;
    let height = u32_at(size, 8)?.checked_sub(u32_at(size, 16)?)?;
    // Tiles of a few pixels make a codec keep more about each than in it.
    if tile.0.min(width) < 16.min(width) || tile.1.min(height) < 16.min(height) {
        return None;
    }
    Some(Stream {
        width,
        height,
        components,
        precision: (first & 0x7F) + 1,
        bytes_by_precision: false,
        is_sequential: false,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let (chunk, _) = bytes.get(at..)?.split_first_chunk::<2>()?;
    Some(u16::from_be_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let (chunk, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_frame_header_of_a_jpeg_is_found_behind_other_segments() {
        let bytes = [
            0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFF, 0xC3, 0, 11, 12, 0x01, 0x00, 0x02, 0x00, 1, 1,
            0x11, 0,
        ];
        let expected = Stream {
            width: 512,
            height: 256,
            components: 1,
            precision: 12,
            bytes_by_precision: true,
            is_sequential: false,
        };
        assert_eq!(jpeg(&bytes), Some(expected));
        assert_eq!(jpeg(&bytes[..16]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, start in 0..3_usize) {
            let start: &[u8] = [&[][..], &[0xFF, 0xD8, 0xFF], &[0xFF, 0x4F, 0xFF, 0x51]][start];
            let bytes = [start, &bytes].concat();
            let _ = jpeg(&bytes);
            let _ = jpeg_2000(&bytes);
        }
    }
}
