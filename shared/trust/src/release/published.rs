//! What boxes see of a repository.

use std::fs;
use std::io;
use std::path::Path;

use time::OffsetDateTime;

use super::metadata::{Listing, Parsed, RoleName, Root, Signed, TargetList, parse};
use super::{EditorError, PublicKey, ReleaseFile, RepositoryEditor, RoleSetting, Roles, Targets};

/// The state of the repository that boxes see.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) root: Option<Parsed<Root>>,
    pub(super) targets: Option<Parsed<TargetList>>,
    pub(super) snapshot: Option<Parsed<Listing>>,
    pub(super) timestamp: Option<Parsed<Listing>>,
}

/// One role's published metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleStatus {
    pub role: RoleName,
    pub version: u64,
    pub expires: OffsetDateTime,
    pub threshold: u64,
    pub keyids: Vec<String>,
}

impl Published {
    pub(super) fn load(directory: &Path) -> Result<Self, EditorError> {
        let Some(newest) = root_versions(directory)?.pop() else {
            return Ok(Self::default());
        };
        let root = load(directory, RoleName::Root, newest)?;
        let Some(timestamp) = load::<Listing>(directory, RoleName::Timestamp, 0)? else {
            return Ok(Self {
                root,
                ..Self::default()
            });
        };
        let version = |listing: &Parsed<Listing>, name: &str| {
            let file = listing.content.meta.get(name);
            file.map(|file| file.version).ok_or(EditorError::NoMetadata)
        };
        let snapshot: Option<Parsed<Listing>> = load(
            directory,
            RoleName::Snapshot,
            version(&timestamp, "snapshot.json")?,
        )?;
        let targets = match &snapshot {
            Some(snapshot) => load(directory, RoleName::Targets, version(snapshot, "targets.json")?)?,
            None => None,
        };
        Ok(Self {
            root,
            targets,
            snapshot,
            timestamp: Some(timestamp),
        })
    }
}

/// Ascending.
pub(super) fn root_versions(directory: &Path) -> Result<Vec<u64>, EditorError> {
    let folder = directory.join("metadata");
    let failed = |source| EditorError::read(&folder, source);
    let mut versions = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let version = name.to_str().and_then(|name| name.strip_suffix(".root.json"));
        versions.extend(version.and_then(|version| version.parse::<u64>().ok()));
    }
    versions.sort_unstable();
    Ok(versions)
}

fn load<T: Signed>(directory: &Path, role: RoleName, version: u64) -> Result<Option<Parsed<T>>, EditorError> {
    let path = directory.join(role.path(version));
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(parse(role, bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EditorError::read(&path, source)),
    }
}

impl RepositoryEditor {
    /// Published metadata by role; empty before the first publication.
    ///
    /// # Errors
    /// When the root's roles are not whole.
    pub fn status(&self) -> Result<Vec<RoleStatus>, EditorError> {
        let Some(root) = &self.published.root else {
            return Ok(Vec::new());
        };
        let heads = [
            (RoleName::Root, Some(root.content.head())),
            (
                RoleName::Targets,
                self.published.targets.as_ref().map(|list| list.content.head()),
            ),
            (
                RoleName::Snapshot,
                self.published
                    .snapshot
                    .as_ref()
                    .map(|listing| listing.content.head()),
            ),
            (
                RoleName::Timestamp,
                self.published
                    .timestamp
                    .as_ref()
                    .map(|listing| listing.content.head()),
            ),
        ];
        heads
            .into_iter()
            .filter_map(|(role, head)| Some((role, head?)))
            .map(|(role, head)| {
                let keys = root.content.roles.get(role.as_str());
                Ok(RoleStatus {
                    role,
                    version: head.version,
                    expires: head.expires,
                    threshold: root.content.threshold(role)?,
                    keyids: keys.map_or(Vec::new(), |keys| keys.keyids.iter().cloned().collect()),
                })
            })
            .collect()
    }

    /// Who may sign, as published: where a rotation starts from.
    ///
    /// # Errors
    /// When nothing was ever published, or a role has a key of a kind this program does not make.
    pub fn roles(&self) -> Result<Roles, EditorError> {
        let root = &self
            .published
            .root
            .as_ref()
            .ok_or(EditorError::NotPublished)?
            .content;
        let setting = |role: RoleName| {
            let keys = root.roles.get(role.as_str()).ok_or(EditorError::NoMetadata)?;
            let publics = keys.keyids.iter().map(|id| {
                let key = root.keys.get(id).filter(|key| key.ed25519().is_some());
                key.cloned().map(PublicKey).ok_or(EditorError::NoMetadata)
            });
            Ok::<_, EditorError>(RoleSetting {
                keys: publics.collect::<Result<_, _>>()?,
                threshold: u32::try_from(keys.threshold).map_err(|_| EditorError::NoMetadata)?,
            })
        };
        Ok(Roles {
            root: setting(RoleName::Root)?,
            targets: setting(RoleName::Targets)?,
            snapshot: setting(RoleName::Snapshot)?,
            timestamp: setting(RoleName::Timestamp)?,
        })
    }

    /// The releases that are published.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn releases(&self) -> Result<Option<Targets>, EditorError> {
        let list = self.published.targets.as_ref();
        Ok(list.map(|list| Targets::of(&list.content)).transpose()?)
    }

    /// The releases as they will be once what is staged is published.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn staged_releases(&self) -> Result<Option<Targets>, EditorError> {
        let list = self.staged.targets.as_ref();
        Ok(list.map(|list| Targets::of(&list.content)).transpose()?)
    }

    /// Every file of the published repository, as paths in it: what a hub or a stick must get. The timestamp comes last,
    /// so that a copy broken off is never taken for whole.
    ///
    /// # Errors
    /// When nothing was ever published.
    pub fn published_files(&self) -> Result<Vec<String>, EditorError> {
        let (Some(snapshot), Some(list)) = (&self.published.snapshot, &self.published.targets) else {
            return Err(EditorError::NotPublished);
        };
        let mut paths: Vec<String> = root_versions(&self.directory)?
            .into_iter()
            .map(|version| RoleName::Root.path(version))
            .collect();
        let releases = Targets::of(&list.content)?.releases;
        let files = releases.iter().flat_map(|release| &release.files);
        paths.extend(files.map(ReleaseFile::stored_at));
        paths.push(RoleName::Targets.path(list.version()));
        paths.push(RoleName::Snapshot.path(snapshot.version()));
        paths.push(RoleName::Timestamp.path(0));
        Ok(paths)
    }
}
