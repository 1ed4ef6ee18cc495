//! The journal of federated runs. Every transition of an attempt is one transaction: [`Transition`].

mod read;
mod rows;
mod uploads;
mod write;

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::round::{Duty, Member, Stage};

pub(crate) use uploads::Uploaded;

/// Which attempt of which round of which run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttemptKey {
    pub(crate) run: String,
    pub(crate) round: u32,
    pub(crate) attempt: u32,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunRow {
    pub(crate) id: String,
    /// Protobuf `RunSettings`.
    pub(crate) settings: Vec<u8>,
    /// Protobuf `Parameters` without chunks.
    pub(crate) tensors: Vec<u8>,
    pub(crate) backbone: Vec<String>,
    /// Name and SHA-256 (hex).
    pub(crate) plan: Option<(String, String)>,
    pub(crate) started_by: String,
    pub(crate) started_at_ms: i64,
    pub(crate) ended_at_ms: Option<i64>,
    pub(crate) state: RunState,
    pub(crate) reason: String,
    /// Empty until there is one.
    pub(crate) candidate: String,
}

/// ```text
/// Running ─▶ Finishing ─▶ Finished
///    └──────────┴──▶ Failed | Stopped
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    Running,
    /// All rounds are done; the candidate is being made.
    Finishing,
    Finished,
    Failed,
    Stopped,
}

/// What a round starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GlobalRow {
    pub(crate) round: u32,
    pub(crate) chunks: Vec<ChunkId>,
    pub(crate) first: Option<Vec<ChunkId>>,
    pub(crate) second: Option<Vec<ChunkId>>,
}

/// An attempt at a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttemptRow {
    pub(crate) key: AttemptKey,
    pub(crate) stage: Stage,
    pub(crate) reason: String,
    pub(crate) started_at_ms: i64,
    pub(crate) ended_at_ms: Option<i64>,
    pub(crate) deadline_ms: i64,
    pub(crate) extended: bool,
    pub(crate) released: bool,
}

/// What a clinic sent and the hub accepted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReplyRow {
    pub(crate) clinic: ClinicId,
    pub(crate) duty: Duty,
    pub(crate) sha256: ChunkId,
    pub(crate) body: Vec<u8>,
    pub(crate) norm: f64,
    pub(crate) at_ms: i64,
}

/// What a clinic sent and the hub refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusalRow {
    pub(crate) clinic: ClinicId,
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) at_ms: i64,
}

/// How many clinics took part in an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemberCounts {
    /// Whose updates are in the aggregate, or waiting for it.
    pub(crate) accepted: u32,
    pub(crate) declined: u32,
}

/// All that one transition changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transition {
    pub(crate) attempt: AttemptRow,
    /// Those that changed.
    pub(crate) members: Vec<(ClinicId, Member)>,
    pub(crate) reply: Option<ReplyRow>,
    pub(crate) refusals: Vec<RefusalRow>,
    pub(crate) metrics: Vec<(String, f64)>,
    /// The parameters the next round will start from.
    pub(crate) global: Option<GlobalRow>,
    /// What follows on the attempt's end.
    pub(crate) next: Option<Next>,
}

impl Transition {
    /// Only the attempt's own row.
    pub(crate) fn unchanged(attempt: AttemptRow) -> Self {
        Self {
            attempt,
            members: Vec::new(),
            reply: None,
            refusals: Vec::new(),
            metrics: Vec::new(),
            global: None,
            next: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    Attempt(AttemptRow),
    Run(RunEnd),
}

/// A run's new state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunEnd {
    pub(crate) state: RunState,
    pub(crate) reason: String,
    pub(crate) candidate: String,
    pub(crate) at_ms: i64,
}

impl RunState {
    const ALL: [Self; 5] = [
        Self::Running,
        Self::Finishing,
        Self::Finished,
        Self::Failed,
        Self::Stopped,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finishing => "finishing",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Something still happens.
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Finishing)
    }
}
