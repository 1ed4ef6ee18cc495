//! JPEG-LS (ITU-T T.87): lossless and near-lossless, 2 to 16 bits, one component or several in any interleaving.
//!
//! Our own, since no kept crate decodes it without C++: those on crates.io are of one component, or trust the stream.
//! The size was compared with the header's before ([`super::codestream`]); here every bit is asked for and may be missing,
//! and each sample costs a bounded number of them. Restart intervals, mapping tables and colour transforms, which no DICOM
//! object has, are refused.

mod bits;
mod scan;

use super::Error;
use bits::Bits;
use scan::{Coding, Scan};

const START: u8 = 0xD8;
const END: u8 = 0xD9;
const SCAN: u8 = 0xDA;
const RESTART_INTERVAL: u8 = 0xDD;
const APPLICATION_8: u8 = 0xE8;
const FRAME: u8 = 0xF7;
const PRESET: u8 = 0xF8;

struct Frame {
    precision: u8,
    width: usize,
    height: usize,
    components: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Preset {
    top: u16,
    thresholds: [u16; 3],
    reset: u16,
}

/// The samples pixel by pixel: bytes of up to eight bits, else words in little endian.
///
/// # Errors
/// When the stream is damaged, or uses what no DICOM object does.
pub fn decode(stream: &[u8]) -> Result<Vec<u8>, Error> {
    decoded(stream)?.ok_or(Error::Damaged)
}

/// `None` where the stream is damaged.
fn decoded(stream: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut rest = match stream.strip_prefix(&[0xFF, START]) {
        Some(rest) => rest,
        None => return Ok(None),
    };
    let mut frame: Option<Frame> = None;
    let mut preset = Preset::default();
    let mut planes: Vec<(u8, Vec<u16>)> = Vec::new();
    loop {
        let Some((marker, after)) = next_marker(rest) else {
            return Ok(None);
        };
        if marker == END {
            break;
        }
        let Some((segment, behind)) = segment(after) else {
            return Ok(None);
        };
        rest = behind;
        match marker {
            FRAME if frame.is_none() => frame = read_frame(segment),
            PRESET => match segment {
                [1, values @ ..] => match read_preset(values) {
                    Some(read) => preset = read,
                    None => return Ok(None),
                },
                _ => return unsupported("a JPEG-LS mapping table"),
            },
            RESTART_INTERVAL if segment.iter().any(|byte| *byte != 0) => {
                return unsupported("a JPEG-LS restart interval");
            }
            APPLICATION_8 if segment.starts_with(b"mrfx") && segment.get(4) != Some(&0) => {
                return unsupported("a JPEG-LS colour transform");
            }
            SCAN => {
                let Some(frame) = &frame else { return Ok(None) };
                let Some((scan, components)) = read_scan(segment, frame, preset) else {
                    return Ok(None);
                };
                let mut bits = Bits::new(rest);
                let Some(decoded) = scan.decode(&mut bits, frame.width, frame.height) else {
                    return Ok(None);
                };
                rest = bits.behind();
                planes.extend(components.into_iter().zip(decoded));
                if frame.components.len() <= planes.len() {
                    break;
                }
            }
            _ => {}
        }
    }
    Ok(frame.and_then(|frame| interleaved(&frame, &planes)))
}

fn unsupported<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Unsupported { what })
}

/// Any number of fill bytes may stand before a marker.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let rest = bytes.strip_prefix(&[0xFF])?;
    let at = rest.iter().position(|byte| *byte != 0xFF)?;
    let (marker, after) = rest.get(at..)?.split_first()?;
    (*marker != 0).then_some((*marker, after))
}

fn segment(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, _) = bytes.split_first_chunk::<2>()?;
    let (whole, behind) = bytes.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((whole.get(2..)?, behind))
}

fn read_frame(segment: &[u8]) -> Option<Frame> {
    let [precision, y1, y0, x1, x0, count, specs @ ..] = segment else {
        return None;
    };
    let (specs, _) = specs.as_chunks::<3>();
    let frame = Frame {
        precision: *precision,
        height: usize::from(u16::from_be_bytes([*y1, *y0])),
        width: usize::from(u16::from_be_bytes([*x1, *x0])),
        components: specs.iter().map(|[id, ..]| *id).collect(),
    };
    let fits = (2..=16).contains(precision) && frame.components.len() == usize::from(*count);
    (fits && frame.width != 0 && frame.height != 0 && *count != 0).then_some(frame)
}

fn read_preset(values: &[u8]) -> Option<Preset> {
    let (values, _) = values.as_chunks::<2>();
    let [top, t1, t2, t3, reset, ..] = *values else {
        return None;
    };
    Some(Preset {
        top: u16::from_be_bytes(top),
        thresholds: [t1, t2, t3].map(u16::from_be_bytes),
        reset: u16::from_be_bytes(reset),
    })
}

/// The scan and its components' names.
fn read_scan(segment: &[u8], frame: &Frame, preset: Preset) -> Option<(Scan, Vec<u8>)> {
    let (count, rest) = segment.split_first()?;
    let (specs, tail) = rest.split_at_checked(2 * usize::from(*count))?;
    let (specs, _) = specs.as_chunks::<2>();
    let [near, interleaving, transform, ..] = *tail else {
        return None;
    };
    let components: Vec<u8> = specs.iter().map(|[id, _]| *id).collect();
    let known = components.iter().all(|id| frame.components.contains(id));
    let too_many = frame.components.len() < components.len();
    if !known || too_many || components.is_empty() || transform != 0 {
        return None;
    }
    let coding = Coding::new(frame.precision, near, preset)?;
    Some((Scan::new(coding, components.len(), interleaving)?, components))
}

fn interleaved(frame: &Frame, planes: &[(u8, Vec<u16>)]) -> Option<Vec<u8>> {
    let ordered: Option<Vec<&[u16]>> = frame
        .components
        .iter()
        .map(|id| {
            let plane = planes.iter().find(|(of, _)| of == id);
            plane.map(|(_, samples)| samples.as_slice())
        })
        .collect();
    let ordered = ordered?;
    let mut bytes = Vec::with_capacity(frame.width * frame.height * ordered.len() * 2);
    for pixel in 0..frame.width * frame.height {
        for plane in &ordered {
            let [low, high] = plane.get(pixel)?.to_le_bytes();
            bytes.push(low);
            if 8 < frame.precision {
                bytes.push(high);
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
