//! A power cut at any moment, without cutting power: what a program does to its files is recorded, and any number of
//! cuts are made from one recording.
//!
//! The model is strict. After a cut there is
//! - of a file's bytes, what was written before a sync of that file (or of the file system) began and ended in time;
//! - of names (created, linked, renamed, removed), what was done before a sync of their folder (or of the file system);
//! - of everything else whatever chance says: each operation alone, writes torn at sectors, files grown by zeros.
//!
//! A sync of a file says nothing of its name; `sync_file_range` says nothing at all. A rename between two folders can
//! leave both names, never none: that is the only mercy.

mod image;
pub use image::{Image, Syncs};

mod recording;
pub use recording::Recording;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::time::{ClockId, clock_gettime};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the recorder cannot be compiled with cc:\n{said}")]
    Compile { said: String },
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the recording breaks off or is none")]
    Recording,
    #[error("the program did what cannot be replayed: {what}")]
    Foreign { what: String },
    #[error("something was done in a folder the recording does not know")]
    UnknownFolder,
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// Nanoseconds of the clock the recorder stamps with.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(now.tv_nsec).unwrap_or_default()
}

/// Records one program at a time.
#[derive(Debug)]
pub struct Recorder {
    library: PathBuf,
    log: PathBuf,
    root: PathBuf,
    root_inode: u64,
}

impl Recorder {
    /// Compiles the recorder into `folder` and makes `root`, the folder to be recorded, which must be empty.
    ///
    /// # Errors
    /// When there is no C compiler, or the folders cannot be used.
    pub fn new(folder: &Path, root: &Path) -> Result<Self, Error> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("support/power_cut/recorder.c");
        let library = folder.join("recorder.so");
        let log = folder.join("recording");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .map_err(|error| Error::Compile {
                said: error.to_string(),
            })?;
        if !compiled.status.success() {
            return Err(Error::Compile {
                said: String::from_utf8_lossy(&compiled.stderr).into_owned(),
            });
        }
        fs::create_dir_all(root).map_err(Error::file(root))?;
        let root = root.canonicalize().map_err(Error::file(root))?;
        let root_inode = fs::metadata(&root).map_err(Error::file(&root))?.ino();
        Ok(Self {
            library,
            log,
            root,
            root_inode,
        })
    }

    /// What the recorded program must be started with.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        vec![
            ("LD_PRELOAD".into(), text(&self.library)),
            ("RECORDER_ROOT".into(), text(&self.root)),
            ("RECORDER_LOG".into(), text(&self.log)),
        ]
    }

    /// Everything recorded so far.
    ///
    /// # Errors
    /// When the recording is damaged or holds what cannot be replayed.
    pub fn recording(&self) -> Result<Recording, Error> {
        let bytes = fs::read(&self.log).map_err(Error::file(&self.log))?;
        Recording::parse(bytes, self.root_inode)
    }
}
