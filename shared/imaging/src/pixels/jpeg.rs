//! JPEG by the sequential discrete cosine transform (ITU-T T.81, ISO/IEC 10918-1): processes 1, 2 and 4, Huffman coded, of 8
//! or 12 bits.
//!
//! Our own, since no kept crate decodes twelve bits. Its arithmetic is that of libjpeg (its accurate integer transform, its
//! interpolation of subsampled colours), so samples come out as most readers of DICOM show them. The size was compared with
//! the header's before ([`super::codestream`]); here every bit is asked for and may be missing, and each block costs a bounded
//! number of them.

mod bits;
mod blocks;
mod colour;
mod huffman;
mod plane;
mod scan;
mod segments;
mod transform;
mod upsampling;

use super::Error;
use bits::Bits;
pub use colour::Colours;
use huffman::Huffman;
use plane::{Plane, Sample};
use segments::Frame;

const START: u8 = 0xD8;
const END: u8 = 0xD9;
const SCAN: u8 = 0xDA;
const QUANTISATION: u8 = 0xDB;
const RESTART_INTERVAL: u8 = 0xDD;
const HUFFMAN: u8 = 0xC4;
const BASELINE: u8 = 0xC0;
const EXTENDED: u8 = 0xC1;
const APPLICATION_0: u8 = 0xE0;

/// What the segments before a scan say, for it and those after it (T.81 section B.2.4).
#[derive(Default)]
struct Tables {
    quantisation: [Option<[u16; 64]>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    restart_interval: u32,
    is_jfif: bool,
}

/// The samples pixel by pixel: bytes of eight bits, words in little endian of twelve. Three components come out as RGB;
/// `colours` is what the object's header says they are.
///
/// # Errors
/// When the stream is damaged, or is of another process.
pub fn decode(stream: &[u8], colours: Colours) -> Result<Vec<u8>, Error> {
    let mut tables = Tables::default();
    let mut rest = stream.strip_prefix(&[0xFF, START]).ok_or(Error::Damaged)?;
    loop {
        let (marker, segment, behind) = segments::next(rest).ok_or(Error::Damaged)?;
        rest = behind;
        match marker {
            BASELINE | EXTENDED => {
                let frame = segments::frame(segment).ok_or(Error::Damaged)?;
                return match frame.precision {
                    8 => picture::<u8>(&frame, tables, rest, colours),
                    12 => picture::<u16>(&frame, tables, rest, colours),
                    _ => unsupported("a JPEG picture of this depth"),
                };
            }
            0xC2..=0xCF if !matches!(marker, HUFFMAN | 0xC8 | 0xCC) => {
                return unsupported("this process of JPEG");
            }
            SCAN | END => return Err(Error::Damaged),
            _ => tables.read(marker, segment).ok_or(Error::Damaged)?,
        }
    }
}

/// What follows the frame header.
fn picture<S: Sample>(
    frame: &Frame,
    mut tables: Tables,
    mut rest: &[u8],
    colours: Colours,
) -> Result<Vec<u8>, Error> {
    let mut planes: Vec<Plane<S>> = Vec::new();
    for component in &frame.components {
        let plane = Plane::new(frame, component);
        planes.push(plane.ok_or(Error::Unsupported {
            what: "this subsampling of a JPEG picture",
        })?);
    }
    while planes.iter().any(|plane| !plane.is_decoded()) {
        let (marker, segment, behind) = segments::next(rest).ok_or(Error::Damaged)?;
        rest = behind;
        match marker {
            SCAN => {
                let parts = segments::scan(segment, frame).ok_or(Error::Damaged)?;
                let mut bits = Bits::new(rest);
                scan::decode(&mut bits, frame, &parts, &tables, &mut planes).ok_or(Error::Damaged)?;
                rest = bits.behind();
            }
            END => return Err(Error::Damaged),
            _ => tables.read(marker, segment).ok_or(Error::Damaged)?,
        }
    }
    let colours = colours.of_stream(frame, tables.is_jfif);
    Ok(upsampling::interleaved(frame, &planes, colours))
}

impl Tables {
    fn read(&mut self, marker: u8, segment: &[u8]) -> Option<()> {
        match marker {
            QUANTISATION => segments::quantisation(segment, &mut self.quantisation),
            HUFFMAN => segments::huffman(segment, &mut self.dc, &mut self.ac),
            RESTART_INTERVAL => {
                let (interval, _) = segment.split_first_chunk::<2>()?;
                self.restart_interval = u32::from(u16::from_be_bytes(*interval));
                Some(())
            }
            APPLICATION_0 => {
                self.is_jfif |= segment.starts_with(b"JFIF\0");
                Some(())
            }
            _ => Some(()),
        }
    }
}

fn unsupported<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Unsupported { what })
}

#[cfg(test)]
mod tests;
