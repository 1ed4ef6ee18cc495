//! A file around a data set: an empty preamble, and meta information that says nothing of where the object was.

use crate::data_set::{self, Content, DataSet, Element, Vr, WriteError};
use crate::tags::{self, Tag};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Who wrote the file (PS3.7 section D.3.3.2): the program, not the box.
const IMPLEMENTATION_CLASS_UID: &str = "2.25.4653291329967564828560827053873516160";
const IMPLEMENTATION_VERSION: &str = concat!("BAREFOOT_", env!("CARGO_PKG_VERSION"));

pub(crate) fn write(
    set: &DataSet,
    sop_class: &str,
    sop_instance: &str,
    transfer_syntax: &str,
) -> Result<Vec<u8>, WriteError> {
    let mut file = front(sop_class, sop_instance, transfer_syntax)?;
    file.extend(data_set::write(set, transfer_syntax)?);
    Ok(file)
}

/// What stands before the data set.
pub(crate) fn front(
    sop_class: &str,
    sop_instance: &str,
    transfer_syntax: &str,
) -> Result<Vec<u8>, WriteError> {
    let mut meta = DataSet::default();
    let bytes = |vr, bytes: Vec<u8>| Element {
        vr,
        content: Content::Value(bytes),
    };
    meta.put(Tag(0x0002, 0x0001), bytes(Vr::OB, vec![0, 1]));
    meta.put_code(tags::META_SOP_CLASS, sop_class);
    meta.put_code(tags::META_SOP_INSTANCE, sop_instance);
    meta.put_code(tags::META_TRANSFER_SYNTAX, transfer_syntax);
    meta.put_code(Tag(0x0002, 0x0012), IMPLEMENTATION_CLASS_UID);
    meta.put_code(Tag(0x0002, 0x0013), IMPLEMENTATION_VERSION);
    let group = data_set::write(&meta, EXPLICIT)?;
    let length = u32::try_from(group.len()).map_err(|_| WriteError::TooLong {
        tag: Tag(0x0002, 0x0000),
    })?;
    let mut first = DataSet::default();
    first.put(Tag(0x0002, 0x0000), bytes(Vr::UL, length.to_le_bytes().to_vec()));
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(data_set::write(&first, EXPLICIT)?);
    file.extend(group);
    Ok(file)
}
