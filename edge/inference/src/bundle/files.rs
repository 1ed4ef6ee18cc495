use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use ring::digest::{SHA256, digest};

use super::BundleError;

/// Graphs for a box without a graphics card are far smaller.
const FILE_LIMIT: u64 = 512 * 1024 * 1024;
const TEXT_LIMIT: u64 = 1024 * 1024;

pub(super) fn read_text(directory: &Path, file: &str) -> Result<String, BundleError> {
    let bytes = read(directory, file, TEXT_LIMIT)?;
    String::from_utf8(bytes).map_err(|_| BundleError::Content {
        file: file.to_owned(),
        what: "not UTF-8 text",
    })
}

/// The file's bytes, if they are the ones the manifest was written for.
pub(super) fn read_checked(directory: &Path, file: &str, sha256: &str) -> Result<Vec<u8>, BundleError> {
    let inside = Path::new(file)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if file.is_empty() || !inside {
        return Err(BundleError::OutsideBundle);
    }
    let bytes = read(directory, file, FILE_LIMIT)?;
    if !self::sha256(&bytes).eq_ignore_ascii_case(sha256) {
        return Err(BundleError::Hash {
            file: file.to_owned(),
        });
    }
    Ok(bytes)
}

/// In lower-case hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn read(directory: &Path, file: &str, limit: u64) -> Result<Vec<u8>, BundleError> {
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
    let opened = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    opened.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if limit < bytes.len() as u64 {
        return Err(BundleError::TooLarge {
            file: file.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}
