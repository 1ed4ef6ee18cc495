/// What a caller's store or source of updates failed with.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no next global model.
#[derive(Debug, thiserror::Error)]
pub enum AggregateError {
    /// The strategy's parameters are not usable.
    #[error("The strategy's parameters are not usable.")]
    Strategy(#[from] crate::strategy::StrategyError),
    /// Fewer updates than the strategy needs.
    #[error("The strategy needs {needed} updates and has {clients}.")]
    NotEnoughClients {
        /// Updates there are.
        clients: usize,
        /// Updates needed.
        needed: usize,
    },
    /// More updates than a robust strategy takes.
    #[error("The strategy takes at most {limit} updates and has {clients}.")]
    TooManyClients {
        /// Updates there are.
        clients: usize,
        /// Most it takes.
        limit: usize,
    },
    /// The strategy compares single updates; a sum does not hold them.
    #[error("The strategy needs to read single updates, which secure aggregation hides.")]
    NeedsPlainUpdates,
    /// A weight that is not above 0 and at most [`super::MAX_WEIGHT`].
    #[error("The weight of client {client} is not usable.")]
    Weight {
        /// The client's number.
        client: usize,
    },
    /// The weight of a sum is not a positive number.
    #[error("The total weight of the sum is not usable.")]
    TotalWeight,
    /// An update could not be read.
    #[error("Chunk {chunk} of client {client} cannot be read.")]
    Update {
        /// The client's number.
        client: usize,
        /// The chunk's number.
        chunk: usize,
        /// What the source of updates said.
        source: SourceError,
    },
    /// The sum could not be read.
    #[error("Chunk {chunk} of the sum cannot be read.")]
    Sum {
        /// The chunk's number.
        chunk: usize,
        /// What the source of the sum said.
        source: SourceError,
    },
    /// The global model or a moment could not be read or written.
    #[error("Chunk {chunk} of the global model or a moment cannot be read or written.")]
    Model {
        /// The chunk's number.
        chunk: usize,
        /// What the store said.
        source: SourceError,
    },
    /// An update holds a NaN or an infinity.
    #[error("Value {value} of client {client} is not a finite number.")]
    NotFinite {
        /// The client's number.
        client: usize,
        /// Place in the whole vector.
        value: usize,
    },
    /// The next model would hold a NaN or an infinity.
    #[error("Value {value} of the next model would not be a finite number.")]
    Result {
        /// Place in the whole vector.
        value: usize,
    },
}
