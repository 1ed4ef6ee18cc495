use crate::archive;

/// Why a box gets no certificate, in words for whoever stands beside it. What is not known to the caller already is not told
/// before the code is proved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this code is not known here: check every letter, and the hub's address")]
    UnknownCode,
    #[error("this code has expired: ask for a new one")]
    ExpiredCode,
    #[error("this code was cancelled or replaced by a newer one: ask for that")]
    CancelledCode,
    #[error("this code was used by another box: ask for a new one")]
    UsedCode,
    #[error("the box's request for a certificate cannot be used: update its software")]
    BadRequest,
    #[error("this clinic is shut out: its operator must restore it first")]
    ShutOut,
    #[error(
        "the certificate is none of this region, ended too long ago, or its key did not sign: enrol the box again"
    )]
    UnknownBox,
    #[error("another box was enrolled for this clinic: enrol this one again if it is to take its place")]
    OtherBox,
    #[error("there is another box with the same key: enrol the real one again")]
    Copied,
    #[error("the hub cannot do this now: try again")]
    Busy,
}

impl Refusal {
    /// For the box, which says it in the reader's language.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::UnknownCode => "unknown_code",
            Self::ExpiredCode => "expired_code",
            Self::CancelledCode => "cancelled_code",
            Self::UsedCode => "used_code",
            Self::BadRequest => "bad_request",
            Self::ShutOut => "shut_out",
            Self::UnknownBox => "unknown_box",
            Self::OtherBox => "other_box",
            Self::Copied => "copied",
            Self::Busy => "busy",
        }
    }
}

impl From<archive::Error> for Refusal {
    fn from(error: archive::Error) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "What belongs to enrolment could not be read or written.");
        Self::Busy
    }
}

impl From<barefoot_trust::Error> for Refusal {
    fn from(error: barefoot_trust::Error) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "A certificate could not be issued.");
        Self::Busy
    }
}
