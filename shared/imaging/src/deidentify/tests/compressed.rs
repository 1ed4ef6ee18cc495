//! Pictures that come compressed.

use super::*;
use crate::pixels::{Layout, Photometric};
use crate::recompress::{Samples, lossless};

const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
const WAVELET: &str = "1.2.840.10008.1.2.4.90";

/// A word picture whose samples have twelve bits, by its header.
fn twelve_bits(stream: Vec<u8>) -> DataSet {
    let mut set = picture(DX, "DX");
    set.put_u16(tags::BITS_ALLOCATED, 16);
    set.put_u16(tags::BITS_STORED, 12);
    set.put_u16(tags::HIGH_BIT, 11);
    let content = Content::Fragments(vec![Vec::new(), stream]);
    set.put(tags::PIXEL_DATA, Element { vr: Vr::OB, content });
    set
}

/// A gradient, with an overlay's plane in bit 13.
fn with_overlay() -> Vec<u16> {
    let overlay = |at: u16| if at % 7 < 3 { 0x2000 } else { 0 };
    (0..64 * 64u16).map(|at| (at / 4) | overlay(at)).collect()
}

fn le(samples: &[u16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn wavelet(samples: &[u16], bits: u16) -> Vec<u8> {
    let layout = Layout {
        rows: 64,
        columns: 64,
        frames: 1,
        samples: 1,
        bits_allocated: 16,
        bits_stored: bits,
        high_bit: bits - 1,
        signed: false,
        float: false,
        planar: false,
        photometric: Photometric::Monochrome2,
    };
    lossless(&Samples::of(&le(samples), &layout))
        .unwrap()
        .frames
        .remove(0)
}

/// ITU-T T.81 annex H, each sample predicted by the one to its left, every category with a code of five bits.
fn jpeg_lossless(samples: &[u16]) -> Vec<u8> {
    let mut out = b"\xFF\xD8\xFF\xC3\0\x0B\x10\0\x40\0\x40\x01\x01\x11\0\xFF\xC4\0\x24\0".to_vec();
    out.extend([0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(0..=16u8);
    out.extend(b"\xFF\xDA\0\x08\x01\x01\0\x01\0\0");
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |value: u32, count: u32| bits.extend((0..count).rev().map(|at| value >> at & 1 == 1));
    for (at, sample) in samples.iter().enumerate() {
        let predicted = match at {
            0 => 0x8000,
            at if at % 64 == 0 => samples[at - 64],
            at => samples[at - 1],
        };
        let difference = i32::from(sample.wrapping_sub(predicted).cast_signed());
        let category = 32 - difference.unsigned_abs().leading_zeros();
        put(category, 5);
        if category < 16 {
            let coded = if difference < 0 {
                difference - 1
            } else {
                difference
            };
            put(coded.cast_unsigned(), category);
        }
    }
    for byte in bits.chunks(8) {
        let value = (0..8).fold(0, |value, at| {
            value << 1 | u8::from(*byte.get(at).unwrap_or(&true))
        });
        out.push(value);
        if value == 0xFF {
            out.push(0);
        }
    }
    out.extend(b"\xFF\xD9");
    out
}

#[test]
fn what_a_stream_keeps_above_the_samples_is_gone() {
    let samples = with_overlay();
    let wanted: Vec<u16> = samples.iter().map(|sample| sample & 0x0FFF).collect();
    for (syntax, stream) in [
        (WAVELET, wavelet(&samples, 16)),
        (JPEG_LOSSLESS, jpeg_lossless(&samples)),
    ] {
        let out = deidentified_as(&twelve_bits(stream), syntax, &policy()).unwrap();
        assert_eq!(pixels_of(&out), le(&wanted), "{syntax}");
        check(&out.file).unwrap();
    }
}

#[test]
fn a_stream_without_room_for_more_goes_on_as_it_is() {
    let samples: Vec<u16> = with_overlay().iter().map(|sample| sample & 0x0FFF).collect();
    let stream = wavelet(&samples, 12);
    let out = deidentified_as(&twelve_bits(stream), WAVELET, &policy()).unwrap();
    assert_eq!(out.transfer_syntax, WAVELET);
    assert_eq!(pixels_of(&out), le(&samples));
}

/// No decoder for it is in the tree: a stream that may hide something stays, one that cannot goes.
#[test]
fn what_cannot_be_decoded_to_be_cleared_stays() {
    let stream = |precision: u8| {
        let frame = [
            0xFF, 0xD8, 0xFF, 0xF7, 0, 11, precision, 0, 64, 0, 64, 1, 1, 0x11, 0,
        ];
        let scan = b"\xFF\xDA\0\x08\x01\x01\0\0\0\0\x55\x66\xFF\xD9";
        [&frame[..], scan].concat()
    };
    let deep = deidentified_as(&twelve_bits(stream(16)), JPEG_LS, &policy()).unwrap_err();
    assert_eq!(deep.code(), "undecodable");
    let out = deidentified_as(&twelve_bits(stream(12)), JPEG_LS, &policy()).unwrap();
    assert_eq!(out.transfer_syntax, JPEG_LS);
}
