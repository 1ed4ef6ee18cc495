use tonic::Status;

use crate::model_registry;

/// What a maintainer is told. Trouble of the hub itself is logged here and stays here.
impl From<model_registry::Error> for Status {
    fn from(error: model_registry::Error) -> Self {
        use model_registry::Error;
        let told = error.to_string();
        match error {
            Error::Invalid { .. } => Self::invalid_argument(told),
            Error::Unknown { .. } => Self::not_found(told),
            Error::Locked { .. } => Self::already_exists(told),
            Error::State { .. } | Error::OutsideBounds { .. } => Self::failed_precondition(told),
            Error::Busy => Self::unavailable(told),
            Error::Upload => Self::aborted(told),
            Error::Archive { .. } | Error::Chunks { .. } | Error::Stored { .. } => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "The model registry could not answer.");
                Self::internal("The model registry could not answer; the hub's log says why.")
            }
        }
    }
}
