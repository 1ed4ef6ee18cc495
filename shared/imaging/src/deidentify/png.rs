//! Heat maps from a clinic, looked at before they are kept.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageFormat, ImageReader, Limits};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Whether a file is a PNG with transparency, no side longer than `max_side`, with nothing in it or behind it that is none of
/// the picture's: no text, no profile, no other chunk.
#[must_use]
pub fn is_bare_png(file: &[u8], max_side: u32) -> bool {
    has_bare_chunks(file)
        && decoded(file, max_side).is_some_and(|picture| picture.color() == ColorType::Rgba8)
}

fn has_bare_chunks(file: &[u8]) -> bool {
    let Some(mut rest) = file.strip_prefix(SIGNATURE) else {
        return false;
    };
    let mut is_first = true;
    while let Some((kind, behind)) = chunk(rest) {
        rest = behind;
        match kind {
            b"IHDR" if is_first => {}
            b"IDAT" if !is_first => {}
            b"IEND" if !is_first => return rest.is_empty(),
            _ => return false,
        }
        is_first = false;
    }
    false
}

/// A chunk's kind, and what follows it.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    // The content and its checksum, which the decoder compares.
    let behind = rest.get(length.checked_add(4)?..)?;
    let is_end_with_content = kind == b"IEND" && length != 0;
    (!is_end_with_content).then_some((kind, behind))
}

fn decoded(file: &[u8], max_side: u32) -> Option<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(max_side);
    limits.max_image_height = Some(max_side);
    let mut reader = ImageReader::with_format(Cursor::new(file), ImageFormat::Png);
    reader.limits(limits);
    reader.decode().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::{HeatMap, heat_layer};

    fn layer() -> Vec<u8> {
        let map = HeatMap {
            width: 2,
            height: 2,
            values: vec![0.0, 0.4, 0.8, 1.0],
        };
        heat_layer((64, 48), &map, 64).unwrap()
    }

    #[test]
    fn a_heat_map_as_we_make_it_is_bare() {
        assert!(is_bare_png(&layer(), 64));
        assert!(!is_bare_png(&layer(), 63), "larger than is taken");
    }

    #[test]
    fn nothing_travels_along() {
        let good = layer();
        let mut behind = good.clone();
        behind.extend(b"ZHANG");
        assert!(!is_bare_png(&behind, 64));
        let mut text = good.get(..33).unwrap().to_vec();
        text.extend(b"\0\0\0\x05tEXtZHANG\0\0\0\0");
        text.extend(good.get(33..).unwrap());
        assert!(!is_bare_png(&text, 64));
        assert!(!is_bare_png(b"\xFF\xD8\xFF\xDB", 64));
        assert!(!is_bare_png(good.get(..good.len() - 1).unwrap(), 64));
    }

    proptest! {
        #[test]
        fn damage_is_seen_and_never_panics(at in 0usize..400, byte: u8) {
            let good = layer();
            let mut bad = good.clone();
            let at = at % bad.len();
            bad[at] = byte;
            prop_assert!(bad == good || !is_bare_png(&bad, 64));
        }
    }
}
