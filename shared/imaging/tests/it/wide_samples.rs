//! Samples that are no bytes or words: of 32 bits, of floating point, of one bit; and frames that no table tells apart.

use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::{Error, decoded_frame, load_gray, load_picture};
use barefoot_imaging::transcode::transcode_file;
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use image::ImageEncoder;

use crate::files::{BIG_ENDIAN, Made, number, picture, text, written};

const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;

fn levels(made: &Made) -> Vec<f32> {
    load_gray(&made.path, &read_header(&made.path).unwrap())
        .unwrap()
        .data
}

fn frames(made: &Made) -> Vec<Vec<u8>> {
    let header = read_header(&made.path).unwrap();
    let frames = 0..header.frames();
    frames
        .map(|frame| decoded_frame(&made.path, &header, frame).unwrap())
        .collect()
}

fn of_32_bits(samples: &[u32]) -> InMemDicomObject {
    let mut object = picture(1, 4, 32, 32);
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    object.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        PrimitiveValue::U8(bytes.into()),
    ));
    object
}

fn floats(tag: Tag, vr: VR, allocated: u16, value: PrimitiveValue) -> InMemDicomObject {
    let mut object = picture(1, 4, allocated, 16);
    for absent in [tags::BITS_STORED, tags::HIGH_BIT, tags::PIXEL_REPRESENTATION] {
        object.remove_element(absent);
    }
    object.put(DataElement::new(tag, vr, value));
    object
}

#[test]
fn samples_of_32_bits_are_stretched_windowed_and_turned_round() {
    let samples = [0, 1_000_000_000, 2_000_000_000, 4_000_000_000];
    let made = written(of_32_bits(&samples), EXPLICIT);
    assert_eq!(levels(&made), [0.0, 0.25, 0.5, 1.0]);

    let mut windowed = of_32_bits(&samples);
    text(&mut windowed, tags::WINDOW_CENTER, VR::DS, "1000000000.5");
    text(&mut windowed, tags::WINDOW_WIDTH, VR::DS, "2000000001");
    text(
        &mut windowed,
        tags::PHOTOMETRIC_INTERPRETATION,
        VR::CS,
        "MONOCHROME1",
    );
    assert_eq!(levels(&written(windowed, EXPLICIT)), [1.0, 0.5, 0.0, 0.0]);

    let mut signed = of_32_bits(&[-4_i32 as u32, -2_i32 as u32, 0, 4]);
    number(&mut signed, tags::PIXEL_REPRESENTATION, 1);
    assert_eq!(levels(&written(signed, EXPLICIT)), [0.0, 0.25, 0.5, 1.0]);

    let mut turned = of_32_bits(&[]);
    let words = samples.map(|sample| [(sample >> 16) as u16, sample as u16]);
    turned.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::U16(words.as_flattened().into()),
    ));
    let turned = written(turned, BIG_ENDIAN);
    assert_eq!(frames(&turned), frames(&made));
    let header = read_header(&turned.path).unwrap();
    std::fs::write(
        &turned.path,
        transcode_file(&turned.path, &header, EXPLICIT).unwrap(),
    )
    .unwrap();
    assert_eq!(frames(&turned), frames(&made), "in little endian");
    let header = read_header(&turned.path).unwrap();
    std::fs::write(
        &turned.path,
        transcode_file(&turned.path, &header, BIG_ENDIAN).unwrap(),
    )
    .unwrap();
    assert_eq!(frames(&turned), frames(&made), "and back");
}

#[test]
fn numbers_of_floating_point_are_stretched() {
    let single = [-1.0_f32, 0.0, f32::NAN, 3.0];
    let object = floats(
        tags::FLOAT_PIXEL_DATA,
        VR::OF,
        32,
        PrimitiveValue::F32(single[..].into()),
    );
    assert_eq!(levels(&written(object, EXPLICIT)), [0.0, 0.25, 0.0, 1.0]);
    let double = [-1.0_f64, f64::INFINITY, 1.0, 3.0];
    let object = floats(
        tags::DOUBLE_FLOAT_PIXEL_DATA,
        VR::OD,
        64,
        PrimitiveValue::F64(double[..].into()),
    );
    assert_eq!(levels(&written(object, EXPLICIT)), [0.0, 1.0, 0.5, 1.0]);
}

#[test]
fn wide_samples_in_colours_or_too_many_are_refused() {
    let mut object = of_32_bits(&[0; 4]);
    text(
        &mut object,
        tags::PHOTOMETRIC_INTERPRETATION,
        VR::CS,
        "PALETTE COLOR",
    );
    let refused = |object| {
        let made = written(object, EXPLICIT);
        load_picture(&made.path, &read_header(&made.path).unwrap(), 0, None).unwrap_err()
    };
    assert!(matches!(refused(object), Error::Unsupported { .. }));
    let mut object = of_32_bits(&[0; 4]);
    text(&mut object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
    number(&mut object, tags::SAMPLES_PER_PIXEL, 3);
    number(&mut object, tags::ROWS, 60_000);
    number(&mut object, tags::COLUMNS, 1_000);
    assert!(matches!(refused(object), Error::TooLarge { .. }));
}

/// PS3.5 annex G: a header, then one segment that copies its bytes.
fn run_lengths(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![1, 0, 0, 0, 64, 0, 0, 0];
    stream.resize(64, 0);
    stream.push(bytes.len() as u8 - 1);
    stream.extend(bytes);
    if !stream.len().is_multiple_of(2) {
        stream.push(0);
    }
    stream
}

#[test]
fn single_bits_in_run_lengths_join_without_gaps_once_they_are_native() {
    let mut object = picture(1, 11, 1, 1);
    text(&mut object, tags::NUMBER_OF_FRAMES, VR::IS, "2");
    object.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        PixelFragmentSequence::new_fragments(vec![run_lengths(&[0xA5, 0x03]), run_lengths(&[0x5A, 0x04])]),
    ));
    let made = written(object, uids::RLE_LOSSLESS);
    let compressed = frames(&made);
    assert_eq!(compressed, [[0xA5, 0x03], [0x5A, 0x04]]);
    let header = read_header(&made.path).unwrap();
    let native = transcode_file(&made.path, &header, EXPLICIT).unwrap();
    std::fs::write(&made.path, native).unwrap();
    assert_eq!(frames(&made), compressed, "a frame that begins inside a byte");
}

#[test]
fn frames_in_fragments_without_a_table_are_told_apart() {
    let jpeg = |level: u8| {
        let mut stream = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut stream)
            .write_image(&[level; 64], 8, 8, image::ExtendedColorType::L8)
            .unwrap();
        stream
    };
    let (first, second) = (jpeg(50), jpeg(200));
    let (start, end) = first.split_at(first.len() / 4 * 2);
    let made = |fragments: Vec<Vec<u8>>| {
        let mut object = picture(8, 8, 8, 8);
        text(&mut object, tags::NUMBER_OF_FRAMES, VR::IS, "2");
        let fragments = PixelFragmentSequence::new_fragments(fragments);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
        written(object, uids::JPEG_BASELINE8_BIT)
    };
    let even = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    };
    let told = frames(&made(vec![even(start), even(end), even(&second)]));
    assert_eq!(told, frames(&made(vec![even(&first), even(&second)])));
    let untold = made(vec![even(start), even(end), vec![0; 4]]);
    let header = read_header(&untold.path).unwrap();
    assert!(matches!(
        decoded_frame(&untold.path, &header, 1),
        Err(Error::Unsupported { .. })
    ));
}
