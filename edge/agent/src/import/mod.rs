//! Images from a stick, a disc or a folder: read, checked and kept as if a scanner had sent them.
//!
//! What was imported before is a duplicate and changes nothing, so an import that broke off is simply started again. Only
//! folders below the configured one can be chosen, by names that are there.

mod config;
pub(crate) mod fuzzing;
mod medium;

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barefoot_imaging::header;
use ring::digest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use config::Config;

use crate::audit::{Action, Actor, Entry, PeerLog};
use crate::error_chain;
use crate::handoff::{InPlace, Incoming, Keeper, Kept, NotKept, Verdict};
use crate::import_desk::{ImportDesk, NotStarted, Progress, Stage};
use crate::study_folder::hex;

/// Stands for the scanner's AE title.
const SOURCE: &str = "IMPORT";
/// Verdicts that are waited for together: the disk is synced once for several.
const IN_FLIGHT: usize = 32;
const READ_BYTES: usize = 256 * 1024;

/// Imports, one at a time; clones share it.
#[derive(Clone)]
pub(crate) struct Importer {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    keeper: Keeper,
    log: PeerLog,
    progress: watch::Sender<Progress>,
    cancel: Mutex<CancellationToken>,
    shutdown: CancellationToken,
}

impl fmt::Debug for Importer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Importer")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

/// What became of one file.
enum Outcome {
    /// Being kept; the verdict comes.
    Keeping(Verdict),
    NotDicom,
    Refused(String),
}

impl ImportDesk for Importer {
    fn folders(&self) -> Result<Vec<String>, NotStarted> {
        let entries =
            fs::read_dir(&self.inner.config.directory).map_err(|source| NotStarted::Read { source })?;
        let mut folders: Vec<String> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                entry.file_type().ok()?.is_dir().then_some(())?;
                entry.file_name().into_string().ok()
            })
            .collect();
        folders.sort();
        Ok(folders)
    }

    fn progress(&self) -> Progress {
        self.inner.progress.borrow().clone()
    }

    fn start(&self, folder: Option<&str>) -> Result<(), NotStarted> {
        let name = match folder {
            None => String::new(),
            Some(wanted) => self
                .folders()?
                .into_iter()
                .find(|name| name == wanted)
                .ok_or(NotStarted::NoSuchFolder)?,
        };
        let mut began = false;
        self.inner.progress.send_if_modified(|progress| {
            began = !progress.stage.is_under_way();
            if began {
                *progress = Progress {
                    stage: Stage::Listing,
                    folder: name.clone(),
                    ..Progress::default()
                };
            }
            began
        });
        if !began {
            return Err(NotStarted::UnderWay);
        }
        let cancel = self.inner.shutdown.child_token();
        *self.cancel_token() = cancel.clone();
        let importer = self.clone();
        tokio::spawn(async move {
            importer
                .import(&importer.inner.config.directory.join(name), &cancel)
                .await;
        });
        Ok(())
    }

    fn cancel(&self) {
        self.cancel_token().cancel();
    }
}

impl Importer {
    #[must_use]
    pub(crate) fn new(config: Config, keeper: Keeper, log: PeerLog, shutdown: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                config,
                keeper,
                log,
                progress: watch::Sender::new(Progress::default()),
                cancel: Mutex::new(CancellationToken::new()),
                shutdown,
            }),
        }
    }

    fn cancel_token(&self) -> MutexGuard<'_, CancellationToken> {
        self.inner.cancel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.inner.progress.send_modify(change);
    }

    async fn import(&self, folder: &Path, cancel: &CancellationToken) {
        let listed = tokio::task::block_in_place(|| medium::list(folder, &self.inner.config));
        let found = match listed {
            Ok(found) => found,
            Err(error) => {
                let trouble = format!("the folder cannot be read: {error}");
                return self.end(Stage::Failed, Some(trouble)).await;
            }
        };
        self.update(|progress| {
            progress.stage = Stage::Running;
            progress.found = found.files.len();
            progress.missing = found.missing;
            progress.cut = found.cut;
        });
        let mut waiting: VecDeque<(PathBuf, Verdict)> = VecDeque::new();
        let mut stage = Stage::Done;
        let mut trouble = None;
        for file in found.files {
            if cancel.is_cancelled() {
                stage = Stage::Cancelled;
                break;
            }
            if IN_FLIGHT <= waiting.len()
                && let Some((file, verdict)) = waiting.pop_front()
            {
                trouble = self.note(&file, verdict.await);
            }
            if trouble.is_some() {
                stage = Stage::Failed;
                break;
            }
            match tokio::task::block_in_place(|| self.begin(&folder.join(&file))) {
                Outcome::Keeping(verdict) => waiting.push_back((file, verdict)),
                Outcome::NotDicom => self.update(|progress| {
                    progress.seen += 1;
                    progress.others += 1;
                }),
                Outcome::Refused(reason) => self.refuse(&file, reason),
            }
        }
        for (file, verdict) in waiting {
            let failed = self.note(&file, verdict.await);
            if failed.is_some() {
                (stage, trouble) = (Stage::Failed, failed);
            }
        }
        self.end(stage, trouble).await;
    }

    /// Told before it is shown as ended.
    async fn end(&self, stage: Stage, trouble: Option<String>) {
        let progress = self.progress();
        let failed = match stage {
            Stage::Failed => "failed: ",
            _ => "",
        };
        let details = format!(
            "{failed}{} images, {} known before, {} in conflict, {} refused",
            progress.kept, progress.duplicates, progress.conflicts, progress.refused
        );
        let entry = Entry::new(Actor::Daemon("import"), Action::Imported);
        self.inner.log.note(vec![entry.details(&details)]).await;
        self.update(|progress| {
            progress.stage = stage;
            progress.trouble = trouble;
        });
        tracing::info!(
            found = progress.found,
            kept = progress.kept,
            duplicates = progress.duplicates,
            conflicts = progress.conflicts,
            refused = progress.refused,
            "An import has ended."
        );
    }

    /// Reads a file's header and hands its data set to the keeper, which reads it as critically as a scanner's.
    fn begin(&self, path: &Path) -> Outcome {
        // Looked at before it is opened by name: on the medium of somebody else a link may lie anywhere.
        let mut file = match medium::open(path) {
            Ok(file) => file,
            Err(error) => return Outcome::Refused(format!("the file cannot be read: {error}")),
        };
        let length = match file.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) => return Outcome::Refused(format!("the file cannot be read: {error}")),
        };
        let header = match header::scan(&file, length) {
            Ok(header) => header,
            Err(header::Error::NotDicom) => return Outcome::NotDicom,
            Err(error) => return Outcome::Refused(error_chain::chain(&error)),
        };
        let incoming = Incoming {
            association: None,
            source_ae: SOURCE.to_owned(),
            sop_class_uid: header.sop_class_uid().to_owned(),
            sop_instance_uid: header.sop_instance_uid().to_owned(),
            transfer_syntax: header.transfer_syntax().to_owned(),
        };
        let mut receiving = (self.inner.keeper)(incoming);
        let mut copy = || -> io::Result<()> {
            file.seek(SeekFrom::Start(header.data_set_offset()))?;
            let mut buffer = vec![0; READ_BYTES];
            loop {
                let count = file.read(&mut buffer)?;
                let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                    return Ok(());
                };
                receiving.write(bytes);
            }
        };
        match copy() {
            Ok(()) => Outcome::Keeping(receiving.finish()),
            // The medium failed in the middle: nothing is kept of it.
            Err(error) => Outcome::Refused(format!("the file cannot be read: {error}")),
        }
    }

    /// Counts a verdict; gives the reason where going on makes no sense.
    fn note(&self, file: &Path, verdict: Result<InPlace, NotKept>) -> Option<String> {
        let counted = |count: fn(&mut Progress)| {
            self.update(|progress| {
                progress.seen += 1;
                count(progress);
            });
            None
        };
        match verdict.map(|placed| placed.kept) {
            Ok(Kept::New) => counted(|progress| progress.kept += 1),
            Ok(Kept::Duplicate) => counted(|progress| progress.duplicates += 1),
            Ok(Kept::Conflict) => counted(|progress| progress.conflicts += 1),
            Err(error) => {
                let reason = error_chain::chain(&error);
                let ends = matches!(error, NotKept::OutOfSpace | NotKept::Disk { .. });
                self.refuse(file, reason.clone());
                ends.then_some(reason)
            }
        }
    }

    fn refuse(&self, file: &Path, reason: String) {
        let name = file.to_string_lossy();
        let hashed = digest::digest(&digest::SHA256, name.as_bytes());
        tracing::warn!(
            file = hex(hashed.as_ref().iter().take(8)),
            reason,
            "A file was not imported."
        );
        self.update(|progress| {
            progress.seen += 1;
            progress.refuse(&name, reason);
        });
    }
}

#[cfg(test)]
mod tests;
