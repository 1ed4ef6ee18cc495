//! What a box keeps is sealed; whoever has its key, as these tests do, can look.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use barefoot_edge::at_rest;
use tempfile::{NamedTempFile, TempDir};

/// Whether the key that opens what the box keeps is there and whole.
pub(crate) fn is_openable(state: &Path) -> bool {
    at_rest::unlock(state, &at_rest::Config::default()).is_ok()
}

/// Takes the key of a box that was started once; what it keeps can then be opened.
pub(crate) fn unlock(state: &Path) {
    at_rest::unlock(state, &at_rest::Config::default()).unwrap();
}

/// A kept file as it was before it was sealed; empty where it does not open.
pub(crate) fn clear(path: &Path) -> NamedTempFile {
    let mut clear = NamedTempFile::new().unwrap();
    if let Ok(mut kept) = at_rest::open(path) {
        let _ = io::copy(&mut kept, &mut clear);
    }
    clear
}

/// A folder of a box's state with everything in it opened, under the same names.
pub(crate) fn opened(state: &Path, folder: &str) -> TempDir {
    unlock(state);
    let clear = TempDir::new().unwrap();
    open_below(&state.join(folder), clear.path());
    clear
}

fn open_below(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&copy).unwrap();
            open_below(&path, &copy);
        } else {
            let mut kept = at_rest::open(&path).unwrap();
            io::copy(&mut kept, &mut File::create(copy).unwrap()).unwrap();
        }
    }
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found
}
