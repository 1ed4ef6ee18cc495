//! Objects that other systems bring: they arrive without a name, in one piece, and are hashed as they come.
//!
//! They lie in a space of their own, beside the clinics': what a city's archive says never stands between the images that a
//! clinic sent. The same quota and the same look for identity hold for them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use barefoot_domain::ClinicId;
use barefoot_imaging::deidentify::{self, Checked, Fault};
use barefoot_imaging::header;
use barefoot_trust::at_rest::Writer;
use barefoot_wire::images::ObjectId;
use bytes::Bytes;
use ring::digest::{Context, SHA256};
use tokio::task::spawn_blocking;
use ulid::Ulid;

use super::removal::Named;
use super::{Error, ImageStore, files};

/// The space's name; no clinic may have it.
pub(super) const BROUGHT: &str = "brought-by-others";

/// An object on its way. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Arriving {
    store: ImageStore,
    clinic: ClinicId,
    partial: Partial,
    /// Gone once it was looked at.
    file: Arc<Mutex<Option<Writer<File>>>>,
    bytes: u64,
    context: HashContext,
}

/// An object that is here and was looked at.
#[derive(Debug)]
pub(crate) struct Judged {
    store: ImageStore,
    clinic: ClinicId,
    partial: Partial,
    bytes: u64,
    id: ObjectId,
    pub(crate) checked: Checked,
}

/// An object in its place. It stays for as long as this lives, or for ever once a version names it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) id: ObjectId,
    _named: Named,
}

/// Why an object is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    #[error("it is larger than one object may be")]
    TooLarge,
    #[error("the space for images of other systems is used up")]
    QuotaUsed,
    #[error("it is no image without identity")]
    Refused {
        /// SOP class and instance, where they can be read.
        named: Option<(String, String)>,
        #[source]
        fault: Fault,
    },
    #[error("it could not be kept")]
    Failed {
        #[source]
        source: Error,
    },
}

/// The hash so far; what hashes prints nothing of use.
struct HashContext(Context);

impl std::fmt::Debug for HashContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashContext")
    }
}

#[derive(Debug)]
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        match fs::remove_file(&self.0) {
            Ok(()) => {}
            // It was given its name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, "An object that was not kept could not be removed; the next start does.");
            }
        }
    }
}

impl ImageStore {
    /// The clinic that stands for other systems.
    pub(crate) fn brought() -> Option<ClinicId> {
        ClinicId::new(BROUGHT).ok()
    }

    /// Begins to take an object.
    pub(crate) async fn arrive(&self) -> Result<Arriving, NotKept> {
        let clinic = Self::brought().ok_or_else(cut)?;
        let folder = self.0.objects.folder(&clinic).join("incoming");
        let path = folder.join(Ulid::generate().to_string());
        let vault = self.0.objects.vault();
        let opened = spawn_blocking(move || {
            fs::create_dir_all(&folder)?;
            vault.create_new(&path).map(|file| (file, Partial(path)))
        });
        let (file, partial) = opened.await.map_err(|_| cut())?.map_err(disk)?;
        Ok(Arriving {
            store: self.clone(),
            clinic,
            partial,
            file: Arc::new(Mutex::new(Some(file))),
            bytes: 0,
            context: HashContext(Context::new(&SHA256)),
        })
    }

    /// What was on its way when the hub was stopped.
    pub(super) fn remove_incoming(&self) -> io::Result<()> {
        let Some(clinic) = Self::brought() else {
            return Ok(());
        };
        match fs::remove_dir_all(self.0.objects.folder(&clinic).join("incoming")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Arriving {
    pub(crate) async fn append(&mut self, piece: Bytes) -> Result<(), NotKept> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.store.0.objects.largest() < self.bytes {
            return Err(NotKept::TooLarge);
        }
        self.context.0.update(&piece);
        let file = Arc::clone(&self.file);
        let written = spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(&piece)
        });
        let written = written.await;
        written.map_err(|_| cut())?.map_err(disk)
    }

    /// Looks at what came.
    pub(crate) async fn judge(self) -> Result<Judged, NotKept> {
        let _place = self.store.0.checks.acquire().await.map_err(|_| cut())?;
        let (file, vault) = (Arc::clone(&self.file), self.store.0.objects.vault());
        let looked = spawn_blocking(move || {
            let file = file.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut written = file.ok_or(io::ErrorKind::BrokenPipe)?.complete()?;
            let mut bytes = Vec::new();
            written.reader()?.read_to_end(&mut bytes)?;
            vault.finish(written)?;
            Ok(deidentify::check(&bytes).map_err(|fault| NotKept::Refused {
                named: names(&bytes),
                fault,
            }))
        });
        let checked = looked.await.map_err(|_| cut())?.map_err(disk)??;
        let mut id = [0; 32];
        id.copy_from_slice(self.context.0.finish().as_ref());
        Ok(Judged {
            store: self.store.clone(),
            clinic: self.clinic,
            partial: self.partial,
            bytes: self.bytes,
            id: ObjectId(id),
            checked,
        })
    }
}

impl Judged {
    pub(crate) fn id(&self) -> ObjectId {
        self.id
    }

    /// Gives it its name. A version must name it while what this returns lives.
    pub(crate) async fn keep(self) -> Result<Kept, NotKept> {
        let objects = self.store.0.objects.clone();
        // First this, then the look whether it is here: see `removal`.
        let named = objects.name(&self.clinic, vec![self.id]);
        let (clinic, id, bytes, partial) = (self.clinic, self.id, self.bytes, self.partial);
        let placed = spawn_blocking(move || {
            if objects.is_whole(&clinic, id, bytes) {
                return Ok(true);
            }
            objects.place(&clinic, id, bytes, &partial.0)
        });
        if !placed.await.map_err(|_| cut())?.map_err(disk)? {
            return Err(NotKept::QuotaUsed);
        }
        Ok(Kept { id, _named: named })
    }
}

fn names(bytes: &[u8]) -> Option<(String, String)> {
    let header = header::scan(io::Cursor::new(bytes), bytes.len() as u64).ok()?;
    Some((
        header.sop_class_uid().to_owned(),
        header.sop_instance_uid().to_owned(),
    ))
}

fn disk(source: io::Error) -> NotKept {
    NotKept::Failed {
        source: Error::Disk { source },
    }
}

fn cut() -> NotKept {
    NotKept::Failed { source: Error::Cut }
}

impl super::objects::Objects {
    /// Blocking. Gives a file of known content its name; `false` where the quota does not allow it.
    fn place(&self, clinic: &ClinicId, id: ObjectId, bytes: u64, from: &std::path::Path) -> io::Result<bool> {
        if !self.reserve(clinic, bytes) {
            return Ok(false);
        }
        let kept = files::keep(from, &self.whole(clinic, id));
        if kept.is_err() {
            self.give_back(clinic, bytes);
        }
        kept.map(|()| true)
    }
}
