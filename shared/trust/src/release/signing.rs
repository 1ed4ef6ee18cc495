//! From staged to published: signatures are gathered role by role until every threshold is met.

use std::collections::BTreeMap;
use std::path::PathBuf;

use time::OffsetDateTime;

use super::metadata::{Head, Key, Listing, MetaFile, Parsed, RoleName, Root, Signed, TargetList, Unknown};
use super::staged::{Staged, add_all, add_detached, entry, meta, path, put, stage};
use super::{
    DetachedSignature, DirectorySource, EditorError, ReadMetadata, RepositoryEditor, SigningKey,
    TrustedState, verify_repository,
};

/// A role whose signatures are not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub role: RoleName,
    pub have: usize,
    pub need: u64,
    /// Ids of the keys that could sign and have not.
    pub missing: Vec<String>,
    /// The file to sign.
    pub file: PathBuf,
    /// Of its signed part, hexadecimal: what the next person is told, so that they sign the same.
    pub digest: String,
}

/// Where a change stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Nothing,
    Waiting(Vec<Waiting>),
    Published,
}

impl RepositoryEditor {
    /// Adds the signatures of `keys` to whatever is staged and theirs to sign. When every threshold is met, the change
    /// is checked as a box would and published.
    ///
    /// # Errors
    /// When nothing is staged, none of the keys has anything to sign, or a box would refuse the result.
    pub fn sign(&mut self, keys: &[SigningKey], now: OffsetDateTime) -> Result<Progress, EditorError> {
        if self.staged.is_empty() {
            return Err(EditorError::NothingStaged);
        }
        let mut added = 0;
        loop {
            added += self.add_signatures(keys)?;
            if let Some(progress) = self.advance(now)? {
                if added == 0 && !keys.is_empty() && progress != Progress::Published {
                    return Err(EditorError::NothingToSign);
                }
                return Ok(progress);
            }
        }
    }

    /// Adds a signature made apart, then goes on as [`Self::sign`].
    ///
    /// # Errors
    /// When it belongs to nothing that is staged, or is not valid.
    pub fn merge(
        &mut self,
        signature: &DetachedSignature,
        now: OffsetDateTime,
    ) -> Result<Progress, EditorError> {
        let (root, published) = (self.root_in_force()?, self.published.root.as_ref());
        let mut roots = vec![root.clone()];
        roots.extend(published.map(|root| root.content.clone()));
        let only = std::slice::from_ref(&root);
        let directory = &self.directory;
        let merged = [
            add_detached(directory, &mut self.staged.root, signature, &roots)?,
            add_detached(directory, &mut self.staged.targets, signature, only)?,
            add_detached(directory, &mut self.staged.snapshot, signature, only)?,
            add_detached(directory, &mut self.staged.timestamp, signature, only)?,
        ];
        if !merged.contains(&true) {
            return Err(EditorError::OtherMetadata);
        }
        self.sign(&[], now)
    }

    /// What still waits for signatures.
    ///
    /// # Errors
    /// When the staged root cannot be used.
    pub fn progress(&self) -> Result<Progress, EditorError> {
        if self.staged.is_empty() {
            return Ok(Progress::Nothing);
        }
        self.waiting().map(Progress::Waiting)
    }

    pub(super) fn stage_root(&mut self, root: &Root) -> Result<(), EditorError> {
        self.drop_listings()?;
        self.staged.root = Some(stage(&self.directory, RoleName::Root, root)?);
        Ok(())
    }

    pub(super) fn stage_targets(&mut self, list: &TargetList) -> Result<(), EditorError> {
        self.drop_listings()?;
        self.staged.targets = Some(stage(&self.directory, RoleName::Targets, list)?);
        Ok(())
    }

    /// They name what is being changed.
    pub(super) fn drop_listings(&mut self) -> Result<(), EditorError> {
        (self.staged.snapshot, self.staged.timestamp) = (None, None);
        Staged::remove(&self.directory, RoleName::Timestamp)?;
        Staged::remove(&self.directory, RoleName::Snapshot)
    }

    pub(super) fn stage_snapshot(&mut self, now: OffsetDateTime) -> Result<(), EditorError> {
        let targets = self.staged.targets.as_ref().or(self.published.targets.as_ref());
        let meta = meta(RoleName::Targets, targets.ok_or(EditorError::NotPublished)?);
        let before = self.published.snapshot.as_ref().map_or(0, Parsed::version);
        let listing = self.listing(RoleName::Snapshot, before, meta, now)?;
        self.staged.snapshot = Some(stage(&self.directory, RoleName::Snapshot, &listing)?);
        Ok(())
    }

    fn stage_timestamp(&mut self, now: OffsetDateTime) -> Result<(), EditorError> {
        let snapshot = self.staged.snapshot.as_ref().ok_or(EditorError::NotPublished)?;
        let meta = meta(RoleName::Snapshot, snapshot);
        let before = self.published.timestamp.as_ref().map_or(0, Parsed::version);
        let listing = self.listing(RoleName::Timestamp, before, meta, now)?;
        self.staged.timestamp = Some(stage(&self.directory, RoleName::Timestamp, &listing)?);
        Ok(())
    }

    fn listing(
        &self,
        role: RoleName,
        before: u64,
        meta: BTreeMap<String, MetaFile>,
        now: OffsetDateTime,
    ) -> Result<Listing, EditorError> {
        let version = before.checked_add(1).ok_or(EditorError::NoMetadata)?;
        Ok(Listing {
            head: Head::new(role, version, self.lifetimes.expiry(role, now)),
            meta,
            unknown: Unknown::new(),
        })
    }

    /// The root whose keys sign the change.
    fn root_in_force(&self) -> Result<Root, EditorError> {
        let root = self.staged.root.as_ref().or(self.published.root.as_ref());
        Ok(root.ok_or(EditorError::NotPublished)?.content.clone())
    }

    fn add_signatures(&mut self, keys: &[SigningKey]) -> Result<usize, EditorError> {
        let root = self.root_in_force()?;
        let mut roots = vec![root.clone()];
        roots.extend(self.published.root.as_ref().map(|root| root.content.clone()));
        let directory = &self.directory;
        let only = std::slice::from_ref(&root);
        Ok(add_all(directory, &mut self.staged.root, keys, &roots)?
            + add_all(directory, &mut self.staged.targets, keys, only)?
            + add_all(directory, &mut self.staged.snapshot, keys, only)?
            + add_all(directory, &mut self.staged.timestamp, keys, only)?)
    }

    /// `None`: another file was staged, there is more to sign.
    fn advance(&mut self, now: OffsetDateTime) -> Result<Option<Progress>, EditorError> {
        let waiting = self.waiting()?;
        if !waiting.is_empty() {
            return Ok(Some(Progress::Waiting(waiting)));
        }
        if self.staged.snapshot.is_none() {
            self.stage_snapshot(now)?;
            return Ok(None);
        }
        if self.staged.timestamp.is_none() {
            self.stage_timestamp(now)?;
            return Ok(None);
        }
        self.publish(now)?;
        Ok(Some(Progress::Published))
    }

    fn waiting(&self) -> Result<Vec<Waiting>, EditorError> {
        let root = self.root_in_force()?;
        let mut all = Vec::new();
        if let (Some(staged), Some(published)) = (&self.staged.root, &self.published.root) {
            all.extend(self.lacks(staged, &published.content)?);
        }
        if let Some(staged) = &self.staged.root {
            all.extend(self.lacks(staged, &root)?);
        }
        if let Some(staged) = &self.staged.targets {
            all.extend(self.lacks(staged, &root)?);
        }
        for staged in [&self.staged.snapshot, &self.staged.timestamp]
            .into_iter()
            .flatten()
        {
            all.extend(self.lacks(staged, &root)?);
        }
        Ok(all)
    }

    fn lacks<T: Signed>(&self, staged: &Parsed<T>, root: &Root) -> Result<Option<Waiting>, EditorError> {
        let role = staged.role;
        let need = root.threshold(role)?;
        let signers = staged.signers(root);
        if need <= signers.len() as u64 {
            return Ok(None);
        }
        let keys = root.roles.get(role.as_str());
        let missing = keys.iter().flat_map(|keys| &keys.keyids).filter(|id| {
            let public = root.keys.get(*id).and_then(Key::ed25519);
            public.is_some_and(|public| !signers.contains(&public))
        });
        Ok(Some(Waiting {
            role,
            have: signers.len(),
            need,
            missing: missing.cloned().collect(),
            file: path(&self.directory, role),
            digest: staged.digest(),
        }))
    }

    /// The timestamp is written last: until then boxes see the state before.
    fn publish(&mut self, now: OffsetDateTime) -> Result<(), EditorError> {
        self.check_as_a_box(now)?;
        let Staged {
            root,
            targets,
            snapshot,
            timestamp,
        } = std::mem::take(&mut self.staged);
        let directory = &self.directory;
        put(directory, &mut self.published.root, root)?;
        put(directory, &mut self.published.targets, targets)?;
        put(directory, &mut self.published.snapshot, snapshot)?;
        put(directory, &mut self.published.timestamp, timestamp)?;
        for role in [
            RoleName::Root,
            RoleName::Targets,
            RoleName::Snapshot,
            RoleName::Timestamp,
        ] {
            Staged::remove(directory, role)?;
        }
        Ok(())
    }

    /// Nothing is published that a box which knows only the first root would refuse.
    fn check_as_a_box(&self, now: OffsetDateTime) -> Result<(), EditorError> {
        let folder = DirectorySource::new(&self.directory);
        let staged: BTreeMap<String, &[u8]> = [
            self.staged.root.as_ref().map(entry),
            self.staged.targets.as_ref().map(entry),
            self.staged.snapshot.as_ref().map(entry),
            self.staged.timestamp.as_ref().map(entry),
        ]
        .into_iter()
        .flatten()
        .collect();
        let source = |path: &str, limit: usize| match staged.get(path) {
            Some(bytes) => Ok(Some(bytes.to_vec())),
            None => folder.read(path, limit),
        };
        let first = source(&RoleName::Root.path(1), RoleName::Root.limit())
            .map_err(|source| EditorError::read(&self.directory, source))?
            .ok_or(EditorError::NotPublished)?;
        let targets = verify_repository(&mut TrustedState::in_memory(&first)?, &source, now)?;
        for file in targets.releases.iter().flat_map(|release| &release.files) {
            file.verify(folder.open_target(file)?)?;
        }
        Ok(())
    }
}
