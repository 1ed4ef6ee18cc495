//! How often assessing a version was begun and not ended. `catch_unwind` cannot catch a codec that aborts or a kernel that
//! runs out of memory; a mark on disk can tell the next start.

use std::fs;
use std::path::Path;

const MARK: &str = "attempts";

/// Counts this attempt, 1 for the first. A mark that cannot be written only costs the protection.
pub(super) fn begin(pictures: &Path) -> u32 {
    let mark = pictures.join(MARK);
    let earlier: u32 = fs::read_to_string(&mark)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let attempt = earlier.saturating_add(1);
    let written = fs::create_dir_all(pictures).and_then(|()| fs::write(&mark, attempt.to_string()));
    if let Err(error) = written {
        tracing::warn!(%error, "An attempt could not be counted.");
    }
    attempt
}

pub(super) fn end(pictures: &Path) {
    let _ = fs::remove_file(pictures.join(MARK));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_count_until_one_ends() {
        let dir = tempfile::tempdir().unwrap();
        let pictures = dir.path().join("v1");
        assert_eq!([begin(&pictures), begin(&pictures), begin(&pictures)], [1, 2, 3]);
        end(&pictures);
        assert_eq!(begin(&pictures), 1);
    }
}
