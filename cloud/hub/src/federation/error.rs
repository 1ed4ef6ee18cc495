use crate::{archive, chunks, model_registry};

/// Why a maintainer's wish was not granted, or the hub could not do its part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{rule}")]
    Settings { rule: String },
    #[error("There is no run of this name.")]
    UnknownRun,
    #[error("The run has ended.")]
    Ended,
    #[error("Run {run} of this model is still going; stop it, or wait for its end.")]
    Busy { run: String },
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
    #[error("the chunk store did not do its part")]
    Chunks {
        #[from]
        source: chunks::Error,
    },
    #[error("a journalled {what} cannot be used")]
    Stored { what: &'static str },
}

impl Error {
    pub(super) fn settings(rule: impl ToString) -> Self {
        Self::Settings {
            rule: rule.to_string(),
        }
    }
}
