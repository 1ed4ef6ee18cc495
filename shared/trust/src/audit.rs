//! A log of who did what that nobody can change unseen.
//!
//! Each entry holds the hash of the one before it. Now and then the hub signs the newest hash ([`Head`]), each such head
//! over the one before it: whoever rewrites the log, its end included, would need the hub's key.
//!
//! An export is lines of JSON: a signed head over all that follows, then the entries, each head after its entry.
//! [`Checker`] reads it line by line and names the first that does not hold.

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::chain::{self, Signer};
use crate::{Authorities, Error, TlsIdentity};

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
    /// Unix milliseconds, the hub's clock.
    pub at_ms: i64,
    /// The clock stood before the last entry's time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clock_went_back: bool,
    /// `person`, `program`, `hub` or `console`, and its id.
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

/// The hub's word that the log had this hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Of the newest entry; 0 where there is none.
    pub number: u64,
    pub hash: Hash,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// SHA-256 of the signature of the head before this one.
    pub previous: Hash,
    /// The hub's, DER.
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
    /// The hub's signature that its log's newest entry is `number` with `hash`.
    ///
    /// # Errors
    /// When the key is of a kind the region does not use, or the random source fails.
    pub fn sign_head(&self, number: u64, hash: Hash, at_ms: i64, previous: Hash) -> Result<Head, Error> {
        let mut head = Head {
            number,
            hash,
            at_ms,
            previous,
            certificate: self.certificate().to_vec(),
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

#[must_use]
pub fn entry_line(entry: &AuditEntry, previous: &Hash, hash: &Hash) -> String {
    line(&Line::Entry {
        entry: entry.clone(),
        previous: hex(previous),
        hash: hex(hash),
    })
}

/// What does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("this is no line of an audit log")]
    Unreadable,
    #[error(
        "the file does not begin with the hub's signed head: its beginning was cut off, or it is no export"
    )]
    NoBeginning,
    #[error("a second beginning stands in the middle")]
    SecondBeginning,
    #[error("entries {from} to {to} were deleted")]
    Deleted { from: u64, to: u64 },
    #[error("entry {found} stands where {wanted} belongs: it was inserted or moved")]
    Inserted { found: u64, wanted: u64 },
    #[error("entry {number} was altered: its hash is another")]
    Altered { number: u64 },
    #[error("entry {number} does not follow from the one before it: one of the two was altered or put there")]
    Unlinked { number: u64 },
    #[error("the hub signed another hash for entry {number}: the log was written anew")]
    Rewritten { number: u64 },
    #[error("a head that the hub signed before entry {number} is missing")]
    HeadMissing { number: u64 },
    #[error("the hub did not sign this head")]
    HeadSignature,
    #[error("this head's certificate is not the hub's")]
    NotTheHub,
    #[error("this head's certificate is not one of the region's authority that was valid when it was signed")]
    HeadCertificate { source: Error },
    #[error("the end was cut off: the hub signed {signed} entries, {found} are here")]
    CutOff { signed: u64, found: u64 },
    #[error("the head that ends the log is missing")]
    EndMissing,
}

/// The first line that does not hold.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct BadLine {
    /// From 1; one past the last where something is missing at the end.
    pub line: u64,
    pub fault: Fault,
}

/// A log that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    pub entries: u64,
    /// Heads the hub signed, the export's own included.
    pub heads: u64,
    /// When the hub said so, Unix milliseconds.
    pub until_ms: i64,
    /// How often the hub's clock was set back.
    pub clock_went_back: u64,
}

/// Reads an export line by line.
#[derive(Debug)]
pub struct Checker {
    authorities: Authorities,
    line: u64,
    until: Option<Head>,
    number: u64,
    hash: Hash,
    last_head: Hash,
    heads: u64,
    clock_went_back: u64,
    /// What somebody wrote down elsewhere.
    noted: Option<(u64, Hash)>,
}

impl Checker {
    #[must_use]
    pub fn new(authorities: Authorities) -> Self {
        Self {
            authorities,
            line: 0,
            until: None,
            number: 0,
            hash: NOTHING,
            last_head: NOTHING,
            heads: 0,
            clock_went_back: 0,
            noted: None,
        }
    }

    /// Entry `number` must have this hash, as the hub's journal or an older copy has it: so that a log is found out whose end
    /// was cut off at the hub itself, heads and all.
    #[must_use]
    pub fn expecting(self, number: u64, hash: Hash) -> Self {
        Self {
            noted: Some((number, hash)),
            ..self
        }
    }

    /// # Errors
    /// When this line does not hold.
    pub fn line(&mut self, text: &str) -> Result<(), BadLine> {
        self.line += 1;
        self.take(text).map_err(|fault| BadLine {
            line: self.line,
            fault,
        })
    }

    fn take(&mut self, text: &str) -> Result<(), Fault> {
        if MAX_LINE_BYTES < text.len() {
            return Err(Fault::Unreadable);
        }
        let line: Line = serde_json::from_str(text).map_err(|_| Fault::Unreadable)?;
        match (line, self.until.is_some()) {
            (Line::Until(head), false) => {
                let head = head.read().ok_or(Fault::Unreadable)?;
                self.believe(&head)?;
                self.until = Some(head);
                Ok(())
            }
            (Line::Until(_), true) => Err(Fault::SecondBeginning),
            (_, false) => Err(Fault::NoBeginning),
            (
                Line::Entry {
                    entry,
                    previous,
                    hash,
                },
                true,
            ) => {
                let previous = unhex(&previous).ok_or(Fault::Unreadable)?;
                self.entry(&entry, previous, unhex(&hash).ok_or(Fault::Unreadable)?)
            }
            (Line::Head(head), true) => self.head(&head.read().ok_or(Fault::Unreadable)?),
        }
    }

    fn entry(&mut self, entry: &AuditEntry, previous: Hash, hash: Hash) -> Result<(), Fault> {
        let (wanted, found) = (self.number + 1, entry.number);
        if found < wanted {
            return Err(Fault::Inserted { found, wanted });
        }
        if wanted < found {
            let to = found - 1;
            return Err(Fault::Deleted { from: wanted, to });
        }
        if previous != self.hash {
            return Err(Fault::Unlinked { number: found });
        }
        if entry.hash(&previous) != hash {
            return Err(Fault::Altered { number: found });
        }
        if self.until.as_ref().is_some_and(|until| until.number < found) {
            let wanted = self.number;
            return Err(Fault::Inserted { found, wanted });
        }
        if self
            .noted
            .is_some_and(|(number, noted)| number == found && noted != hash)
        {
            return Err(Fault::Rewritten { number: found });
        }
        self.clock_went_back += u64::from(entry.clock_went_back);
        self.number = found;
        self.hash = hash;
        Ok(())
    }

    fn head(&mut self, head: &Head) -> Result<(), Fault> {
        if self.number < head.number {
            return Err(Fault::CutOff {
                signed: head.number,
                found: self.number,
            });
        }
        if head.number != self.number || head.hash != self.hash {
            return Err(Fault::Rewritten { number: self.number });
        }
        if head.previous != self.last_head {
            return Err(Fault::HeadMissing { number: self.number });
        }
        self.believe(head)?;
        self.last_head = head.name();
        self.heads += 1;
        Ok(())
    }

    fn believe(&self, head: &Head) -> Result<(), Fault> {
        let certificate = CertificateDer::from(head.certificate.as_slice());
        match Signer::of(&certificate) {
            Ok(Signer::Hub) => {}
            Ok(Signer::Clinic(_)) => return Err(Fault::NotTheHub),
            Err(source) => return Err(Fault::HeadCertificate { source }),
        }
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(head.at_ms) * 1_000_000)
            .map_err(|_| Fault::Unreadable)?;
        let roots = self.authorities.roots();
        let end = chain::trusted(roots, &certificate, Signer::Hub.usage(), at)
            .map_err(|source| Fault::HeadCertificate { source })?;
        chain::verify_raw(&end, &head.signed_text(), &head.signature).map_err(|_| Fault::HeadSignature)
    }

    /// # Errors
    /// When something is missing at the end.
    pub fn finish(self) -> Result<Whole, BadLine> {
        let line = self.line + 1;
        let bad = |fault| BadLine { line, fault };
        let Some(until) = self.until else {
            return Err(bad(Fault::NoBeginning));
        };
        if until.number != self.number {
            return Err(bad(Fault::CutOff {
                signed: until.number,
                found: self.number,
            }));
        }
        if until.hash != self.hash {
            return Err(bad(Fault::Rewritten { number: self.number }));
        }
        if let Some((signed, _)) = self.noted.filter(|(number, _)| self.number < *number) {
            let found = self.number;
            return Err(bad(Fault::CutOff { signed, found }));
        }
        // The export's own head is the log's last one: it stands at both ends.
        if until.name() != self.last_head {
            return Err(bad(Fault::EndMissing));
        }
        Ok(Whole {
            entries: self.number,
            heads: self.heads,
            until_ms: until.at_ms,
            clock_went_back: self.clock_went_back,
        })
    }
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
