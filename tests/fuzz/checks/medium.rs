//! A stick or a disc of somebody else, with a DICOMDIR that says anything.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::OnceLock;

use barefoot_edge::fuzzing::medium;
use tempfile::TempDir;

const MOST: usize = 20;
/// What an import must look at, whatever the directory says.
const FILES: [&str; 3] = ["A", "IMAGES/B", "IMAGES/DEEP/C"];

/// A medium beside something that is none of its own.
fn made() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let stick = folder.path().join("stick");
    fs::create_dir_all(stick.join("IMAGES/DEEP")).unwrap();
    for file in FILES {
        fs::write(stick.join(file), b"x").unwrap();
    }
    fs::write(folder.path().join("SECRET"), b"x").unwrap();
    symlink(folder.path(), stick.join("OUT")).unwrap();
    symlink(folder.path().join("SECRET"), stick.join("IMAGES/LINK")).unwrap();
    folder
}

/// An even first byte: the others are the whole DICOMDIR. An odd one: its data set, behind a header that is right.
pub(crate) fn check(bytes: &[u8]) {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let stick = MADE.get_or_init(made).path().join("stick");
    let Some((how, bytes)) = bytes.split_first() else {
        return;
    };
    let mut directory = Vec::new();
    if how & 1 == 1 {
        directory.resize(128, 0);
        directory.extend(b"DICM\x02\x00\x00\x00UL\x04\x00\x1c\x00\x00\x00");
        directory.extend(b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
    }
    directory.extend(bytes);
    fs::write(stick.join("DICOMDIR"), directory).unwrap();
    let (files, missing) = medium(&stick, MOST).expect("the medium is there");
    assert!(files.len() <= MOST && missing <= MOST);
    for (place, file) in files.iter().enumerate() {
        let real = fs::canonicalize(stick.join(file)).expect("what is listed is there");
        assert_eq!(
            real,
            fs::canonicalize(&stick).unwrap().join(file),
            "no way leads over a link"
        );
        assert!(!files.iter().skip(place + 1).any(|other| other == file), "once");
    }
    for file in FILES {
        assert!(
            files.iter().any(|listed| listed == Path::new(file)),
            "{file} was forgotten"
        );
    }
}
