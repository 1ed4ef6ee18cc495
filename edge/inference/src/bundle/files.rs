use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Component, Path};

use ring::digest::{Context, SHA256, digest};

use super::BundleError;

/// Graphs for a box without a graphics card are far smaller.
const FILE_LIMIT: u64 = 512 * 1024 * 1024;
const TEXT_LIMIT: u64 = 1024 * 1024;
/// Hashed at once.
const BLOCK: usize = 256 * 1024;

pub(super) fn read_text(directory: &Path, file: &str) -> Result<String, BundleError> {
    let bytes = read(directory, file, TEXT_LIMIT)?;
    String::from_utf8(bytes).map_err(|_| BundleError::Content {
        file: file.to_owned(),
        what: "not UTF-8 text",
    })
}

/// The file's bytes, if they are the ones the manifest was written for.
pub(super) fn read_checked(directory: &Path, file: &str, sha256: &str) -> Result<Vec<u8>, BundleError> {
    is_inside(file)?;
    let bytes = read(directory, file, FILE_LIMIT)?;
    if !self::sha256(&bytes).eq_ignore_ascii_case(sha256) {
        return Err(BundleError::Hash {
            file: file.to_owned(),
        });
    }
    Ok(bytes)
}

/// The file, at its beginning, if it holds what the manifest was written for. Nothing of it stays in memory.
pub(super) fn open_checked(directory: &Path, file: &str, sha256: &str) -> Result<File, BundleError> {
    is_inside(file)?;
    let failed = |source: io::Error| BundleError::Read {
        file: file.to_owned(),
        source,
    };
    let mut opened = open(directory, file)?;
    let mut hash = Context::new(&SHA256);
    let (mut block, mut length) = (vec![0; BLOCK], 0);
    loop {
        let read = opened.read(&mut block).map_err(failed)?;
        if read == 0 {
            break;
        }
        length += read as u64;
        if FILE_LIMIT < length {
            return Err(too_large(file, FILE_LIMIT));
        }
        hash.update(block.get(..read).unwrap_or_default());
    }
    if !hex(hash.finish().as_ref()).eq_ignore_ascii_case(sha256) {
        return Err(BundleError::Hash {
            file: file.to_owned(),
        });
    }
    opened.rewind().map_err(failed)?;
    Ok(opened)
}

fn is_inside(file: &str) -> Result<(), BundleError> {
    let mut parts = Path::new(file).components();
    if file.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err(BundleError::OutsideBundle);
    }
    Ok(())
}

/// In lower-case hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn open(directory: &Path, file: &str) -> Result<File, BundleError> {
    let failed = |source: io::Error| BundleError::Read {
        file: file.to_owned(),
        source,
    };
    // A link must not lead out of the bundle either.
    let root = directory.canonicalize().map_err(failed)?;
    let path = root.join(file).canonicalize().map_err(failed)?;
    if !path.starts_with(&root) {
        return Err(BundleError::OutsideBundle);
    }
    File::open(path).map_err(failed)
}

fn too_large(file: &str, limit: u64) -> BundleError {
    BundleError::TooLarge {
        file: file.to_owned(),
        limit,
    }
}

fn read(directory: &Path, file: &str, limit: u64) -> Result<Vec<u8>, BundleError> {
    let opened = open(directory, file)?;
    let mut bytes = Vec::new();
    let read = opened.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|source| BundleError::Read {
        file: file.to_owned(),
        source,
    })?;
    if limit < bytes.len() as u64 {
        return Err(too_large(file, limit));
    }
    Ok(bytes)
}
