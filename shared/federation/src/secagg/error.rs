use barefoot_domain::ClinicId;

/// Why a step of secure aggregation did not happen. The state is then as before the step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a round of secure aggregation has 3 to 1000 participants")]
    Participants,
    #[error("the threshold must be above two thirds of the participants and at most all of them")]
    Threshold,
    #[error("a vector has 1 to 2^32 values")]
    Values,
    #[error("the clip range must be a positive number")]
    Clip,
    #[error("the weight cap must be at least 1 and leave a step for each unit of weight")]
    WeightCap,
    #[error("the update holds a value that is not a number or infinite")]
    NotFinite,
    #[error("the weight must be above 0 and at most the cap")]
    Weight,
    #[error("the sum is larger than its contributors can have made it")]
    Implausible,

    #[error("{have} {what}, the threshold is {need}")]
    BelowThreshold {
        what: &'static str,
        have: usize,
        need: usize,
    },
    #[error("more clinics than the round's {most}")]
    TooMany { most: usize },
    #[error("clinic {clinic} is not part of this step")]
    Unknown { clinic: ClinicId },
    #[error("clinic {clinic} or one of its keys stands in the roster twice")]
    Duplicate { clinic: ClinicId },
    #[error("a public key of clinic {clinic} is none")]
    BadKey { clinic: ClinicId },
    #[error("the roster lacks this clinic or shows other keys than it advertised")]
    OwnAdvert,
    #[error("this step was done before with something else")]
    Changed,
    #[error("{step} does not fit the state of the round")]
    OutOfOrder { step: &'static str },

    #[error("the vector has no chunk {chunk}")]
    NoSuchChunk { chunk: usize },
    #[error("chunk {chunk} has {found} values instead of {wanted}")]
    ChunkLength {
        chunk: usize,
        found: usize,
        wanted: usize,
    },
    #[error("chunk {chunk} holds a value beyond the quantiser's levels")]
    ValueRange { chunk: usize },
    #[error(
        "chunk {chunk} was masked before with other values: both under one mask would reveal their difference"
    )]
    ChunkChanged { chunk: usize },

    #[error("clinic {clinic} sent a share that nobody asked for")]
    NotAsked { clinic: ClinicId },
    #[error("the shares clinic {clinic} dealt do not give what it committed to")]
    WrongDealer { clinic: ClinicId },

    #[error("an envelope of {found} bytes")]
    EnvelopeLength { found: usize },
    #[error("the saved state is damaged")]
    DamagedState,
    #[error("the saved state is of version {found}, this program reads {wanted}")]
    StateVersion { found: u8, wanted: u8 },
}
