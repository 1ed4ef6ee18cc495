//! Small DICOM instances for tests.

use std::fs;

use barefoot_domain::StudyUid;

use crate::study_folder::{StateDirectory, StudyKey, instance_stem};

pub(crate) const IMAGE_CLASS: &str = "1.2.840.10008.5.1.4.1.1.7";
pub(crate) const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// A secondary capture image of a few pixels.
pub(crate) struct TestInstance {
    study_uid: String,
    pub(crate) sop_instance_uid: String,
    pub(crate) data_set: Vec<u8>,
}

impl TestInstance {
    pub(crate) fn new(study_uid: &str, sop_instance_uid: &str) -> Self {
        Self::with_pixels(study_uid, sop_instance_uid, &[0; 64])
    }

    pub(crate) fn with_pixels(study_uid: &str, sop_instance_uid: &str, pixels: &[u8]) -> Self {
        let mut data_set = Vec::new();
        let mut short = |group: u16, element: u16, vr: &[u8; 2], value: &[u8], padding: u8| {
            let mut value = value.to_vec();
            if value.len() % 2 == 1 {
                value.push(padding);
            }
            data_set.extend_from_slice(&group.to_le_bytes());
            data_set.extend_from_slice(&element.to_le_bytes());
            data_set.extend_from_slice(vr);
            data_set.extend_from_slice(&u16::try_from(value.len()).unwrap().to_le_bytes());
            data_set.extend_from_slice(&value);
        };
        short(0x0008, 0x0016, b"UI", IMAGE_CLASS.as_bytes(), 0);
        short(0x0008, 0x0018, b"UI", sop_instance_uid.as_bytes(), 0);
        short(0x0008, 0x0060, b"CS", b"DX", b' ');
        short(0x0010, 0x0010, b"PN", b"Wang^Xiaodong", b' ');
        short(0x0010, 0x0020, b"LO", b"P-0042", b' ');
        short(0x0020, 0x000D, b"UI", study_uid.as_bytes(), 0);
        short(0x0020, 0x000E, b"UI", b"1.2.3.9", 0);
        data_set.extend_from_slice(&[0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0]);
        data_set.extend_from_slice(&u32::try_from(pixels.len()).unwrap().to_le_bytes());
        data_set.extend_from_slice(pixels);
        Self {
            study_uid: study_uid.to_owned(),
            sop_instance_uid: sop_instance_uid.to_owned(),
            data_set,
        }
    }

    pub(crate) fn study(&self) -> StudyKey {
        StudyKey::of(&StudyUid::new(&self.study_uid).unwrap())
    }

    /// Puts it where the spool would, without the spool.
    pub(crate) fn lay_into(&self, state: &StateDirectory) {
        let mut bytes = vec![0; 128];
        bytes.extend_from_slice(b"DICM");
        dicom_object::FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(IMAGE_CLASS)
            .media_storage_sop_instance_uid(&self.sop_instance_uid)
            .transfer_syntax(EXPLICIT_LITTLE_ENDIAN)
            .build()
            .unwrap()
            .write(&mut bytes)
            .unwrap();
        bytes.extend_from_slice(&self.data_set);
        let folder = state.instances(&self.study());
        fs::create_dir_all(&folder).unwrap();
        let name = format!("{}.dcm", instance_stem(&self.sop_instance_uid));
        fs::write(folder.join(name), bytes).unwrap();
    }
}
