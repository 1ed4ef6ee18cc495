//! A stored data set on its way out: as it was stored, or written anew in another native transfer syntax.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use barefoot_imaging::data_set::{self, Limits};
use barefoot_imaging::header;

use crate::archive::StoredFile;

/// Transfer syntaxes that hold the same bytes of pixels.
pub(super) const NATIVE: &[&str] = &[
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
];
/// What is written anew is in memory meanwhile; larger ones go as they are or not at all.
const MOST_WRITTEN_ANEW: u64 = 24 * 1024 * 1024;

/// Whether a file in `stored` can go out in `wanted`.
pub(super) fn can_become(stored: &str, length: u64, wanted: &str) -> bool {
    let native = |uid: &str| NATIVE.contains(&uid);
    stored == wanted || native(stored) && native(wanted) && length <= MOST_WRITTEN_ANEW
}

/// The data set of a file in the transfer syntax that was agreed on. Reads the disk.
///
/// # Errors
/// When the file is gone or cannot be read.
pub(super) fn open(stored: &StoredFile, wanted: &str) -> io::Result<Box<dyn Read + Send>> {
    let offset = header::read_header(&stored.path)
        .map_err(io::Error::other)?
        .data_set_offset();
    let mut file = File::open(&stored.path)?;
    file.seek(SeekFrom::Start(offset))?;
    if stored.transfer_syntax == wanted {
        return Ok(Box::new(file));
    }
    let mut bytes = Vec::new();
    file.take(MOST_WRITTEN_ANEW).read_to_end(&mut bytes)?;
    let limits = Limits {
        bytes: MOST_WRITTEN_ANEW,
        ..Limits::default()
    };
    let set = data_set::read(&bytes, &stored.transfer_syntax, &limits).map_err(io::Error::other)?;
    drop(bytes);
    let written = data_set::write(&set, wanted).map_err(io::Error::other)?;
    Ok(Box::new(Cursor::new(written)))
}
