use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use barefoot_domain::ClinicId;
use barefoot_wire::images::{ContentRange, ObjectId};
use ring::digest::{Context, SHA256};
use tokio::task::spawn_blocking;

use super::partial::{self, Partial};
use super::{Error, files};
use crate::at_rest::{Kept, Vault, length_of, plain_bytes};
use crate::seldom::Seldom;

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) object_bytes: u64,
    /// All objects of one clinic, those that still arrive at their whole length.
    pub(super) clinic_bytes: u64,
    /// Objects of one clinic that arrive at once.
    pub(super) open_uploads: usize,
}

/// The folder, below a clinic's, where an object becomes one file.
const TOGETHER: &str = "together";

/// Pictures of quick looks are not larger than this.
const SMALL_BYTES: u64 = 256 * 1024;

impl Limits {
    /// A sixteenth more for small objects: an expert sees the first pictures of a case also of a clinic whose images no
    /// longer fit.
    fn quota_for(&self, length: u64) -> u64 {
        if length <= SMALL_BYTES {
            self.clinic_bytes.saturating_add(self.clinic_bytes / 16)
        } else {
            self.clinic_bytes
        }
    }
}

/// How much of an object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) offset: u64,
    pub(super) complete: bool,
}

/// Why a range is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The object is whole already.
    Complete {
        length: u64,
    },
    /// The next byte is this one.
    Offset(u64),
    /// Another connection sends it just now.
    Busy,
    /// The object was begun with another length.
    OtherLength,
    TooLarge,
    QuotaUsed,
    TooManyOpen,
}

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Objects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    vault: Arc<Vault>,
    limits: Limits,
    clinics: Mutex<HashMap<ClinicId, Clinic>>,
}

/// What one clinic has here.
#[derive(Debug, Default)]
pub(super) struct Clinic {
    /// Of whole objects.
    pub(super) bytes: u64,
    /// Whole lengths of those that arrive.
    pub(super) open: HashMap<ObjectId, u64>,
    /// Being written by a connection.
    pub(super) busy: HashSet<ObjectId>,
    /// Named by commits under way, and by how many; see [`super::removal`].
    pub(super) named: HashMap<ObjectId, usize>,
    /// About to be removed.
    pub(super) going: HashSet<ObjectId>,
    /// When something came last.
    pub(super) heard: Option<SystemTime>,
    /// How often an object was refused because the quota was used.
    over_quota: u64,
    full: Seldom,
}

/// An object that a connection appends to. Dropped, it lets the next one go on from where the file ends.
#[derive(Debug)]
pub(super) struct Receiving {
    objects: Objects,
    clinic: ClinicId,
    id: ObjectId,
    range: ContentRange,
    partial: Arc<Mutex<Partial>>,
    offset: u64,
}

/// What a finished range came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    Partly {
        offset: u64,
    },
    Whole,
    /// Whole, but not what its name says: thrown away.
    WrongHash,
}

impl Objects {
    pub(super) fn open(directory: PathBuf, limits: Limits, vault: Arc<Vault>) -> Result<Self, Error> {
        let failed = |source| Error::Open {
            path: directory.display().to_string(),
            source,
        };
        fs::create_dir_all(&directory).map_err(failed)?;
        let mut clinics = HashMap::new();
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(clinic) = name.to_str().and_then(|name| ClinicId::new(name).ok()) else {
                continue;
            };
            let found = survey(&directory.join(clinic.as_str())).map_err(failed)?;
            clinics.insert(clinic, found);
        }
        Ok(Self(Arc::new(Inner {
            directory,
            vault,
            limits,
            clinics: Mutex::new(clinics),
        })))
    }

    /// Blocking. An object whose last byte came just before a restart is looked at now.
    pub(super) fn held(&self, clinic: &ClinicId, id: ObjectId) -> io::Result<Held> {
        let complete = |offset| Held {
            offset,
            complete: true,
        };
        let partly = |offset| Held {
            offset,
            complete: false,
        };
        if let Some(length) = length_of(&self.whole(clinic, id))? {
            return Ok(complete(length));
        }
        let begun = |found: &Clinic| {
            let length = found.open.get(&id).copied()?;
            Some((length, found.busy.contains(&id)))
        };
        let Some((length, busy)) = self.lock().get(clinic).and_then(begun) else {
            return Ok(partly(0));
        };
        let offset = partial::length_of(&self.partial(clinic, id, length))?.unwrap_or(0);
        if offset < length || busy {
            return Ok(partly(offset));
        }
        Ok(match self.conclude(clinic, id, length)? {
            Received::Whole => complete(length),
            Received::Partly { .. } | Received::WrongHash => partly(0),
        })
    }

    /// Compares an object whose last byte is there with its name, and gives it that name or throws it away.
    fn conclude(&self, clinic: &ClinicId, id: ObjectId, length: u64) -> io::Result<Received> {
        let path = self.partial(clinic, id, length);
        let arrived = Partial::open(&path, self.vault())?;
        let right = arrived.offset() == length && self.put_together(clinic, id, &arrived)?;
        fs::remove_file(&path)?;
        let received = if right {
            Received::Whole
        } else {
            Received::WrongHash
        };
        if let Some(found) = self.lock().get_mut(clinic) {
            found.open.remove(&id);
            if right {
                found.bytes += length;
            }
        }
        Ok(received)
    }

    /// Writes the pieces as the one file that is kept, if they are what the name says.
    fn put_together(&self, clinic: &ClinicId, id: ObjectId, arrived: &Partial) -> io::Result<bool> {
        let folder = self.folder(clinic).join(TOGETHER);
        fs::create_dir_all(&folder)?;
        let path = folder.join(id.to_string());
        if path.exists() {
            fs::remove_file(&path)?;
        }
        let mut context = Context::new(&SHA256);
        let mut file = self.0.vault.create_new(&path)?;
        arrived.replay(|piece| {
            context.update(piece);
            file.write_all(piece)
        })?;
        if context.finish().as_ref() != id.0 {
            drop(file);
            fs::remove_file(&path)?;
            return Ok(false);
        }
        self.0.vault.finish(file.complete()?)?;
        files::keep(&path, &self.whole(clinic, id))?;
        Ok(true)
    }

    pub(super) fn vault(&self) -> Arc<Vault> {
        Arc::clone(&self.0.vault)
    }

    /// Blocking. Whether it is here; where the caller has a [`Named`] of it, also whether it stays.
    pub(super) fn is_whole(&self, clinic: &ClinicId, id: ObjectId, bytes: u64) -> bool {
        let going = |found: &Clinic| found.going.contains(&id);
        if self.lock().get(clinic).is_some_and(going) {
            return false;
        }
        matches!(length_of(&self.whole(clinic, id)), Ok(Some(length)) if length == bytes)
    }

    /// Blocking. Opens the object for the bytes of `range`.
    pub(super) fn receive(
        &self,
        clinic: &ClinicId,
        id: ObjectId,
        range: ContentRange,
    ) -> Result<Result<Receiving, Refusal>, Error> {
        let disk = |source| Error::Disk { source };
        if let Some(length) = length_of(&self.whole(clinic, id)).map_err(disk)? {
            return Ok(Err(Refusal::Complete { length }));
        }
        if let Err(refusal) = self.admit(clinic, id, range.length) {
            return Ok(Err(refusal));
        }
        // From here on the place must be given back.
        let opened = self.open_at(clinic, id, range);
        if !matches!(opened, Ok(Ok(_))) {
            self.release(clinic, id);
        }
        opened.map_err(disk)
    }

    fn open_at(
        &self,
        clinic: &ClinicId,
        id: ObjectId,
        range: ContentRange,
    ) -> io::Result<Result<Receiving, Refusal>> {
        let path = self.partial(clinic, id, range.length);
        let partial = Partial::open(&path, self.vault())?;
        let offset = partial.offset();
        if range.first != offset {
            return Ok(Err(Refusal::Offset(offset)));
        }
        Ok(Ok(Receiving {
            objects: self.clone(),
            clinic: clinic.clone(),
            id,
            range,
            partial: Arc::new(Mutex::new(partial)),
            offset,
        }))
    }

    /// Takes the object's place, if the clinic may have one.
    fn admit(&self, clinic: &ClinicId, id: ObjectId, length: u64) -> Result<(), Refusal> {
        let limits = self.0.limits;
        if limits.object_bytes < length {
            return Err(Refusal::TooLarge);
        }
        let mut clinics = self.lock();
        let name = clinic;
        let clinic = clinics.entry(name.clone()).or_default();
        if clinic.busy.contains(&id) {
            return Err(Refusal::Busy);
        }
        match clinic.open.get(&id) {
            Some(begun) if *begun != length => return Err(Refusal::OtherLength),
            Some(_) => {}
            None if limits.open_uploads <= clinic.open.len() => return Err(Refusal::TooManyOpen),
            None => {
                let arriving: u64 = clinic.open.values().sum();
                let wanted = clinic.bytes.saturating_add(arriving).saturating_add(length);
                if limits.quota_for(length) < wanted {
                    clinic.over_quota += 1;
                    if let Some(refused) = clinic.full.happened(Instant::now()) {
                        tracing::error!(clinic = %name, refused, "A clinic has used its quota, its images are refused: raise clinic_quota_mib, or see what it sends.");
                    }
                    return Err(Refusal::QuotaUsed);
                }
                clinic.open.insert(id, length);
            }
        }
        clinic.busy.insert(id);
        clinic.heard = Some(SystemTime::now());
        Ok(())
    }

    /// The largest object that is taken.
    pub(super) fn largest(&self) -> u64 {
        self.0.limits.object_bytes
    }

    /// Counts an object that comes without ranges, where the quota allows it.
    pub(super) fn reserve(&self, clinic: &ClinicId, length: u64) -> bool {
        let mut clinics = self.lock();
        let found = clinics.entry(clinic.clone()).or_default();
        let wanted = found.bytes.saturating_add(length);
        if self.0.limits.clinic_bytes < wanted {
            found.over_quota += 1;
            return false;
        }
        found.bytes = wanted;
        true
    }

    pub(super) fn give_back(&self, clinic: &ClinicId, length: u64) {
        if let Some(found) = self.lock().get_mut(clinic) {
            found.bytes = found.bytes.saturating_sub(length);
        }
    }

    /// Of each clinic: how often an object was refused because the quota was used.
    pub(super) fn over_quota(&self) -> Vec<(ClinicId, u64)> {
        let clinics = self.lock();
        let counted = clinics
            .iter()
            .map(|(clinic, found)| (clinic.clone(), found.over_quota));
        counted.collect()
    }

    fn release(&self, clinic: &ClinicId, id: ObjectId) {
        if let Some(clinic) = self.lock().get_mut(clinic) {
            clinic.busy.remove(&id);
            clinic.heard = Some(SystemTime::now());
        }
    }

    pub(super) async fn read(&self, clinic: &ClinicId, id: ObjectId) -> Result<Vec<u8>, Error> {
        let kept = self.kept(clinic, id);
        let read = spawn_blocking(move || kept.read()).await;
        read.map_err(|_| Error::Cut)?
            .map_err(|source| Error::Disk { source })
    }

    /// An object that is whole.
    pub(super) fn kept(&self, clinic: &ClinicId, id: ObjectId) -> Kept {
        Kept::new(self.whole(clinic, id), self.vault())
    }

    pub(super) fn whole(&self, clinic: &ClinicId, id: ObjectId) -> PathBuf {
        let name = id.to_string();
        let folder = name.get(..2).unwrap_or_default().to_owned();
        self.folder(clinic).join("objects").join(folder).join(name)
    }

    pub(super) fn folder(&self, clinic: &ClinicId) -> PathBuf {
        self.0.directory.join(clinic.as_str())
    }

    fn partial(&self, clinic: &ClinicId, id: ObjectId, length: u64) -> PathBuf {
        self.folder(clinic).join("open").join(format!("{id}.{length}"))
    }

    /// Whole after any panic: nothing between two changes can.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<ClinicId, Clinic>> {
        self.0.clinics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiving {
    /// The bytes still wanted of this range.
    pub(super) fn wanted(&self) -> u64 {
        self.range.end.saturating_sub(self.offset)
    }

    /// Appends, off the shared threads. What is appended counts, whatever becomes of the connection.
    pub(super) async fn append(&mut self, bytes: bytes::Bytes) -> Result<(), Error> {
        let length = bytes.len() as u64;
        let partial = Arc::clone(&self.partial);
        let written = spawn_blocking(move || locked(&partial).append(&bytes)).await;
        written
            .map_err(|_| Error::Cut)?
            .map_err(|source| Error::Disk { source })?;
        self.offset += length;
        Ok(())
    }

    /// Syncs the range; after the last one compares the whole with its name and gives it that name.
    pub(super) async fn finish(self) -> Result<Received, Error> {
        let done = spawn_blocking(move || self.finish_blocking()).await;
        done.map_err(|_| Error::Cut)?
            .map_err(|source| Error::Disk { source })
    }

    fn finish_blocking(self) -> io::Result<Received> {
        locked(&self.partial).sync()?;
        if self.offset < self.range.length {
            return Ok(Received::Partly { offset: self.offset });
        }
        self.objects.conclude(&self.clinic, self.id, self.range.length)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.objects.release(&self.clinic, self.id);
    }
}

/// A piece is there whole or does not count: nothing else can be half changed.
fn locked(partial: &Mutex<Partial>) -> MutexGuard<'_, Partial> {
    partial.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What lies in the folder of a clinic. What was being put together at a restart still lies in its pieces.
fn survey(folder: &Path) -> io::Result<Clinic> {
    let mut found = Clinic::default();
    match fs::remove_dir_all(folder.join(TOGETHER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for (_, path) in files::whole(folder)? {
        let data = fs::metadata(path)?;
        found.bytes += plain_bytes(data.len());
        found.heard = found.heard.max(data.modified().ok());
    }
    for (id, length, path) in files::open(folder)? {
        found.open.insert(id, length);
        found.heard = found.heard.max(fs::metadata(path)?.modified().ok());
    }
    Ok(found)
}
