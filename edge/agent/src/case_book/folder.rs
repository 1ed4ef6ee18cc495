//! What lies in a study's `instances/`.

use std::fs;
use std::io;
use std::path::Path;

pub(super) struct Folder {
    /// File names, oldest first, without conflicting copies.
    pub(super) instances: Vec<String>,
    pub(super) conflicts: usize,
    /// When the first image came.
    pub(super) received_at_ms: i64,
}

pub(super) fn list(directory: &Path) -> io::Result<Folder> {
    let mut found: Vec<(i64, String)> = Vec::new();
    let mut conflicts = 0;
    let entries = match fs::read_dir(directory) {
        // Its images were removed, or a power cut took the folder and the intake still has them.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Folder {
                instances: Vec::new(),
                conflicts: 0,
                received_at_ms: 0,
            });
        }
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.contains(".conflict-") {
            conflicts += 1;
        } else if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "dcm")
        {
            found.push((modified_ms(&entry.path())?, name));
        }
    }
    found.sort();
    let received_at_ms = found.first().map_or(0, |(at, _)| *at);
    Ok(Folder {
        instances: found.into_iter().map(|(_, name)| name).collect(),
        conflicts,
        received_at_ms,
    })
}

fn modified_ms(path: &Path) -> io::Result<i64> {
    let since = fs::metadata(path)?
        .modified()?
        .duration_since(std::time::UNIX_EPOCH);
    Ok(since
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default())
}
