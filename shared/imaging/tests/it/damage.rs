//! What a bad line, a bad disk or a bad person makes of a file.

use std::io::Cursor;

use barefoot_imaging::header::{Error, Header, read_header, scan};
use barefoot_imaging::pixels::load_gray;
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use proptest::prelude::*;

use crate::files::{BIG_ENDIAN, object, picture, pixels_16, text, written};

fn scan_bytes(bytes: &[u8]) -> Result<Header, Error> {
    scan(Cursor::new(bytes), bytes.len() as u64)
}

fn native() -> Vec<u8> {
    let mut object = picture(4, 4, 16, 16);
    text(&mut object, tags::PATIENT_NAME, VR::PN, "Zhang^San");
    pixels_16(&mut object, &[7; 16]);
    std::fs::read(written(object, uids::EXPLICIT_VR_LITTLE_ENDIAN).path).unwrap()
}

fn encapsulated() -> Vec<u8> {
    let mut object = picture(4, 4, 8, 8);
    let fragments = PixelFragmentSequence::new_fragments(vec![vec![1, 2, 3, 4], vec![5, 6]]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
    std::fs::read(written(object, uids::JPEG_BASELINE8_BIT).path).unwrap()
}

#[test]
fn a_file_cut_in_its_pixel_data_is_truncated() {
    for whole in [native(), encapsulated()] {
        assert!(scan_bytes(&whole).is_ok());
        for cut in 1..24 {
            let found = scan_bytes(&whole[..whole.len() - cut]);
            assert!(matches!(found, Err(Error::Truncated { .. })), "{cut}: {found:?}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_never_looks_whole_with_pixels() {
    for whole in [native(), encapsulated()] {
        for end in 0..whole.len() {
            if let Ok(header) = scan_bytes(&whole[..end]) {
                assert!(!header.has_pixels(), "{end}");
            }
        }
    }
}

#[test]
fn a_length_beyond_the_file_costs_nothing() {
    let mut bytes = std::fs::read(written(object(), uids::EXPLICIT_VR_LITTLE_ENDIAN).path).unwrap();
    bytes.extend(*b"\x28\x00\x01\x12OW\0\0\xF0\xFF\xFF\xFFab");
    assert!(matches!(
        scan_bytes(&bytes),
        Err(Error::ValueTooLong { .. } | Error::Truncated { .. })
    ));
    let mut bytes = std::fs::read(written(object(), uids::EXPLICIT_VR_LITTLE_ENDIAN).path).unwrap();
    bytes.extend(*b"\x7f\x00\x01\x12OW\0\0\xF0\xFF\xFF\xFFab");
    assert!(matches!(scan_bytes(&bytes), Err(Error::Truncated { .. })));
}

#[test]
fn a_deflated_data_set_that_cannot_be_inflated_is_the_senders_fault() {
    let mut bytes = std::fs::read(written(object(), uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN).path).unwrap();
    let start = usize::try_from(scan_bytes(&bytes).unwrap().data_set_offset()).unwrap();
    // A block of the reserved type.
    bytes[start] |= 0b110;
    assert!(matches!(scan_bytes(&bytes), Err(Error::BrokenDeflate)));
}

#[test]
fn what_is_no_dicom_file_is_said_to_be_none() {
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 131], &[0; 4096]] {
        assert!(matches!(scan_bytes(bytes), Err(Error::NotDicom)));
    }
}

#[test]
fn an_unknown_transfer_syntax_is_named() {
    let mut bytes = native();
    let at = bytes
        .windows(19)
        .position(|window| window == b"1.2.840.10008.1.2.1")
        .unwrap();
    bytes[at..at + 19].copy_from_slice(b"1.2.840.10008.1.3.1");
    let error = scan_bytes(&bytes).unwrap_err();
    assert!(error.to_string().contains("1.2.840.10008.1.3.1"), "{error}");
}

fn jpeg() -> Vec<u8> {
    let mut jpeg = Vec::new();
    let grey: Vec<u8> = (0..=255).collect();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80)
        .encode(&grey, 16, 16, image::ExtendedColorType::L8)
        .unwrap();
    compressed(16, jpeg, uids::JPEG_BASELINE8_BIT)
}

fn run_length() -> Vec<u8> {
    let mut fragment = vec![0_u8; 64];
    fragment[0] = 1;
    fragment[4] = 64;
    fragment.extend([127; 64]);
    fragment.extend([129, 9, 129, 8, 129, 7]);
    compressed(16, fragment, uids::RLE_LOSSLESS)
}

fn compressed(side: u16, fragment: Vec<u8>, transfer_syntax: &str) -> Vec<u8> {
    let mut object = picture(side, side, 8, 8);
    let fragments = PixelFragmentSequence::new_fragments(vec![fragment]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
    std::fs::read(written(object, transfer_syntax).path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn changed_pictures_are_decoded_or_refused(
        changes in prop::collection::vec((400_usize..1600, any::<u8>()), 1..6),
        kind in 0_usize..3,
    ) {
        let mut bytes = [native, jpeg, run_length][kind]();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        if let Ok(header) = read_header(file.path())
            && let Ok(image) = load_gray(file.path(), &header)
        {
            prop_assert_eq!(image.data.len() as u64, u64::from(image.width) * u64::from(image.height));
            prop_assert!(image.data.iter().all(|level| (0.0..=1.0).contains(level)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn changed_bytes_are_read_or_refused(
        changes in prop::collection::vec((132_usize..700, any::<u8>()), 1..8),
        compressed: bool,
        cut in 0_usize..40,
    ) {
        let mut bytes = if compressed { encapsulated() } else { native() };
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(bytes.len() - cut);
        if let Err(error) = scan_bytes(&bytes) {
            prop_assert!(!error.to_string().contains("Zhang"));
        }
    }

    #[test]
    fn any_data_set_is_read_or_refused(
        data_set: Vec<u8>,
        syntax in prop::sample::select(vec![
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
            BIG_ENDIAN,
            uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        ]),
    ) {
        let mut bytes = vec![0; 128];
        bytes.extend(*b"DICM\x02\x00\x10\x00UI");
        bytes.extend((syntax.len() as u16).to_le_bytes());
        bytes.extend(syntax.as_bytes());
        bytes.extend(data_set);
        let _ = scan_bytes(&bytes);
    }
}
