use std::fmt;

/// Where a record waits. Declared in the order of rank: [`Lane::Critical`] is sent before everything else, the others
/// share the line (see [`crate::Queue::pending`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Critical,
    Reports,
    Results,
    Images,
    /// Bounded; drops its oldest records when full, and what is too old to tell anybody anything.
    Telemetry,
}

impl Lane {
    /// All lanes in the order of rank.
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

/// A value for each lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PerLane<T>([T; 5]);

impl<T> PerLane<T> {
    #[expect(clippy::indexing_slicing, reason = "there is a value for each lane")]
    pub(crate) fn of(&self, lane: Lane) -> &T {
        &self.0[usize::from(lane.number())]
    }

    #[expect(clippy::indexing_slicing, reason = "there is a value for each lane")]
    pub(crate) fn of_mut(&mut self, lane: Lane) -> &mut T {
        &mut self.0[usize::from(lane.number())]
    }
}

/// A record to be stored.
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    pub lane: Lane,
    /// 1 to 128 bytes.
    pub id: &'a str,
    pub payload: &'a [u8],
    /// The time of queueing, milliseconds since 1970.
    pub now_ms: u64,
}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("lane", &self.lane)
            .field("id", &self.id)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
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
    /// How often it had been refused before.
    pub refusals: u16,
    /// When its last refusal was counted; none when it was set aside at once.
    pub refused_at_ms: Option<u64>,
}

/// What became of a record that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No record has this id.
    Unknown,
    /// It waits on, refused so often by now.
    Waits { refusals: u16 },
    /// It was refused too often, or was set aside before; a person decides.
    SetAside,
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
    /// When the first record of each lane was queued, in the order of [`Lane::ALL`].
    pub oldest_of_lanes_ms: [Option<u64>; 5],
    /// The earliest of them.
    pub oldest_queued_at_ms: Option<u64>,
    pub set_aside: u64,
    /// Telemetry records dropped since the queue was opened: too many, or too old.
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

    /// When the first record of a lane was queued.
    #[must_use]
    pub fn oldest_of(&self, lane: Lane) -> Option<u64> {
        self.oldest_of_lanes_ms
            .get(usize::from(lane.number()))
            .copied()
            .flatten()
    }
}
