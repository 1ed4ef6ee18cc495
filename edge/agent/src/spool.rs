//! Received instances on disk.
//!
//! A data set streams into `intake/`, is synced, looked at, and linked under its final name; only when the directory
//! entry is synced too is the outcome `Kept` and the scanner told success. Memory is bounded by the channel, whatever
//! the instance's size. A hard link, not a rename, gives the final name: it fails when the name is taken, so nothing
//! that was stored can be overwritten.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_imaging::header::{self, Header};
use dicom_object::FileMetaTableBuilder;
use ring::digest;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use ulid::Ulid;

use crate::handoff::{Chunk, Incoming, Intake, Kept, NotKept, StoredInstance, StudyInput};
use crate::status::Status;
use crate::study_folder::{StateDirectory, StudyKey, hex, instance_stem, sync_directory};

/// Chunks (of at most one PDU, 256 KiB) between the network and the disk. When full, the scanner waits.
const CHUNKS_IN_FLIGHT: usize = 8;

/// Studies whose folders are known to be safe; beyond this the memory starts anew.
const MAX_DURABLE_STUDIES: usize = 10_000;

/// Where instances are kept and when the disk counts as full.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The state directory: images, case logs, queue, keys. Required.
    pub directory: PathBuf,
    /// Instances are refused with 0xA700 when less than this many MiB are free. Default 1024.
    #[serde(default = "default_min_free_mib")]
    pub min_free_mib: u64,
}

fn default_min_free_mib() -> u64 {
    1024
}

/// Cheap to clone; one for all associations.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    state: StateDirectory,
    min_free_bytes: u64,
    stored: mpsc::Sender<StudyInput>,
    status: Status,
    durable_studies: Arc<Mutex<HashSet<StudyKey>>>,
}

impl Spool {
    /// Clears what an earlier run left half-received (never acknowledged) and counts the quarantine.
    ///
    /// # Errors
    /// When the state directory cannot be read or cleared.
    pub(crate) fn open(
        config: &Config,
        state: StateDirectory,
        stored: mpsc::Sender<StudyInput>,
        status: Status,
    ) -> io::Result<Self> {
        for entry in fs::read_dir(state.intake())? {
            fs::remove_file(entry?.path())?;
        }
        let quarantined = fs::read_dir(state.quarantine())?.count();
        status.count_quarantined(quarantined as u64);
        let min_free_bytes = config.min_free_mib.saturating_mul(1024 * 1024);
        Ok(Self {
            state,
            min_free_bytes,
            stored,
            status,
            durable_studies: Arc::default(),
        })
    }

    /// Starts to receive one instance on a thread of its own.
    #[must_use]
    pub(crate) fn receive(&self, incoming: Incoming) -> Intake {
        let (chunks, received) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let (answer, outcome) = oneshot::channel();
        let spool = self.clone();
        tokio::task::spawn_blocking(move || {
            let result = spool.keep(&incoming, received);
            // The association may be gone by now; what was kept stays kept.
            let _ = answer.send(result);
        });
        Intake { chunks, outcome }
    }

    fn keep(&self, incoming: &Incoming, chunks: mpsc::Receiver<Chunk>) -> Result<Kept, NotKept> {
        if !self.has_space() {
            return Err(NotKept::OutOfSpace);
        }
        let path = self.state.intake().join(format!("{}.part", Ulid::generate()));
        let outcome = self.keep_at(&path, incoming, chunks);
        // On success the instance lives under its final name, on refusal nowhere.
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "A temporary file could not be removed; the next start removes it.");
        }
        outcome
    }

    fn durable_studies(&self) -> MutexGuard<'_, HashSet<StudyKey>> {
        self.durable_studies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn has_space(&self) -> bool {
        match rustix::fs::statvfs(self.state.root()) {
            Ok(disk) => self.min_free_bytes <= disk.f_bavail.saturating_mul(disk.f_frsize),
            Err(error) => {
                tracing::warn!(%error, "The free disk space could not be asked; going on.");
                true
            }
        }
    }

    fn keep_at(
        &self,
        path: &Path,
        incoming: &Incoming,
        chunks: mpsc::Receiver<Chunk>,
    ) -> Result<Kept, NotKept> {
        let digest = write_part10(path, incoming, chunks)?;
        let header = match header::read_header(path) {
            Ok(header) => header,
            Err(header::Error::Read { source }) => return Err(disk(source)),
            Err(error) => {
                tracing::warn!(scanner = incoming.calling_ae, reason = %error, "A data set was put in quarantine.");
                return Err(self.quarantine(path, &digest));
            }
        };
        check_announced(incoming, &header)?;
        let study = StudyKey::of(header.study_uid());
        let kept = self.link(path, &study, &header, &digest).map_err(disk)?;
        if kept == Kept::Conflict {
            tracing::warn!(
                %study,
                scanner = incoming.calling_ae,
                "An image arrived again with other content; both are kept, a person must look."
            );
        }
        if kept != Kept::Duplicate {
            self.status.count_stored();
        }
        // A duplicate too: the first copy may have been linked by an attempt that failed right after.
        let stored = StoredInstance {
            study,
            association: Some(incoming.association),
        };
        // At shutdown nobody listens any more: the next start finds the instance in its folder.
        let _ = self.stored.blocking_send(StudyInput::Stored(stored));
        Ok(kept)
    }

    /// Named by its content: the same damaged object sent again and again is kept once.
    fn quarantine(&self, path: &Path, digest: &[u8]) -> NotKept {
        let directory = self.state.quarantine();
        let name = directory.join(format!("{}.dcm", hex(digest.iter().take(16))));
        let kept = match fs::hard_link(path, name) {
            Ok(()) => {
                self.status.count_quarantined(1);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        };
        match kept.and_then(|()| sync_directory(&directory)) {
            Ok(()) => NotKept::Quarantined,
            Err(source) => disk(source),
        }
    }

    /// Gives the file its final name, durably, unless that name is taken.
    fn link(&self, path: &Path, study: &StudyKey, header: &Header, digest: &[u8]) -> io::Result<Kept> {
        let instances = self.state.instances(study);
        fs::create_dir_all(&instances)?;
        let stem = instance_stem(header.sop_instance_uid());
        let name = instances.join(format!("{stem}.dcm"));
        let kept = match fs::hard_link(path, &name) {
            Ok(()) => Kept::New,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if same_data_set(path, &name)? {
                    Kept::Duplicate
                } else {
                    let apart = format!("{stem}.conflict-{}.dcm", hex(digest.iter().take(8)));
                    match fs::hard_link(path, instances.join(apart)) {
                        Ok(()) => Kept::Conflict,
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Kept::Duplicate,
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        };
        // Also for a duplicate, whose first copy may not be safe yet; and the folders above, until this process has seen
        // that done: another association may have made them a moment ago.
        sync_directory(&instances)?;
        if !self.durable_studies().contains(study) {
            sync_directory(&self.state.study(study))?;
            sync_directory(&self.state.studies())?;
            let mut durable = self.durable_studies();
            if MAX_DURABLE_STUDIES <= durable.len() {
                durable.clear();
            }
            durable.insert(study.clone());
        }
        Ok(kept)
    }
}

/// Writes preamble, file meta information and the data set as it comes, syncs, and gives the data set's SHA-256.
fn write_part10(
    path: &Path,
    incoming: &Incoming,
    mut chunks: mpsc::Receiver<Chunk>,
) -> Result<Vec<u8>, NotKept> {
    let mut file = File::create_new(path).map_err(disk)?;
    file.write_all(&file_meta(incoming)?).map_err(disk)?;
    let mut digest = digest::Context::new(&digest::SHA256);
    loop {
        match chunks.blocking_recv() {
            Some(Chunk::Data(data)) => {
                digest.update(&data);
                file.write_all(&data).map_err(disk)?;
            }
            Some(Chunk::End) => break,
            None => return Err(NotKept::BrokenOff),
        }
    }
    file.sync_data().map_err(disk)?;
    Ok(digest.finish().as_ref().to_vec())
}

/// Preamble and file meta information (PS3.10 section 7.1).
fn file_meta(incoming: &Incoming) -> Result<Vec<u8>, NotKept> {
    let table = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(&incoming.sop_class_uid)
        .media_storage_sop_instance_uid(&incoming.sop_instance_uid)
        .transfer_syntax(&incoming.transfer_syntax)
        .source_application_entity_title(&incoming.calling_ae)
        .build()
        .map_err(|_| NotKept::Mismatch {
            what: "file meta information",
        })?;
    let mut bytes = vec![0; 128];
    bytes.extend_from_slice(b"DICM");
    table
        .write(&mut bytes)
        .map_err(|error| disk(io::Error::other(error)))?;
    Ok(bytes)
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

/// Compares what follows the file meta information, which may differ (source AE title).
fn same_data_set(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (data_set(one)?, data_set(other)?);
    let (mut left, mut right) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let (n, m) = (fill(&mut one, &mut left)?, fill(&mut other, &mut right)?);
        if left.get(..n) != right.get(..m) {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

fn data_set(path: &Path) -> io::Result<File> {
    let offset = header::read_header(path)
        .map_err(io::Error::other)?
        .data_set_offset();
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

fn disk(source: io::Error) -> NotKept {
    if matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    ) {
        return NotKept::OutOfSpace;
    }
    NotKept::Disk { source }
}
