//! A conversation on the DICOM port.

pub(crate) fn check(bytes: &[u8]) {
    barefoot_edge::fuzzing::conversation(bytes);
}
