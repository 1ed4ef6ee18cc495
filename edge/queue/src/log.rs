//! The queue's log: numbered segment files, written at the end, removed at the beginning.
//!
//! Nothing here decides what is written or removed, or when.

pub(crate) mod frame;
pub(crate) mod segment;

use std::io;
use std::sync::Arc;

use crate::StoreError;
use crate::disk::{Disk, SegmentFile};
use crate::ledger::Place;
use crate::recovery::Last;
use frame::{Entry, Stamp};
use segment::{HEADER_BYTES, Header};

/// How an append failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing of it is left on the disk, and the log goes on.
    NotStored(StoreError),
    /// Nobody can say what is on the disk.
    Unknown(StoreError),
}

#[derive(Debug)]
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    active: u64,
    file: Arc<dyn SegmentFile>,
    end: u64,
    next_entry: u64,
}

impl Log {
    /// Begins a segment; what was written before it must be durable.
    pub(crate) fn begin(disk: Arc<dyn Disk>, segment: u64, header: Header) -> Result<Self, StoreError> {
        let file = create(&*disk, segment, header)?;
        Ok(Self {
            disk,
            active: segment,
            file,
            end: HEADER_BYTES as u64,
            next_entry: header.first_entry,
        })
    }

    /// Goes on in the last segment; what lies behind its end is cut off. Whatever it holds is durable then.
    pub(crate) fn resume(disk: Arc<dyn Disk>, last: Last, next_entry: u64) -> Result<Self, StoreError> {
        let file = disk.open(last.segment)?;
        if last.is_torn {
            file.resize(last.end)?;
        }
        file.sync()?;
        disk.sync_names()?;
        Ok(Self {
            disk,
            active: last.segment,
            file,
            end: last.end,
            next_entry,
        })
    }

    pub(crate) fn active(&self) -> u64 {
        self.active
    }

    /// The end of what was written, in the active segment.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn next_entry(&self) -> u64 {
        self.next_entry
    }

    /// Writes a group; returns where each entry lies once all of them would survive a power cut.
    pub(crate) fn append(
        &mut self,
        entries: &[Entry<'_>],
        next_sequence: u64,
    ) -> Result<Vec<Place>, Failure> {
        let (mut bytes, mut places) = self.encode(entries);
        if self.disk.segment_bytes() < self.end + bytes.len() as u64 && HEADER_BYTES as u64 != self.end {
            self.begin_next(next_sequence).map_err(Failure::NotStored)?;
            (bytes, places) = self.encode(entries);
        }
        if let Err(error) = self.file.write(self.end, &bytes) {
            // A part of it may be there, and would be taken for an answered one when something follows.
            return Err(match self.file.resize(self.end).and_then(|()| self.file.sync()) {
                Ok(()) => Failure::NotStored(error),
                Err(_) => Failure::Unknown(error),
            });
        }
        if let Err(error) = self.file.sync() {
            // After a failed sync the system may show what the disk does not hold: the next opening shall not see it.
            let _ = self.file.resize(self.end);
            return Err(Failure::Unknown(error));
        }
        self.end += bytes.len() as u64;
        self.next_entry += entries.len() as u64;
        Ok(places)
    }

    fn encode(&self, entries: &[Entry<'_>]) -> (Vec<u8>, Vec<Place>) {
        let mut bytes = Vec::new();
        let place = |(entry, position): (&Entry<'_>, u32)| {
            // Groups are far smaller than these fields.
            let offset = u32::try_from(self.end + bytes.len() as u64).unwrap_or(u32::MAX);
            let stamp = Stamp {
                number: self.next_entry + u64::from(position),
                position,
            };
            let length = frame::encode(&mut bytes, self.active, stamp, entry);
            Place {
                segment: self.active,
                offset,
                bytes: u32::try_from(length).unwrap_or(u32::MAX),
            }
        };
        let places = entries.iter().zip(0..).map(place).collect();
        (bytes, places)
    }

    fn begin_next(&mut self, next_sequence: u64) -> Result<(), StoreError> {
        let header = Header {
            first_entry: self.next_entry,
            next_sequence,
        };
        let next = self.active + 1;
        let file = match create(&*self.disk, next, header) {
            Ok(file) => file,
            Err(error) => {
                // It holds nothing, and its number is needed again.
                let _ = self.disk.remove(next);
                return Err(error);
            }
        };
        // Gives back the room that was taken beforehand. Zeros would do no harm.
        let _ = self.file.resize(self.end);
        self.active = next;
        self.file = file;
        self.end = HEADER_BYTES as u64;
        Ok(())
    }

    /// Removes the oldest segment. Returns when that would survive a power cut: were a younger one gone and an older one
    /// back, records would be without their receipts.
    pub(crate) fn remove(&self, segment: u64) -> Result<(), StoreError> {
        match self.disk.remove(segment) {
            // It went before, and that could not be made durable.
            Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        self.disk.sync_names()
    }
}

fn create(disk: &dyn Disk, segment: u64, header: Header) -> Result<Arc<dyn SegmentFile>, StoreError> {
    let file = disk.create(segment)?;
    file.write(0, &header.encode(segment))?;
    file.sync()?;
    disk.sync_names()?;
    Ok(file)
}
