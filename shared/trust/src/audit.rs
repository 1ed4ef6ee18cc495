//! A log of who did what that nobody can change unseen.
//!
//! Each entry holds the hash of the one before it. Now and then whose log it is, the hub or a clinic's box, signs the newest
//! hash ([`Head`]), each such head over the one before it: whoever rewrites the log, its end included, would need that key.
//!
//! An export is lines of JSON: a signed head over all that follows, then the entries, each head after its entry. Where old
//! entries were removed by the site's policy, the head of the last of them comes before the others. [`Checker`] reads it line
//! by line and names the first that does not hold.

mod check;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::{Error, TlsIdentity};

pub use check::{BadLine, Checker, Fault, Whole};

const ENTRY: &[u8] = b"Barefoot audit entry 1\0";
const HEAD: &[u8] = b"Barefoot audit head 1\0";

/// SHA-256.
pub type Hash = [u8; 32];

/// What stands before the first entry, and before the first head.
pub const NOTHING: Hash = [0; 32];

/// No line of an export is longer.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// One thing that happened. Ids only: nothing in it says who a patient is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// From 1, without a gap.
    pub number: u64,
    /// Unix milliseconds, by the clock of whose log it is.
    pub at_ms: i64,
    /// The clock stood before the last entry's time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clock_went_back: bool,
    /// `person`, `program`, `hub`, `box` or `console`, and its id.
    pub actor_kind: String,
    pub actor: String,
    pub actor_name: String,
    pub action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub clinic: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub case: String,
    /// The id of the report, account, … that it was done to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl AuditEntry {
    /// Over every field, each text with its length before it, and the hash before.
    #[must_use]
    pub fn hash(&self, previous: &Hash) -> Hash {
        let mut bytes = [ENTRY, previous].concat();
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.at_ms.to_be_bytes());
        bytes.push(u8::from(self.clock_went_back));
        for text in [
            &self.actor_kind,
            &self.actor,
            &self.actor_name,
            &self.action,
            &self.clinic,
            &self.case,
            &self.subject,
            &self.details,
        ] {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        sha256(&bytes)
    }
}

/// The word of whose log it is that it had this hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Of the newest entry; 0 where there is none.
    pub number: u64,
    pub hash: Hash,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// SHA-256 of the signature of the head before this one.
    pub previous: Hash,
    /// The signer's, DER.
    pub certificate: Vec<u8>,
    pub signature: Vec<u8>,
}

impl Head {
    fn signed_text(&self) -> Vec<u8> {
        let mut bytes = [HEAD, &self.hash, &self.previous].concat();
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.at_ms.to_be_bytes());
        bytes
    }

    /// What the next head names.
    #[must_use]
    pub fn name(&self) -> Hash {
        sha256(&self.signature)
    }
}

impl TlsIdentity {
    /// This identity's signature that its log's newest entry is `number` with `hash`.
    ///
    /// # Errors
    /// When the key is of a kind the region does not use, or the random source fails.
    pub fn sign_head(&self, number: u64, hash: Hash, at_ms: i64, previous: Hash) -> Result<Head, Error> {
        let mut head = Head {
            number,
            hash,
            at_ms,
            previous,
            certificate: self.certificate(),
            signature: Vec::new(),
        };
        head.signature = self.sign_raw(&head.signed_text())?;
        Ok(head)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    number: u64,
    hash: String,
    at_ms: i64,
    previous: String,
    certificate: String,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    /// The first: all of the log up to here follows.
    Until(HeadLine),
    Entry {
        #[serde(flatten)]
        entry: AuditEntry,
        previous: String,
        hash: String,
    },
    Head(HeadLine),
    /// What stood before was removed by policy; this was the head over it.
    Since(HeadLine),
}

/// A line of a log that is kept as lines, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    Entry {
        entry: AuditEntry,
        hash: Hash,
    },
    Head(Head),
    /// The first of a part whose earlier ones may be gone.
    Since(Head),
}

/// Reads what [`entry_line`], [`head_line`] or [`since_line`] wrote; `None` where it is none of them.
#[must_use]
pub fn read_line(text: &str) -> Option<Kept> {
    match serde_json::from_str(text).ok()? {
        Line::Entry { entry, hash, .. } => Some(Kept::Entry {
            entry,
            hash: unhex(&hash)?,
        }),
        Line::Head(head) => head.read().map(Kept::Head),
        Line::Since(head) => head.read().map(Kept::Since),
        Line::Until(_) => None,
    }
}

impl HeadLine {
    fn of(head: &Head) -> Self {
        Self {
            number: head.number,
            hash: hex(&head.hash),
            at_ms: head.at_ms,
            previous: hex(&head.previous),
            certificate: data_encoding::BASE64.encode(&head.certificate),
            signature: data_encoding::BASE64.encode(&head.signature),
        }
    }

    fn read(self) -> Option<Head> {
        Some(Head {
            number: self.number,
            hash: unhex(&self.hash)?,
            at_ms: self.at_ms,
            previous: unhex(&self.previous)?,
            certificate: data_encoding::BASE64.decode(self.certificate.as_bytes()).ok()?,
            signature: data_encoding::BASE64.decode(self.signature.as_bytes()).ok()?,
        })
    }
}

fn line(line: &Line) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

/// The first line of an export.
#[must_use]
pub fn until_line(head: &Head) -> String {
    line(&Line::Until(HeadLine::of(head)))
}

#[must_use]
pub fn head_line(head: &Head) -> String {
    line(&Line::Head(HeadLine::of(head)))
}

/// The first line of a part that follows entries which may be removed.
#[must_use]
pub fn since_line(head: &Head) -> String {
    line(&Line::Since(HeadLine::of(head)))
}

#[must_use]
pub fn entry_line(entry: &AuditEntry, previous: &Hash, hash: &Hash) -> String {
    line(&Line::Entry {
        entry: entry.clone(),
        previous: hex(previous),
        hash: hex(hash),
    })
}

fn sha256(bytes: &[u8]) -> Hash {
    let mut hash = NOTHING;
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

fn hex(hash: &Hash) -> String {
    data_encoding::HEXLOWER.encode(hash)
}

/// 64 hexadecimal digits.
#[must_use]
pub fn read_hash(text: &str) -> Option<Hash> {
    unhex(&text.to_ascii_lowercase())
}

fn unhex(text: &str) -> Option<Hash> {
    data_encoding::HEXLOWER
        .decode(text.as_bytes())
        .ok()?
        .try_into()
        .ok()
}

#[cfg(test)]
mod tests;
