//! Data sets in the DICOM JSON model (PS3.18 annex F).

mod write;

pub(super) use write::{data_set, key, number, person};
