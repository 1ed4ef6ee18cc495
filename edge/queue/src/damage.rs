//! What a disk lost or garbled.

/// Whatever is named or counted here must be queued again from its source. Told once: at the next opening only what is
/// new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// Records found damaged. They are out of the queue.
    pub records: Vec<DamagedRecord>,
    /// Entries of the log that were durable and left no trace: records, or what became of them.
    pub lost_entries: u64,
}

impl Damage {
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRecord {
    pub sequence: u64,
    /// As far as it can still be told.
    pub id: Option<String>,
    pub flaw: Flaw,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("a part is missing")]
    MissingPart,
    #[error("a checksum is wrong")]
    Checksum,
    #[error("its head makes no sense")]
    Malformed,
    #[error("the disk cannot read it any more")]
    Unreadable,
}
