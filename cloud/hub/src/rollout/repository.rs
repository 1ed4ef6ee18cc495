//! The release repository boxes read: taken in whole, believed only as far as it is signed, swapped at once.
//!
//! ```text
//! releases/current            → published/<name>
//! releases/published/<name>/  metadata/ and targets/
//! releases/staging/<name>/    being received
//! releases/trusted/           what is known of what was published: nothing older is taken
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use barefoot_trust::release::{
    DirectorySource, Release, ReleaseError, Targets, TrustedState, verify_repository,
};
use time::OffsetDateTime;
use ulid::Ulid;

use super::Error;
use super::path::RepositoryPath;

/// Bounds of one upload.
const UPLOAD_BYTES: u64 = 8 * 1024 * 1024 * 1024;
const UPLOAD_FILES: usize = 16_384;
/// No metadata of ours is larger.
const METADATA_BYTES: u64 = 8 * 1024 * 1024;

/// The hub's side of the repository.
#[derive(Debug)]
pub(super) struct Repository {
    directory: PathBuf,
    /// Root metadata the operator gave.
    root: PathBuf,
    /// What the served repository offers; `None` before the first, or when it is not believed any more.
    offered: RwLock<Option<Targets>>,
}

/// An upload; its folder goes when it is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    directory: PathBuf,
    files: BTreeSet<RepositoryPath>,
    open: Option<(RepositoryPath, File, u64)>,
    bytes: u64,
}

/// An upload that is signed, newer than what is known, and whole.
#[derive(Debug)]
pub(super) struct Checked {
    staging: Staging,
    pub(super) targets: Targets,
    /// Releases that are not served yet, or served with another content.
    pub(super) new: Vec<Release>,
}

impl Repository {
    /// Blocking.
    ///
    /// # Errors
    /// When the folders cannot be made. A served repository that is not believed any more is no error: nothing is
    /// offered then, and the log says why.
    pub(super) fn open(directory: PathBuf, root: PathBuf) -> io::Result<Self> {
        let staging = directory.join("staging");
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&staging)?,
        }
        fs::create_dir_all(directory.join("published"))?;
        let repository = Self {
            directory,
            root,
            offered: RwLock::default(),
        };
        if repository.current().exists() {
            match repository.served() {
                Ok(targets) => repository.offer(targets),
                Err(error) => {
                    tracing::error!(%error, "The published repository is not believed any more: publish a fresh one.");
                }
            }
        }
        Ok(repository)
    }

    fn current(&self) -> PathBuf {
        self.directory.join("current")
    }

    /// What boxes are offered.
    pub(super) fn offered(&self) -> Option<Targets> {
        self.offered
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn offer(&self, targets: Targets) {
        *self.offered.write().unwrap_or_else(PoisonError::into_inner) = Some(targets);
    }

    /// A file of the served repository, its whole length, and the place `offset` reached. Blocking.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none, [`Error::Invalid`] beyond its end.
    pub(super) fn read(&self, path: &str, offset: u64) -> Result<(File, u64), Error> {
        let unknown = Error::Unknown { what: "file" };
        let Some(path) = RepositoryPath::parse(path) else {
            return Err(unknown);
        };
        let path = self.current().join(path.as_str());
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(unknown),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown),
            Err(error) => return Err(error.into()),
        }
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        if length < offset {
            return Err(Error::invalid("The offset lies beyond the file's end."));
        }
        file.seek(SeekFrom::Start(offset))?;
        Ok((file, length))
    }

    /// # Errors
    /// When the folder cannot be made.
    pub(super) fn stage(&self) -> io::Result<Staging> {
        let directory = self.directory.join("staging").join(Ulid::generate().to_string());
        fs::create_dir_all(&directory)?;
        Ok(Staging {
            directory,
            files: BTreeSet::new(),
            open: None,
            bytes: 0,
        })
    }

    /// Fills an upload with what the served repository has of it, and believes it or not. Blocking.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn check(&self, mut staging: Staging) -> Result<Checked, Error> {
        staging.close()?;
        self.carry_roots_over(&mut staging)?;
        // What is refused later must not make an older one look like a step back: nothing is kept yet.
        let targets = verify(&mut self.trusted()?.without_trace(), &staging.directory)?;
        let source = DirectorySource::new(&staging.directory);
        let mut listed = BTreeSet::new();
        for file in targets.releases.iter().flat_map(|release| &release.files) {
            let stored = file.stored_at();
            let path = RepositoryPath::parse(&stored)
                .ok_or_else(|| Error::invalid(format!("{stored} is no path of a repository.")))?;
            if !staging.files.contains(&path) {
                self.carry_over(&mut staging, &path)?;
            }
            file.verify(source.open_target(file)?)?;
            listed.insert(path);
        }
        let superfluous = |path: &&RepositoryPath| !path.is_metadata() && !listed.contains(*path);
        if let Some(path) = staging.files.iter().find(superfluous) {
            return Err(Error::invalid(format!(
                "No signed release lists {}.",
                path.as_str()
            )));
        }
        let served = self.offered();
        let is_new = |release: &&Release| {
            let before = served.iter().flat_map(|served| &served.releases);
            !before.into_iter().any(|before| before == *release)
        };
        Ok(Checked {
            new: targets.releases.iter().filter(is_new).cloned().collect(),
            staging,
            targets,
        })
    }

    /// From now on boxes read this one. Blocking; durable when it returns.
    ///
    /// # Errors
    /// When the disk fails; the one before is served then, or the new one is and the same again makes up for the rest.
    pub(super) fn publish(&self, checked: Checked) -> Result<(), Error> {
        let Checked {
            mut staging, targets, ..
        } = checked;
        sync_tree(&staging.directory)?;
        let name = staging.directory.file_name().map(Path::new).map(Path::to_owned);
        let name = name.ok_or_else(|| io::Error::other("a staging folder without a name"))?;
        let published = self.directory.join("published").join(&name);
        fs::rename(&staging.directory, &published)?;
        staging.directory = PathBuf::new();
        let link = self.directory.join("current.new");
        let _ = fs::remove_file(&link);
        symlink(Path::new("published").join(&name), &link)?;
        sync(&self.directory.join("published"))?;
        fs::rename(&link, self.current())?;
        sync(&self.directory)?;
        self.offer(targets);
        self.forget_all_but(&published);
        // Killed before this, the next start does it.
        verify(&mut self.trusted()?, &self.current())?;
        Ok(())
    }

    /// Files under way keep their bytes until they are closed.
    fn forget_all_but(&self, published: &Path) {
        let entries = fs::read_dir(self.directory.join("published"));
        for old in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
            if old != published
                && let Err(error) = fs::remove_dir_all(&old)
            {
                tracing::warn!(%error, "An old state of the repository could not be removed.");
            }
        }
    }

    fn trusted(&self) -> Result<TrustedState, Error> {
        let given = fs::read(&self.root)?;
        Ok(TrustedState::open(&self.directory.join("trusted"), &given)?)
    }

    /// What the served repository lists, as far as it is still believed.
    fn served(&self) -> Result<Targets, Error> {
        let mut trusted = self.trusted()?;
        match verify(&mut trusted, &self.current()) {
            // Something newer was seen and never published. What is served was proven here, and is signed as before.
            Err(Error::Release {
                source: ReleaseError::Rollback { .. },
            }) => {
                let mut signed = TrustedState::in_memory(trusted.root_bytes())?;
                verify(&mut signed, &self.current())
            }
            served => served,
        }
    }

    fn carry_roots_over(&self, staging: &mut Staging) -> Result<(), Error> {
        let Ok(entries) = fs::read_dir(self.current().join("metadata")) else {
            return Ok(());
        };
        for entry in entries {
            let name = format!("metadata/{}", entry?.file_name().to_string_lossy());
            if let Some(path) = RepositoryPath::parse(&name).filter(RepositoryPath::is_root)
                && !staging.files.contains(&path)
            {
                self.carry_over(staging, &path)?;
            }
        }
        Ok(())
    }

    /// A file the upload left out because it is here. Its content is checked like any other.
    fn carry_over(&self, staging: &mut Staging, path: &RepositoryPath) -> Result<(), Error> {
        let from = self.current().join(path.as_str());
        let to = staging.directory.join(path.as_str());
        let found = fs::symlink_metadata(&from).is_ok_and(|found| found.is_file());
        if !found {
            return Err(Error::invalid(format!("{} is missing.", path.as_str())));
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
        }
        staging.files.insert(path.clone());
        Ok(())
    }
}

impl Staging {
    /// A piece of a file; a file's pieces follow each other. Blocking.
    ///
    /// # Errors
    /// When the path is none of a repository, comes twice, or something is too large.
    pub(super) fn write(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(content.len() as u64);
        if UPLOAD_BYTES < self.bytes {
            return Err(Error::invalid("A repository has at most 8 GiB."));
        }
        let same = self.open.as_ref().is_some_and(|(open, ..)| open.as_str() == path);
        if !same {
            self.close()?;
            let path = RepositoryPath::parse(path)
                .ok_or_else(|| Error::invalid(format!("{path:?} is no path of a repository.")))?;
            if self.files.contains(&path) {
                return Err(Error::invalid(format!("{} comes twice.", path.as_str())));
            }
            if UPLOAD_FILES <= self.files.len() {
                return Err(Error::invalid("A repository has at most 16384 files."));
            }
            let to = self.directory.join(path.as_str());
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            self.files.insert(path.clone());
            self.open = Some((path, File::create_new(to)?, 0));
        }
        if let Some((path, file, length)) = &mut self.open {
            *length = length.saturating_add(content.len() as u64);
            if path.is_metadata() && METADATA_BYTES < *length {
                return Err(Error::invalid("A metadata file has at most 8 MiB."));
            }
            file.write_all(content)?;
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some((_, mut file, _)) => file.flush(),
            None => Ok(()),
        }
    }
}

impl Checked {
    /// Where the release's files can be read; each is what was signed.
    pub(super) fn files(&self) -> DirectorySource {
        DirectorySource::new(&self.staging.directory)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.directory.as_os_str().is_empty()
            && let Err(error) = fs::remove_dir_all(&self.directory)
        {
            tracing::warn!(%error, "What was left of an upload could not be removed.");
        }
    }
}

fn verify(state: &mut TrustedState, directory: &Path) -> Result<Targets, Error> {
    let source = DirectorySource::new(directory);
    Ok(verify_repository(state, &source, OffsetDateTime::now_utc())?)
}

fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            sync(&entry.path())?;
        }
    }
    sync(directory)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
