//! One instance on its way into the intake.

use std::fs;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use barefoot_imaging::header::{self, Header};
use dicom_object::FileMetaTableBuilder;
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};
use ulid::Ulid;

use super::buffers::{Buffers, Lent};
use super::head::{Head, is_beyond};
use super::seal::{PREAMBLE, Purpose, Seal};
use super::{Spool, disk};
use crate::at_rest::{self, ImagesKey};
use crate::handoff::{InPlace, Incoming, NotKept, Receiving, Verdict};
use crate::study_folder::StudyKey;
use crate::upper_layer::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

/// So many bytes go to the disk while more come, so that the sync at the end of a large image finds little left.
const AHEAD: u64 = 4 * 1024 * 1024;

pub(super) struct Arriving {
    spool: Spool,
    incoming: Incoming,
    path: PathBuf,
    writing: Result<Writing, NotKept>,
}

struct Writing {
    path: PathBuf,
    /// Gathers before anything is written: each time the thread is given up for the disk costs a change of threads.
    body: at_rest::Arriving,
    lent: Lent,
    head: Head,
    /// Of a file that is not sealed.
    checksum: crc32fast::Hasher,
    length: u64,
    /// Given to the disk, or about to be.
    ahead: u64,
    going_ahead: Option<JoinHandle<()>>,
}

/// The file's name is not left behind when nobody finishes it.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            remove(path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "A temporary file could not be removed; the next start removes it.");
    }
}

impl Arriving {
    pub(super) fn begin(spool: Spool, incoming: Incoming) -> Self {
        let path = spool.state.intake().join(format!("{}.part", Ulid::generate()));
        let writing = if spool.has_space() {
            Writing::begin(path.clone(), &incoming, &spool.buffers)
        } else {
            Err(NotKept::OutOfSpace)
        };
        Self {
            spool,
            incoming,
            path,
            writing,
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if self.writing.is_ok() {
            remove(&self.path);
        }
    }
}

impl Receiving for Arriving {
    fn write(&mut self, bytes: &[u8]) {
        let Ok(writing) = &mut self.writing else {
            return;
        };
        if let Err(error) = writing.write(bytes) {
            self.writing = Err(disk(error));
            remove(&self.path);
        }
    }

    fn finish(mut self: Box<Self>) -> Verdict {
        let writing = std::mem::replace(&mut self.writing, Err(NotKept::OutOfSpace));
        // One change of threads for all that waits for the disk.
        Box::pin(async move { block_in_place(|| self.keep(writing?)) })
    }
}

impl Arriving {
    fn keep(&self, writing: Writing) -> Result<InPlace, NotKept> {
        let mut unfinished = Unfinished(Some(self.path.clone()));
        let (held, header) = writing.complete(&self.incoming)?;
        if let Some(header) = &header {
            // Before the sync: else a power cut could keep the rename and lose the new folder it leads to.
            let instances = self.spool.state.instances(&StudyKey::of(header.study_uid()));
            fs::create_dir_all(instances).map_err(disk)?;
        }
        self.spool.committer.commit().map_err(disk)?;
        // Durable from here on: what fails now is finished by the next start, so the name stays.
        unfinished.0 = None;
        let kept = match header {
            Some(header) => self.spool.place(&self.path, &header, &self.incoming),
            None => match self.spool.quarantine(&self.path) {
                Ok(()) => Err(NotKept::Quarantined),
                Err(source) => Err(disk(source)),
            },
        };
        // Only now may its key go with other images.
        drop(held);
        kept
    }
}

impl Writing {
    fn begin(path: PathBuf, incoming: &Incoming, buffers: &Buffers) -> Result<Self, NotKept> {
        let (lent, buffer) = buffers.lend();
        let mut writing = Self {
            body: at_rest::Arriving::begin(&path, buffer).map_err(disk)?,
            path,
            lent,
            head: Head::default(),
            checksum: crc32fast::Hasher::new(),
            length: 0,
            ahead: 0,
            going_ahead: None,
        };
        let meta = file_meta(incoming)?;
        writing.gather(&[0; PREAMBLE]).map_err(disk)?;
        // The checksum is of what follows the preamble, where it is written.
        writing.checksum.reset();
        writing.gather(&meta).map_err(disk)?;
        Ok(writing)
    }

    fn gather(&mut self, bytes: &[u8]) -> io::Result<()> {
        if matches!(self.body, at_rest::Arriving::Plain(_)) {
            self.checksum.update(bytes);
        }
        self.length += bytes.len() as u64;
        self.head.add(bytes);
        self.body.gather(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gather(bytes)?;
        if self.body.gathered() < self.lent.batch() {
            return Ok(());
        }
        block_in_place(|| self.body.write_out())?;
        self.go_ahead()
    }

    /// Has the disk begin with what is there.
    fn go_ahead(&mut self) -> io::Result<()> {
        let under_way = self.going_ahead.as_ref().is_some_and(|sync| !sync.is_finished());
        if under_way || self.length < self.ahead + AHEAD {
            return Ok(());
        }
        if let Some(file) = self.body.file() {
            let file = file.try_clone()?;
            self.ahead = self.length;
            // The sync that the scanner's answer waits for is another one, and reports what goes wrong.
            self.going_ahead = Some(spawn_blocking(move || drop(file.sync_data())));
        }
        Ok(())
    }

    /// Reads the header, writes the rest, seals the file for where it belongs. `None`: for quarantine.
    fn complete(self, incoming: &Incoming) -> Result<(Option<ImagesKey>, Option<Header>), NotKept> {
        match self.body {
            at_rest::Arriving::Plain(plain) => {
                let (mut file, buffer) = plain.complete().map_err(disk)?;
                file.seek(SeekFrom::Start(0)).map_err(disk)?;
                let header = understood(header::scan(&file, self.length), incoming)?;
                let seal = Seal {
                    purpose: match header {
                        Some(_) => Purpose::Study,
                        None => Purpose::Quarantine,
                    },
                    length: self.length,
                    checksum: self.checksum.finalize(),
                };
                seal.write(&file).map_err(disk)?;
                self.lent.give_back(buffer);
                Ok((None, header))
            }
            at_rest::Arriving::Sealed(writer) => {
                let mut written = writer.complete().map_err(disk)?;
                let read = match header::scan(self.head.of(self.length), self.length) {
                    Err(header::Error::Read { source }) if is_beyond(&source) => {
                        let mut reader = written.reader().map_err(disk)?;
                        reader.seek(SeekFrom::Start(0)).map_err(disk)?;
                        header::scan(reader, self.length)
                    }
                    read => read,
                };
                let header = understood(read, incoming)?;
                let study = header.as_ref().map(|header| StudyKey::of(header.study_uid()));
                let (held, buffer) =
                    at_rest::seal_received(written, &self.path, study.as_ref()).map_err(disk)?;
                self.lent.give_back(buffer);
                Ok((held, header))
            }
        }
    }
}

/// "DICM" and file meta information (PS3.10 section 7.1).
fn file_meta(incoming: &Incoming) -> Result<Vec<u8>, NotKept> {
    let table = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(&incoming.sop_class_uid)
        .media_storage_sop_instance_uid(&incoming.sop_instance_uid)
        .transfer_syntax(&incoming.transfer_syntax)
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION)
        .source_application_entity_title(&incoming.source_ae)
        .build()
        .map_err(|_| NotKept::Mismatch {
            what: "file meta information",
        })?;
    let mut bytes = b"DICM".to_vec();
    table
        .write(&mut bytes)
        .map_err(|error| disk(io::Error::other(error)))?;
    Ok(bytes)
}

/// `None`: for quarantine.
fn understood(read: Result<Header, header::Error>, incoming: &Incoming) -> Result<Option<Header>, NotKept> {
    match read {
        Ok(header) => {
            check_announced(incoming, &header)?;
            Ok(Some(header))
        }
        Err(header::Error::Read { source }) => Err(disk(source)),
        Err(error) => {
            tracing::warn!(scanner = incoming.source_ae, reason = %error, "A data set was put in quarantine.");
            Ok(None)
        }
    }
}

fn check_announced(incoming: &Incoming, header: &Header) -> Result<(), NotKept> {
    if header.sop_instance_uid() != incoming.sop_instance_uid {
        return Err(NotKept::Mismatch {
            what: "SOP Instance UID",
        });
    }
    if header.sop_class_uid() != incoming.sop_class_uid {
        return Err(NotKept::Mismatch {
            what: "SOP Class UID",
        });
    }
    Ok(())
}
