use std::io::Cursor;

use barefoot_imaging::header::{Error, read_header, scan};
use barefoot_imaging::text::person_name_display;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, Length, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use crate::files::{BIG_ENDIAN, INSTANCE, STUDY, number, object, picture, pixels_16, text, written};

const NATIVE: [&str; 4] = [
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    BIG_ENDIAN,
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
];

fn nested(depth: u32) -> InMemDicomObject {
    let mut inner = InMemDicomObject::new_empty();
    text(&mut inner, tags::STUDY_INSTANCE_UID, VR::UI, "9.9.9");
    text(&mut inner, tags::PATIENT_ID, VR::LO, "inner");
    for _ in 0..depth {
        let mut outer = InMemDicomObject::new_empty();
        let sequence = DataSetSequence::new(vec![inner], Length::UNDEFINED);
        outer.put(DataElement::new(
            tags::REFERENCED_STUDY_SEQUENCE,
            VR::SQ,
            sequence,
        ));
        inner = outer;
    }
    inner
}

#[test]
fn every_native_transfer_syntax_gives_the_same_header() {
    for transfer_syntax in NATIVE {
        let mut object = picture(2, 3, 16, 12);
        text(&mut object, tags::BODY_PART_EXAMINED, VR::CS, "chest ");
        text(&mut object, tags::PATIENT_NAME, VR::PN, "Zhang^San");
        text(&mut object, tags::STUDY_DATE, VR::DA, "20260102");
        text(&mut object, tags::NUMBER_OF_FRAMES, VR::IS, "1");
        for element in nested(3) {
            object.put(element);
        }
        pixels_16(&mut object, &[1, 2, 3, 4, 5, 6]);
        let made = written(object, transfer_syntax);
        let header = read_header(&made.path).unwrap();
        assert_eq!(header.transfer_syntax(), transfer_syntax);
        assert_eq!(header.study_uid().as_str(), STUDY);
        assert_eq!(header.sop_instance_uid(), INSTANCE);
        assert_eq!(
            header.sop_class_uid(),
            uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION
        );
        assert_eq!(header.series_uid(), Some("1.2.826.0.1.3680043.9.2"));
        assert_eq!(header.modality().as_deref(), Some("DX"));
        assert_eq!(header.body_part().as_deref(), Some("CHEST"));
        assert_eq!(
            (header.rows(), header.columns()),
            (Some(2), Some(3)),
            "{transfer_syntax}"
        );
        assert_eq!(
            (header.bits_allocated(), header.bits_stored()),
            (Some(16), Some(12))
        );
        assert_eq!(header.frames(), 1);
        assert_eq!(header.study_date().as_deref(), Some("20260102"));
        assert!(header.has_pixels());
        let patient = header.patient();
        assert_eq!(person_name_display(&patient.name.unwrap()), "Zhang San");
        // The nested one is somebody else's.
        assert!(patient.id.is_none());
    }
}

#[test]
fn the_data_set_starts_where_the_meta_group_ends() {
    let made = written(object(), uids::IMPLICIT_VR_LITTLE_ENDIAN);
    let bytes = std::fs::read(&made.path).unwrap();
    let offset = read_header(&made.path).unwrap().data_set_offset() as usize;
    assert_eq!(&bytes[offset..offset + 4], [0x08, 0x00, 0x16, 0x00]);
}

#[test]
fn nesting_has_a_limit() {
    let build = |depth| {
        let mut nest = nested(depth);
        for element in object() {
            nest.put(element);
        }
        written(nest, uids::EXPLICIT_VR_LITTLE_ENDIAN)
    };
    assert!(read_header(&build(16).path).is_ok());
    assert!(matches!(read_header(&build(17).path), Err(Error::TooDeep { .. })));
}

#[test]
fn an_undefined_length_unknown_value_is_implicit_inside() {
    // UN of undefined length around one item with an implicit element, between two explicit ones.
    let mut bytes = std::fs::read(written(object(), uids::EXPLICIT_VR_LITTLE_ENDIAN).path).unwrap();
    bytes.extend(*b"\x09\x00\x10\x10UN\0\0\xFF\xFF\xFF\xFF");
    bytes.extend(*b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
    bytes.extend(*b"\x10\x00\x20\x00\x04\x00\x00\x00abcd");
    bytes.extend(*b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
    bytes.extend(*b"\x28\x00\x10\x00US\x02\x00\x07\x00");
    let length = bytes.len() as u64;
    let header = scan(Cursor::new(bytes), length).unwrap();
    assert_eq!(header.rows(), Some(7));
    assert!(header.patient().id.is_none());
}

#[test]
fn missing_and_wrong_uids_are_named() {
    for (tag, name) in [
        (tags::SOP_CLASS_UID, "SOP Class UID"),
        (tags::SOP_INSTANCE_UID, "SOP Instance UID"),
        (tags::STUDY_INSTANCE_UID, "Study Instance UID"),
    ] {
        let meta = dicom_object::FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid("1.2")
            .media_storage_sop_instance_uid("1.2")
            .build()
            .unwrap();
        let write = |object: InMemDicomObject| {
            let mut bytes = Vec::new();
            object
                .with_exact_meta(meta.clone())
                .write_all(&mut bytes)
                .unwrap();
            bytes
        };
        let mut without = object();
        without.remove_element(tag);
        let mut wrong = object();
        text(&mut wrong, tag, VR::UI, "../pwned");
        for (object, is_missing) in [(without, true), (wrong, false)] {
            let bytes = write(object);
            let error = scan(Cursor::new(&bytes), bytes.len() as u64).unwrap_err();
            match &error {
                Error::MissingElement { name: found, .. } => assert!(is_missing && *found == name),
                Error::InvalidUid { name: found, .. } => assert!(!is_missing && *found == name),
                other => panic!("{other}"),
            }
            assert!(!error.to_string().contains("pwned"));
        }
    }
}

#[test]
fn identity_stays_out_of_debug() {
    let mut object = object();
    text(&mut object, tags::PATIENT_NAME, VR::PN, "Zhang^San");
    let header = read_header(&written(object, uids::EXPLICIT_VR_LITTLE_ENDIAN).path).unwrap();
    for shown in [format!("{header:?}"), format!("{:?}", header.patient())] {
        assert!(!shown.contains("Zhang") && !shown.contains(STUDY), "{shown}");
    }
}

#[test]
fn values_that_are_no_codes_or_numbers_are_absent() {
    let mut object = object();
    object.put(DataElement::new(
        tags::MODALITY,
        VR::CS,
        PrimitiveValue::from("\u{1}"),
    ));
    text(&mut object, tags::NUMBER_OF_FRAMES, VR::IS, "many");
    number(&mut object, tags::ROWS, 0);
    let header = read_header(&written(object, uids::EXPLICIT_VR_LITTLE_ENDIAN).path).unwrap();
    assert_eq!(header.modality(), None);
    assert_eq!(header.frames(), 0);
    assert!(!header.has_pixels());
}
