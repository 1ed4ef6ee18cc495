//! Where releases lie on this box.
//!
//! ```text
//! models/slots                    what stands where (ledger)
//! models/health.json              how the models at work have done
//! models/trusted/                 what is known of the release repository
//! models/bundles/<id>/<version>/  a bundle, whole, its files as they were signed
//! models/parts/<sha256>           a file on its way
//! models/at_work                  a model on probation is at work
//! ```
//! A bundle appears under its name whole or not at all. A file whose bytes are here already is never fetched: an update
//! of the head alone costs kilobytes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use barefoot_trust::release::{Release, ReleaseError, ReleaseFile};
use ring::digest::{Context, SHA256};

use super::ledger::Name;
use crate::study_folder::{hex, sync_directory};

/// Files deeper than this or more of them are no bundle of ours.
const DEPTH: usize = 4;
const FILES: usize = 256;

/// The disk is left this much for images, bytes.
const LEAVE_FREE: u64 = 512 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    root: PathBuf,
    /// The site file's bundle: its files count as here.
    factory: PathBuf,
}

/// What is here already, by hash.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<[u8; 32], PathBuf>);

impl Shelf {
    /// # Errors
    /// When its folders cannot be made.
    pub(crate) fn open(state: &Path, factory: &Path) -> io::Result<Self> {
        let shelf = Self {
            root: state.join("models"),
            factory: factory.to_owned(),
        };
        for directory in [shelf.root.clone(), shelf.bundles(), shelf.parts()] {
            fs::create_dir_all(directory)?;
        }
        sync_directory(&shelf.root)?;
        sync_directory(state)?;
        Ok(shelf)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn factory(&self) -> &Path {
        &self.factory
    }

    pub(crate) fn trusted(&self) -> PathBuf {
        self.root.join("trusted")
    }

    pub(crate) fn mark(&self) -> PathBuf {
        self.root.join("at_work")
    }

    fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    fn parts(&self) -> PathBuf {
        self.root.join("parts")
    }

    /// Names come from signed metadata, which allows no name that leads elsewhere.
    pub(crate) fn bundle(&self, name: &Name) -> PathBuf {
        self.bundles().join(&name.id).join(&name.version)
    }

    /// A file on its way; its hash is its name.
    pub(crate) fn part(&self, file: &ReleaseFile) -> PathBuf {
        self.parts().join(file.sha256_hex())
    }

    /// Reads and hashes every file of every bundle that is here.
    ///
    /// # Errors
    /// When a bundle cannot be read.
    pub(crate) fn known(&self) -> io::Result<Known> {
        let mut known = HashMap::new();
        let mut directories = vec![self.factory.clone()];
        for id in entries(&self.bundles())? {
            directories.extend(entries(&id)?);
        }
        for directory in directories {
            // One that cannot be read is no reason not to use the others.
            for (_, path) in walk(&directory).unwrap_or_default() {
                if let Ok((hash, _)) = hash(&path) {
                    known.insert(hash, path);
                }
            }
        }
        Ok(Known(known))
    }

    /// What `release` is as one hash.
    pub(crate) fn digest_of(release: &Release) -> String {
        let files = release.files.iter();
        digest(
            files
                .map(|file| (file.path.clone(), file.length, file.sha256))
                .collect(),
        )
    }

    /// The same hash of what lies on the disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn digest_on_disk(&self, name: &Name) -> io::Result<String> {
        let mut files = Vec::new();
        for (inside, path) in walk(&self.bundle(name))? {
            let (hash, length) = hash(&path)?;
            files.push((inside, length, hash));
        }
        Ok(digest(files))
    }

    /// Is there room for what must still be fetched, and for a copy of what is here?
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub(crate) fn has_room_for(&self, release: &Release) -> io::Result<bool> {
        let needed: u64 = release.files.iter().map(|file| file.length).sum();
        let disk = rustix::fs::statvfs(&self.root)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(needed.saturating_add(LEAVE_FREE) <= free)
    }

    /// Puts a bundle together from files that are here; every byte is hashed again on its way.
    ///
    /// # Errors
    /// When a file is not what was signed, or the disk fails.
    pub(crate) fn assemble(&self, name: &Name, release: &Release, known: &Known) -> Result<(), ReleaseError> {
        let failed = |path: &Path| {
            let file = path.display().to_string();
            move |source| ReleaseError::Write { file, source }
        };
        let target = self.bundle(name);
        let parent = self.bundles().join(&name.id);
        // Signed names never begin with a dot.
        let draft = parent.join(format!(".{}.new", name.version));
        let old = parent.join(format!(".{}.old", name.version));
        for rest in [&draft, &old] {
            remove(rest).map_err(failed(rest))?;
        }
        fs::create_dir_all(&draft).map_err(failed(&draft))?;
        let mut folders = vec![draft.clone()];
        for file in &release.files {
            let to = draft.join(&file.path);
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(failed(folder))?;
                if !folders.iter().any(|known| known == folder) {
                    folders.push(folder.to_owned());
                }
            }
            match known.get(file) {
                // Its own copy: a bad block must not take a model and the one before it at once.
                Some(from) => copy(file, from, &to)?,
                None => place(file, &self.part(file), &to)?,
            }
        }
        for folder in folders.iter().rev() {
            sync_directory(folder).map_err(failed(folder))?;
        }
        if target.exists() {
            fs::rename(&target, &old).map_err(failed(&target))?;
        }
        fs::rename(&draft, &target).map_err(failed(&target))?;
        sync_directory(&parent).map_err(failed(&parent))?;
        sync_directory(&self.bundles()).map_err(failed(&parent))?;
        // Found again and removed the next time.
        let _ = remove(&old);
        Ok(())
    }

    /// Removes bundles nobody needs, and parts: for when no release is on its way.
    ///
    /// # Errors
    /// When something cannot be removed; nothing depends on it.
    pub(crate) fn tidy(&self, keep: &[&Name]) -> io::Result<()> {
        for id in entries(&self.bundles())? {
            for version in entries(&id)? {
                let kept = keep.iter().any(|name| self.bundle(name) == version);
                if !kept {
                    remove(&version)?;
                }
            }
            if entries(&id)?.is_empty() {
                fs::remove_dir(&id)?;
            }
        }
        for part in entries(&self.parts())? {
            fs::remove_file(part)?;
        }
        Ok(())
    }
}

impl Known {
    pub(crate) fn get(&self, file: &ReleaseFile) -> Option<&Path> {
        self.0.get(&file.sha256).map(PathBuf::as_path)
    }
}

/// The part gets its name in the bundle where the file system allows it, else it is copied.
fn place(file: &ReleaseFile, part: &Path, to: &Path) -> Result<(), ReleaseError> {
    if fs::hard_link(part, to).is_err() {
        return copy(file, part, to);
    }
    let name = || to.display().to_string();
    let opened = File::open(to).map_err(|source| ReleaseError::Read { file: name(), source })?;
    file.verify(&opened)?;
    let synced = opened.sync_all();
    synced.map_err(|source| ReleaseError::Write { file: name(), source })
}

fn copy(file: &ReleaseFile, from: &Path, to: &Path) -> Result<(), ReleaseError> {
    let name = || to.display().to_string();
    let written = |source| ReleaseError::Write { file: name(), source };
    let opened = File::open(from).map_err(|source| ReleaseError::Read { file: name(), source })?;
    let mut copied = File::create(to).map_err(written)?;
    file.copy_verified(opened, &mut copied)?;
    copied.sync_all().map_err(written)
}

/// SHA-256 and length.
fn hash(path: &Path) -> io::Result<([u8; 32], u64)> {
    struct Hash(Context);
    impl io::Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hash = Hash(Context::new(&SHA256));
    let length = io::copy(&mut File::open(path)?, &mut hash)?;
    let hash = <[u8; 32]>::try_from(hash.0.finish().as_ref()).map_err(io::Error::other)?;
    Ok((hash, length))
}

fn digest(mut files: Vec<(String, u64, [u8; 32])>) -> String {
    files.sort();
    let mut context = Context::new(&SHA256);
    for (path, length, hash) in files {
        // A signed path holds no line break.
        context.update(format!("{path}\n{length}\n").as_bytes());
        context.update(&hash);
    }
    hex(context.finish().as_ref().iter())
}

/// Plain files below `directory` with their paths inside it; links and what is not a file are left out.
fn walk(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    fn level(
        directory: &Path,
        inside: &str,
        depth: usize,
        found: &mut Vec<(String, PathBuf)>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            let name = format!("{inside}{}", name.to_string_lossy());
            if kind.is_dir() && 1 < depth {
                level(&entry.path(), &format!("{name}/"), depth - 1, found)?;
            } else if kind.is_file() {
                found.push((name, entry.path()));
            }
            if FILES < found.len() {
                return Err(io::Error::other("more files than a bundle has"));
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    level(directory, "", DEPTH, &mut found)?;
    Ok(found)
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
