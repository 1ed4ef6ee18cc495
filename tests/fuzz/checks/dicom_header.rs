//! What a scanner sends as a data set.

use std::io::Cursor;

pub(crate) fn check(bytes: &[u8]) {
    if let Ok(header) = barefoot_imaging::header::scan(Cursor::new(bytes), bytes.len() as u64) {
        let _ = header.patient();
        let _ = header.modality();
    }
}
