//! Orders dropped into a folder as files.

use std::fs;
use std::io;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::Config;
use super::hl7::{self, Action};
use super::store::Worklist;
use crate::clock::now_ms;

/// A file that changed since may still be written.
const AT_REST: Duration = Duration::from_secs(1);
/// Files taken at one look, so that old ones are cleared up in between.
const AT_ONCE: usize = 200;

/// The folder, watched.
#[derive(Debug)]
pub(crate) struct DropFolder {
    folder: Option<PathBuf>,
    poll: Duration,
    keep_days: u16,
    keep_files_days: u16,
    worklist: Worklist,
}

/// Why a file is not taken, for its `.reason.txt`.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error(transparent)]
    Message(#[from] hl7::Error),
    #[error(transparent)]
    Order(#[from] super::store::Error),
}

impl DropFolder {
    pub(crate) fn new(config: &Config, worklist: Worklist) -> Self {
        Self {
            folder: config.drop_folder.clone(),
            poll: Duration::from_millis(config.poll_ms),
            keep_days: config.keep_days,
            keep_files_days: config.keep_files_days,
            worklist,
        }
    }

    /// Runs until `shutdown`; without a folder it only forgets old orders.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut folder = self;
        loop {
            let work = tokio::task::spawn_blocking(move || {
                folder.look(SystemTime::now());
                folder
            });
            match work.await {
                Ok(back) => folder = back,
                Err(_) => return,
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(folder.poll) => {}
            }
        }
    }

    /// One look: takes what lies there, clears up what is old.
    fn look(&self, now: SystemTime) {
        if let Err(error) = self.worklist.forget_old(self.keep_days, now_ms()) {
            tracing::warn!(%error, "Old orders cannot be removed; it is tried again.");
        }
        let Some(folder) = &self.folder else {
            return;
        };
        if let Err(error) = self.take(folder, now).and_then(|()| self.clear(folder, now)) {
            tracing::warn!(%error, "The folder of dropped orders cannot be used; it is tried again.");
        }
    }

    fn take(&self, folder: &Path, now: SystemTime) -> io::Result<()> {
        for place in [done(folder), rejected(folder)] {
            fs::create_dir_all(place)?;
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let age = now.duration_since(metadata.modified()?).unwrap_or_default();
            if metadata.is_file() && AT_REST <= age && is_ready(&entry.path()) {
                files.push((metadata.modified()?, entry.path()));
            }
        }
        // In the order they came: a change follows what it changes.
        files.sort();
        for (_, file) in files.into_iter().take(AT_ONCE) {
            match self.apply(&file) {
                Ok(Ok(())) => put_away(&file, &done(folder)).map(drop)?,
                Ok(Err(rejected_for)) => {
                    tracing::warn!(reason = %rejected_for, "A dropped order was rejected; its file and the reason lie in rejected/.");
                    let moved = put_away(&file, &rejected(folder))?;
                    let mut reason = moved.into_os_string();
                    reason.push(".reason.txt");
                    fs::write(reason, format!("{rejected_for}\n"))?;
                }
                // One file that cannot be read keeps no other from being taken.
                Err(error) => {
                    tracing::warn!(%error, "A dropped order cannot be taken; it is tried again.");
                }
            }
        }
        Ok(())
    }

    /// The outer error is the disk's: the file stays and is tried again.
    fn apply(&self, file: &Path) -> io::Result<Result<(), Rejected>> {
        let mut bytes = Vec::new();
        let limit = hl7::MAX_BYTES as u64 + 1;
        fs::File::open(file)?.take(limit).read_to_end(&mut bytes)?;
        let asked = match hl7::orders(&bytes) {
            Ok(asked) => asked,
            Err(error) => return Ok(Err(error.into())),
        };
        for order in asked {
            let outcome = match order.action {
                Action::Wish => self.worklist.wish(order.wish, now_ms()),
                Action::TakeBack => self.worklist.take_back(&order.wish, now_ms()).map(drop),
            };
            match outcome {
                Ok(()) => {}
                Err(super::store::Error::Write { source }) => return Err(source),
                Err(error) => return Ok(Err(error.into())),
            }
        }
        Ok(Ok(()))
    }

    fn clear(&self, folder: &Path, now: SystemTime) -> io::Result<()> {
        let keep = Duration::from_secs(u64::from(self.keep_files_days) * 24 * 60 * 60);
        for place in [done(folder), rejected(folder)] {
            for entry in fs::read_dir(place)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                if metadata.is_file() && keep < now.duration_since(metadata.modified()?).unwrap_or_default() {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }
}

fn done(folder: &Path) -> PathBuf {
    folder.join("done")
}

fn rejected(folder: &Path) -> PathBuf {
    folder.join("rejected")
}

fn is_ready(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    !name.is_empty() && !name.starts_with('.') && !matches!(extension, "part" | "tmp")
}

/// Moves a file under its own name, with something before it where that is taken.
fn put_away(file: &Path, place: &Path) -> io::Result<PathBuf> {
    let name = file.file_name().unwrap_or_default();
    let mut target = place.join(name);
    if target.exists() {
        let mut unique = std::ffi::OsString::from(format!("{}-", Ulid::generate()));
        unique.push(name);
        target = place.join(unique);
    }
    fs::rename(file, &target)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::super::hl7::tests::orm;
    use super::*;

    struct Here {
        _directory: tempfile::TempDir,
        folder: PathBuf,
        drop: DropFolder,
    }

    fn here() -> Here {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("drop");
        fs::create_dir_all(&folder).unwrap();
        let worklist = Worklist::open(directory.path().join("worklist")).unwrap();
        let config = Config {
            drop_folder: Some(folder.clone()),
            ..Config::default()
        };
        Here {
            _directory: directory,
            folder,
            drop: DropFolder::new(&config, worklist),
        }
    }

    fn names(place: &Path) -> Vec<String> {
        let entries = fs::read_dir(place).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn soon() -> SystemTime {
        SystemTime::now() + 2 * AT_REST
    }

    #[test]
    fn a_dropped_order_is_listed_and_its_file_put_away() {
        let here = here();
        fs::write(here.folder.join("1.hl7"), orm("NW", "A1", "")).unwrap();
        fs::write(here.folder.join("2.hl7"), "nonsense").unwrap();
        fs::write(here.folder.join("3.hl7.part"), orm("NW", "A3", "")).unwrap();
        here.drop.look(SystemTime::now());
        assert!(
            here.drop.worklist.listed().is_empty(),
            "they may still be written"
        );
        here.drop.look(soon());
        assert_eq!(here.drop.worklist.listed().len(), 1);
        assert_eq!(names(&done(&here.folder)), ["1.hl7"]);
        assert_eq!(names(&rejected(&here.folder)), ["2.hl7", "2.hl7.reason.txt"]);
        let reason = fs::read_to_string(rejected(&here.folder).join("2.hl7.reason.txt")).unwrap();
        assert!(reason.contains("MSH"), "{reason}");
        assert_eq!(names(&here.folder), ["3.hl7.part", "done", "rejected"]);
    }

    #[test]
    fn the_same_file_again_changes_nothing_and_a_cancel_takes_back() {
        let here = here();
        for _ in 0..2 {
            fs::write(here.folder.join("1.hl7"), orm("NW", "A1", "")).unwrap();
            here.drop.look(soon());
            assert_eq!(here.drop.worklist.listed().len(), 1);
        }
        assert_eq!(names(&done(&here.folder)).len(), 2);
        fs::write(here.folder.join("2.hl7"), orm("CA", "A1", "")).unwrap();
        here.drop.look(soon());
        assert!(here.drop.worklist.listed().is_empty());
    }

    #[test]
    fn old_files_are_cleared_up() {
        let here = here();
        fs::write(here.folder.join("1.hl7"), orm("NW", "A1", "")).unwrap();
        here.drop.look(soon());
        here.drop
            .look(SystemTime::now() + Duration::from_secs(31 * 24 * 60 * 60));
        assert!(names(&done(&here.folder)).is_empty());
    }
}
