use std::collections::BTreeMap;
use std::io::{Read, Write};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::ReleaseError;
use super::canonical::{hex, unhex};
use super::metadata::{RoleName, Signed, TargetFile, TargetList};

/// The file of a release that carries what is said about the whole.
pub(super) const MANIFEST: &str = "manifest.toml";
/// Where a manifest's `custom` keeps it.
const RELEASE_FIELD: &str = "release";
/// The field of the targets metadata with the repository's own memory.
pub(super) const MEMORY_FIELD: &str = "x-barefoot";

const FILE_LIMIT: u64 = 512 * 1024 * 1024;
const FILES_LIMIT: usize = 256;
const DEPTH_LIMIT: usize = 4;

/// What is signed about a release as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseDetails {
    pub model: String,
    pub version: String,
    /// Grows with every release of the repository; a box never takes a smaller one as new.
    pub sequence: u64,
    /// Not for clinical use.
    pub demonstration: bool,
    /// Of the gate report the maintainers signed on, hexadecimal; `None` for a release that was not trained in rounds.
    pub report_sha256: Option<String>,
    /// The version the training started from.
    pub base_version: Option<String>,
}

/// What the repository remembers of releases that are no more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The last sequence given.
    pub(super) sequence: u64,
    pub(super) withdrawn: Vec<Withdrawn>,
}

/// A release taken back by its maintainers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    pub model: String,
    pub version: String,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFile {
    /// `<model>/<version>/`.
    folder: String,
    /// Within the bundle, such as `golden/golden.json`. Never leads out of it.
    pub path: String,
    pub length: u64,
    pub sha256: [u8; 32],
}

/// A signed release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub details: ReleaseDetails,
    /// By path.
    pub files: Vec<ReleaseFile>,
}

/// What a verified repository offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    pub version: u64,
    pub expires: OffsetDateTime,
    /// Oldest first.
    pub releases: Vec<Release>,
    pub withdrawn: Vec<Withdrawn>,
}

impl Targets {
    /// # Errors
    /// When it was withdrawn or never listed.
    pub fn release(&self, model: &str, version: &str) -> Result<&Release, ReleaseError> {
        let listed = self
            .releases
            .iter()
            .find(|release| release.details.model == model && release.details.version == version);
        listed.ok_or_else(|| {
            let (model, version) = (model.to_owned(), version.to_owned());
            let gone = |entry: &&Withdrawn| entry.model == model && entry.version == version;
            if self.withdrawn.iter().find(gone).is_some() {
                ReleaseError::Withdrawn { model, version }
            } else {
                ReleaseError::NotListed { model, version }
            }
        })
    }

    /// Everything in the list must belong to a release, and be named so that it cannot lead out of one.
    pub(super) fn of(list: &TargetList) -> Result<Self, ReleaseError> {
        let malformed = |what| ReleaseError::Malformed {
            role: RoleName::Targets,
            what,
        };
        let mut folders: BTreeMap<(&str, &str), Vec<(&str, &TargetFile)>> = BTreeMap::new();
        for (path, file) in &list.targets {
            let mut parts = path.splitn(3, '/');
            let (Some(model), Some(version), Some(inside)) = (parts.next(), parts.next(), parts.next())
            else {
                return Err(malformed("a file outside every release"));
            };
            folders.entry((model, version)).or_default().push((inside, file));
        }
        let mut releases = folders
            .into_iter()
            .map(|((model, version), files)| release(model, version, &files).map_err(malformed))
            .collect::<Result<Vec<_>, _>>()?;
        releases.sort_by_key(|release| release.details.sequence);
        let twice = releases
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.details.sequence == b.details.sequence));
        if twice {
            return Err(malformed("two releases of one sequence"));
        }
        let memory = memory(list).ok_or(malformed("the repository's memory cannot be read"))?;
        Ok(Self {
            version: list.head().version,
            expires: list.head().expires,
            releases,
            withdrawn: memory.withdrawn,
        })
    }
}

pub(super) fn memory(list: &TargetList) -> Option<Memory> {
    match list.unknown.get(MEMORY_FIELD) {
        None => Some(Memory::default()),
        Some(value) => serde_json::from_value(value.clone()).ok(),
    }
}

fn release(model: &str, version: &str, files: &[(&str, &TargetFile)]) -> Result<Release, &'static str> {
    let manifest = files.iter().find(|(inside, _)| *inside == MANIFEST);
    let details = manifest
        .and_then(|(_, file)| file.custom.as_ref()?.get(RELEASE_FIELD))
        .ok_or("a release without a manifest that says which")?;
    let details = ReleaseDetails::deserialize(details).map_err(|_| "what a release says of itself")?;
    if details.model != model || details.version != version {
        return Err("a release in another's folder");
    }
    if !is_name(model) || !is_name(version) {
        return Err("model and version: 1 to 64 of letters, digits, '.', '_', '-', not beginning with '.'");
    }
    if FILES_LIMIT < files.len() {
        return Err("too many files in a release");
    }
    let files = files.iter().map(|(inside, file)| {
        if !is_path(inside) {
            return Err("a file's name that a box does not use");
        }
        if FILE_LIMIT < file.length {
            return Err("a file longer than 512 MiB");
        }
        Ok(ReleaseFile {
            folder: format!("{model}/{version}/"),
            path: (*inside).to_owned(),
            length: file.length,
            sha256: file
                .hashes
                .get("sha256")
                .and_then(|hash| unhex(hash))
                .ok_or("a file without its SHA-256")?,
        })
    });
    Ok(Release {
        files: files.collect::<Result<_, _>>()?,
        details,
    })
}

pub(super) fn custom(details: &ReleaseDetails) -> Result<Value, serde_json::Error> {
    Ok(Value::from_iter([(
        RELEASE_FIELD,
        serde_json::to_value(details)?,
    )]))
}

/// One part of a path: no way up, nothing hidden, nothing a file system reads otherwise.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(allowed)
}

pub(super) fn is_path(text: &str) -> bool {
    text.split('/').count() <= DEPTH_LIMIT && text.split('/').all(is_name)
}

impl Release {
    /// May this be installed where a release of `installed` sequence answers? Going back is another command, to a
    /// version the box itself marked good.
    ///
    /// # Errors
    /// When this one is older.
    pub fn check_newer_than(&self, installed: Option<u64>) -> Result<(), ReleaseError> {
        match installed {
            Some(installed) if self.details.sequence < installed => Err(ReleaseError::Downgrade {
                model: self.details.model.clone(),
                version: self.details.version.clone(),
                installed,
                offered: self.details.sequence,
            }),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// When the release has no such file.
    pub fn file(&self, path: &str) -> Result<&ReleaseFile, ReleaseError> {
        self.files
            .iter()
            .find(|file| file.path == path)
            .ok_or_else(|| ReleaseError::Missing {
                file: path.to_owned(),
            })
    }
}

impl ReleaseFile {
    /// Where the repository keeps it, with consistent snapshots: `targets/<model>/<version>/…/<sha256>.<name>`.
    #[must_use]
    pub fn stored_at(&self) -> String {
        let (folder, name) = self
            .path
            .rsplit_once('/')
            .map_or(("", self.path.as_str()), |(folder, name)| (folder, name));
        let slash = if folder.is_empty() { "" } else { "/" };
        format!(
            "targets/{}{folder}{slash}{}.{name}",
            self.folder,
            self.sha256_hex()
        )
    }

    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }

    /// Copies exactly the signed content; what was written before an error is not to be used.
    ///
    /// # Errors
    /// When the content is another, is shorter or goes on, or reading or writing fails.
    pub fn copy_verified(&self, from: impl Read, to: &mut impl Write) -> Result<(), ReleaseError> {
        let file = || format!("{}{}", self.folder, self.path);
        let mut bounded = from.take(self.length + 1);
        let mut hash = Context::new(&SHA256);
        let mut buffer = vec![0; 64 * 1024];
        let mut found = 0_u64;
        loop {
            let read = match bounded.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.map_err(|source| ReleaseError::Read { file: file(), source })?,
            };
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
                break;
            };
            found += piece.len() as u64;
            if self.length < found {
                break;
            }
            hash.update(piece);
            to.write_all(piece)
                .map_err(|source| ReleaseError::Write { file: file(), source })?;
        }
        if found != self.length {
            return Err(ReleaseError::WrongLength {
                file: file(),
                signed: self.length,
                longer: self.length < found,
            });
        }
        if hash.finish().as_ref() != self.sha256 {
            return Err(ReleaseError::WrongTarget { file: file() });
        }
        Ok(())
    }

    /// # Errors
    /// As [`Self::copy_verified`].
    pub fn verify(&self, from: impl Read) -> Result<(), ReleaseError> {
        self.copy_verified(from, &mut std::io::sink())
    }
}
