//! Records out of the log, each checked.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::damage::Flaw;
use crate::disk::{Disk, SegmentFile};
use crate::ledger::{Kept, Place};
use crate::log::frame::{self, Content, Entry, StoredRecord};
use crate::{Record, StoreError};

/// Opens each segment once.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    disk: &'a dyn Disk,
    files: HashMap<u64, Arc<dyn SegmentFile>>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(disk: &'a dyn Disk) -> Self {
        Self {
            disk,
            files: HashMap::new(),
        }
    }

    /// The bytes at a place; a file that is gone or too short or a bad sector is a flaw of the record, not a failure to read.
    pub(crate) fn bytes(&mut self, place: Place) -> Result<Result<Vec<u8>, Flaw>, StoreError> {
        let mut bytes = vec![0; place.bytes as usize];
        let read = self
            .file(place.segment)
            .and_then(|file| file.read(u64::from(place.offset), &mut bytes));
        match read {
            Ok(()) => Ok(Ok(bytes)),
            Err(StoreError::Io(error)) if is_missing(&error) => Ok(Err(Flaw::MissingPart)),
            Err(error) if error.is_bad_sector() => Ok(Err(Flaw::Unreadable)),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn record(&mut self, sequence: u64, kept: &Kept) -> Result<Result<Record, Flaw>, StoreError> {
        let bytes = match self.bytes(kept.place)? {
            Ok(bytes) => bytes,
            Err(flaw) => return Ok(Err(flaw)),
        };
        Ok(stored(&bytes, sequence, kept).map(|stored| Record {
            sequence,
            lane: kept.lane,
            id: kept.id.to_string(),
            queued_at_ms: kept.queued_at_ms,
            payload: stored.payload.to_vec(),
        }))
    }

    fn file(&mut self, segment: u64) -> Result<&dyn SegmentFile, StoreError> {
        let file = match self.files.entry(segment) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(self.disk.open(segment)?),
        };
        Ok(&**file)
    }
}

/// The record that must stand in these bytes.
pub(crate) fn stored<'b>(bytes: &'b [u8], sequence: u64, kept: &Kept) -> Result<StoredRecord<'b>, Flaw> {
    let decoded = frame::decode(bytes, kept.place.segment).ok_or(Flaw::Checksum)?;
    match decoded.content {
        Content::Sound(Entry::Record(record)) if record.sequence == sequence && *record.id == *kept.id => {
            Ok(record)
        }
        Content::BadRecord { flaw, .. } => Err(flaw),
        _ => Err(Flaw::Malformed),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
    )
}
