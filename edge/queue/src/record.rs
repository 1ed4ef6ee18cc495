use std::fmt;

/// Where a record waits. Declared in the order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Critical,
    Reports,
    Results,
    Images,
    /// Bounded; drops its oldest records when full.
    Telemetry,
}

impl Lane {
    /// All lanes in the order of sending.
    pub const ALL: [Self; 5] = [
        Self::Critical,
        Self::Reports,
        Self::Results,
        Self::Images,
        Self::Telemetry,
    ];

    /// The number on disk, and the position in [`Depth::lanes`].
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A record that waits to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    pub sequence: u64,
    pub lane: Lane,
    pub id: String,
    pub queued_at_ms: u64,
    pub payload: Vec<u8>,
}

/// What a record carries is nobody's business but its receiver's: the payload never shows.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("sequence", &self.sequence)
            .field("lane", &self.lane)
            .field("id", &self.id)
            .field("queued_at_ms", &self.queued_at_ms)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// A record that was taken out of its lane because sending it is hopeless, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    pub record: Record,
    pub reason: String,
}

/// How full the queue is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depth {
    /// Records per lane, in the order of [`Lane::ALL`].
    pub lanes: [u64; 5],
    /// Records in all lanes.
    pub pending: u64,
    /// Their payloads.
    pub pending_bytes: u64,
    /// The earliest time of queueing among the first records of the lanes.
    pub oldest_queued_at_ms: Option<u64>,
    pub set_aside: u64,
    /// Telemetry records dropped since the queue was opened.
    pub telemetry_dropped: u64,
}

impl Depth {
    #[must_use]
    pub fn of(&self, lane: Lane) -> u64 {
        self.lanes
            .get(usize::from(lane.number()))
            .copied()
            .unwrap_or_default()
    }
}
