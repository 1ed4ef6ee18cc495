//! Presentation states, pixel by pixel beside dcmtk's `dcmp2pgm`.

use std::path::Path;
use std::process::Command;

use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::presented::{State, is_applied, is_state, presented};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::files::{INSTANCE, Made, number, object, picture, pixels_16, text, written};

const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;
const ROWS: u16 = 30;
const COLUMNS: u16 = 40;

fn items(object: &mut InMemDicomObject, tag: dicom_core::Tag, items: Vec<InMemDicomObject>) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

fn table(first: i16, entries: &[u16], signed: bool) -> InMemDicomObject {
    let mut table = InMemDicomObject::new_empty();
    let count = entries.len() as u16;
    let descriptor = match signed {
        true => DataElement::new(
            tags::LUT_DESCRIPTOR,
            VR::SS,
            PrimitiveValue::I16([count as i16, first, 12][..].into()),
        ),
        false => DataElement::new(
            tags::LUT_DESCRIPTOR,
            VR::US,
            PrimitiveValue::U16([count, first as u16, 12][..].into()),
        ),
    };
    table.put(descriptor);
    table.put(DataElement::new(
        tags::LUT_DATA,
        VR::OW,
        PrimitiveValue::U16(entries.into()),
    ));
    table
}

fn window(centre: &str, width: &str) -> InMemDicomObject {
    let mut voi = InMemDicomObject::new_empty();
    text(&mut voi, tags::WINDOW_CENTER, VR::DS, centre);
    text(&mut voi, tags::WINDOW_WIDTH, VR::DS, width);
    voi
}

fn reference(instance: &str) -> InMemDicomObject {
    let mut image = InMemDicomObject::new_empty();
    text(
        &mut image,
        tags::REFERENCED_SOP_CLASS_UID,
        VR::UI,
        uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    );
    text(&mut image, tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance);
    image
}

/// A state of the image that [`object`] makes, as dcmtk wants one.
fn state(change: impl FnOnce(&mut InMemDicomObject)) -> Made {
    let mut state = object();
    text(
        &mut state,
        tags::SOP_CLASS_UID,
        VR::UI,
        uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    );
    text(
        &mut state,
        tags::SOP_INSTANCE_UID,
        VR::UI,
        "1.2.826.0.1.3680043.9.4",
    );
    text(&mut state, tags::MODALITY, VR::CS, "PR");
    for (tag, vr, value) in [
        (tags::STUDY_DATE, VR::DA, ""),
        (tags::STUDY_TIME, VR::TM, ""),
        (tags::ACCESSION_NUMBER, VR::SH, ""),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
        (tags::PATIENT_NAME, VR::PN, "A"),
        (tags::PATIENT_ID, VR::LO, "1"),
        (tags::PATIENT_BIRTH_DATE, VR::DA, ""),
        (tags::PATIENT_SEX, VR::CS, ""),
        (tags::STUDY_ID, VR::SH, ""),
        (tags::MANUFACTURER, VR::LO, ""),
        (tags::SERIES_NUMBER, VR::IS, "1"),
        (tags::INSTANCE_NUMBER, VR::IS, "1"),
        (tags::CONTENT_LABEL, VR::CS, "X"),
        (tags::CONTENT_DESCRIPTION, VR::LO, ""),
        (tags::PRESENTATION_CREATION_DATE, VR::DA, "20261123"),
        (tags::PRESENTATION_CREATION_TIME, VR::TM, "101500"),
        (tags::CONTENT_CREATOR_NAME, VR::PN, ""),
        (tags::PRESENTATION_LUT_SHAPE, VR::CS, "IDENTITY"),
    ] {
        text(&mut state, tag, vr, value);
    }
    let mut series = InMemDicomObject::new_empty();
    text(
        &mut series,
        tags::SERIES_INSTANCE_UID,
        VR::UI,
        "1.2.826.0.1.3680043.9.2",
    );
    items(
        &mut series,
        tags::REFERENCED_IMAGE_SEQUENCE,
        vec![reference(INSTANCE)],
    );
    items(&mut state, tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    let mut area = InMemDicomObject::new_empty();
    let corner = |tag, column: i32, row: i32| {
        DataElement::new(tag, VR::SL, PrimitiveValue::I32([column, row][..].into()))
    };
    area.put(corner(tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER, 1, 1));
    area.put(corner(
        tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER,
        i32::from(COLUMNS),
        i32::from(ROWS),
    ));
    text(&mut area, tags::PRESENTATION_SIZE_MODE, VR::CS, "SCALE TO FIT");
    text(&mut area, tags::PRESENTATION_PIXEL_ASPECT_RATIO, VR::IS, "1\\1");
    items(&mut state, tags::DISPLAYED_AREA_SELECTION_SEQUENCE, vec![area]);
    change(&mut state);
    written(state, EXPLICIT)
}

/// Twelve bits, each pixel another level.
fn image(change: impl FnOnce(&mut InMemDicomObject)) -> Made {
    let mut image = picture(ROWS, COLUMNS, 16, 12);
    let samples: Vec<u16> = (0..ROWS * COLUMNS).map(|pixel| pixel * 3).collect();
    pixels_16(&mut image, &samples);
    change(&mut image);
    written(image, EXPLICIT)
}

fn ours(image: &Made, state: &Made) -> GrayImage {
    let (of_image, of_state) = (
        read_header(&image.path).unwrap(),
        read_header(&state.path).unwrap(),
    );
    let state = State::read(&state.path, &of_state).unwrap();
    assert!(state.is_of(of_image.sop_instance_uid(), 0));
    presented(&image.path, &of_image, 0, &state).unwrap()
}

/// Width, height and pixels as dcmtk shows them.
fn dcmtks(image: &Path, state: &Path) -> (u32, u32, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("shown.pgm");
    let output = Command::new("/usr/bin/dcmp2pgm")
        .arg("-p")
        .args([state, image, &to])
        .output()
        .unwrap_or_else(|error| panic!("{error}: `cargo xtask test` installs the package dcmtk"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let bytes = std::fs::read(&to).unwrap();
    // "P5", width, height, 255, each behind a blank; then a byte a pixel.
    let mut rest = bytes.as_slice();
    let mut numbers = [0_u32; 3];
    rest = rest.strip_prefix(b"P5").unwrap();
    for number in &mut numbers {
        let start = rest.iter().position(u8::is_ascii_digit).unwrap();
        let end = start
            + rest[start..]
                .iter()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap();
        *number = str::from_utf8(&rest[start..end]).unwrap().parse().unwrap();
        rest = &rest[end..];
    }
    let [width, height, most] = numbers;
    assert_eq!(most, 255);
    (width, height, rest[1..].to_vec())
}

fn equal(what: &str, image: &Made, state: &Made) {
    let found = ours(image, state);
    let (width, height, pixels) = dcmtks(&image.path, &state.path);
    assert_eq!((found.width, found.height), (width, height), "{what}");
    for (at, (level, byte)) in found.data.iter().zip(&pixels).enumerate() {
        // dcmtk cuts off where we round.
        let off = (f64::from(*level) * 255.0 - f64::from(*byte)).abs();
        assert!(off <= 1.01, "{what}: pixel {at} is {level} here and {byte} there");
    }
}

#[test]
fn levels_are_dcmtks_for_every_part_of_a_state() {
    let plain = image(|_| {});
    equal("nothing", &plain, &state(|_| {}));
    let voi = |voi: Vec<InMemDicomObject>| state(|state| items(state, tags::SOFTCOPY_VOILUT_SEQUENCE, voi));
    equal("window", &plain, &voi(vec![window("1000", "1500")]));
    let mut other = window("100", "20");
    items(
        &mut other,
        tags::REFERENCED_IMAGE_SEQUENCE,
        vec![reference("1.2.3")],
    );
    let mut own = window("2000", "700.5");
    items(
        &mut own,
        tags::REFERENCED_IMAGE_SEQUENCE,
        vec![reference(INSTANCE)],
    );
    equal("window of one image", &plain, &voi(vec![other, own]));
    let roots: Vec<u16> = (0..1000_u32)
        .map(|n| (f64::from(n) / 999.0).sqrt() * 4095.0)
        .map(|n| n as u16)
        .collect();
    let mut curve = InMemDicomObject::new_empty();
    items(&mut curve, tags::VOILUT_SEQUENCE, vec![table(200, &roots, false)]);
    equal("VOI LUT", &plain, &voi(vec![curve]));
    let inverse = state(|state| {
        text(state, tags::PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE");
        items(
            state,
            tags::SOFTCOPY_VOILUT_SEQUENCE,
            vec![window("1000", "1500")],
        );
    });
    equal("inverse", &plain, &inverse);
    let table_of_levels = state(|state| {
        state.remove_element(tags::PRESENTATION_LUT_SHAPE);
        let halves: Vec<u16> = (0..4096_u32).map(|n| (n * n / 4096) as u16).collect();
        items(
            state,
            tags::PRESENTATION_LUT_SEQUENCE,
            vec![table(0, &halves, false)],
        );
    });
    equal("presentation LUT", &plain, &table_of_levels);
    let rescaled = state(|state| {
        text(state, tags::RESCALE_SLOPE, VR::DS, "2");
        text(state, tags::RESCALE_INTERCEPT, VR::DS, "-1000");
        text(state, tags::RESCALE_TYPE, VR::LO, "HU");
        items(
            state,
            tags::SOFTCOPY_VOILUT_SEQUENCE,
            vec![window("1000", "1500")],
        );
    });
    equal("rescale", &plain, &rescaled);
    let words_of_its_own = image(|image| {
        text(image, tags::RESCALE_SLOPE, VR::DS, "3");
        text(image, tags::RESCALE_INTERCEPT, VR::DS, "-100");
        text(image, tags::WINDOW_CENTER, VR::DS, "40");
        text(image, tags::WINDOW_WIDTH, VR::DS, "80");
    });
    equal("the image's own words", &words_of_its_own, &state(|_| {}));
    let white_is_low = image(|image| text(image, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1"));
    equal("MONOCHROME1", &white_is_low, &state(|_| {}));
    equal("MONOCHROME1 inverse", &white_is_low, &inverse);
    let signed = image(|image| {
        number(image, tags::PIXEL_REPRESENTATION, 1);
        number(image, tags::BITS_STORED, 16);
        number(image, tags::HIGH_BIT, 15);
        let samples: Vec<u16> = (0..ROWS * COLUMNS)
            .map(|pixel| (i32::from(pixel) * 20 - 9000) as u16)
            .collect();
        pixels_16(image, &samples);
    });
    equal("signed", &signed, &voi(vec![window("-500", "6000")]));
}

#[test]
fn pictures_are_turned_and_flipped_as_dcmtks() {
    let plain = image(|_| {});
    for rotation in [0, 90, 180, 270] {
        for flip in ["N", "Y"] {
            let turned = state(|state| {
                number(state, tags::IMAGE_ROTATION, rotation);
                text(state, tags::IMAGE_HORIZONTAL_FLIP, VR::CS, flip);
            });
            equal(&format!("{rotation} {flip}"), &plain, &turned);
        }
    }
}

/// dcmtk's program draws no shutters: held against the standard's words.
#[test]
fn shutters_hide_what_is_not_within_all_of_them() {
    let plain = image(|image| pixels_16(image, &vec![2048; usize::from(ROWS) * usize::from(COLUMNS)]));
    let seen = |change: &dyn Fn(&mut InMemDicomObject)| -> Vec<(usize, usize)> {
        let shut = state(|state| {
            number(state, tags::SHUTTER_PRESENTATION_VALUE, 0xFFFF);
            change(state);
        });
        let shown = ours(&plain, &shut);
        let seen = shown.data.iter().enumerate().filter(|(_, level)| **level < 0.9);
        let width = usize::from(COLUMNS);
        seen.map(|(at, _)| (at / width + 1, at % width + 1)).collect()
    };
    let rectangle = |state: &mut InMemDicomObject| {
        text(state, tags::SHUTTER_LEFT_VERTICAL_EDGE, VR::IS, "5");
        text(state, tags::SHUTTER_RIGHT_VERTICAL_EDGE, VR::IS, "20");
        text(state, tags::SHUTTER_UPPER_HORIZONTAL_EDGE, VR::IS, "4");
        text(state, tags::SHUTTER_LOWER_HORIZONTAL_EDGE, VR::IS, "10");
    };
    let circle = |state: &mut InMemDicomObject| {
        text(state, tags::CENTER_OF_CIRCULAR_SHUTTER, VR::IS, "12\\15");
        text(state, tags::RADIUS_OF_CIRCULAR_SHUTTER, VR::IS, "6");
    };
    let shape = |state: &mut InMemDicomObject, shape: &str| text(state, tags::SHUTTER_SHAPE, VR::CS, shape);
    let by_rectangle = seen(&|state| {
        shape(state, "RECTANGULAR");
        rectangle(state);
    });
    assert_eq!(by_rectangle.len(), 7 * 16);
    assert_eq!(
        (by_rectangle[0], *by_rectangle.last().unwrap()),
        ((4, 5), (10, 20))
    );
    let by_circle = seen(&|state| {
        shape(state, "CIRCULAR");
        circle(state);
    });
    assert!(by_circle.contains(&(6, 15)) && by_circle.contains(&(12, 21)) && !by_circle.contains(&(7, 20)));
    assert_eq!(by_circle.len(), 113);
    let by_both = seen(&|state| {
        shape(state, "RECTANGULAR\\CIRCULAR");
        rectangle(state);
        circle(state);
    });
    let both: Vec<_> = by_rectangle
        .iter()
        .filter(|place| by_circle.contains(place))
        .copied()
        .collect();
    assert_eq!(by_both, both);
    let by_polygon = seen(&|state| {
        shape(state, "POLYGONAL");
        text(
            state,
            tags::VERTICES_OF_THE_POLYGONAL_SHUTTER,
            VR::IS,
            "5\\5\\5\\25\\25\\25\\25\\5",
        );
    });
    assert_eq!(by_polygon.len(), 20 * 20);
    assert_eq!(seen(&|state| shape(state, "BITMAP")).len(), 1200, "not applied");
}

#[test]
fn a_state_is_of_the_frames_it_names_and_of_no_other_image() {
    let some = state(|state| {
        let mut image = reference(INSTANCE);
        text(&mut image, tags::REFERENCED_FRAME_NUMBER, VR::IS, "2\\5");
        let mut series = InMemDicomObject::new_empty();
        items(&mut series, tags::REFERENCED_IMAGE_SEQUENCE, vec![image]);
        items(state, tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    });
    let header = read_header(&some.path).unwrap();
    assert!(is_state(header.sop_class_uid()) && is_applied(header.sop_class_uid()));
    assert!(is_state(uids::COLOR_SOFTCOPY_PRESENTATION_STATE_STORAGE));
    assert!(!is_applied(uids::COLOR_SOFTCOPY_PRESENTATION_STATE_STORAGE));
    assert!(!is_state(uids::CT_IMAGE_STORAGE));
    let state = State::read(&some.path, &header).unwrap();
    let frames: Vec<u32> = (0..9).filter(|frame| state.is_of(INSTANCE, *frame)).collect();
    assert_eq!(frames, [1, 4]);
    assert!(!state.is_of("1.2.3", 1));
    assert_eq!(state.made_at(), "20261123101500");
}
