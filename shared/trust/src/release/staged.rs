//! Files that wait for signatures, one by one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::canonical::{canonical, sha256};
use super::metadata::{
    Envelope, Listing, MetaFile, Parsed, RoleName, Root, Signature, Signed, TargetList, parse,
};
use super::{DetachedSignature, EditorError, SigningKey};
use crate::files;

/// What waits for signatures.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) root: Option<Parsed<Root>>,
    pub(super) targets: Option<Parsed<TargetList>>,
    pub(super) snapshot: Option<Parsed<Listing>>,
    pub(super) timestamp: Option<Parsed<Listing>>,
}

impl Staged {
    pub(super) fn load(directory: &Path) -> Result<Self, EditorError> {
        Ok(Self {
            root: load(directory, RoleName::Root)?,
            targets: load(directory, RoleName::Targets)?,
            snapshot: load(directory, RoleName::Snapshot)?,
            timestamp: load(directory, RoleName::Timestamp)?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root.is_none() && self.targets.is_none() && self.snapshot.is_none() && self.timestamp.is_none()
    }

    pub(super) fn remove(directory: &Path, role: RoleName) -> Result<(), EditorError> {
        let path = path(directory, role);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EditorError::write(&path, error)),
            _ => Ok(()),
        }
    }
}

pub(super) fn entry<T: Signed>(metadata: &Parsed<T>) -> (String, &[u8]) {
    (metadata.role.path(metadata.version()), &metadata.bytes)
}

pub(super) fn path(directory: &Path, role: RoleName) -> PathBuf {
    directory.join("staged").join(format!("{role}.json"))
}

fn load<T: Signed>(directory: &Path, role: RoleName) -> Result<Option<Parsed<T>>, EditorError> {
    let path = path(directory, role);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(parse(role, bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EditorError::read(&path, source)),
    }
}

pub(super) fn stage<T: Signed + Serialize>(
    directory: &Path,
    role: RoleName,
    content: &T,
) -> Result<Parsed<T>, EditorError> {
    let signed = serde_json::to_value(content).map_err(|_| EditorError::NoMetadata)?;
    let envelope = Envelope {
        signatures: Vec::new(),
        signed,
    };
    write(directory, role, &envelope)
}

fn write<T: Signed>(directory: &Path, role: RoleName, envelope: &Envelope) -> Result<Parsed<T>, EditorError> {
    let bytes = serde_json::to_vec_pretty(envelope).map_err(|_| EditorError::NoMetadata)?;
    let parsed = parse(role, bytes)?;
    let path = path(directory, role);
    files::replace(&path, &parsed.bytes).map_err(|source| EditorError::write(&path, source))?;
    Ok(parsed)
}

/// Rewrites a staged file with more signatures.
fn add<T: Signed>(
    directory: &Path,
    staged: &mut Parsed<T>,
    signatures: Vec<Signature>,
) -> Result<(), EditorError> {
    let mut envelope: Envelope =
        serde_json::from_slice(&staged.bytes).map_err(|_| EditorError::NoMetadata)?;
    envelope.signatures.extend(signatures);
    *staged = write(directory, staged.role, &envelope)?;
    Ok(())
}

fn may_sign(roots: &[Root], role: RoleName, keyid: &str) -> bool {
    let named = |root: &Root| {
        let keys = root.roles.get(role.as_str());
        keys.is_some_and(|keys| keys.keyids.contains(keyid))
    };
    roots.iter().any(named)
}

/// A file with signatures enough is left as it is: the next one names its hash.
fn lacks_any<T: Signed>(staged: &Parsed<T>, roots: &[Root]) -> bool {
    roots.iter().any(|root| staged.verify(root).is_err())
}

pub(super) fn add_all<T: Signed>(
    directory: &Path,
    staged: &mut Option<Parsed<T>>,
    keys: &[SigningKey],
    roots: &[Root],
) -> Result<usize, EditorError> {
    let Some(staged) = staged.as_mut().filter(|staged| lacks_any(staged, roots)) else {
        return Ok(0);
    };
    let envelope: Envelope = serde_json::from_slice(&staged.bytes).map_err(|_| EditorError::NoMetadata)?;
    let canonical = canonical(&envelope.signed).ok_or(EditorError::NoMetadata)?;
    let signed_by = |id: &String| envelope.signatures.iter().any(|signature| signature.keyid == *id);
    let signatures: Vec<Signature> = keys
        .iter()
        .filter(|key| {
            let id = key.public().id();
            may_sign(roots, staged.role, &id) && !signed_by(&id)
        })
        .map(|key| key.sign(&canonical))
        .collect();
    let added = signatures.len();
    if 0 < added {
        add(directory, staged, signatures)?;
    }
    Ok(added)
}

/// Was it for this file?
pub(super) fn add_detached<T: Signed>(
    directory: &Path,
    staged: &mut Option<Parsed<T>>,
    signature: &DetachedSignature,
    roots: &[Root],
) -> Result<bool, EditorError> {
    let Some(staged) = staged else {
        return Ok(false);
    };
    let envelope: Envelope = serde_json::from_slice(&staged.bytes).map_err(|_| EditorError::NoMetadata)?;
    let canonical = canonical(&envelope.signed).ok_or(EditorError::NoMetadata)?;
    if sha256(&canonical) != signature.signed_sha256 {
        return Ok(false);
    }
    let known = envelope
        .signatures
        .iter()
        .any(|known| known.keyid == signature.keyid);
    if known || !lacks_any(staged, roots) {
        return Ok(true);
    }
    let mut with = staged.clone();
    with.signatures = vec![Signature {
        keyid: signature.keyid.clone(),
        sig: signature.sig.clone(),
    }];
    if roots.iter().all(|root| with.signers(root).is_empty()) {
        return Err(EditorError::BadSignature);
    }
    add(directory, staged, with.signatures)?;
    Ok(true)
}

/// Length and hash too: two files of one version can then not be told apart wrongly.
pub(super) fn meta<T: Signed>(role: RoleName, metadata: &Parsed<T>) -> BTreeMap<String, MetaFile> {
    let file = MetaFile {
        version: metadata.version(),
        length: Some(metadata.bytes.len() as u64),
        hashes: Some([("sha256".to_owned(), sha256(&metadata.bytes))].into()),
    };
    [(format!("{role}.json"), file)].into()
}

pub(super) fn put<T: Signed>(
    directory: &Path,
    published: &mut Option<Parsed<T>>,
    staged: Option<Parsed<T>>,
) -> Result<(), EditorError> {
    let Some(staged) = staged else {
        return Ok(());
    };
    let path = directory.join(staged.role.path(staged.version()));
    files::replace(&path, &staged.bytes).map_err(|source| EditorError::write(&path, source))?;
    *published = Some(staged);
    Ok(())
}
