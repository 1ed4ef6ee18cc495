use barefoot_domain::ClinicId;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::{AuditEntry, Hash, Head, Line, MAX_LINE_BYTES, NOTHING, unhex};
use crate::chain::{self, Signer};
use crate::{Authorities, Error};

/// What does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("this is no line of an audit log")]
    Unreadable,
    #[error("the file does not begin with a signed head: its beginning was cut off, or it is no export")]
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
    #[error("another hash was signed for entry {number}: the log was written anew")]
    Rewritten { number: u64 },
    #[error("a head that was signed before entry {number} is missing")]
    HeadMissing { number: u64 },
    #[error("this head was not signed by its certificate's key")]
    HeadSignature,
    #[error("this head is not of whose log this is to be")]
    OfAnother,
    #[error("this head's certificate is not one of the region's authority that was valid when it was signed")]
    HeadCertificate { source: Error },
    #[error("the end was cut off: {signed} entries were signed, {found} are here")]
    CutOff { signed: u64, found: u64 },
    #[error("the head that ends the log is missing")]
    EndMissing,
    #[error("entry {number}, which was noted, was removed by policy: only an older copy can show it")]
    Removed { number: u64 },
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
    /// Signed heads, the export's own included.
    pub heads: u64,
    /// What stood before this, Unix milliseconds, was removed by policy.
    pub since_ms: Option<i64>,
    /// When the last head was signed, Unix milliseconds.
    pub until_ms: i64,
    /// How often the clock was set back.
    pub clock_went_back: u64,
}

/// Reads an export line by line.
#[derive(Debug)]
pub struct Checker {
    authorities: Authorities,
    signer: Signer,
    line: u64,
    until: Option<Head>,
    number: u64,
    hash: Hash,
    last_head: Hash,
    heads: u64,
    entries: u64,
    since_ms: Option<i64>,
    clock_went_back: u64,
    /// What somebody wrote down elsewhere.
    noted: Option<(u64, Hash)>,
}

impl Checker {
    /// Of the hub's log.
    #[must_use]
    pub fn new(authorities: Authorities) -> Self {
        Self::of(authorities, Signer::Hub)
    }

    /// Of the log of a clinic's box.
    #[must_use]
    pub fn of_clinic(authorities: Authorities, clinic: ClinicId) -> Self {
        Self::of(authorities, Signer::Clinic(clinic))
    }

    fn of(authorities: Authorities, signer: Signer) -> Self {
        Self {
            authorities,
            signer,
            line: 0,
            until: None,
            number: 0,
            hash: NOTHING,
            last_head: NOTHING,
            heads: 0,
            entries: 0,
            since_ms: None,
            clock_went_back: 0,
            noted: None,
        }
    }

    /// Entry `number` must have this hash, as a journal or an older copy has it: so that a log is found out whose end was
    /// cut off where it is kept, heads and all.
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
            (Line::Since(head), true) => self.since(&head.read().ok_or(Fault::Unreadable)?),
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
        self.entries += 1;
        self.number = found;
        self.hash = hash;
        Ok(())
    }

    /// Only before everything else.
    fn since(&mut self, head: &Head) -> Result<(), Fault> {
        if self.since_ms.is_some() || 0 < self.number || 0 < self.heads {
            return Err(Fault::SecondBeginning);
        }
        self.believe(head)?;
        match self.noted {
            Some((number, _)) if number < head.number => return Err(Fault::Removed { number }),
            Some((number, noted)) if number == head.number && noted != head.hash => {
                return Err(Fault::Rewritten { number });
            }
            _ => {}
        }
        self.since_ms = Some(head.at_ms);
        self.number = head.number;
        self.hash = head.hash;
        self.last_head = head.name();
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
        let signer = Signer::of(&certificate).map_err(|source| Fault::HeadCertificate { source })?;
        if signer != self.signer {
            return Err(Fault::OfAnother);
        }
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(head.at_ms) * 1_000_000)
            .map_err(|_| Fault::Unreadable)?;
        let roots = self.authorities.roots();
        let end = chain::trusted(roots, &certificate, signer.usage(), at)
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
            entries: self.entries,
            heads: self.heads,
            since_ms: self.since_ms,
            until_ms: until.at_ms,
            clock_went_back: self.clock_went_back,
        })
    }
}
