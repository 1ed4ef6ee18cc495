//! Compressed frames as they may leave: the picture's own stream, without comments, application data, or what stands
//! behind its end.

/// Where the stream's kind has no such places, or they cannot be found: `None`.
pub(super) fn without_text(transfer_syntax: &str, frame: &[u8]) -> Option<Vec<u8>> {
    match transfer_syntax.strip_prefix("1.2.840.10008.1.2.4.")? {
        "50" | "51" | "57" | "70" | "80" | "81" => jpeg(frame),
        "90" | "91" | "92" | "93" | "201" | "202" | "203" => jpeg_2000(frame),
        _ => None,
    }
}

/// How many bits a stream that [`without_text`] gave keeps of each sample. A header may call fewer of them the picture's;
/// `None` where the stream does not say.
pub(super) fn precision(transfer_syntax: &str, clean: &[u8]) -> Option<u16> {
    match transfer_syntax.strip_prefix("1.2.840.10008.1.2.4.")? {
        "50" | "51" | "57" | "70" | "80" | "81" => jpeg_precision(clean),
        "90" | "91" | "92" | "93" | "201" | "202" | "203" => jpeg_2000_precision(clean),
        _ => None,
    }
}

/// ITU-T T.81 annex B.2.2; T.87 has a frame header of its own (SOF55).
fn jpeg_precision(clean: &[u8]) -> Option<u16> {
    let mut at = 2;
    loop {
        let marker = word(clean, at)?;
        match marker {
            0xFFC4 | 0xFFC8 | 0xFFCC => {}
            0xFFC0..=0xFFCF | 0xFFF7 => return clean.get(at + 4).copied().map(u16::from),
            0xFFDA => return None,
            _ => {}
        }
        at += 2 + usize::from(word(clean, at + 2)?);
    }
}

/// ITU-T T.800 annex A.5.1: each component says its own; the deepest counts.
fn jpeg_2000_precision(clean: &[u8]) -> Option<u16> {
    let components = usize::from(word(clean, 40)?);
    let depths = clean.get(42..42 + 3 * components)?;
    let deepest = depths
        .chunks(3)
        .filter_map(<[u8]>::first)
        .map(|depth| depth & 0x7F);
    deepest.max().map(|depth| u16::from(depth) + 1)
}

/// ITU-T T.81 annex B, which T.87 (JPEG-LS) shares.
fn jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
    let mut out = vec![0xFF, 0xD8];
    loop {
        // Any number of fill bytes may stand before a marker.
        let start = rest.iter().position(|byte| *byte != 0xFF).filter(|at| 0 < *at)?;
        let (marker, after) = rest.get(start..)?.split_first()?;
        match *marker {
            0xD9 => {
                out.extend([0xFF, 0xD9]);
                return Some(out);
            }
            0x01 | 0xD0..=0xD7 => {
                rest = after;
                continue;
            }
            _ => {}
        }
        let (length, _) = after.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (segment, behind) = after.split_at_checked(length).filter(|_| 2 <= length)?;
        match *marker {
            0xE0..=0xEF | 0xFE => {
                if let Some(needed) = application_data(*marker, segment) {
                    out.extend([0xFF, *marker]);
                    out.extend(needed);
                }
                rest = behind;
            }
            0xDA => {
                let scan = entropy_coded(behind)?;
                out.extend([0xFF, 0xDA]);
                out.extend(segment);
                out.extend(behind.get(..scan)?);
                rest = behind.get(scan..)?;
            }
            _ => {
                out.extend([0xFF, *marker]);
                out.extend(segment);
                rest = behind;
            }
        }
    }
}

/// What decoders need of it, written anew: that colours are JFIF's, Adobe's transform, HP's transform of JPEG-LS.
fn application_data(marker: u8, segment: &[u8]) -> Option<Vec<u8>> {
    match marker {
        0xE0 if segment.get(2..7)? == b"JFIF\0" => Some(b"\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0".to_vec()),
        0xEE if segment.get(2..7)? == b"Adobe" => {
            let mut needed = b"\0\x0EAdobe\0\x64\0\0\0\0".to_vec();
            needed.push(*segment.get(13)?);
            Some(needed)
        }
        0xE8 if segment.len() == 7 && segment.get(2..6)? == b"mrfx" => Some(segment.to_vec()),
        _ => None,
    }
}

/// How many bytes of a scan stand before the next marker that is none of its own. Behind 0xFF a byte below 0x80 belongs
/// to the data: a stuffed zero, or JPEG-LS's stuffed bit.
fn entropy_coded(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        match bytes.get(at + 1)? {
            0x00..=0x7F | 0xD0..=0xD7 => at += 2,
            0xFF => at += 1,
            _ => return Some(at),
        }
    }
}

const SOT: u16 = 0xFF90;
const SOD: u16 = 0xFF93;
const EOC: u16 = 0xFFD9;
const COM: u16 = 0xFF64;

/// ITU-T T.800 annex A. A wrapper of boxes around the stream goes.
fn jpeg_2000(bytes: &[u8]) -> Option<Vec<u8>> {
    const START: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];
    let start = bytes.windows(4).take(4096).position(|window| window == START)?;
    let bytes = bytes.get(start..)?;
    let mut out = vec![0xFF, 0x4F];
    let mut at = 2;
    loop {
        let marker = word(bytes, at)?;
        match marker {
            SOT => break,
            EOC | SOD => return None,
            _ => {}
        }
        let end = at + 2 + usize::from(word(bytes, at + 2)?);
        let segment = bytes.get(at..end).filter(|segment| 4 <= segment.len())?;
        if marker != COM {
            out.extend(segment);
        }
        at = end;
    }
    while word(bytes, at)? == SOT {
        let length = bytes.get(at + 6..)?.first_chunk::<4>()?;
        let end = match u32::from_be_bytes(*length) {
            // The last part goes on to the end of the stream.
            0 => bytes.windows(2).rposition(|window| window == [0xFF, 0xD9])?,
            length => at + usize::try_from(length).ok()?,
        };
        let part = bytes.get(at..end)?;
        if has_comment(part)? {
            return None;
        }
        out.extend(part);
        at = end;
    }
    (word(bytes, at)? == EOC).then(|| {
        out.extend([0xFF, 0xD9]);
        out
    })
}

/// Whether a tile-part's header has one. Rare, and taking it out would change lengths that stand elsewhere.
fn has_comment(part: &[u8]) -> Option<bool> {
    let mut at = 0;
    loop {
        match word(part, at)? {
            SOD => return Some(false),
            COM => return Some(true),
            _ => at += 2 + usize::from(word(part, at + 2)?).max(2),
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk::<2>()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASELINE: &str = "1.2.840.10008.1.2.4.50";
    const WAVELET: &str = "1.2.840.10008.1.2.4.90";

    #[test]
    fn comments_application_data_and_what_follows_the_end_are_gone() {
        let stream = [
            &b"\xFF\xD8\xFF\xE1\0\x07ZHANG\xFF\xFE\0\x05SAN\xFF\xEE\0\x0EAdobe\0\x64NAME\x01"[..],
            b"\xFF\xDB\0\x04\x01\x02\xFF\xDA\0\x03\x01\x11\xFF\x00\x22\xFF\xD0\x33\xFF\xD9ZHANG",
        ]
        .concat();
        let clean = without_text(BASELINE, &stream).unwrap();
        let wanted = b"\xFF\xD8\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\x01\xFF\xDB\0\x04\x01\x02\
            \xFF\xDA\0\x03\x01\x11\xFF\x00\x22\xFF\xD0\x33\xFF\xD9";
        assert_eq!(clean, wanted);
    }

    #[test]
    fn a_codestream_loses_its_comment_and_its_tail() {
        let size = b"\xFF\x51\0\x06ABCD";
        let part = b"\xFF\x90\0\x0A\0\0\0\0\0\x10\0\x01\xFF\x93\x55\x66";
        let stream = [
            &b"\xFF\x4F"[..],
            size,
            b"\xFF\x64\0\x07ZHANG",
            part,
            b"\xFF\xD9ZHANG",
        ]
        .concat();
        let wanted = [&b"\xFF\x4F"[..], size, part, b"\xFF\xD9"].concat();
        assert_eq!(without_text(WAVELET, &stream).unwrap(), wanted);
        let inside = b"\xFF\x90\0\x0A\0\0\0\0\0\x17\0\x01\xFF\x64\0\x05SAN\xFF\x93\x55\x66";
        let stream = [&b"\xFF\x4F"[..], size, inside, b"\xFF\xD9"].concat();
        assert_eq!(without_text(WAVELET, &stream), None);
    }

    #[test]
    fn the_depth_of_a_stream_is_found_in_its_frame_header() {
        let lossless = b"\xFF\xD8\xFF\xC4\0\x03\x01\xFF\xC3\0\x0B\x10\0\x40\0\x40\x01\x01\x11\0";
        assert_eq!(precision("1.2.840.10008.1.2.4.70", lossless), Some(16));
        let jpeg_ls = b"\xFF\xD8\xFF\xF7\0\x0B\x0C\0\x40\0\x40\x01\x01\x11\0";
        assert_eq!(precision("1.2.840.10008.1.2.4.80", jpeg_ls), Some(12));
        assert_eq!(precision(BASELINE, b"\xFF\xD8\xFF\xDA\0\x03\x01"), None);
        let mut size = b"\xFF\x4F\xFF\x51\0\x2F".to_vec();
        size.resize(40, 0);
        size.extend([0, 2, 7, 1, 1, 0x8B, 1, 1]);
        assert_eq!(precision(WAVELET, &size), Some(12));
        assert_eq!(precision(WAVELET, &size[..46]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_cleaned_or_refused(bytes: Vec<u8>, wavelet: bool) {
            let (syntax, start): (_, &[u8]) = if wavelet {
                (WAVELET, b"\xFF\x4F\xFF\x51")
            } else {
                (BASELINE, b"\xFF\xD8\xFF")
            };
            let _ = without_text(syntax, &[start, &bytes].concat());
            let _ = without_text(syntax, &bytes);
            let _ = precision(syntax, &[start, &bytes].concat());
        }
    }
}
