//! The four kinds of metadata of The Update Framework (specification 1.0, section 4), as far as we use them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::ReleaseError;
use super::canonical::{canonical, sha256, unhex};

/// The version of the specification our own repositories name.
pub(super) const SPEC_VERSION: &str = "1.0.31";

/// Who signs what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleName {
    /// Names every role's keys.
    Root,
    /// Lists the files of every release.
    Targets,
    /// Names the version of the targets metadata that belongs to one state of the repository.
    Snapshot,
    /// Says which snapshot is the newest; lives shortest.
    Timestamp,
}

impl RoleName {
    /// As in metadata.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// No such file of ours is longer: the bounds of the reference client.
    pub(super) fn limit(self) -> usize {
        match self {
            Self::Root => 512_000,
            Self::Targets => 5_000_000,
            Self::Snapshot => 2_000_000,
            Self::Timestamp => 16_384,
        }
    }

    /// Where a version lies in a repository with consistent snapshots.
    pub(super) fn path(self, version: u64) -> String {
        match self {
            Self::Timestamp => "metadata/timestamp.json".to_owned(),
            _ => format!("metadata/{version}.{self}.json"),
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Fields we do not know are kept where metadata is written again.
pub(super) type Unknown = BTreeMap<String, Value>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signature {
    pub(super) keyid: String,
    pub(super) sig: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) signatures: Vec<Signature>,
    pub(super) signed: Value,
}

/// What every kind has; the kind itself is checked before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    #[serde(rename = "_type")]
    pub(super) kind: String,
    pub(super) spec_version: String,
    pub(super) version: u64,
    #[serde(with = "moment")]
    pub(super) expires: OffsetDateTime,
}

impl Head {
    pub(super) fn new(role: RoleName, version: u64, expires: OffsetDateTime) -> Self {
        Self {
            kind: role.as_str().to_owned(),
            spec_version: SPEC_VERSION.to_owned(),
            version,
            expires,
        }
    }
}

/// A public key in metadata. One of a kind we cannot check is kept and never counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) keytype: String,
    pub(super) scheme: String,
    pub(super) keyval: BTreeMap<String, Value>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

impl Key {
    pub(super) fn ed25519(&self) -> Option<[u8; 32]> {
        let ours = self.keytype == "ed25519" && self.scheme == "ed25519";
        ours.then_some(())?;
        unhex(self.keyval.get("public")?.as_str()?)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RoleKeys {
    pub(super) keyids: BTreeSet<String>,
    pub(super) threshold: u64,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Root {
    #[serde(flatten)]
    pub(super) head: Head,
    #[serde(default)]
    pub(super) consistent_snapshot: bool,
    pub(super) keys: BTreeMap<String, Key>,
    pub(super) roles: BTreeMap<String, RoleKeys>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

/// What one metadata file says of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MetaFile {
    pub(super) version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hashes: Option<BTreeMap<String, String>>,
}

/// Timestamp and snapshot: both say which versions of others belong together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Listing {
    #[serde(flatten)]
    pub(super) head: Head,
    pub(super) meta: BTreeMap<String, MetaFile>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TargetFile {
    pub(super) length: u64,
    pub(super) hashes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) custom: Option<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TargetList {
    #[serde(flatten)]
    pub(super) head: Head,
    pub(super) targets: BTreeMap<String, TargetFile>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

pub(super) trait Signed: DeserializeOwned + Clone {
    fn head(&self) -> &Head;
}

impl Signed for Root {
    fn head(&self) -> &Head {
        &self.head
    }
}

impl Signed for Listing {
    fn head(&self) -> &Head {
        &self.head
    }
}

impl Signed for TargetList {
    fn head(&self) -> &Head {
        &self.head
    }
}

/// Metadata that was read but not yet believed.
#[derive(Debug, Clone)]
pub(super) struct Parsed<T> {
    pub(super) content: T,
    pub(super) bytes: Vec<u8>,
    pub(super) role: RoleName,
    canonical: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
}

/// Reads metadata that must be of `role`. Nothing is believed yet.
pub(super) fn parse<T: Signed>(role: RoleName, bytes: Vec<u8>) -> Result<Parsed<T>, ReleaseError> {
    let malformed = |what| ReleaseError::Malformed { role, what };
    if role.limit() < bytes.len() {
        return Err(ReleaseError::TooLarge {
            file: format!("{role}.json"),
            limit: role.limit() as u64,
        });
    }
    let envelope: Envelope =
        serde_json::from_slice(&bytes).map_err(|_| malformed("not the JSON of signed metadata"))?;
    let field = |name: &str| envelope.signed.get(name).and_then(Value::as_str);
    if field("_type") != Some(role.as_str()) {
        return Err(ReleaseError::WrongType { wanted: role });
    }
    if !field("spec_version").is_some_and(|version| version.starts_with("1.")) {
        return Err(ReleaseError::SpecVersion { role });
    }
    let canonical = canonical(&envelope.signed).ok_or(malformed("a number that is not whole"))?;
    let content: T =
        serde_json::from_value(envelope.signed).map_err(|_| malformed("a field is missing or wrong"))?;
    if content.head().version == 0 {
        return Err(malformed("versions begin with 1"));
    }
    Ok(Parsed {
        content,
        bytes,
        role,
        canonical,
        signatures: envelope.signatures,
    })
}

impl<T: Signed> Parsed<T> {
    pub(super) fn version(&self) -> u64 {
        self.content.head().version
    }

    /// SHA-256 of what a signature covers, hexadecimal.
    pub(super) fn digest(&self) -> String {
        sha256(&self.canonical)
    }

    /// The public keys of `root`'s role that signed this, each counted once under whatever ids it goes.
    pub(super) fn signers(&self, root: &Root) -> BTreeSet<[u8; 32]> {
        let Some(role) = root.roles.get(self.role.as_str()) else {
            return BTreeSet::new();
        };
        self.signatures
            .iter()
            .filter(|signature| role.keyids.contains(&signature.keyid))
            .filter_map(|signature| {
                let public = root.keys.get(&signature.keyid)?.ed25519()?;
                let bytes: [u8; 64] = unhex(&signature.sig)?;
                UnparsedPublicKey::new(&ED25519, public)
                    .verify(&self.canonical, &bytes)
                    .ok()
                    .map(|()| public)
            })
            .collect()
    }

    /// Enough different keys of the role must have signed.
    pub(super) fn verify(&self, root: &Root) -> Result<(), ReleaseError> {
        let role = self.role;
        let need = root.threshold(role)?;
        let have = self.signers(root).len();
        match have {
            0 => Err(ReleaseError::Unsigned { role }),
            _ if (have as u64) < need => Err(ReleaseError::Threshold { role, have, need }),
            _ => Ok(()),
        }
    }

    pub(super) fn check_expiry(&self, now: OffsetDateTime) -> Result<(), ReleaseError> {
        let at = self.content.head().expires;
        if at <= now {
            return Err(ReleaseError::Expired { role: self.role, at });
        }
        Ok(())
    }

    /// Is this the file another one names?
    pub(super) fn check_named(&self, named: &MetaFile) -> Result<(), ReleaseError> {
        let role = self.role;
        let differs = |what| Err(ReleaseError::MixAndMatch { role, what });
        if named
            .length
            .is_some_and(|length| length != self.bytes.len() as u64)
        {
            return differs("the length");
        }
        if let Some(hashes) = &named.hashes {
            let Some(wanted) = hashes.get("sha256") else {
                return differs("the kind of hash");
            };
            if !wanted.eq_ignore_ascii_case(&sha256(&self.bytes)) {
                return differs("the hash");
            }
        }
        if named.version != self.version() {
            return differs("the version");
        }
        Ok(())
    }
}

impl Root {
    pub(super) fn threshold(&self, role: RoleName) -> Result<u64, ReleaseError> {
        self.roles
            .get(role.as_str())
            .map(|keys| keys.threshold)
            .filter(|threshold| 0 < *threshold)
            .ok_or(ReleaseError::Malformed {
                role: RoleName::Root,
                what: "a role without keys or threshold",
            })
    }

    /// What decides whether a role's metadata of before is still worth comparing with.
    pub(super) fn trust_in(&self, role: RoleName) -> (BTreeSet<[u8; 32]>, u64) {
        let Some(keys) = self.roles.get(role.as_str()) else {
            return (BTreeSet::new(), 0);
        };
        let publics = keys.keyids.iter().filter_map(|id| self.keys.get(id)?.ed25519());
        (publics.collect(), keys.threshold)
    }
}

/// The specification's form of a moment: whole seconds, UTC, `Z`.
pub(super) mod moment {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};
    use time::format_description::well_known::Rfc3339;
    use time::{OffsetDateTime, UtcOffset};

    pub(crate) fn serialize<S: Serializer>(moment: &OffsetDateTime, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&text(*moment).ok_or(ser::Error::custom("no year of four digits"))?)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<OffsetDateTime, D::Error> {
        let text = String::deserialize(d)?;
        parse(&text).ok_or(de::Error::custom("not a moment such as 2030-01-31T00:00:00Z"))
    }

    pub(crate) fn text(moment: OffsetDateTime) -> Option<String> {
        let whole = moment.to_offset(UtcOffset::UTC).replace_nanosecond(0).ok()?;
        whole.format(&Rfc3339).ok()
    }

    pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        (text.ends_with('Z') && moment.nanosecond() == 0).then_some(moment)
    }
}
