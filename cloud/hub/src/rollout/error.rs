use barefoot_trust::release::ReleaseError;
use tonic::Status;

use super::plan::PlanError;
use crate::{archive, model_registry};

/// Why a release was not published, or a rollout does not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("This hub was given no root metadata ([releases] root): nothing can be published here.")]
    NoRoot,
    #[error("{rule}")]
    Invalid { rule: String },
    #[error("There is no {what} of this name.")]
    Unknown { what: &'static str },
    /// The release is not what was proven.
    #[error("Release {name} is refused: {reason}")]
    Unproven { name: String, reason: String },
    #[error("{reason}")]
    NotNow { reason: String },
    #[error("the repository is not believed")]
    Release {
        #[from]
        source: ReleaseError,
    },
    #[error(transparent)]
    Plan {
        #[from]
        source: PlanError,
    },
    #[error("the registry did not do its part")]
    Registry {
        #[from]
        source: model_registry::Error,
    },
    #[error("the archive did not do its part")]
    Archive {
        #[from]
        source: archive::Error,
    },
    #[error("the directory of releases did not do its part")]
    Disk {
        #[from]
        source: std::io::Error,
    },
}

impl Error {
    pub(super) fn invalid(rule: impl Into<String>) -> Self {
        Self::Invalid { rule: rule.into() }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match &error {
            Error::Invalid { .. } | Error::Plan { .. } => Self::invalid_argument(error.to_string()),
            Error::Unknown { .. } => Self::not_found(error.to_string()),
            Error::NoRoot | Error::Unproven { .. } | Error::NotNow { .. } => {
                Self::failed_precondition(error.to_string())
            }
            Error::Release { source } => Self::failed_precondition(format!("{}: {source}", source.code())),
            Error::Registry { source } => {
                tracing::error!(error = %source, "The registry did not answer about a release.");
                Self::failed_precondition(source.to_string())
            }
            Error::Archive { .. } | Error::Disk { .. } => {
                let source = std::error::Error::source(&error);
                tracing::error!(%error, cause = source.map(ToString::to_string), "Releases cannot be worked on.");
                Self::unavailable("The hub cannot write or read at the moment; try again later.")
            }
        }
    }
}
