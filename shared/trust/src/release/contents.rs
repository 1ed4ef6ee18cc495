//! What somebody puts their name to, as people can read it.

use std::collections::BTreeSet;

use ring::digest::{Context, SHA256};
use serde_json::Value;
use time::OffsetDateTime;

use super::canonical::{canonical, hex, sha256};
use super::metadata::{Envelope, Listing, RoleName, Root, Signed, TargetList, parse};
use super::{EditorError, Release, RepositoryEditor, Targets, Withdrawn};

/// Fewer digits of a digest than this could be met by trying.
const LEAST_DIGITS: usize = 16;

/// Metadata, signed or not. Nothing of it is believed: it is there to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    pub role: RoleName,
    pub version: u64,
    pub expires: OffsetDateTime,
    /// SHA-256 of the signed part in canonical form, hexadecimal: the same whoever has signed already.
    pub digest: String,
    pub says: Says,
}

/// What metadata says, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    Root(Vec<Signers>),
    Targets(Targets),
    /// Other metadata's file and version.
    Listing(Vec<(String, u64)>),
}

/// Who may sign for a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    pub role: String,
    pub threshold: u64,
    pub keyids: Vec<String>,
}

/// How one list of releases differs from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    Added(&'a Release),
    /// The same model and version with other files or another word on it.
    Altered(&'a Release),
    Withdrawn(&'a Withdrawn),
    /// No longer listed, without being withdrawn.
    Dropped(&'a Release),
    /// Withdrawn before, and no longer said to be.
    Forgotten(&'a Withdrawn),
}

impl Contents {
    /// # Errors
    /// When the bytes are no metadata of a release repository.
    pub fn read(bytes: &[u8]) -> Result<Self, EditorError> {
        let Envelope { signed, .. } = serde_json::from_slice(bytes).map_err(|_| EditorError::NoMetadata)?;
        let kind = signed.get("_type").and_then(Value::as_str);
        let role = [
            RoleName::Root,
            RoleName::Targets,
            RoleName::Snapshot,
            RoleName::Timestamp,
        ]
        .into_iter()
        .find(|role| kind == Some(role.as_str()))
        .ok_or(EditorError::NoMetadata)?;
        let (head, says) = match role {
            RoleName::Root => {
                let root: Root = parse(role, bytes.to_vec())?.content;
                (root.head().clone(), Says::Root(signers(&root)))
            }
            RoleName::Targets => {
                let list: TargetList = parse(role, bytes.to_vec())?.content;
                (list.head().clone(), Says::Targets(Targets::of(&list)?))
            }
            RoleName::Snapshot | RoleName::Timestamp => {
                let listing: Listing = parse(role, bytes.to_vec())?.content;
                let files = listing
                    .meta
                    .iter()
                    .map(|(name, file)| (name.clone(), file.version));
                (listing.head().clone(), Says::Listing(files.collect()))
            }
        };
        Ok(Self {
            role,
            version: head.version,
            expires: head.expires,
            digest: sha256(&canonical(&signed).ok_or(EditorError::NoMetadata)?),
            says,
        })
    }

    /// Is this what another person told the digest of? Its first 16 digits or more will do.
    #[must_use]
    pub fn is(&self, told: &str) -> bool {
        let told = told.trim().to_ascii_lowercase();
        LEAST_DIGITS <= told.len() && self.digest.starts_with(&told)
    }
}

impl RepositoryEditor {
    /// What is staged, role by role.
    ///
    /// # Errors
    /// When a staged file cannot be read.
    pub fn staged_contents(&self) -> Result<Vec<Contents>, EditorError> {
        let staged = &self.staged;
        [
            staged.root.as_ref().map(|root| &root.bytes),
            staged.targets.as_ref().map(|list| &list.bytes),
            staged.snapshot.as_ref().map(|listing| &listing.bytes),
            staged.timestamp.as_ref().map(|listing| &listing.bytes),
        ]
        .into_iter()
        .flatten()
        .map(|bytes| Contents::read(bytes))
        .collect()
    }
}

impl Targets {
    /// What publishing this list in the place of `before` does.
    #[must_use]
    pub fn changes_since<'a>(&'a self, before: &'a Self) -> Vec<Change<'a>> {
        let find = |list: &'a Self, wanted: &Release| {
            let same = |release: &&Release| release.name() == wanted.name();
            list.releases.iter().find(same)
        };
        let gone = |list: &'a Self| -> BTreeSet<(&str, &str)> {
            let names = list.withdrawn.iter().map(Withdrawn::name);
            names.collect()
        };
        let (gone_before, gone_now) = (gone(before), gone(self));
        let listed = self
            .releases
            .iter()
            .filter_map(|release| match find(before, release) {
                None => Some(Change::Added(release)),
                Some(old) if old != release => Some(Change::Altered(release)),
                Some(_) => None,
            });
        let withdrawn = self
            .withdrawn
            .iter()
            .filter(|entry| !gone_before.contains(&entry.name()));
        let forgotten = before
            .withdrawn
            .iter()
            .filter(|entry| !gone_now.contains(&entry.name()));
        let dropped = before
            .releases
            .iter()
            .filter(|old| find(self, old).is_none() && !gone_now.contains(&old.name()));
        listed
            .chain(withdrawn.map(Change::Withdrawn))
            .chain(dropped.map(Change::Dropped))
            .chain(forgotten.map(Change::Forgotten))
            .collect()
    }
}

impl Release {
    fn name(&self) -> (&str, &str) {
        (&self.details.model, &self.details.version)
    }

    /// One hash of all the bundle's files, hexadecimal: SHA-256 of what `sha256sum` prints of them, in the order of their
    /// names' bytes. So anybody who has the bundle can make it.
    #[must_use]
    pub fn bundle_sha256(&self) -> String {
        let mut hash = Context::new(&SHA256);
        for file in &self.files {
            hash.update(format!("{}  {}\n", file.sha256_hex(), file.path).as_bytes());
        }
        hex(hash.finish().as_ref())
    }
}

impl Withdrawn {
    fn name(&self) -> (&str, &str) {
        (&self.model, &self.version)
    }
}

fn signers(root: &Root) -> Vec<Signers> {
    let roles = root.roles.iter().map(|(role, keys)| Signers {
        role: role.clone(),
        threshold: keys.threshold,
        keyids: keys.keyids.iter().cloned().collect(),
    });
    roles.collect()
}
