use std::fmt;

/// Where a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Clinics send the keys of secure aggregation.
    Keys,
    /// The clinics of the roster deal shares to each other.
    Shares,
    /// Clinics train and send updates.
    Fitting,
    /// Clinics help to remove the masks from the sum.
    Unmasking,
    /// The hub makes the next global parameters.
    Aggregating,
    /// Clinics measure the next global parameters.
    Evaluating,
    /// The next global parameters stand.
    Finished,
    /// Nothing came of it.
    Failed,
}

impl Stage {
    /// In the order of time.
    pub const ALL: [Self; 8] = [
        Self::Keys,
        Self::Shares,
        Self::Fitting,
        Self::Unmasking,
        Self::Aggregating,
        Self::Evaluating,
        Self::Finished,
        Self::Failed,
    ];

    /// The name used in journals and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Shares => "shares",
            Self::Fitting => "fitting",
            Self::Unmasking => "unmasking",
            Self::Aggregating => "aggregating",
            Self::Evaluating => "evaluating",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    /// The stage of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// Nothing happens any more.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a round failed, for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Fewer clinics than a stage needs.
    #[error("{have} clinics got through the stage {stage}, {need} are needed.")]
    TooFew {
        /// The stage that could not end well.
        stage: Stage,
        /// Clinics that did what it asks.
        have: usize,
        /// How many must.
        need: usize,
    },
    /// The aggregation ended with an error.
    #[error("The updates could not be aggregated: {problem}")]
    Aggregation {
        /// What went wrong; names no clinic's data.
        problem: String,
    },
    /// The aggregation did not end in time.
    #[error("The aggregation did not end in time.")]
    AggregationTime,
    /// A person stopped the run.
    #[error("The run was stopped.")]
    Stopped,
}
