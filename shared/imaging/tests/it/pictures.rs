use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::{Error, GrayImage, load_gray};
use dicom_core::value::{DataSetSequence, PixelFragmentSequence};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use image::ImageEncoder;

use crate::files::{BIG_ENDIAN, number, picture, pixels_8, pixels_16, text, written};

const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;

fn load(object: InMemDicomObject, transfer_syntax: &str) -> Result<GrayImage, Error> {
    let made = written(object, transfer_syntax);
    load_gray(&made.path, &read_header(&made.path).unwrap())
}

fn levels(object: InMemDicomObject) -> Vec<f32> {
    load(object, EXPLICIT).unwrap().data
}

fn assert_levels(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

fn ramp() -> InMemDicomObject {
    let mut object = picture(16, 16, 8, 8);
    pixels_8(&mut object, &(0..=255).collect::<Vec<u8>>());
    object
}

fn exact_ramp() -> Vec<f32> {
    (0..=255_u8).map(|value| f32::from(value) / 255.0).collect()
}

#[test]
fn eight_bits_are_taken_as_they_are() {
    assert_eq!(levels(ramp()), exact_ramp());
}

#[test]
fn a_window_over_everything_changes_nothing() {
    for (centre, width) in [
        ("128", "256"),
        ("127", "255"),
        ("127.5", "255"),
        ("128\\40", "256\\350"),
    ] {
        let mut object = ramp();
        text(&mut object, tags::WINDOW_CENTER, VR::DS, centre);
        text(&mut object, tags::WINDOW_WIDTH, VR::DS, width);
        assert_eq!(levels(object), exact_ramp(), "{centre} {width}");
    }
}

#[test]
fn monochrome1_and_the_inverse_shape_turn_the_picture_over_once() {
    let mut inverted = exact_ramp();
    inverted.iter_mut().for_each(|level| *level = 1.0 - *level);
    for (photometric, shape) in [
        ("MONOCHROME1", None),
        ("MONOCHROME1", Some("INVERSE")),
        ("MONOCHROME2", Some("INVERSE")),
    ] {
        let mut object = ramp();
        text(&mut object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
        if let Some(shape) = shape {
            text(&mut object, tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
        }
        assert_levels(&levels(object), &inverted);
    }
}

#[test]
fn a_ct_slice_is_rescaled_and_windowed() {
    for transfer_syntax in [
        EXPLICIT,
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        BIG_ENDIAN,
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ] {
        let mut object = picture(1, 4, 16, 12);
        number(&mut object, tags::PIXEL_REPRESENTATION, 1);
        text(&mut object, tags::RESCALE_SLOPE, VR::DS, "1");
        text(&mut object, tags::RESCALE_INTERCEPT, VR::DS, "-1024");
        text(&mut object, tags::WINDOW_CENTER, VR::DS, "40");
        text(&mut object, tags::WINDOW_WIDTH, VR::DS, "401");
        // -1024 - 1 in twelve bits with rubbish above them, then 1024 - 160, 1064 - 0.5, 2000.
        pixels_16(&mut object, &[0xAFFF, 864, 1064, 2000]);
        let found = load(object, transfer_syntax).unwrap();
        assert_levels(&found.data, &[0.0, 0.00125, 0.50125, 1.0]);
    }
}

#[test]
fn without_a_window_sixteen_bits_are_stretched_to_what_occurs() {
    let mut object = picture(1, 4, 16, 16);
    pixels_16(&mut object, &[1000, 2000, 3000, 1500]);
    assert_levels(&levels(object), &[0.0, 0.5, 1.0, 0.25]);
    let mut object = picture(1, 4, 16, 16);
    number(&mut object, tags::PIXEL_PADDING_VALUE, 0);
    pixels_16(&mut object, &[0, 2000, 3000, 2500]);
    assert_levels(&levels(object), &[0.0, 0.0, 1.0, 0.5]);
    let mut flat = picture(1, 2, 16, 16);
    pixels_16(&mut flat, &[9, 9]);
    assert_levels(&levels(flat), &[0.0, 0.0]);
}

#[test]
fn the_window_functions_are_followed() {
    let build = |function: &str| {
        let mut object = picture(1, 3, 16, 16);
        text(&mut object, tags::WINDOW_CENTER, VR::DS, "100");
        text(&mut object, tags::WINDOW_WIDTH, VR::DS, "100");
        text(&mut object, tags::VOILUT_FUNCTION, VR::CS, function);
        pixels_16(&mut object, &[50, 100, 150]);
        levels(object)
    };
    assert_levels(&build("LINEAR_EXACT"), &[0.0, 0.5, 1.0]);
    assert_levels(&build("LINEAR"), &[0.0, 0.505_050_5, 1.0]);
    assert_levels(&build("SIGMOID"), &[0.119_202_92, 0.5, 0.880_797_1]);
}

#[test]
fn lookup_tables_are_followed() {
    let mut item = InMemDicomObject::new_empty();
    item.put(DataElement::new(
        tags::LUT_DESCRIPTOR,
        VR::US,
        PrimitiveValue::U16([3, 10, 8].as_slice().into()),
    ));
    item.put(DataElement::new(
        tags::LUT_DATA,
        VR::OW,
        PrimitiveValue::U16([0, 51, 255].as_slice().into()),
    ));
    let mut object = picture(1, 4, 16, 16);
    let sequence = DataSetSequence::from(vec![item]);
    object.put(DataElement::new(tags::VOILUT_SEQUENCE, VR::SQ, sequence));
    pixels_16(&mut object, &[5, 10, 11, 99]);
    assert_levels(&levels(object), &[0.0, 0.0, 0.2, 1.0]);
}

#[test]
fn colours_become_their_brightness() {
    for planar in [0, 1] {
        let mut object = picture(1, 2, 8, 8);
        number(&mut object, tags::SAMPLES_PER_PIXEL, 3);
        number(&mut object, tags::PLANAR_CONFIGURATION, planar);
        text(&mut object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB");
        let samples: &[u8] = if planar == 0 {
            &[255, 0, 0, 90, 90, 90]
        } else {
            &[255, 90, 0, 90, 0, 90]
        };
        pixels_8(&mut object, samples);
        assert_levels(&levels(object), &[76.0 / 255.0, 90.0 / 255.0]);
    }
}

#[test]
fn the_middle_frame_is_shown() {
    let mut object = picture(1, 2, 8, 8);
    text(&mut object, tags::NUMBER_OF_FRAMES, VR::IS, "3");
    pixels_8(&mut object, &[0, 0, 51, 102, 255, 255]);
    let found = load(object, EXPLICIT).unwrap();
    assert_levels(&found.data, &[0.2, 0.4]);
    assert_eq!(found.frame_count, 3);
}

#[test]
fn jpeg_and_run_lengths_are_decoded() {
    let grey: Vec<u8> = vec![128; 64];
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95)
        .write_image(&grey, 8, 8, image::ExtendedColorType::L8)
        .unwrap();
    let build = |rows, fragment: Vec<u8>| {
        let mut object = picture(rows, 8, 8, 8);
        let fragments = PixelFragmentSequence::new_fragments(vec![fragment]);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
        object
    };
    let found = load(build(8, jpeg.clone()), uids::JPEG_BASELINE8_BIT).unwrap();
    assert!(
        found
            .data
            .iter()
            .all(|level| (level - 128.0 / 255.0).abs() < 0.01)
    );
    // The codec would allocate by the stream's own size.
    assert!(matches!(
        load(build(9, jpeg), uids::JPEG_BASELINE8_BIT),
        Err(Error::CodestreamMismatch)
    ));
    // One segment: a literal of two bytes, then a run of fourteen.
    let mut run_length = vec![0_u8; 64];
    run_length[0] = 1;
    run_length[4] = 64;
    run_length.extend([1, 10, 20, 243, 30]);
    let found = load(build(2, run_length), uids::RLE_LOSSLESS).unwrap();
    assert_levels(&found.data[..3], &[10.0 / 255.0, 20.0 / 255.0, 30.0 / 255.0]);
}

#[test]
fn what_cannot_be_decoded_says_so() {
    let mut object = picture(4, 4, 8, 8);
    let fragments = PixelFragmentSequence::new_fragments(vec![vec![0xFF, 0xD8, 0xFF, 0xF7]]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
    let error = load(object.clone(), uids::MPEG2MPML).unwrap_err();
    assert!(error.to_string().contains(uids::MPEG2MPML), "{error}");
    assert!(matches!(
        load(object, uids::JPEG_BASELINE8_BIT),
        Err(Error::Damaged)
    ));
    let mut short = picture(4, 4, 8, 8);
    pixels_8(&mut short, &[0; 14]);
    assert!(matches!(
        load(short, EXPLICIT),
        Err(Error::SizeMismatch {
            wanted: 16,
            found: 14
        })
    ));
    let mut huge = picture(65_535, 65_535, 8, 8);
    pixels_8(&mut huge, &[0; 16]);
    assert!(matches!(load(huge, EXPLICIT), Err(Error::TooLarge { .. })));
    assert!(matches!(
        load(picture(4, 4, 8, 8), EXPLICIT),
        Err(Error::NoPixels)
    ));
}

#[test]
fn pixels_that_are_not_square_are_made_so() {
    let squared = |said: &[(dicom_core::Tag, &str)]| {
        let mut object = ramp();
        for (tag, value) in said {
            let vr = if *tag == tags::PIXEL_ASPECT_RATIO {
                VR::IS
            } else {
                VR::DS
            };
            text(&mut object, *tag, vr, value);
        }
        let image = load(object, EXPLICIT).unwrap();
        assert_eq!(image.data.len(), (image.width * image.height) as usize);
        (image.width, image.height)
    };
    const SPACING: dicom_core::Tag = tags::PIXEL_SPACING;
    const DETECTOR: dicom_core::Tag = tags::IMAGER_PIXEL_SPACING;
    const ASPECT: dicom_core::Tag = tags::PIXEL_ASPECT_RATIO;
    for (said, size) in [
        (&[(SPACING, "1.0\\0.5")][..], (16, 32)),
        (&[(SPACING, "0.5\\1.0")], (32, 16)),
        (&[(DETECTOR, "0.3\\0.2")], (16, 24)),
        (&[(tags::NOMINAL_SCANNED_PIXEL_SPACING, "0.3\\0.2")], (16, 24)),
        (&[(ASPECT, "1\\2")], (32, 16)),
        // A distance says more than a ratio.
        (&[(SPACING, "0.5\\0.5"), (ASPECT, "1\\2")], (16, 16)),
        // Nobody sees it; nobody's pixels; no numbers.
        (&[(SPACING, "0.5\\0.501")], (16, 16)),
        (&[(SPACING, "0.01\\1")], (16, 16)),
        (&[(SPACING, "0\\1")], (16, 16)),
        (&[(SPACING, "-1\\-2")], (16, 16)),
        (&[(SPACING, "1")], (16, 16)),
    ] {
        assert_eq!(squared(said), size, "{said:?}");
    }
}

#[test]
fn a_frames_own_spacing_counts_and_what_is_seen_keeps_its_place() {
    let mut measures = InMemDicomObject::new_empty();
    text(&mut measures, tags::PIXEL_SPACING, VR::DS, "2\\1");
    let nested = |tag, item| DataElement::new(tag, VR::SQ, DataSetSequence::from(vec![item]));
    let mut groups = InMemDicomObject::new_empty();
    groups.put(nested(tags::PIXEL_MEASURES_SEQUENCE, measures));
    let mut object = picture(2, 4, 8, 8);
    object.put(nested(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, groups));
    pixels_8(&mut object, &[0, 0, 255, 255, 255, 255, 0, 0]);
    let image = load(object, EXPLICIT).unwrap();
    assert_eq!((image.width, image.height), (4, 4));
    let corner = |row: usize, column: usize| image.data[row * 4 + column];
    assert!(corner(0, 0) < 0.1 && 0.9 < corner(0, 3) && 0.9 < corner(3, 0) && corner(3, 3) < 0.1);
}
