use crate::archive;

/// Why the registry did not do it. All but the last three are the caller's to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{rule}")]
    Invalid { rule: String },
    #[error("There is no {what} of this name.")]
    Unknown { what: &'static str },
    #[error("A {what} of this name is registered with another content; a registered {what} never changes.")]
    Locked { what: &'static str },
    #[error("Version {version} of the model is {state}: {why}")]
    State {
        version: String,
        state: &'static str,
        why: &'static str,
    },
    /// The gate's word, bound by bound.
    #[error("The candidate is outside the bounds of its plan: {}", failed.join("; "))]
    OutsideBounds { failed: Vec<String> },
    #[error("Another test set is being registered; try again when it is done.")]
    Busy,
    #[error("The upload stopped before it was complete.")]
    Upload,
    #[error("the archive did not do its part")]
    Archive {
        #[from]
        source: archive::Error,
    },
    #[error("the chunk store did not do its part")]
    Chunks { source: crate::chunks::Error },
    #[error("a stored {what} cannot be used")]
    Stored { what: &'static str },
}

impl Error {
    pub(super) fn invalid(rule: impl Into<String>) -> Self {
        Self::Invalid { rule: rule.into() }
    }
}
