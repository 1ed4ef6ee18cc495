//! Where results lie, written so that they survive a power cut whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use barefoot_imaging::report::Object;

use crate::at_rest;
use crate::clock::now_ms;
use crate::durable;
use crate::study_folder::{StateDirectory, StudyKey, instance_stem, sync_directory};

pub(super) fn path(state: &StateDirectory, study: &StudyKey, sop_instance_uid: &str) -> PathBuf {
    let name = format!("{}.dcm", instance_stem(sop_instance_uid));
    state.results(study).join(name)
}

/// Writes an object unless it is there: what may have been sent is never another one later.
///
/// # Errors
/// When the disk fails.
pub(super) fn keep(state: &StateDirectory, study: &StudyKey, object: &Object) -> io::Result<()> {
    let path = path(state, study, &object.sop_instance_uid);
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(state.results(study))?;
    sync_directory(&state.study(study))?;
    write(&path, &object.file)
}

/// Writes a bundle for others to take; there it may be taken away.
///
/// # Errors
/// When the disk fails.
pub(super) fn keep_bundle(directory: &Path, study: &StudyKey, version: u32, json: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    write(&directory.join(format!("{study}-v{version}.json")), json)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = at_rest::create(&part, 0o640)?;
    file.write_all(content)?;
    file.finish(&part)?.sync_all()?;
    fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn mark(state: &StateDirectory, study: &StudyKey, version: u32) -> PathBuf {
    state.results(study).join(format!("v{version}.complete"))
}

pub(super) fn is_complete(state: &StateDirectory, study: &StudyKey, version: u32) -> bool {
    mark(state, study, version).exists()
}

/// Nothing more is to be made of this version.
///
/// # Errors
/// When the disk fails.
pub(super) fn complete(state: &StateDirectory, study: &StudyKey, version: u32) -> io::Result<()> {
    fs::create_dir_all(state.results(study))?;
    write(&mark(state, study, version), &[])
}

/// Since when results are wanted here: the first call says now.
///
/// # Errors
/// When the disk fails.
pub(super) fn begun_ms(state: &StateDirectory) -> io::Result<i64> {
    let path = state.results_begun();
    let known = durable::read(&path)?;
    if let Some(begun_ms) = known.and_then(|text| String::from_utf8(text).ok()?.parse().ok()) {
        return Ok(begun_ms);
    }
    let begun_ms = now_ms();
    durable::replace(&path, begun_ms.to_string().as_bytes())?;
    Ok(begun_ms)
}
