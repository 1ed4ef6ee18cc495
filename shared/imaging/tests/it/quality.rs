use barefoot_domain::{QualityGrade, QualityProblem};
use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::load_gray;
use barefoot_imaging::quality::{self, Kind, Slice};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::files::{picture, pixels_8, text, written};

const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;

fn problems(object: InMemDicomObject) -> Vec<QualityProblem> {
    let made = written(object, EXPLICIT);
    let header = read_header(&made.path).unwrap();
    let image = load_gray(&made.path, &header).unwrap();
    quality::picture(&header, &image).problems
}

/// A hand of no interest: every grey level, large enough, everything named.
fn hand() -> InMemDicomObject {
    let mut object = picture(520, 520, 8, 8);
    let samples: Vec<u8> = (0..520_u32 * 520).map(|index| (index % 251) as u8).collect();
    pixels_8(&mut object, &samples);
    text(&mut object, tags::BODY_PART_EXAMINED, VR::CS, "HAND");
    text(&mut object, tags::IMAGE_LATERALITY, VR::CS, "L");
    object
}

#[test]
fn a_complete_header_draws_no_remark() {
    assert_eq!(problems(hand()), []);
}

#[test]
fn a_paired_part_needs_its_side() {
    let mut object = hand();
    object.remove_element(tags::IMAGE_LATERALITY);
    assert_eq!(problems(object.clone()), [QualityProblem::LateralityMissing]);
    text(&mut object, tags::SERIES_DESCRIPTION, VR::LO, "HAND LEFT");
    assert_eq!(problems(object), []);
}

#[test]
fn a_part_must_be_named_somewhere_and_not_contradicted() {
    let mut object = hand();
    object.remove_element(tags::BODY_PART_EXAMINED);
    assert_eq!(problems(object.clone()), [QualityProblem::BodyPartMissing]);
    text(
        &mut object,
        tags::STUDY_DESCRIPTION,
        VR::LO,
        "whatever the console calls it",
    );
    assert_eq!(problems(object), []);
    let mut other = hand();
    text(&mut other, tags::STUDY_DESCRIPTION, VR::LO, "KNEE");
    assert_eq!(problems(other), [QualityProblem::BodyPartWrong]);
}

#[test]
fn the_view_of_a_digital_chest_is_named_by_code_or_word() {
    let mut object = hand();
    text(&mut object, tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
    object.remove_element(tags::IMAGE_LATERALITY);
    assert!(problems(object.clone()).contains(&QualityProblem::ViewMissing));
    let mut code = InMemDicomObject::new_empty();
    text(&mut code, tags::CODE_VALUE, VR::SH, "272479007");
    object.put(DataElement::new(
        tags::VIEW_CODE_SEQUENCE,
        VR::SQ,
        DataSetSequence::from(vec![code]),
    ));
    assert!(!problems(object).contains(&QualityProblem::ViewMissing));
}

#[test]
fn the_deviation_index_and_declared_text_are_read() {
    let mut object = hand();
    text(&mut object, tags::DEVIATION_INDEX, VR::DS, "-6.1");
    text(&mut object, tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    assert_eq!(
        problems(object),
        [QualityProblem::DoseLow, QualityProblem::BurnedInText]
    );
}

#[test]
fn slices_are_judged_where_their_headers_put_them() {
    let slice = |z: f64| {
        let mut object = picture(4, 4, 8, 8);
        pixels_8(&mut object, &[0; 16]);
        text(&mut object, tags::MODALITY, VR::CS, "CT");
        text(
            &mut object,
            tags::IMAGE_POSITION_PATIENT,
            VR::DS,
            &format!("-10\\-10\\{z}"),
        );
        text(
            &mut object,
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            "1\\0\\0\\0\\1\\0",
        );
        let made = written(object, EXPLICIT);
        let header = read_header(&made.path).unwrap();
        assert_eq!(Kind::of(&header), Kind::Slices);
        let alone = quality::picture(&header, &load_gray(&made.path, &header).unwrap());
        assert_eq!(
            alone.grade,
            QualityGrade::A,
            "an empty slice is judged with its series"
        );
        Slice::of(&header).unwrap()
    };
    let mut slices: Vec<Slice> = (0..20).map(|number| slice(f64::from(number) * 2.5)).collect();
    assert_eq!(quality::series(&slices).problems, []);
    slices.remove(7);
    let verdict = quality::series(&slices);
    assert_eq!(
        (verdict.grade, verdict.problems),
        (QualityGrade::C, vec![QualityProblem::SlicesMissing])
    );
}

#[test]
fn the_frames_of_an_enhanced_object_lie_where_each_says() {
    let mut object = picture(4, 4, 8, 8);
    text(&mut object, tags::MODALITY, VR::CS, "CT");
    text(&mut object, tags::NUMBER_OF_FRAMES, VR::IS, "8");
    pixels_8(&mut object, &[0; 128]);
    let nested = |tag, value: &str, sequence| {
        let mut inner = InMemDicomObject::new_empty();
        text(&mut inner, tag, VR::DS, value);
        let mut group = InMemDicomObject::new_empty();
        group.put(DataElement::new(
            sequence,
            VR::SQ,
            DataSetSequence::from(vec![inner]),
        ));
        group
    };
    let shared = nested(
        tags::IMAGE_ORIENTATION_PATIENT,
        "1\\0\\0\\0\\1\\0",
        tags::PLANE_ORIENTATION_SEQUENCE,
    );
    let frames: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 8]
        .iter()
        .map(|z| {
            nested(
                tags::IMAGE_POSITION_PATIENT,
                &format!("0\\0\\{z}"),
                tags::PLANE_POSITION_SEQUENCE,
            )
        })
        .collect();
    for (tag, items) in [
        (tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]),
        (tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames),
    ] {
        object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
    }
    let made = written(object, EXPLICIT);
    let slice = Slice::of(&read_header(&made.path).unwrap()).unwrap();
    assert_eq!(
        quality::series(&[slice]).problems,
        [QualityProblem::SlicesMissing]
    );
}
