//! What a backup consists of.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::Error;

/// The only one so far.
const FORMAT: u32 = 1;

const LIST: &str = "manifest.json";
const SEAL: &str = "manifest.seal";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// Of the program that made it.
    pub(super) hub: String,
    /// Of the database.
    pub(super) schema: i64,
    /// When the database was as it is here, by the hub's clock.
    pub(super) state_at_ms: i64,
    pub(super) with_key: bool,
    /// By path below the state directory, parts separated by '/'.
    pub(super) files: BTreeMap<String, File>,
    /// Symbolic links by path, with where they lead.
    pub(super) links: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) bytes: u64,
    /// Hexadecimal.
    pub(super) sha256: String,
    /// When its content was written, nanoseconds since 1970.
    pub(super) modified_ns: i64,
}

/// A manifest as it was read, and the hub's word on it.
pub(super) struct Read {
    pub(super) manifest: Manifest,
    pub(super) sum: Vec<u8>,
    pub(super) word: Vec<u8>,
}

impl Manifest {
    pub(super) fn new(schema: i64, state_at_ms: i64, with_key: bool) -> Self {
        Self {
            format: FORMAT,
            hub: env!("CARGO_PKG_VERSION").to_owned(),
            schema,
            state_at_ms,
            with_key,
            files: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// Both of its files, whose names are known only here: name and content.
    pub(super) fn written(
        &self,
        vouch: impl FnOnce(&[u8]) -> Result<Vec<u8>, Error>,
    ) -> Result<[(&'static str, Vec<u8>); 2], Error> {
        let list =
            serde_json::to_vec_pretty(self).map_err(|error| Error::disk(Path::new(LIST))(error.into()))?;
        let word = vouch(digest(&SHA256, &list).as_ref())?;
        Ok([(LIST, list), (SEAL, word)])
    }

    /// Of a whole backup. Nothing in it is believed yet but its form.
    pub(super) fn read(backup: &Path) -> Result<Read, Error> {
        let broken = |what: String| Error::NoBackup {
            path: backup.display().to_string(),
            what,
        };
        let [list, word] = [LIST, SEAL].map(|name| match fs::read(backup.join(name)) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(broken(format!("it has no {name}"))),
            Err(error) => Err(Error::disk(&backup.join(name))(error)),
        });
        let (list, word) = (list?, word?);
        let version: Version = serde_json::from_slice(&list)
            .map_err(|error| broken(format!("{LIST} cannot be read: {error}")))?;
        if FORMAT < version.format {
            return Err(Error::NewerProgram { version: version.hub });
        }
        let manifest: Self = serde_json::from_slice(&list)
            .map_err(|error| broken(format!("{LIST} cannot be read: {error}")))?;
        for path in manifest.files.keys().chain(manifest.links.keys()) {
            if !is_below(Path::new(path)) {
                return Err(broken(format!("{LIST} names {path:?}")));
            }
        }
        // Links of the hub's lead to what lies beside them.
        for target in manifest.links.values() {
            if !is_below(Path::new(target)) {
                return Err(broken(format!("{LIST} names {target:?}")));
            }
        }
        Ok(Read {
            manifest,
            sum: digest(&SHA256, &list).as_ref().to_vec(),
            word,
        })
    }

    /// Whether every link leads to something that is here.
    pub(super) fn links_lead_somewhere(&self) -> bool {
        self.links.iter().all(|(path, target)| {
            let folder = Path::new(path).parent().unwrap_or(Path::new(""));
            let led = folder.join(target);
            self.files.keys().any(|file| Path::new(file).starts_with(&led))
        })
    }
}

#[derive(Deserialize)]
struct Version {
    format: u32,
    hub: String,
}

impl File {
    pub(super) fn is(&self, bytes: u64, sha256: &[u8]) -> Result<(), &'static str> {
        let named = HEXLOWER_PERMISSIVE.decode(self.sha256.as_bytes());
        match named {
            _ if bytes < self.bytes => Err("it is shorter"),
            _ if self.bytes < bytes => Err("it is longer"),
            Ok(named) if named == sha256 => Ok(()),
            _ => Err("its content is another"),
        }
    }
}

/// The newest whole backup in a folder of them.
pub(super) fn newest(folder: &Path) -> Option<(PathBuf, Manifest)> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !path.ends_with(super::UNFINISHED))
        .collect();
    names.sort();
    names
        .into_iter()
        .rev()
        .find_map(|path| Some((path.clone(), Manifest::read(&path).ok()?.manifest)))
}

/// Names only, and at least one.
fn is_below(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}
