//! A study of one digital X-ray, as it lies in a study's folder.

use std::path::Path;

use barefoot_domain::StudyUid;

use crate::handoff::SettledStudy;
use crate::study_folder::StudyKey;

const SIDE: u16 = 64;

pub(crate) fn write(directory: &Path) -> SettledStudy {
    let path = directory.join("picture.dcm");
    if !path.exists() {
        std::fs::write(&path, part_10()).unwrap();
    }
    let study_uid = StudyUid::new("1.2.3").unwrap();
    SettledStudy {
        study: StudyKey::of(&study_uid),
        version: 1,
        study_uid,
        received_at_ms: 0,
        identity_conflict: false,
        instances: vec![path],
    }
}

/// PS3.10 section 7.1, explicit VR little endian.
fn part_10() -> Vec<u8> {
    let class = b"1.2.840.10008.5.1.4.1.1.1.1\0";
    let mut meta = Vec::new();
    element(&mut meta, 0x0002, 0x0002, *b"UI", class);
    element(&mut meta, 0x0002, 0x0003, *b"UI", b"1.2.3.4\0");
    element(&mut meta, 0x0002, 0x0010, *b"UI", b"1.2.840.10008.1.2.1\0");
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    let length = u32::try_from(meta.len()).unwrap();
    element(&mut file, 0x0002, 0x0000, *b"UL", &length.to_le_bytes());
    file.extend(meta);
    element(&mut file, 0x0008, 0x0016, *b"UI", class);
    element(&mut file, 0x0008, 0x0018, *b"UI", b"1.2.3.4\0");
    element(&mut file, 0x0008, 0x0060, *b"CS", b"DX");
    element(&mut file, 0x0010, 0x0020, *b"LO", b"P1");
    element(&mut file, 0x0020, 0x000d, *b"UI", b"1.2.3\0");
    element(&mut file, 0x0020, 0x000e, *b"UI", b"1.2.3.1\0");
    element(&mut file, 0x0028, 0x0002, *b"US", &1u16.to_le_bytes());
    element(&mut file, 0x0028, 0x0004, *b"CS", b"MONOCHROME2 ");
    element(&mut file, 0x0028, 0x0010, *b"US", &SIDE.to_le_bytes());
    element(&mut file, 0x0028, 0x0011, *b"US", &SIDE.to_le_bytes());
    for (tag, value) in [(0x0100, 8u16), (0x0101, 8), (0x0102, 7), (0x0103, 0)] {
        element(&mut file, 0x0028, tag, *b"US", &value.to_le_bytes());
    }
    let side = u32::from(SIDE);
    let pixels: Vec<u8> = (0..side * side)
        .map(|at| ((at % side + at / side) * 2) as u8)
        .collect();
    element(&mut file, 0x7fe0, 0x0010, *b"OW", &pixels);
    file
}

fn element(file: &mut Vec<u8>, group: u16, number: u16, kind: [u8; 2], value: &[u8]) {
    file.extend_from_slice(&group.to_le_bytes());
    file.extend_from_slice(&number.to_le_bytes());
    file.extend_from_slice(&kind);
    let length = u32::try_from(value.len()).unwrap();
    if kind == *b"OW" {
        file.extend_from_slice(&[0, 0]);
        file.extend_from_slice(&length.to_le_bytes());
    } else {
        file.extend_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
    }
    file.extend_from_slice(value);
}
