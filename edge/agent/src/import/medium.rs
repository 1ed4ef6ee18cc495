//! What files a medium holds: those its directory names, then all others that lie there.
//!
//! Nothing is followed out of the folder: links are passed over, names are compared with what is there. Depth and number
//! are bounded.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use barefoot_imaging::data_set::{self, Limits};
use barefoot_imaging::tags;
use rustix::fs::OFlags;

use super::config::Config;

/// The directory of a medium (PS3.10 section 8.6).
const DICOMDIR: &str = "DICOMDIR";
/// A DVD's directory of 20,000 images is about 10 MB.
const MAX_DICOMDIR: u64 = 64 * 1024 * 1024;
/// Of one file's identifier (PS3.10 section 8.2).
const MAX_COMPONENTS: usize = 8;

/// The files of a medium, in the order in which they are read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Relative to the folder.
    pub(super) files: Vec<PathBuf>,
    /// The medium's directory names so many that are not there.
    pub(super) missing: usize,
    /// There was more than may be looked at.
    pub(super) cut: bool,
}

/// Lists what lies below `folder`.
///
/// # Errors
/// When the folder itself cannot be read. Folders within that cannot be read are passed over.
pub(super) fn list(folder: &Path, config: &Config) -> io::Result<Found> {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    let here = names(folder)?;
    if let Some(name) = here.iter().find(|name| name.eq_ignore_ascii_case(DICOMDIR)) {
        seen.insert(PathBuf::from(name));
        let mut known = Names::default();
        let named = directory_of(&folder.join(name));
        found.cut = config.max_files < named.len();
        for components in named.iter().take(config.max_files) {
            match resolve(folder, components, &mut known) {
                Some(path) if seen.insert(path.clone()) => found.files.push(path),
                Some(_) => {}
                None => found.missing += 1,
            }
        }
    }
    let mut folders = VecDeque::from([(PathBuf::new(), 0)]);
    let mut looked_at = 0;
    while let Some((relative, depth)) = folders.pop_front() {
        let Ok(mut names) = names(&folder.join(&relative)) else {
            continue;
        };
        names.sort();
        for name in names {
            looked_at += 1;
            if config.max_files < found.files.len() || config.max_files.saturating_mul(2) < looked_at {
                found.cut = true;
                found.files.truncate(config.max_files);
                return Ok(found);
            }
            let path = relative.join(name);
            let Ok(metadata) = fs::symlink_metadata(folder.join(&path)) else {
                continue;
            };
            if metadata.is_dir() {
                if depth + 1 < config.max_depth {
                    folders.push_back((path, depth + 1));
                } else {
                    found.cut = true;
                }
            } else if metadata.is_file() && seen.insert(path.clone()) {
                found.files.push(path);
            }
        }
    }
    Ok(found)
}

/// Names in a folder that are text; others no medium for images has.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect())
}

/// A file that is no link and whose way goes over none.
///
/// # Errors
/// When it cannot be opened or is no ordinary file.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    Ok(file)
}

/// The file identifiers that a DICOMDIR names; none where it cannot be read, since the files themselves are there.
fn directory_of(path: &Path) -> Vec<Vec<String>> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open(path)?.take(MAX_DICOMDIR).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().ok().and_then(|bytes| records(&bytes)).unwrap_or_default()
}

/// PS3.3 annex F.3: the items of the Directory Record Sequence that name a file.
fn records(bytes: &[u8]) -> Option<Vec<Vec<String>>> {
    let limits = Limits {
        bytes: MAX_DICOMDIR,
        elements: 2_000_000,
        ..Limits::default()
    };
    // PS3.10 section 8.6: always explicit little endian.
    const EXPLICIT: &str = "1.2.840.10008.1.2.1";
    let start = data_set_start(bytes)?;
    let set = data_set::read(bytes.get(start..)?, EXPLICIT, &limits).ok()?;
    let files = set
        .view()
        .items(tags::DIRECTORY_RECORDS)
        .map(|record| record.strings(tags::REFERENCED_FILE_ID))
        .filter(|components| !components.is_empty());
    Some(files.collect())
}

/// Behind preamble, mark and file meta information, which says its own length first (PS3.10 section 7.1).
fn data_set_start(bytes: &[u8]) -> Option<usize> {
    const META: usize = 132;
    let meta = bytes.get(META..)?;
    if bytes.get(META - 4..META)? != b"DICM" || meta.get(..8)? != b"\x02\x00\x00\x00UL\x04\x00" {
        return None;
    }
    let length = u32::from_le_bytes(*meta.get(8..)?.first_chunk()?);
    (META + 12).checked_add(usize::try_from(length).ok()?)
}

/// Names in folders that were looked into, by their names in small letters: a directory names each file by itself, and a folder
/// may hold all of them.
#[derive(Default)]
struct Names(HashMap<PathBuf, HashMap<String, Vec<String>>>);

impl Names {
    fn find(&mut self, folder: &Path, relative: &Path, component: &str) -> Option<&str> {
        if !self.0.contains_key(relative) {
            let mut here: HashMap<String, Vec<String>> = HashMap::new();
            for name in names(&folder.join(relative)).unwrap_or_default() {
                here.entry(name.to_ascii_lowercase()).or_default().push(name);
            }
            self.0.insert(relative.to_owned(), here);
        }
        let alike = self.0.get(relative)?.get(&component.to_ascii_lowercase())?;
        let exact = alike.iter().find(|name| *name == component);
        exact.or_else(|| alike.first()).map(String::as_str)
    }
}

/// The file of an identifier, by names that are there: media are mounted with their names in either case.
fn resolve(folder: &Path, components: &[String], known: &mut Names) -> Option<PathBuf> {
    if MAX_COMPONENTS < components.len() {
        return None;
    }
    let mut relative = PathBuf::new();
    for component in components {
        let found = known.find(folder, &relative, component)?;
        relative = relative.join(found);
        let metadata = fs::symlink_metadata(folder.join(&relative)).ok()?;
        if metadata.is_symlink() {
            return None;
        }
    }
    fs::symlink_metadata(folder.join(&relative))
        .ok()?
        .is_file()
        .then_some(relative)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use barefoot_imaging::data_set::DataSet;

    use super::*;

    fn config(max_files: usize, max_depth: usize) -> Config {
        Config {
            directory: PathBuf::from("/media"),
            max_files,
            max_depth,
        }
    }

    fn write(folder: &Path, path: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }

    fn dicomdir(files: &[&str]) -> Vec<u8> {
        let record = |file: &&str| {
            let mut item = DataSet::default();
            if !file.is_empty() {
                item.put_code(tags::REFERENCED_FILE_ID, file);
            }
            item
        };
        let mut set = DataSet::default();
        set.put_items(tags::DIRECTORY_RECORDS, files.iter().map(record).collect());
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM\x02\x00\x00\x00UL\x04\x00\x1c\x00\x00\x00");
        bytes.extend(b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
        bytes.extend(data_set::write(&set, "1.2.840.10008.1.2.1").unwrap());
        bytes
    }

    fn found(folder: &Path, config: &Config) -> (Vec<String>, usize, bool) {
        let found = list(folder, config).unwrap();
        let files = found.files.iter().map(|path| path.to_str().unwrap().to_owned());
        (files.collect(), found.missing, found.cut)
    }

    #[test]
    fn the_directory_leads_and_what_it_forgot_follows() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for path in ["IMAGES/B", "IMAGES/A", "readme.txt", "deep/er/C"] {
            write(folder, path);
        }
        let bytes = dicomdir(&[
            "",
            "IMAGES\\B",
            "images\\a",
            "IMAGES\\GONE",
            "..\\IMAGES\\A",
            "IMAGES",
        ]);
        fs::write(folder.join("dicomdir"), bytes).unwrap();
        let (files, missing, cut) = found(folder, &config(100, 16));
        assert_eq!(files, ["IMAGES/B", "IMAGES/A", "readme.txt", "deep/er/C"]);
        assert_eq!((missing, cut), (3, false));
        fs::write(folder.join("dicomdir"), b"damaged").unwrap();
        let (files, missing, _) = found(folder, &config(100, 16));
        assert_eq!(files, ["readme.txt", "IMAGES/A", "IMAGES/B", "deep/er/C"]);
        assert_eq!(missing, 0);
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        write(outside.path(), "secret");
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "A");
        symlink(outside.path(), folder.join("link")).unwrap();
        symlink(outside.path().join("secret"), folder.join("file")).unwrap();
        symlink("/proc/self/environ", folder.join("B")).unwrap();
        let bytes = dicomdir(&["link\\secret", "file", "B", "A"]);
        fs::write(folder.join("DICOMDIR"), bytes).unwrap();
        let (files, missing, _) = found(folder, &config(100, 16));
        assert_eq!((files, missing), (vec!["A".to_owned()], 3));
        assert!(open(&folder.join("file")).is_err());
        assert!(open(&folder.join("A")).is_ok());
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for path in ["a", "b", "one/c", "one/two/d"] {
            write(folder, path);
        }
        assert_eq!(
            found(folder, &config(100, 2)),
            (vec!["a".into(), "b".into(), "one/c".into()], 0, true)
        );
        let (files, _, cut) = found(folder, &config(2, 16));
        assert!(cut && files.len() <= 2, "{files:?}");
        // Nor does a directory that names more than is there keep the box busy.
        fs::write(folder.join("DICOMDIR"), dicomdir(&["GONE"; 50])).unwrap();
        let (_, missing, cut) = found(folder, &config(20, 16));
        assert!(cut && missing == 20, "{missing}");
        assert!(!found(folder, &config(100, 3)).2);
    }
}
