//! From a bundle's folder into the repository, under the names of the files' content.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::EditorError;
use super::canonical::sha256;
use super::metadata::TargetFile;
use super::targets::{MANIFEST, ReleaseDetails, is_path};
use crate::files;

/// Path within the bundle, and what is signed of it.
pub(super) fn copy(
    bundle: &Path,
    repository: &Path,
    details: &ReleaseDetails,
) -> Result<BTreeMap<String, TargetFile>, EditorError> {
    let mut found = BTreeMap::new();
    walk(bundle, "", &mut |inside, path| {
        let bytes = fs::read(path).map_err(|source| EditorError::read(path, source))?;
        let hash = sha256(&bytes);
        let (folder, name) = inside.rsplit_once('/').unwrap_or(("", inside));
        let folder = repository
            .join("targets")
            .join(&details.model)
            .join(&details.version)
            .join(folder);
        fs::create_dir_all(&folder).map_err(|source| EditorError::write(&folder, source))?;
        let stored = folder.join(format!("{hash}.{name}"));
        files::replace(&stored, &bytes).map_err(|source| EditorError::write(&stored, source))?;
        found.insert(
            inside.to_owned(),
            TargetFile {
                length: bytes.len() as u64,
                hashes: [("sha256".to_owned(), hash)].into(),
                custom: None,
            },
        );
        Ok(())
    })?;
    if !found.contains_key(MANIFEST) {
        return Err(EditorError::NoBundle {
            path: bundle.display().to_string(),
        });
    }
    Ok(found)
}

fn walk(
    folder: &Path,
    prefix: &str,
    visit: &mut impl FnMut(&str, &Path) -> Result<(), EditorError>,
) -> Result<(), EditorError> {
    let failed = |source| EditorError::read(folder, source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(failed)?;
        let refused = || EditorError::NotInBundle {
            path: path.display().to_string(),
        };
        let name = entry.file_name();
        let inside = format!("{prefix}{}", name.to_str().ok_or_else(refused)?);
        if !is_path(&inside) || !(kind.is_dir() || kind.is_file()) {
            return Err(refused());
        }
        if kind.is_dir() {
            walk(&path, &format!("{inside}/"), visit)?;
        } else {
            visit(&inside, &path)?;
        }
    }
    Ok(())
}
