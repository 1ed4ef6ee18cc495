//! What a hub keeps is sealed; whoever has its key, as tests do, can look.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_trust::at_rest::{KeyId, KeyPlace, Opened, Scope, key_file, load_key};

/// One kept file, as it was before it was sealed.
///
/// # Errors
/// When it cannot be read or does not open with the key beside the hub's data.
pub fn hub_file(state: &Path, path: &Path) -> io::Result<Vec<u8>> {
    let place = KeyPlace::Beside(state.join("identity/hub.key"));
    let find = |scope: Scope, id: KeyId| {
        let keys = place.read().map_err(io::Error::other)?;
        let keys = keys.ok_or(io::ErrorKind::NotFound)?;
        let path = key_file(&state.join("keys"), id, "key");
        load_key(&path, id, &keys, scope).map(Arc::new)
    };
    let mut bytes = Vec::new();
    Opened::open(File::open(path)?, find)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The DICOM objects of a clinic, opened: copies beside the hub's state, made anew with every call.
///
/// # Errors
/// When one cannot be read.
pub fn hub_images(state: &Path, clinic: &str) -> io::Result<Vec<PathBuf>> {
    let copies = state.with_file_name("opened-images").join(clinic);
    match fs::remove_dir_all(&copies) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&copies)?,
    }
    let mut found = Vec::new();
    for folder in entries(&state.join("images").join(clinic).join("objects"))? {
        for path in entries(&folder)? {
            let bytes = hub_file(state, &path)?;
            let name = path.file_name().unwrap_or_default();
            if bytes.get(128..132) == Some(b"DICM") {
                let copy = copies.join(name);
                fs::write(&copy, bytes)?;
                found.push(copy);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other?.map(|entry| Ok(entry?.path())).collect(),
    }
}
