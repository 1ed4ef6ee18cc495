//! A stored data set on its way out: as it was stored, or written anew in a native transfer syntax.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use barefoot_imaging::header;
use barefoot_imaging::transcode::transcode;

use crate::archive::StoredFile;
use crate::at_rest;

/// Transfer syntaxes that hold the same bytes of pixels.
pub(super) const NATIVE: &[&str] = &[
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
];
/// What is written anew is in memory meanwhile; larger ones go as they are or not at all.
const MOST_WRITTEN_ANEW: u64 = 24 * 1024 * 1024;
/// Compressed pictures grow several times.
const MOST_DECOMPRESSED: u64 = 4 * 1024 * 1024;

/// Whether a file in `stored` can go out in `wanted`.
pub(super) fn can_become(stored: &str, length: u64, wanted: &str) -> bool {
    let native = |uid: &str| NATIVE.contains(&uid);
    let limit = match native(stored) {
        true => MOST_WRITTEN_ANEW,
        false => MOST_DECOMPRESSED,
    };
    stored == wanted || native(wanted) && length <= limit
}

/// The data set of a file in the transfer syntax that was agreed on. Reads the disk.
///
/// # Errors
/// When the file is gone, cannot be read, or cannot be written anew.
pub(super) fn open(stored: &StoredFile, wanted: &str) -> io::Result<Box<dyn Read + Send>> {
    let header = header::read_header(&at_rest::stored(&stored.path)).map_err(io::Error::other)?;
    if stored.transfer_syntax == wanted {
        let mut file = at_rest::open(&stored.path)?;
        file.seek(SeekFrom::Start(header.data_set_offset()))?;
        return Ok(Box::new(file));
    }
    let written = transcode(&at_rest::stored(&stored.path), &header, wanted).map_err(io::Error::other)?;
    Ok(Box::new(Cursor::new(written)))
}
