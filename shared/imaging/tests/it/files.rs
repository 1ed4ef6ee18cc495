//! Makes DICOM files with the general library, so that what is read here was written by somebody else.

use std::path::PathBuf;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use tempfile::TempDir;

/// Retired, and still in archives.
pub(crate) const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub(crate) const STUDY: &str = "1.2.826.0.1.3680043.9.1";
pub(crate) const INSTANCE: &str = "1.2.826.0.1.3680043.9.3";

pub(crate) struct Made {
    _directory: TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn text(object: &mut InMemDicomObject, tag: dicom_core::Tag, vr: VR, value: &str) {
    object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
}

pub(crate) fn number(object: &mut InMemDicomObject, tag: dicom_core::Tag, value: u16) {
    object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

/// The UIDs every object must have.
pub(crate) fn object() -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    text(
        &mut object,
        tags::SOP_CLASS_UID,
        VR::UI,
        uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    );
    text(&mut object, tags::SOP_INSTANCE_UID, VR::UI, INSTANCE);
    text(&mut object, tags::STUDY_INSTANCE_UID, VR::UI, STUDY);
    text(
        &mut object,
        tags::SERIES_INSTANCE_UID,
        VR::UI,
        "1.2.826.0.1.3680043.9.2",
    );
    text(&mut object, tags::MODALITY, VR::CS, "DX");
    object
}

/// What describes a grey picture's samples.
pub(crate) fn picture(rows: u16, columns: u16, allocated: u16, stored: u16) -> InMemDicomObject {
    let mut object = object();
    number(&mut object, tags::SAMPLES_PER_PIXEL, 1);
    text(
        &mut object,
        tags::PHOTOMETRIC_INTERPRETATION,
        VR::CS,
        "MONOCHROME2",
    );
    number(&mut object, tags::ROWS, rows);
    number(&mut object, tags::COLUMNS, columns);
    number(&mut object, tags::BITS_ALLOCATED, allocated);
    number(&mut object, tags::BITS_STORED, stored);
    number(&mut object, tags::HIGH_BIT, stored - 1);
    number(&mut object, tags::PIXEL_REPRESENTATION, 0);
    object
}

pub(crate) fn pixels_8(object: &mut InMemDicomObject, samples: &[u8]) {
    let value = PrimitiveValue::U8(samples.into());
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, value));
}

pub(crate) fn pixels_16(object: &mut InMemDicomObject, samples: &[u16]) {
    let value = PrimitiveValue::U16(samples.into());
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, value));
}

pub(crate) fn written(object: InMemDicomObject, transfer_syntax: &str) -> Made {
    let meta = FileMetaTableBuilder::new().transfer_syntax(transfer_syntax);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object.dcm");
    object.with_meta(meta).unwrap().write_to_file(&path).unwrap();
    Made {
        _directory: directory,
        path,
    }
}
