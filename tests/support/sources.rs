//! From what a person names on a command line to files that can be sent.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::scanner::{self, DicomFile};
use crate::wrap::{self, Wrapping};

/// One file on its way.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What the person named; a phantom's own name where nobody named anything.
    pub name: String,
    /// What goes over the line: the named file itself, or the instance made from it.
    pub file: DicomFile,
}

/// Why one file cannot be sent; the others can.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such file or folder")]
    Missing { source: std::io::Error },
    #[error("not a DICOM file")]
    Dicom { source: scanner::FileError },
    #[error("not a picture that can be sent")]
    Picture { source: wrap::Error },
    #[error("cannot write the instance made from it")]
    Write { source: std::io::Error },
}

/// Files as named, folders by what lies in them and below, in name order, hidden ones left out.
///
/// # Errors
/// Names the first path that does not exist.
pub fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, (PathBuf, Error)> {
    let mut files = Vec::new();
    for path in paths {
        let missing = |source| (path.clone(), Error::Missing { source });
        if fs::metadata(path).map_err(missing)?.is_dir() {
            walk(path, &mut files).map_err(missing)?;
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let kind = fs::metadata(&path)?;
        if kind.is_dir() && !entry.file_type()?.is_symlink() {
            walk(&path, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// A DICOM file is taken as it is; a PNG or JPEG becomes an instance in `folder`, named by `number`.
///
/// # Errors
/// When the file is neither, or cannot be read.
pub fn prepare(path: &Path, wrapping: &Wrapping, folder: &Path, number: usize) -> Result<Prepared, Error> {
    let name = path.display().to_string();
    if is_picture(path) {
        let instance = wrapping
            .wrap_file(path)
            .map_err(|source| Error::Picture { source })?;
        let made = folder.join(format!("{number:05}.dcm"));
        instance.save(&made).map_err(|source| Error::Write { source })?;
        let file = DicomFile::open(&made).map_err(|source| Error::Dicom { source })?;
        return Ok(Prepared { name, file });
    }
    let file = DicomFile::open(path).map_err(|source| match source {
        scanner::FileError::NoDicom => Error::Picture {
            source: wrap::Error::UnknownFormat,
        },
        source => Error::Dicom { source },
    })?;
    Ok(Prepared { name, file })
}

/// By its first bytes; endings lie.
fn is_picture(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(8).read_to_end(&mut start));
    read.is_ok() && (start.starts_with(b"\x89PNG\r\n\x1a\n") || start.starts_with(&[0xFF, 0xD8, 0xFF]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_hidden_files_left() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        for name in ["b/2", "b/1", "a", ".hidden"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        let found = collect(&[dir.path().to_owned()]).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a", "b/1", "b/2"]);
        assert!(collect(&[dir.path().join("none")]).is_err());
    }

    #[test]
    fn neither_dicom_nor_picture_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        fs::write(&path, b"hello").unwrap();
        let error = prepare(&path, &Wrapping::default(), dir.path(), 0).unwrap_err();
        let text = scanner::chain(&error);
        assert!(text.contains("neither DICOM nor PNG nor JPEG"), "{text}");
    }
}
