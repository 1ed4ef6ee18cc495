use barefoot_imaging::header::{Header, read_header};
use barefoot_imaging::pixels::load_gray;
use barefoot_imaging::transcode::{Error, transcode};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{InMemDicomObject, open_file};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex as _, TransferSyntaxRegistry};

use crate::files::{BIG_ENDIAN, INSTANCE, Made, picture, pixels_16, text, written};

const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;
const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;
const DEFLATED: &str = uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;

/// The turned data set as somebody else reads it.
fn turned(made: &Made, header: &Header, to: &str) -> InMemDicomObject {
    let bytes = transcode(&made.path, header, to).unwrap();
    let syntax = TransferSyntaxRegistry.get(to).unwrap();
    if to == DEFLATED {
        let mut inflated = Vec::new();
        let mut decoder = flate2::read::DeflateDecoder::new(bytes.as_slice());
        std::io::Read::read_to_end(&mut decoder, &mut inflated).unwrap();
        let explicit = TransferSyntaxRegistry.get(EXPLICIT).unwrap();
        return InMemDicomObject::read_dataset_with_ts(inflated.as_slice(), explicit).unwrap();
    }
    InMemDicomObject::read_dataset_with_ts(bytes.as_slice(), syntax).unwrap()
}

#[test]
fn an_uncompressed_object_stays_the_same_in_every_other_encoding() {
    for from in [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED] {
        let mut object = picture(2, 3, 16, 12);
        object.put(DataElement::new(
            tags::PIXEL_REPRESENTATION,
            VR::US,
            PrimitiveValue::from(1_u16),
        ));
        object.put(DataElement::new(
            tags::PIXEL_PADDING_VALUE,
            VR::SS,
            PrimitiveValue::from(-2000_i16),
        ));
        text(&mut object, tags::PATIENT_NAME, VR::PN, "Zhang^San");
        text(&mut object, dicom_core::Tag(0x0009, 0x0010), VR::LO, "A MAKER");
        pixels_16(&mut object, &[1, 2, 3, 4, 5, 0xFFFF]);
        let made = written(object, from);
        let header = read_header(&made.path).unwrap();
        for to in [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED] {
            let read = turned(&made, &header, to);
            let element = |tag| read.element(tag).unwrap().value();
            assert_eq!(element(tags::SOP_INSTANCE_UID).to_str().unwrap(), INSTANCE);
            assert_eq!(element(tags::PATIENT_NAME).to_str().unwrap(), "Zhang^San");
            let pixels = element(tags::PIXEL_DATA).to_multi_int::<u16>().unwrap();
            assert_eq!(pixels, [1, 2, 3, 4, 5, 0xFFFF], "{from} to {to}");
            let padding = read.element(tags::PIXEL_PADDING_VALUE).unwrap();
            assert_eq!(padding.value().to_bytes().unwrap().len(), 2);
            if to != IMPLICIT {
                assert_eq!(padding.vr(), VR::SS, "{from} to {to}");
                assert_eq!(padding.to_int::<i16>().unwrap(), -2000, "{from} to {to}");
            }
        }
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let mut object = picture(1, 1, 16, 12);
    pixels_16(&mut object, &[1]);
    let made = written(object, EXPLICIT);
    let header = read_header(&made.path).unwrap();
    let to_jpeg = transcode(&made.path, &header, uids::JPEG_BASELINE8_BIT);
    assert!(matches!(to_jpeg, Err(Error::Target { .. })));
}

/// Other projects' compressed files, where the machine has them: the picture a reader sees stays the same.
#[test]
fn compressed_pictures_look_the_same_without_compression() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/dicom-core");
    let Ok(manifest) = std::fs::read_to_string(root.join("manifest.tsv")) else {
        println!("no corpus beside the workspace: skipped");
        return;
    };
    let (mut same, mut undecodable) = (0, 0);
    for line in manifest.lines().skip(1) {
        let name = line.split('\t').next().unwrap();
        let path = root.join(name);
        let Ok(header) = read_header(&path) else { continue };
        let Ok(before) = load_gray(&path, &header) else {
            continue;
        };
        let bytes = match transcode(&path, &header, EXPLICIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                println!(
                    "{name}: {error}: {:?}",
                    std::error::Error::source(&error).map(ToString::to_string)
                );
                undecodable += 1;
                continue;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("turned.dcm");
        let mut file = vec![0; 128];
        file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
        file.extend(&bytes);
        std::fs::write(&copy, file).unwrap();
        let turned = read_header(&copy).unwrap();
        assert_eq!(turned.sop_instance_uid(), header.sop_instance_uid(), "{name}");
        let after = load_gray(&copy, &turned).unwrap();
        assert!(before.data == after.data, "{name} looks different");
        let syntax = TransferSyntaxRegistry.get(EXPLICIT).unwrap();
        let others = InMemDicomObject::read_dataset_with_ts(bytes.as_slice(), syntax);
        assert!(others.is_ok() || open_file(&path).is_err(), "{name}: {others:?}");
        same += 1;
    }
    println!("{same} pictures look the same, {undecodable} cannot be turned");
    assert!(100 < same);
}
