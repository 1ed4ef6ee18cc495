//! The maintainers' side: changes are staged, signed by as many people as must sign, then published whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::bundle_files;
use super::metadata::{Head, Key, Parsed, RoleKeys, RoleName, Root, TargetFile, TargetList, Unknown};
use super::published::Published;
use super::staged::Staged;
use super::targets::{self, Memory, ReleaseDetails, Targets, Withdrawn};
use super::{EditorError, PublicKey};
use crate::files;

const SETTINGS: &str = "settings.json";

/// How many days metadata is valid from the day it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifetimes {
    pub root: u32,
    pub targets: u32,
    pub snapshot: u32,
    /// How long boxes can be kept from news without noticing. After it they take nothing new until it is refreshed.
    pub timestamp: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            root: 730,
            targets: 365,
            snapshot: 90,
            timestamp: 30,
        }
    }
}

impl Lifetimes {
    pub(super) fn expiry(&self, role: RoleName, now: OffsetDateTime) -> OffsetDateTime {
        let days = match role {
            RoleName::Root => self.root,
            RoleName::Targets => self.targets,
            RoleName::Snapshot => self.snapshot,
            RoleName::Timestamp => self.timestamp,
        };
        now.saturating_add(Duration::days(i64::from(days)))
    }
}

/// Who may sign for a role, and how many of them must.
#[derive(Debug, Clone)]
pub struct RoleSetting {
    pub keys: Vec<PublicKey>,
    pub threshold: u32,
}

/// Every role's keys.
#[derive(Debug, Clone)]
pub struct Roles {
    pub root: RoleSetting,
    pub targets: RoleSetting,
    pub snapshot: RoleSetting,
    pub timestamp: RoleSetting,
}

/// What a new release says of itself; the sequence is given by the repository.
#[derive(Debug, Clone)]
pub struct NewRelease {
    pub model: String,
    pub version: String,
    pub demonstration: bool,
    pub report_sha256: Option<String>,
    pub base_version: Option<String>,
}

/// A repository's folder on a maintainer's machine: `metadata/` and `targets/` are what is published, `staged/` what
/// waits for signatures, `settings.json` the lifetimes.
#[derive(Debug)]
pub struct RepositoryEditor {
    pub(super) directory: PathBuf,
    pub(super) lifetimes: Lifetimes,
    pub(super) published: Published,
    pub(super) staged: Staged,
}

impl RepositoryEditor {
    /// Begins a repository: its first root and an empty list are staged; [`Self::sign`] publishes them.
    ///
    /// # Errors
    /// When there is one already, a threshold cannot be met, or the folder cannot be written.
    pub fn create(
        directory: &Path,
        roles: &Roles,
        lifetimes: Lifetimes,
        now: OffsetDateTime,
    ) -> Result<Self, EditorError> {
        if directory.join(SETTINGS).exists() {
            return Err(EditorError::Exists {
                path: directory.display().to_string(),
            });
        }
        let root = root(
            roles,
            Head::new(RoleName::Root, 1, lifetimes.expiry(RoleName::Root, now)),
        )?;
        for folder in ["metadata", "targets", "staged"] {
            let path = directory.join(folder);
            fs::create_dir_all(&path).map_err(|source| EditorError::write(&path, source))?;
        }
        let settings = serde_json::to_vec_pretty(&lifetimes).map_err(|_| EditorError::NoMetadata)?;
        let path = directory.join(SETTINGS);
        files::replace(&path, &settings).map_err(|source| EditorError::write(&path, source))?;
        let mut editor = Self {
            directory: directory.to_owned(),
            lifetimes,
            published: Published::default(),
            staged: Staged::default(),
        };
        editor.stage_root(&root)?;
        editor.stage_targets(&editor.next_targets(now)?)?;
        Ok(editor)
    }

    /// # Errors
    /// When the folder holds no repository, or one that cannot be read.
    pub fn open(directory: &Path) -> Result<Self, EditorError> {
        let path = directory.join(SETTINGS);
        let settings = fs::read(&path).map_err(|source| EditorError::read(&path, source))?;
        let lifetimes = serde_json::from_slice(&settings).map_err(|_| EditorError::Settings {
            path: path.display().to_string(),
        })?;
        Ok(Self {
            directory: directory.to_owned(),
            lifetimes,
            published: Published::load(directory)?,
            staged: Staged::load(directory)?,
        })
    }

    /// Stages a release: the folder's files are copied into the repository under the names of their content. Its
    /// sequence is the repository's next.
    ///
    /// # Errors
    /// When the version was ever used before, the folder holds what no bundle has, or a file cannot be copied.
    pub fn add_release(
        &mut self,
        bundle: &Path,
        release: NewRelease,
        now: OffsetDateTime,
    ) -> Result<ReleaseDetails, EditorError> {
        let mut list = self.next_targets(now)?;
        let mut memory = memory(&list)?;
        let offered = Targets::of(&list)?;
        let NewRelease { model, version, .. } = &release;
        let listed = |(a, b): (&String, &String)| a == model && b == version;
        let known = offered
            .releases
            .iter()
            .map(|r| (&r.details.model, &r.details.version))
            .any(listed)
            || memory
                .withdrawn
                .iter()
                .map(|w| (&w.model, &w.version))
                .any(listed);
        if known {
            return Err(EditorError::VersionUsed {
                model: release.model,
                version: release.version,
            });
        }
        if ![model, version].into_iter().all(|name| targets::is_name(name)) {
            return Err(EditorError::Name);
        }
        memory.sequence = memory.sequence.checked_add(1).ok_or(EditorError::NoMetadata)?;
        let details = ReleaseDetails {
            model: release.model,
            version: release.version,
            sequence: memory.sequence,
            demonstration: release.demonstration,
            report_sha256: release.report_sha256,
            base_version: release.base_version,
        };
        for (inside, file) in bundle_files::copy(bundle, &self.directory, &details)? {
            let custom = (inside == targets::MANIFEST).then(|| targets::custom(&details));
            let custom = custom.transpose().map_err(|_| EditorError::NoMetadata)?;
            let path = format!("{}/{}/{inside}", details.model, details.version);
            list.targets.insert(path, TargetFile { custom, ..file });
        }
        remember(&mut list, &memory)?;
        // What a box could not read is not signed.
        Targets::of(&list)?;
        self.stage_targets(&list)?;
        Ok(details)
    }

    /// Stages the list without a release; its version is never used again.
    ///
    /// # Errors
    /// When there is no such release.
    pub fn withdraw(&mut self, model: &str, version: &str, now: OffsetDateTime) -> Result<(), EditorError> {
        let mut list = self.next_targets(now)?;
        Targets::of(&list)?.release(model, version)?;
        let folder = format!("{model}/{version}/");
        list.targets.retain(|path, _| !path.starts_with(&folder));
        let mut memory = memory(&list)?;
        memory.withdrawn.push(Withdrawn {
            model: model.to_owned(),
            version: version.to_owned(),
        });
        remember(&mut list, &memory)?;
        self.stage_targets(&list)
    }

    /// Stages fresh snapshot and timestamp metadata; with `targets` the list too, which has other keys.
    ///
    /// # Errors
    /// When nothing was ever published.
    pub fn refresh(&mut self, targets: bool, now: OffsetDateTime) -> Result<(), EditorError> {
        if self.published.timestamp.is_none() {
            return Err(EditorError::NotPublished);
        }
        if targets {
            return self.stage_targets(&self.next_targets(now)?);
        }
        self.drop_listings()?;
        // A change that waits brings fresh ones with it.
        if self.staged.root.is_none() && self.staged.targets.is_none() {
            self.stage_snapshot(now)?;
        }
        Ok(())
    }

    /// Stages a new root with other keys, thresholds or just a later expiry. The old root's keys and the new one's must
    /// sign it, each as many as their root says.
    ///
    /// # Errors
    /// When nothing was ever published or a threshold cannot be met.
    pub fn rotate(&mut self, roles: &Roles, now: OffsetDateTime) -> Result<(), EditorError> {
        let old = self.published.root.as_ref().ok_or(EditorError::NotPublished)?;
        let version = old.version().checked_add(1).ok_or(EditorError::NoMetadata)?;
        let expires = self.lifetimes.expiry(RoleName::Root, now);
        let mut new = root(roles, Head::new(RoleName::Root, version, expires))?;
        new.unknown = old.content.unknown.clone();
        let other_keys = old.content.trust_in(RoleName::Targets) != new.trust_in(RoleName::Targets);
        self.stage_root(&new)?;
        if other_keys || self.staged.targets.is_some() {
            self.stage_targets(&self.next_targets(now)?)?;
        }
        Ok(())
    }

    /// Forgets what is staged.
    ///
    /// # Errors
    /// When the folder cannot be written, or nothing was ever published: then there would be nothing left.
    pub fn discard(&mut self) -> Result<(), EditorError> {
        if self.published.timestamp.is_none() {
            return Err(EditorError::NotPublished);
        }
        self.staged = Staged::default();
        for role in [
            RoleName::Root,
            RoleName::Targets,
            RoleName::Snapshot,
            RoleName::Timestamp,
        ] {
            Staged::remove(&self.directory, role)?;
        }
        Ok(())
    }

    /// The next version of the list, with what is staged or published in it.
    fn next_targets(&self, now: OffsetDateTime) -> Result<TargetList, EditorError> {
        let published = self.published.targets.as_ref();
        let version = published.map_or(0, Parsed::version).checked_add(1);
        let version = version.ok_or(EditorError::NoMetadata)?;
        let head = Head::new(
            RoleName::Targets,
            version,
            self.lifetimes.expiry(RoleName::Targets, now),
        );
        Ok(match self.staged.targets.as_ref().or(published) {
            Some(base) => TargetList {
                head,
                ..base.content.clone()
            },
            None => TargetList {
                head,
                targets: BTreeMap::new(),
                unknown: Unknown::new(),
            },
        })
    }
}

fn memory(list: &TargetList) -> Result<Memory, EditorError> {
    targets::memory(list).ok_or(EditorError::NoMetadata)
}

fn remember(list: &mut TargetList, memory: &Memory) -> Result<(), EditorError> {
    let value = serde_json::to_value(memory).map_err(|_| EditorError::NoMetadata)?;
    list.unknown.insert(targets::MEMORY_FIELD.to_owned(), value);
    Ok(())
}

fn root(roles: &Roles, head: Head) -> Result<Root, EditorError> {
    let named = [
        (RoleName::Root, &roles.root),
        (RoleName::Targets, &roles.targets),
        (RoleName::Snapshot, &roles.snapshot),
        (RoleName::Timestamp, &roles.timestamp),
    ];
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let mut in_roles = BTreeMap::new();
    for (role, setting) in named {
        let keyids: BTreeSet<String> = setting.keys.iter().map(PublicKey::id).collect();
        let threshold = u64::from(setting.threshold);
        if threshold == 0 || (keyids.len() as u64) < threshold {
            return Err(EditorError::CannotMeet {
                role,
                keys: keyids.len(),
                threshold,
            });
        }
        keys.extend(setting.keys.iter().map(|key| (key.id(), key.0.clone())));
        let unknown = Unknown::new();
        in_roles.insert(
            role.as_str().to_owned(),
            RoleKeys {
                keyids,
                threshold,
                unknown,
            },
        );
    }
    Ok(Root {
        head,
        consistent_snapshot: true,
        keys,
        roles: in_roles,
        unknown: Unknown::new(),
    })
}
